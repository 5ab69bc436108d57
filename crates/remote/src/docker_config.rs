//! config.json: read leniently, edited without losing anything.
//!
//! Keys that wharfie does not know keep their place and their text; only white space is laid out anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::auth::{Credentials, HUB_KEY, Secret, host_of};
use crate::{Error, json_text};

/// The file, as far as it could be read.
#[derive(Debug, Default)]
pub struct DockerConfig {
    path: PathBuf,
    members: Members,
    warning: Option<ParseWarning>,
}

/// The file is damaged; the program goes on without what could not be read. The text is docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("WARNING: Error parsing config file ({path}): {why}", path = path.display())]
pub struct ParseWarning {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// An object whose members keep their order and their text.
#[derive(Debug, Clone, Default)]
struct Members(Vec<(String, Box<RawValue>)>);

/// The `auths` of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Auths(Members);

impl DockerConfig {
    /// Reads the file at `path`. A missing file is an empty one; a damaged one leaves a [`DockerConfig::warning`].
    pub fn load(path: &Path) -> Self {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Self { path: path.to_owned(), ..Self::default() };
            }
            Err(why) => return Self::damaged(path, why.to_string()),
        };
        Self::parse(path, &bytes).unwrap_or_else(|warning| Self::damaged(path, warning.why))
    }

    /// Reads `json` as if it stood in the file at `path`.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, ParseWarning> {
        let members: Members = serde_json::from_slice(json).map_err(|why| {
            let why = match why.is_eof() {
                true if json.iter().all(u8::is_ascii_whitespace) => "EOF".to_owned(),
                true => "unexpected EOF".to_owned(),
                false => json_text::go_error(json, &why),
            };
            ParseWarning { path: path.to_owned(), why }
        })?;
        let mut config = Self { path: path.to_owned(), members, warning: None };
        if !config.auths().is_sound() {
            let why = "Invalid auth configuration file".to_owned();
            config.warning = Some(ParseWarning { path: path.to_owned(), why });
        }
        Ok(config)
    }

    fn damaged(path: &Path, why: String) -> Self {
        let warning = Some(ParseWarning { path: path.to_owned(), why });
        Self { path: path.to_owned(), members: Members::default(), warning }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong with the file when it was read.
    pub fn warning(&self) -> Option<&ParseWarning> {
        self.warning.as_ref()
    }

    /// A top-level member's JSON: `HttpHeaders`, `imagesFormat`, `psFormat`, `pruneFilters`, `proxies`, ….
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.members.raw(key)
    }

    /// A top-level member as `T`; `None` also where it has another shape.
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.raw(key)?).ok()
    }

    /// The helper for `server`: of the host, else of all hosts.
    pub(crate) fn helper(&self, server: &str) -> Option<String> {
        let helpers: Members =
            self.raw("credHelpers").and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        let names: &[&str] = if server == HUB_KEY { &[server, "docker.io", "index.docker.io"] } else { &[server] };
        let of_host = names.iter().find_map(|name| helpers.raw(name)).and_then(|raw| serde_json::from_str(raw).ok());
        of_host.or_else(|| self.value::<String>("credsStore")).filter(|name: &String| !name.is_empty())
    }

    pub(crate) fn auths(&self) -> Auths {
        Auths(self.raw("auths").and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default())
    }

    /// Reads the file again, lets `change` edit its `auths`, and writes it back if `change` says so.
    ///
    /// # Errors
    /// When the file is damaged (it is left alone) or cannot be written.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Auths) -> bool) -> Result<(), Error> {
        let path = self.path.clone();
        let failed = |source| Error::ConfigFile { path: path.clone(), source };
        let mut fresh = Self::load(&self.path);
        if let Some(warning) = &fresh.warning
            && fresh.members.0.is_empty()
        {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, warning.why.clone())));
        }
        let mut auths = fresh.auths();
        if change(&mut auths) {
            fresh.members.set("auths", &auths.0.to_json());
            write(&self.path, &json_text::indent(&fresh.members.to_json())).map_err(failed)?;
        }
        *self = fresh;
        Ok(())
    }
}

/// One entry of `auths`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Entry {
    /// The outer `None`: damaged. The inner one: nothing in it.
    fn credentials(self) -> Option<Option<Credentials>> {
        let (username, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(&self.auth).ok()?).ok()?;
            let (username, password) = decoded.split_once(':')?;
            (username.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        Some(if !self.registrytoken.is_empty() {
            Some(Credentials::RegistryToken(Secret::new(self.registrytoken)))
        } else if !self.identitytoken.is_empty() {
            Some(Credentials::IdentityToken { username, token: Secret::new(self.identitytoken) })
        } else if username.is_empty() && password.is_empty() {
            None
        } else {
            Some(Credentials::Password { username, password: Secret::new(password) })
        })
    }
}

impl Auths {
    fn is_sound(&self) -> bool {
        self.0
            .0
            .iter()
            .all(|(_, raw)| serde_json::from_str::<Entry>(raw.get()).is_ok_and(|entry| entry.credentials().is_some()))
    }

    /// The credentials under exactly this key.
    pub(crate) fn exact(&self, key: &str) -> Option<Credentials> {
        serde_json::from_str::<Entry>(self.0.raw(key)?).ok()?.credentials()?
    }

    /// The credentials under this key, or under one that means the same host.
    pub(crate) fn find(&self, key: &str) -> Option<Credentials> {
        let host = host_of(key);
        let same_host = || self.0.0.iter().filter(|(other, _)| host_of(other) == host);
        self.exact(key).or_else(|| same_host().find_map(|(other, _)| self.exact(other)))
    }

    /// Keys with user names.
    pub(crate) fn users(&self) -> Vec<(String, String)> {
        let user = |key: &String| self.exact(key).and_then(|found| found.username().map(str::to_owned));
        self.0.0.iter().filter_map(|(key, _)| Some((key.clone(), user(key)?))).collect()
    }

    /// Sets the credentials of `key`; true if that changed anything.
    pub(crate) fn set(&mut self, key: &str, credentials: &Credentials) -> bool {
        let encoded = |username: &str, password: &str| BASE64_STANDARD.encode(format!("{username}:{password}"));
        let entry = match credentials {
            Credentials::Password { username, password } => {
                serde_json::json!({ "auth": encoded(username, password.expose()) })
            }
            Credentials::IdentityToken { username, token } => {
                serde_json::json!({ "auth": encoded(username, ""), "identitytoken": token.expose() })
            }
            Credentials::RegistryToken(token) => serde_json::json!({ "registrytoken": token.expose() }),
        };
        self.0.set(key, &entry.to_string())
    }

    /// Notes that a helper has the credentials of `key`; true if that changed anything.
    pub(crate) fn mark(&mut self, key: &str) -> bool {
        self.0.set(key, "{}")
    }

    /// Removes `key`; true if it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let before = self.0.0.len();
        self.0.0.retain(|(name, _)| name != key);
        self.0.0.len() != before
    }
}

impl Members {
    fn raw(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, raw)| raw.get())
    }

    /// Sets a member, in its place or at the end (`auths`: at the start); true if that changed anything.
    fn set(&mut self, key: &str, json: &str) -> bool {
        let raw = RawValue::from_string(json.to_owned()).expect("callers pass JSON");
        match self.0.iter_mut().rev().find(|(name, _)| name == key) {
            Some((_, old)) if json_text::indent(old.get()) == json_text::indent(json) => false,
            Some((_, old)) => {
                *old = raw;
                true
            }
            None => {
                let at = if key == "auths" { 0 } else { self.0.len() };
                self.0.insert(at, (key.to_owned(), raw));
                true
            }
        }
    }

    fn to_json(&self) -> String {
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(key, raw)| format!("{}:{}", serde_json::Value::from(key.as_str()), raw.get()))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Writes beside the file, then renames: readers see the old or the new one. Only the owner may read either.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // A link stays one; what it points to is replaced. A dangling one is followed once.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(_) => match fs::read_link(path) {
            Ok(link) => path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => path.to_owned(),
        },
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    let written =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    let renamed = written.and_then(|()| fs::rename(&temporary, &target));
    if renamed.is_err() {
        // Nothing more can be done about litter than trying to remove it.
        let _unimportant = fs::remove_file(&temporary);
    }
    renamed
}
