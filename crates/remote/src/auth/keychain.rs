//! The keychain: one place to ask for credentials, over every place they may be in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::helper::Helpers;
use super::secret::Credentials;
use crate::Error;
use crate::auths::Auths;
use crate::docker_config::DockerConfig;

/// Under which Docker Hub's credentials are kept, for historical reasons.
pub(crate) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Where credentials are found, in this order: `DOCKER_AUTH_CONFIG`, the helper for the host, the helper for all hosts,
/// config.json itself, podman's auth.json (only read).
#[derive(Debug, Default)]
pub struct Keychain {
    config: Mutex<DockerConfig>,
    helpers: Helpers,
    overriding: Option<Auths>,
    fallback: Option<PathBuf>,
}

/// Where [`Keychain::store`] put credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// Into this file, in the clear.
    File(PathBuf),
    /// They were there already; nothing was written.
    Unchanged,
    /// Given to this helper.
    Helper(String),
}

/// What [`Keychain::erase`] did.
#[derive(Debug)]
pub struct Erased {
    /// The name under which the registry is known.
    pub key: String,
    /// How many spellings were tried.
    pub tried: usize,
    /// The spellings that could not be erased, and why.
    pub failures: Vec<(String, Error)>,
}

impl Keychain {
    /// Credentials as `config` has them.
    pub fn new(config: DockerConfig) -> Self {
        Self { config: Mutex::new(config), ..Self::default() }
    }

    /// No credentials at all.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Puts the JSON of `DOCKER_AUTH_CONFIG` before everything else. Unreadable JSON counts as none.
    #[must_use]
    pub fn with_auth_config(mut self, json: &str) -> Self {
        self.overriding = DockerConfig::parse(Path::new("DOCKER_AUTH_CONFIG"), json.as_bytes()).ok().map(|c| c.auths());
        self
    }

    /// Looks for the programs of helpers in these folders, written as in `PATH`.
    #[must_use]
    pub fn with_path(mut self, path: &OsStr) -> Self {
        self.helpers.path = Some(path.to_owned());
        self
    }

    /// Adds podman's auth.json at the end.
    #[must_use]
    pub fn with_fallback(mut self, auth_json: &Path) -> Self {
        self.fallback = Some(auth_json.to_owned());
        self
    }

    /// The credentials for a registry, by host or by [`registry_key`]. A helper that is not installed has none.
    ///
    /// # Errors
    /// When a helper fails and nobody else has any.
    pub fn lookup(&self, server: &str) -> Result<Option<Credentials>, Error> {
        let key = registry_key(server);
        if let Some(found) = self.overriding.as_ref().and_then(|auths| auths.find(&key)) {
            return Ok(Some(found));
        }
        let (helper, own) = {
            let config = self.config();
            (config.helper(&key), config.auths().find(&key))
        };
        let mut trouble = None;
        if let Some(name) = helper {
            match self.helpers.get(&name, &key) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) | Err(Error::HelperMissing { .. }) => {}
                Err(why) => trouble = Some(why),
            }
        }
        let fallback = || DockerConfig::load(self.fallback.as_ref()?).auths().find(&key);
        match (own.or_else(fallback), trouble) {
            (None, Some(why)) => Err(why),
            (found, _) => Ok(found),
        }
    }

    /// Keeps credentials for `server`.
    ///
    /// # Errors
    /// When the helper or the file does not take them.
    pub fn store(&self, server: &str, credentials: &Credentials) -> Result<Stored, Error> {
        let key = registry_key(server);
        let mut config = self.config();
        let helper = config.helper(&key);
        if let Some(name) = helper {
            self.helpers.store(&name, &key, credentials)?;
            config.edit(|auths| auths.mark(&key))?;
            return Ok(Stored::Helper(name));
        }
        if config.auths().exact(&key).as_ref() == Some(credentials) {
            return Ok(Stored::Unchanged);
        }
        config.edit(|auths| auths.set(&key, credentials))?;
        Ok(Stored::File(config.path().to_owned()))
    }

    /// Forgets `server` under every name that it may have been stored as.
    pub fn erase(&self, server: &str) -> Erased {
        let key = registry_key(server);
        let spellings = if key == HUB_KEY {
            vec![key.clone()]
        } else {
            vec![server.to_owned(), key.clone(), format!("http://{key}"), format!("https://{key}")]
        };
        let mut config = self.config();
        let mut failures = Vec::new();
        for spelling in &spellings {
            let helped = match config.helper(spelling).or_else(|| config.helper(&key)) {
                Some(name) => self.helpers.erase(&name, spelling),
                None => Ok(()),
            };
            let result = helped.and_then(|()| config.edit(|auths| auths.remove(spelling)));
            failures.extend(result.err().map(|why| (spelling.clone(), why)));
        }
        Erased { key, tried: spellings.len(), failures }
    }

    /// Every registry with credentials and its user name, as far as known; helpers are asked.
    ///
    /// # Errors
    /// When a helper fails.
    pub fn list(&self) -> Result<Vec<(String, String)>, Error> {
        let config = self.config();
        let mut found = config.auths().users();
        if let Some(name) = config.value::<String>("credsStore").filter(|name| !name.is_empty()) {
            match self.helpers.list(&name) {
                Ok(more) => found.extend(more),
                Err(Error::HelperMissing { .. }) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(found)
    }

    fn config(&self) -> std::sync::MutexGuard<'_, DockerConfig> {
        self.config.lock().expect("no holder panics")
    }
}

/// The name under which credentials for `server` are kept: scheme and path go; Docker Hub has a name of its own.
pub fn registry_key(server: &str) -> String {
    let host = host_of(server);
    match host {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB_KEY.to_owned(),
        _ => host.to_owned(),
    }
}

/// `host[:port]` of whatever people and old files write.
pub(crate) fn host_of(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_have_one_name() {
        fn check(server: &str, expected: &str) {
            assert_eq!(registry_key(server), expected, "{server}");
        }
        check("", HUB_KEY);
        check("docker.io", HUB_KEY);
        check("https://index.docker.io/v1/", HUB_KEY);
        check("http://h:5000/v2/", "h:5000");
        check("h:5000", "h:5000");
        check("https://h", "h");
    }

    #[test]
    fn what_overrides_comes_first() {
        let json = br#"{"auths":{"h":{"auth":"YTpi"},"g":{"auth":"YTpi"}}}"#;
        let config = DockerConfig::parse(Path::new("config.json"), json).unwrap();
        let keychain = Keychain::new(config).with_auth_config(r#"{"auths":{"h":{"auth":"eDp5"}}}"#);
        assert_eq!(keychain.lookup("h").unwrap(), Some(Credentials::password("x", "y")));
        assert_eq!(keychain.lookup("g").unwrap(), Some(Credentials::password("a", "b")));
        assert_eq!(keychain.lookup("f").unwrap(), None);
    }
}
