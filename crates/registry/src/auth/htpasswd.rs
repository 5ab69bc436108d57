//! Users and their passwords, as `htpasswd -B` writes them: bcrypt only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// The users of a registry.
pub struct Users {
    hashes: HashMap<String, String>,
    /// Passwords that were right lately, by a digest with a key that only this process knows: bcrypt takes a tenth of a
    /// second of CPU, and clients send the password with each request.
    known: Mutex<HashMap<[u8; 32], Instant>>,
    key: ring::hmac::Key,
    /// Guessing must not take all processors.
    hashing: Semaphore,
}

/// Why a file of users cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUsersError {
    /// No `user:hash`.
    #[error("line {0} is no `user:hash`")]
    Line(usize),
    /// A hash that is not bcrypt's.
    #[error("the password of {0:?} is not hashed with bcrypt")]
    Hash(String),
    /// The system gives no random bytes.
    #[error("no random bytes can be had")]
    Random,
}

impl Users {
    /// Reads a file of `htpasswd -B`.
    ///
    /// # Errors
    /// When a line makes no sense: a user who cannot log in would be noticed late.
    pub fn parse(text: &str) -> Result<Self, ParseUsersError> {
        let mut hashes = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) = line.split_once(':').ok_or(ParseUsersError::Line(number + 1))?;
            let is_bcrypt = hash.trim().parse::<bcrypt::HashParts>().is_ok();
            if user.is_empty() || !is_bcrypt {
                return Err(ParseUsersError::Hash(user.to_owned()));
            }
            hashes.insert(user.to_owned(), hash.trim().to_owned());
        }
        let key = super::token::random_key().ok_or(ParseUsersError::Random)?;
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        Ok(Self { hashes, known: Mutex::default(), key, hashing: Semaphore::new(HASHING) })
    }

    /// True if there is such a user and this is the password.
    pub(crate) async fn verify(&self, user: &str, password: &str) -> bool {
        if password.len() > MAX_PASSWORD || password.contains('\0') {
            return false;
        }
        let mut seen = [0; 32];
        seen.copy_from_slice(
            ring::hmac::sign(&self.key, format!("{}:{user}{password}", user.len()).as_bytes()).as_ref(),
        );
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&seen).is_some_and(|at| at.elapsed() < LATELY)
        {
            return true;
        }
        let Ok(_turn) = self.hashing.acquire().await else { return false };
        let known = self.hashes.get(user).cloned();
        // Whoever does not exist takes as long as whoever does.
        let (hash, is_user) = (known.clone().unwrap_or_else(|| NOBODY.to_owned()), known.is_some());
        let password = password.to_owned();
        let verified = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let is_right = verified.await.unwrap_or(false) && is_user;
        if is_right {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(seen, Instant::now());
        }
        is_right
    }
}

/// 1 KiB; bcrypt itself looks at 72 bytes, as whoever wrote the file did.
const MAX_PASSWORD: usize = 1024;
/// 60 s.
const LATELY: Duration = Duration::from_secs(60);
const MAX_KNOWN: usize = 10_000;
/// 2 passwords are hashed at once.
const HASHING: usize = 2;
/// A hash of cost 10, as `htpasswd -B` with docker's documentation makes, of a password that nobody has.
const NOBODY: &str = "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
