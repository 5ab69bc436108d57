//! What is built: targets and groups of them.

pub(crate) mod annotations;
pub(crate) mod attributes;
pub(crate) mod entries;
pub(crate) mod limits;
mod merge;

use std::collections::BTreeMap;

pub use entries::{Attest, CacheEntry, Export, Secret, SshKey};
pub use limits::{Policy, Resources};

/// Several targets under one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is for; empty if nobody said.
    pub description: String,
    /// The names of targets and of other groups.
    pub targets: Vec<String>,
}

/// One build. Names and meanings are those of buildx's `docs/bake-reference.md`; lists that are `None` were not mentioned,
/// and so leave alone what is inherited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is for; empty if nobody said.
    pub description: String,
    /// The names of targets that it takes over; empty once they are.
    pub inherits: Vec<String>,
    /// `key=value`, maybe with kinds of documents in front.
    pub annotations: Vec<String>,
    /// Attestations.
    pub attest: Vec<Attest>,
    /// The context: a path, an address, or `target:name`.
    pub context: Option<String>,
    /// More contexts by name.
    pub contexts: BTreeMap<String, String>,
    /// The Dockerfile, from the context on.
    pub dockerfile: Option<String>,
    /// The Dockerfile's text.
    pub dockerfile_inline: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Names of the image.
    pub tags: Option<Vec<String>>,
    /// Where steps may be found done.
    pub cache_from: Vec<CacheEntry>,
    /// Where done steps are kept.
    pub cache_to: Option<Vec<CacheEntry>>,
    /// The stage of the Dockerfile.
    pub target: Option<String>,
    /// Secrets that steps may read.
    pub secrets: Vec<Secret>,
    /// SSH agents and keys that steps may use.
    pub ssh: Vec<SshKey>,
    /// Platforms to build for.
    pub platforms: Option<Vec<String>>,
    /// What becomes of the result.
    pub outputs: Option<Vec<Export>>,
    /// Whether base images are always looked up anew.
    pub pull: Option<bool>,
    /// Whether nothing is taken from the cache.
    pub no_cache: Option<bool>,
    /// The network of steps.
    pub network: Option<String>,
    /// Stages that are not taken from the cache.
    pub no_cache_filter: Vec<String>,
    /// The size of `/dev/shm`.
    pub shm_size: Option<String>,
    /// Limits of processes.
    pub ulimits: Vec<String>,
    /// Limits of steps.
    pub resources: Option<Resources>,
    /// What is done instead of building: `check`, `outline`, `targets`.
    pub call: Option<String>,
    /// What it must be allowed to do.
    pub entitlements: Vec<String>,
    /// Addresses of hosts by name.
    pub extra_hosts: BTreeMap<String, String>,
    /// Policies that sources have to follow.
    pub policy: Vec<Policy>,
    /// True if nobody asked for it but another target, as a context: nothing becomes of its result by itself.
    pub is_linked: bool,
    /// The context if none is named, with paths from the files that name them.
    pub(crate) base: Option<String>,
}
