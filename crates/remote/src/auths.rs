//! The `auths` of config.json, in an object that keeps what it does not understand.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use wharfie_oci::json::indented;

use crate::auth::{Credentials, Secret, host_of};

/// An object whose members keep their order and their text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

/// The `auths` of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Auths(Members);

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
    /// Reads the object; anything else counts as empty.
    pub(crate) fn read(json: Option<&str>) -> Self {
        Self(json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default())
    }

    /// The object's JSON.
    pub(crate) fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// True if every entry can be read.
    pub(crate) fn is_sound(&self) -> bool {
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
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A member's JSON.
    pub(crate) fn raw(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, raw)| raw.get())
    }

    /// Sets a member, in its place or at the end (`auths`: at the start); true if that changed anything.
    pub(crate) fn set(&mut self, key: &str, json: &str) -> bool {
        let raw = RawValue::from_string(json.to_owned()).expect("callers pass JSON");
        match self.0.iter_mut().rev().find(|(name, _)| name == key) {
            Some((_, old)) if indented(old.get(), "\t") == indented(json, "\t") => false,
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

    /// The object, on one line.
    pub(crate) fn to_json(&self) -> String {
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
