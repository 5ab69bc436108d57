//! Credential helpers: programs `docker-credential-NAME` that keep secrets elsewhere.
//! Source: docker-credential-helpers, "Development".

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
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

/// Runs helpers, looking for their programs in `path` (as in `PATH`), or where this process does.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    pub(super) path: Option<OsString>,
}

impl Helpers {
    /// What the helper `name` has for `server`.
    ///
    /// # Errors
    /// When the program is missing, or fails otherwise than by having nothing.
    pub(super) fn get(&self, name: &str, server: &str) -> Result<Option<Credentials>, Error> {
        let out = match self.run(name, "get", "getting", server) {
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
            ("<token>", secret) => {
                Some(Credentials::IdentityToken { username: String::new(), token: Secret::new(secret) })
            }
            (_, secret) => Some(Credentials::Password { username: entry.username, password: Secret::new(secret) }),
        })
    }

    /// Gives `credentials` for `server` to the helper `name`.
    ///
    /// # Errors
    /// When the program is missing or fails.
    pub(super) fn store(&self, name: &str, server: &str, credentials: &Credentials) -> Result<(), Error> {
        let (username, secret) = match credentials {
            Credentials::Password { username, password } => (username.as_str(), password),
            Credentials::IdentityToken { token, .. } | Credentials::RegistryToken(token) => ("<token>", token),
        };
        let entry =
            Entry { server_url: server.to_owned(), username: username.to_owned(), secret: secret.expose().to_owned() };
        let input = serde_json::to_string(&entry).expect("strings are JSON");
        self.run(name, "store", "storing", &input).map(drop)
    }

    /// Makes the helper `name` forget `server`.
    ///
    /// # Errors
    /// When the program is missing or fails.
    pub(super) fn erase(&self, name: &str, server: &str) -> Result<(), Error> {
        match self.run(name, "erase", "erasing", server) {
            Err(Error::Helper { out, .. }) if out.trim() == NOT_FOUND => Ok(()),
            result => result.map(drop),
        }
    }

    /// Servers and user names that the helper `name` knows.
    ///
    /// # Errors
    /// When the program is missing, fails, or its answer cannot be read.
    pub(super) fn list(&self, name: &str) -> Result<Vec<(String, String)>, Error> {
        let out = self.run(name, "list", "listing", "")?;
        let found: std::collections::BTreeMap<String, String> = serde_json::from_str(&out).map_err(|_| {
            Error::Helper { action: "listing", why: "unreadable answer".to_owned(), out: String::new() }
        })?;
        Ok(found.into_iter().collect())
    }

    fn run(&self, name: &str, verb: &str, action: &'static str, input: &str) -> Result<String, Error> {
        let program = format!("docker-credential-{name}");
        // A name with a slash would be a path: helpers come from PATH only.
        let missing = || Error::HelperMissing { action, program: format!("docker-credential-{name}") };
        if name.is_empty() || name.contains('/') {
            return Err(missing());
        }
        let program = match &self.path {
            Some(path) => found_in(path, &program).ok_or_else(missing)?,
            None => program.into(),
        };
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
                io::ErrorKind::NotFound => missing(),
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
}

fn found_in(path: &OsString, program: &str) -> Option<PathBuf> {
    let is_program =
        |file: &PathBuf| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    std::env::split_paths(path).map(|folder| folder.join(program)).find(is_program)
}

/// What a helper says that has nothing. Source: docker-credential-helpers.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// 1 KiB of a helper's words.
const SHOWN: usize = 1 << 10;
