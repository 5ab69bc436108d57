//! What a build is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Mutex;

use wharfie_oci::Platform;
use wharfie_runtime::{Io, Resources};

use super::output::{Annotations, Output};
use super::provenance::Provenance;
use super::travel::{CachePlace, CacheTo};
use crate::container::words::{ExtraHost, Ulimit};

/// What to build.
#[derive(Debug)]
pub struct Build {
    /// What the Dockerfile says.
    pub definition: Definition,
    /// Where the Dockerfile is, for people and for comparing with earlier builds; in a context that is no directory, its path
    /// there.
    pub dockerfile_name: String,
    /// What the ignore file says that belongs to this Dockerfile alone; without it the context's own counts.
    pub ignore: Option<String>,
    /// Where the files to be copied are.
    pub context: Context,
    /// Further contexts, by name.
    pub contexts: BTreeMap<String, Context>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// The stage to build; the last one if not given.
    pub target: Option<String>,
    /// What the images run on, in this order; this machine's platform if none is given.
    pub platforms: Vec<Platform>,
    /// Labels besides the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// Whether steps are done although they were done before.
    pub no_cache: NoCache,
    /// Fetch bases although they are here.
    pub pull: bool,
    /// Secrets by their ids.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Ssh agents by their ids.
    pub agents: BTreeMap<String, AgentSource>,
    /// The network of steps that do not choose one.
    pub network: StepNetwork,
    /// Further lines of `/etc/hosts`.
    pub extra_hosts: Vec<ExtraHost>,
    /// Size of `/dev/shm` in bytes; 0 is docker's.
    pub shm_size: u64,
    /// Limits of the steps' processes.
    pub ulimits: Vec<Ulimit>,
    /// What each step may use.
    pub resources: Resources,
    /// Where the steps' control groups are.
    pub cgroup_parent: Option<String>,
    /// What is allowed that Dockerfiles cannot have by themselves.
    pub allowed: Allowed,
    /// Steps that are done at once.
    pub jobs: usize,
    /// The time of everything that is made, in seconds since 1970.
    pub epoch: Option<i64>,
    /// Whether files that are younger than [`Self::epoch`] get its time.
    pub rewrite_timestamps: bool,
    /// Where a shell is opened in a step that failed.
    pub shell_on_error: Option<Terminal>,
    /// Where steps of other machines are found.
    pub cache_from: Vec<CachePlace>,
    /// Where the steps of this build are taken.
    pub cache_to: Vec<CacheTo>,
    /// Whether it is told how large the build context is.
    pub measures_context: bool,
    /// In whose words the image's history is.
    pub history: HistoryStyle,
    /// Whether every step that is done says why.
    pub explain: bool,
    /// Whether it is told beside the result what it was built from.
    pub provenance: Option<Provenance>,
    /// Whether it is told beside the result which packages are in it.
    pub sbom: bool,
    /// Notes on the result.
    pub annotations: Annotations,
    /// What becomes of the result; nothing if later builds only are to profit.
    pub outputs: Vec<Output>,
}

impl Build {
    /// Whether an image of the store is asked for.
    pub(super) fn is_image_wanted(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Image { .. }))
    }
}

/// How the history of an image tells of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HistoryStyle {
    /// `CMD ["sh"]`, `COPY a /a # buildkit`.
    #[default]
    BuildKit,
    /// `/bin/sh -c #(nop)  CMD ["sh"]`, as docker's builder before it.
    Classic,
}

/// Somebody who types and reads.
#[derive(Debug)]
pub struct Terminal {
    /// Where it is read from.
    pub stdin: OwnedFd,
    /// Where it is written to.
    pub stdout: OwnedFd,
}

impl Terminal {
    pub(super) fn io(&self) -> std::io::Result<Io> {
        Ok(Io {
            stdin: Some(self.stdin.try_clone()?),
            stdout: Some(self.stdout.try_clone()?),
            stderr: Some(self.stdout.try_clone()?),
        })
    }
}

/// What a Dockerfile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// This.
    Text(Vec<u8>),
    /// What a file of the context says: [`Build::dockerfile_name`].
    InContext,
}

/// What Dockerfiles may have only if it is said outside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// `RUN --network=host`.
    pub network_host: bool,
    /// `RUN --security=insecure`.
    pub security_insecure: bool,
}

/// Whether steps are done although they were done before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NoCache {
    /// No.
    #[default]
    Nowhere,
    /// All are.
    Everywhere,
    /// Those of these stages.
    Stages(Vec<String>),
}

/// The network of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepNetwork {
    /// One of its own with a way out.
    #[default]
    Default,
    /// None.
    None,
    /// The machine's.
    Host,
}

/// Where files come from.
pub enum Context {
    /// There are none.
    Empty,
    /// A directory.
    Directory(PathBuf),
    /// A tar, plain or compressed. Taken by the build that reads it.
    Tar(Mutex<Option<Box<dyn Read + Send>>>),
    /// An image.
    Image(String),
    /// An OCI layout in a directory, and which of its images.
    Layout(PathBuf, Option<String>),
    /// A git repository.
    Git(String),
    /// A tar or a Dockerfile on the web.
    Url(String),
}

impl Context {
    /// Where it is, the same for every build of it.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Directory(path) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
            Self::Git(text) | Self::Url(text) => text.clone(),
            _ => String::new(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Self::Tar(_) => f.write_str("Tar"),
            Self::Image(name) => f.debug_tuple("Image").field(name).finish(),
            Self::Layout(path, name) => f.debug_tuple("Layout").field(path).field(name).finish(),
            Self::Git(text) => f.debug_tuple("Git").field(text).finish(),
            Self::Url(text) => f.debug_tuple("Url").field(text).finish(),
        }
    }
}

/// Who signs for steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentSource {
    /// An agent that listens at this socket.
    Socket(PathBuf),
    /// Files of keys, as whole paths.
    Keys(Vec<PathBuf>),
}

/// Where a secret comes from. What it is never appears in a text.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file, read when a step needs it.
    File(PathBuf),
    /// What a variable holds.
    Value(Vec<u8>),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value(***)"),
        }
    }
}
