//! What can go wrong in a build. Texts are BuildKit's where it has one.

use wharfie_oci::{Digest, Kind};

/// Why a build ended.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile cannot be built.
    #[error("{source}")]
    Plan {
        /// The lines that it is about, as BuildKit shows them.
        excerpt: String,
        /// Why.
        #[source]
        source: Box<wharfie_build::Error>,
    },
    /// There is no such Dockerfile in the context.
    #[error("failed to read dockerfile: open {0}: no such file or directory")]
    NoDockerfile(String),
    /// The ignore file makes no sense.
    #[error("failed to read .dockerignore: {0}")]
    Ignore(wharfie_build::ignore::IgnoreError),
    /// A wildcard makes no sense.
    #[error(transparent)]
    Pattern(wharfie_build::path::BadPattern),
    /// A step failed; holds where it stands.
    #[error("{source}")]
    Step {
        /// The instruction's lines, as BuildKit shows them.
        excerpt: String,
        /// The instruction as it is written.
        written: String,
        /// Why.
        #[source]
        source: Box<crate::error::Error>,
    },
    /// A command ended with something else than 0.
    #[error("process {command:?} did not complete successfully: exit code: {code}")]
    Command {
        /// The command with its arguments.
        command: String,
        /// How it ended.
        code: u8,
    },
    /// A command could not be started.
    #[error("process {command:?} did not complete successfully")]
    NotStarted {
        /// The command with its arguments.
        command: String,
        /// Why.
        #[source]
        source: Box<crate::error::Error>,
    },
    /// What should be copied is not there.
    #[error("failed to calculate checksum of ref {named}: {0:?}: not found", named = record(.0))]
    NoSource(String),
    /// Several files go to one name.
    #[error("When using COPY with more than one source file, the destination must be a directory and end with a /")]
    SeveralSources,
    /// A directory goes to where a file is.
    #[error("cannot copy to non-directory: {0}")]
    NotADirectory(String),
    /// A file goes to where a directory is.
    #[error("cannot replace to directory /{0} with file")]
    IsDirectory(String),
    /// A mode that is none.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    Mode(String),
    /// A user or group that the stage does not know.
    #[error("unable to convert uid/gid chown string to host mapping: can't find uid for user {0}: no such user: {0}")]
    Owner(String),
    /// A secret that a step needs was not given.
    #[error("secret {0}: not found")]
    NoSecret(String),
    /// An agent that a step needs was not given.
    #[error("no SSH key {0:?} forwarded from the client")]
    NoAgent(String),
    /// An agent cannot be reached or started.
    #[error("ssh agent {id:?}: {why}")]
    Agent {
        /// Its id.
        id: String,
        /// Why.
        why: String,
    },
    /// A step asks for more than was allowed.
    #[error("{0} is not allowed")]
    NotAllowed(&'static str),
    /// A named context that is none.
    #[error("failed to find context {0:?}")]
    NoContext(String),
    /// What was fetched is not what was asked for.
    #[error("digest mismatch {actual}: {expected}")]
    Checksum {
        /// What it is.
        actual: String,
        /// What it should be.
        expected: String,
    },
    /// Something could not be fetched.
    #[error("failed to load {url}: {why}")]
    Fetch {
        /// Where it should be, without credentials.
        url: String,
        /// Why.
        why: String,
    },
    /// A build for a platform that this machine cannot run.
    #[error("exec format error: this machine cannot run programs for {0}")]
    Platform(String),
    /// A build that nobody remembers.
    #[error("no record found for {0:?}")]
    NoSuchBuild(String),
    /// A beginning of several builds' names.
    #[error("multiple records found with prefix {0:?}")]
    SeveralBuilds(String),
    /// A build that cannot be forgotten yet.
    #[error("build {0} is still running")]
    StillRunning(String),
    /// A place that should have cache has none.
    #[error("{0}: there is no cache in it")]
    NoCache(String),
    /// A cache that makes no sense.
    #[error("{place}: its cache cannot be used: {why}")]
    BadCache {
        /// Where.
        place: String,
        /// Why.
        why: String,
    },
    /// A tar of files has room for one platform.
    #[error("a tar holds the files of one platform: choose one with --platform, or write a directory")]
    SeveralPlatforms,
    /// Nothing was built.
    #[error("No image was generated. Is your Dockerfile empty?")]
    NoImage,
    /// The step was not done because another one failed.
    #[error("context canceled")]
    OtherFailed,
}

impl BuildError {
    /// What kind of fault it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Plan { .. }
            | Self::Ignore(_)
            | Self::Pattern(_)
            | Self::SeveralSources
            | Self::NotADirectory(_)
            | Self::IsDirectory(_)
            | Self::Mode(_)
            | Self::Owner(_)
            | Self::NoImage
            | Self::SeveralPlatforms
            | Self::SeveralBuilds(_)
            | Self::StillRunning(_)
            | Self::Command { .. } => Kind::Invalid,
            Self::Step { source, .. } | Self::NotStarted { source, .. } => wharfie_oci::Fault::kind(&**source),
            Self::NoSource(_)
            | Self::NoDockerfile(_)
            | Self::NoCache(_)
            | Self::NoSuchBuild(_)
            | Self::NoSecret(_)
            | Self::NoAgent(_)
            | Self::NoContext(_) => Kind::NotFound,
            Self::NotAllowed(_) => Kind::Denied,
            Self::Checksum { .. } | Self::BadCache { .. } => Kind::Corrupt,
            Self::Fetch { .. } | Self::Agent { .. } => Kind::Unavailable,
            Self::Platform(_) => Kind::Unsupported,
            Self::OtherFailed => Kind::Cancelled,
        }
    }

    /// What the user can do.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Step { source, .. } | Self::NotStarted { source, .. } => wharfie_oci::Fault::help(&**source),
            Self::NoSource(path) => Some(format!("look whether {path} is in the context, and not in .dockerignore")),
            Self::NoSecret(id) => Some(format!("give it: `--secret id={id},src=FILE` or `--secret id={id},env=NAME`")),
            Self::NoAgent(id) => Some(format!("give it: `--ssh {id}`, with an agent running")),
            Self::Agent { id, .. } => Some(format!(
                "files of keys need the program ssh-agent (package openssh-client) and no passphrase; or give an agent's socket: `--ssh {id}=SOCKET`"
            )),
            Self::NotAllowed(what) => Some(format!("allow it: `--allow {what}`")),
            Self::Platform(platform) => Some(format!(
                "register an emulator (`apt-get install qemu-user-static binfmt-support` on Debian), or build on a machine for {platform}"
            )),
            _ => None,
        }
    }
}

/// What stands where BuildKit names two of its records, random ones; these are made of the path, so that logs can be compared.
fn record(path: &str) -> String {
    let digest = Digest::of(path.as_bytes());
    let (one, other) = digest.hex().split_at(32);
    let short = |hex: &str| {
        let mut left = u128::from_str_radix(hex, 16).unwrap_or_default();
        let mut text = [b'0'; 25];
        for place in text.iter_mut().rev() {
            *place = b"0123456789abcdefghijklmnopqrstuvwxyz"[(left % 36) as usize];
            left /= 36;
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    format!("{}::{}", short(one), short(other))
}
