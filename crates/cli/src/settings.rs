//! The configuration file: everything in it is optional, and so is the file.
//!
//! `/etc/wharfie/config.toml` for root, `$XDG_CONFIG_HOME/wharfie/config.toml` for everybody else; `WHARFIE_CONFIG` names
//! another one. Specified in `docs/configuration.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wharfie_oci::reference::is_path;
use wharfie_oci::size::{self, Units};
use wharfie_oci::{Platform, Reference};
use wharfie_oci::{Timestamp, duration};
use wharfie_store::Options;
use wharfie_store::snapshots::Kind as SnapshotKind;

use crate::commands::maintain::MaintainOptions;
use crate::commands::serve::options::Options as ServeOptions;
use crate::env;
use crate::failure::Failure;
use crate::retention::PolicyOptions;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where the store is; `--root` and `WHARFIE_ROOT` win.
    pub root: Option<PathBuf>,
    /// Registries that are asked before Docker Hub, in this order.
    pub registry_mirrors: Vec<String>,
    /// Registries that are asked before others.
    pub mirrors: Vec<MirrorOptions>,
    /// Hosts, `host:port`s and networks that may be reached without (proven) encryption.
    pub insecure_registries: Vec<String>,
    /// How layers become trees: `erofs`, `unpacked`, `unpacked-rootless`; found out by trying if not given.
    pub snapshots: Option<String>,
    /// How long removed images can be brought back, as `24h`; `0` is not at all.
    pub grace: Option<String>,
    /// How many bytes of removed images are kept at most, as `20GB`.
    pub grace_limit: Option<String>,
    /// Removed images go at once when less than this is free on the disk, as `5GB`.
    pub grace_free: Option<String>,
    /// Podman's `policy.json`, if images have to keep to it.
    pub containers_policy: Option<PathBuf>,
    /// Layers that are moved at once.
    pub concurrent_transfers: Option<usize>,
    /// Who runs containers for which nobody says it.
    pub default_runtime: Option<String>,
    /// Programs of runtimes by their names, besides those on the path.
    pub runtimes: BTreeMap<String, Runtime>,
    /// Which names of images stay.
    pub retain: Vec<PolicyOptions>,
    /// What is done every day.
    pub maintain: MaintainOptions,
    /// The registry that this machine serves.
    pub serve: ServeOptions,
}

/// A registry that is asked before another one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MirrorOptions {
    /// Of whom: a host as references write it, or `*`.
    pub registry: String,
    /// Where: a URL or a host.
    pub url: String,
    /// The path that repositories lie beneath there; without it, the mirror is told by the query `ns`.
    pub prefix: Option<String>,
}

/// A runtime that is a program of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Runtime {
    /// Where it is.
    pub path: PathBuf,
    /// Words before every other one, as docker's `runtimeArgs`.
    #[serde(default)]
    pub args: Vec<String>,
}

/// 24 hours, in seconds.
const GRACE: i64 = 86_400;
/// 20 GB.
const GRACE_LIMIT: u64 = 20_000_000_000;
/// 2 GB.
const GRACE_FREE: u64 = 2_000_000_000;
/// As many as docker moves.
const TRANSFERS: usize = 3;

impl Settings {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or says something unknown.
    pub fn load() -> Result<Self, Failure> {
        let path = path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if matches!(why.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(why) => return Err(Failure::new(format!("cannot read {}: {why}", path.display()))),
        };
        Self::parse(&text).map_err(|why| Failure::new(format!("cannot read {}: {why}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|why| why.to_string())?;
        settings.options(env::now)?;
        settings.mirrors.iter().try_for_each(MirrorOptions::check)?;
        Ok(settings)
    }

    /// The store's options.
    ///
    /// # Errors
    /// When a value cannot be understood.
    pub fn options(&self, clock: fn() -> Timestamp) -> Result<Options, String> {
        let bytes = |text: &Option<String>, default| match text {
            Some(text) => size::parse(text, Units::Decimal)
                .ok_or_else(|| format!("{text:?} is not a size; write for example \"20GB\"")),
            None => Ok(default),
        };
        let grace = match &self.grace {
            Some(text) => duration::parse(text)
                .filter(|nanos| *nanos >= 0)
                .map(|nanos| nanos / 1_000_000_000)
                .ok_or_else(|| format!("{text:?} is not a duration; write for example \"24h\""))?,
            None => GRACE,
        };
        let snapshots = match &self.snapshots {
            Some(name) => Some(SnapshotKind::from_name(name).ok_or_else(|| format!("unknown snapshots {name:?}"))?),
            None => None,
        };
        Ok(Options {
            clock,
            platform: Platform::host(),
            grace,
            keep_limit: bytes(&self.grace_limit, GRACE_LIMIT)?,
            keep_free: bytes(&self.grace_free, GRACE_FREE)?,
            snapshots,
            remove: crate::rootless::remove,
        })
    }

    /// Layers that are moved at once.
    pub fn transfers(&self) -> usize {
        self.concurrent_transfers.unwrap_or(TRANSFERS).max(1)
    }

    /// Where the store is, unless the command line says something else.
    pub fn root(&self) -> PathBuf {
        if let Some(root) = env::nonempty("WHARFIE_ROOT") {
            return PathBuf::from(root);
        }
        if let Some(root) = &self.root {
            return root.clone();
        }
        if env::is_root() {
            return PathBuf::from("/var/lib/wharfie");
        }
        data_home().join("wharfie")
    }
}

impl MirrorOptions {
    /// Says what is wrong with it.
    fn check(&self) -> Result<(), String> {
        let is_host = format!("{}/x", self.registry).parse::<Reference>();
        let is_host = is_host.is_ok_and(|found| found.repository().host() == self.registry);
        if self.registry != "*" && !is_host {
            return Err(format!("{:?} is not a registry; write for example \"ghcr.io\", or \"*\"", self.registry));
        }
        match &self.prefix {
            Some(prefix) if !is_path(prefix.trim_matches('/')) => {
                Err(format!("{prefix:?} is no beginning of repositories' names; write for example \"mirror/ghcr\""))
            }
            _ => Ok(()),
        }
    }
}

fn data_home() -> PathBuf {
    env::nonempty("XDG_DATA_HOME").map_or_else(|| env::home().join(".local/share"), PathBuf::from)
}

fn path() -> PathBuf {
    if let Some(path) = env::nonempty("WHARFIE_CONFIG") {
        return PathBuf::from(path);
    }
    if env::is_root() {
        return Path::new("/etc/wharfie/config.toml").into();
    }
    let home = env::nonempty("XDG_CONFIG_HOME").map_or_else(|| env::home().join(".config"), PathBuf::from);
    home.join("wharfie/config.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_understood() {
        let text = "root = \"/x\"\nregistry-mirrors = [\"https://m\"]\ninsecure-registries = [\"r:5000\"]\n\
            snapshots = \"unpacked\"\ngrace = \"1h30m\"\ngrace-limit = \"1GiB\"\ngrace-free = \"0\"\n\
            concurrent-transfers = 5\n";
        let settings = Settings::parse(text).unwrap();
        let options = settings.options(env::now).unwrap();
        assert_eq!((options.grace, options.keep_limit, options.keep_free), (5400, 1 << 30, 0));
        assert_eq!(options.snapshots, Some(SnapshotKind::Unpacked));
        assert_eq!(settings.transfers(), 5);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "[[mirrors]]\nregistry = \"ghcr\"\nurl = \"m\"",
            "[[mirrors]]\nregistry = \"ghcr.io\"",
            "[[mirrors]]\nregistry = \"*\"\nurl = \"m\"\nprefix = \"../x\"",
            "rot = 1",
            "grace = \"soon\"",
            "grace-limit = \"much\"",
            "snapshots = \"zfs\"",
            "root = [",
        ] {
            assert!(Settings::parse(text).is_err(), "{text}");
        }
    }
}
