//! Credential helpers: programs `docker-credential-NAME` that keep secrets elsewhere.
//! Source: docker-credential-helpers, "Development".

use std::io::{self, Write};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::secret::{Credentials, Secret};
use crate::Error;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What the helper `name` has for `server`.
///
/// # Errors
/// When the program is missing, or fails otherwise than by having nothing.
pub(super) fn get(name: &str, server: &str) -> Result<Option<Credentials>, Error> {
    let out = match run(name, "get", "getting", server) {
        Ok(out) => out,
        Err(Error::Helper { out, .. }) if out.trim() == NOT_FOUND => return Ok(None),
        Err(why) => return Err(why),
    };
    let entry: Entry = serde_json::from_str(&out).map_err(|_| Error::Helper {
        action: "getting",
        why: "unreadable answer".to_owned(),
        out: String::new(),
    })?;
    Ok(match (entry.username.as_str(), entry.secret) {
        ("", secret) if secret.is_empty() => None,
        ("<token>", secret) => Some(Credentials::IdentityToken { username: String::new(), token: Secret::new(secret) }),
        (_, secret) => Some(Credentials::Password { username: entry.username, password: Secret::new(secret) }),
    })
}

/// Gives `credentials` for `server` to the helper `name`.
///
/// # Errors
/// When the program is missing or fails.
pub(super) fn store(name: &str, server: &str, credentials: &Credentials) -> Result<(), Error> {
    let (username, secret) = match credentials {
        Credentials::Password { username, password } => (username.as_str(), password),
        Credentials::IdentityToken { token, .. } | Credentials::RegistryToken(token) => ("<token>", token),
    };
    let entry =
        Entry { server_url: server.to_owned(), username: username.to_owned(), secret: secret.expose().to_owned() };
    let input = serde_json::to_string(&entry).expect("strings are JSON");
    run(name, "store", "storing", &input).map(drop)
}

/// Makes the helper `name` forget `server`.
///
/// # Errors
/// When the program is missing or fails.
pub(super) fn erase(name: &str, server: &str) -> Result<(), Error> {
    match run(name, "erase", "erasing", server) {
        Err(Error::Helper { out, .. }) if out.trim() == NOT_FOUND => Ok(()),
        result => result.map(drop),
    }
}

/// Servers and user names that the helper `name` knows.
///
/// # Errors
/// When the program is missing, fails, or its answer cannot be read.
pub(super) fn list(name: &str) -> Result<Vec<(String, String)>, Error> {
    let out = run(name, "list", "listing", "")?;
    let found: std::collections::BTreeMap<String, String> = serde_json::from_str(&out).map_err(|_| Error::Helper {
        action: "listing",
        why: "unreadable answer".to_owned(),
        out: String::new(),
    })?;
    Ok(found.into_iter().collect())
}

fn run(name: &str, verb: &str, action: &'static str, input: &str) -> Result<String, Error> {
    let program = format!("docker-credential-{name}");
    // A name with a slash would be a path: helpers come from PATH only.
    if name.is_empty() || name.contains('/') {
        return Err(Error::HelperMissing { program });
    }
    let failed = |why: String, out: &str| {
        let end = (0..=SHOWN.min(out.len())).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        Error::Helper { action, why, out: out[..end].trim().to_owned() }
    };
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => Error::HelperMissing { program: program.clone() },
            _ => failed(why.to_string(), ""),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()) {
            // It may answer without listening to the end.
            Err(why) if why.kind() != io::ErrorKind::BrokenPipe => return Err(failed(why.to_string(), "")),
            _ => {}
        }
    }
    let done = child.wait_with_output().map_err(|why| failed(why.to_string(), ""))?;
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(out);
    }
    let why = done.status.code().map_or_else(|| "killed".to_owned(), |code| format!("exit status {code}"));
    Err(failed(why, &out))
}

/// What a helper says that has nothing. Source: docker-credential-helpers.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// 1 KiB of a helper's words.
const SHOWN: usize = 1 << 10;
