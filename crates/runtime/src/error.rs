//! What can go wrong between a root file system and a running process.
//!
//! Most of it happens in the init, another process: errors travel back as data, so they can be written and read.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wharfie_oci::{Fault, Kind};

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a container could not be started or handled.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// The command is not in the container. Docker's words; exit code 127.
    #[error("exec: \"{command}\": {reason}")]
    CommandNotFound {
        /// As it was given.
        command: String,
        /// `executable file not found in $PATH`, `stat /x: no such file or directory`.
        reason: String,
    },
    /// The command is there and cannot be executed. Docker's words; exit code 126.
    #[error("exec: \"{command}\": {reason}")]
    NotExecutable {
        /// As it was given.
        command: String,
        /// `permission denied`, `exec format error`, `is a directory`.
        reason: String,
    },
    /// The working directory of one more process is not there. Docker's words; exit code 126.
    #[error(
        "OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd (\"{path}\") set in config.json failed: {reason}: unknown"
    )]
    WorkingDirectory {
        /// As it was given.
        path: String,
        /// `no such file or directory`, `not a directory`.
        reason: String,
    },
    /// A device that was asked for is none. Docker's words.
    #[error("error gathering device information while adding custom device \"{path}\": {reason}")]
    Device {
        /// On the host.
        path: String,
        /// `no such file or directory`, `not a device node`.
        reason: String,
    },
    /// There is nothing to run.
    #[error("no command specified")]
    NoCommand,
    /// The user is not in the container's `/etc/passwd`. Docker's words.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// The group is not in the container's `/etc/group`. Docker's words.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// A number that is no id. Docker's words.
    #[error("uids and gids must be in range 0-2147483647")]
    IdRange,
    /// The id exists nowhere in the container's user namespace.
    #[error("cannot become {kind} {id}: the user namespace of the container has no such id")]
    NoSuchId {
        /// `user` or `group`.
        kind: String,
        /// Which.
        id: u32,
    },
    /// No such capability.
    #[error("invalid capability: \"{0}\"")]
    UnknownCapability(String),
    /// What should be bound into the container does not exist on the host. Docker's words.
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {0}")]
    BindSource(PathBuf),
    /// A mount could not be made.
    #[error("cannot mount {what} on {target}")]
    Mount {
        /// `overlay`, `proc`, a host path.
        what: String,
        /// Where in the container.
        target: PathBuf,
        /// Why.
        #[source]
        #[serde(with = "errno")]
        source: io::Error,
    },
    /// The image has something else than a directory where the kernel's file systems go.
    #[error("{0} of the image is not a plain directory")]
    HostileTarget(PathBuf),
    /// A mount that would change what the kernel says of itself and its processes. runc's words.
    #[error("{target:?} cannot be mounted because it is {}", if *.is_root { "not of type proc" } else { "inside /proc" })]
    InProc {
        /// As it was asked for.
        target: PathBuf,
        /// It would go over the whole of `/proc`.
        is_root: bool,
    },
    /// A part of the machine that every system has is not there, as in a bare chroot.
    #[error("cannot run containers here: there is no {0}")]
    Bare(String),
    /// `/` is a directory on a mount and no mount itself, as in a chroot.
    #[error("cannot change the root: / is not a mount point, as in a chroot")]
    RootIsNoMount,
    /// Changes cannot be kept where the store is: the kernel stacks no overlay on another.
    #[error("cannot mount overlay on /: the store is itself on an overlay file system")]
    OverlayOnOverlay,
    /// A limit that was asked for cannot be set.
    #[error("cannot set {limit} to {value}: {reason}")]
    Limit {
        /// `memory`, `cpus`, `pids`…
        limit: String,
        /// What was asked for.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A sysctl that would change the whole machine.
    #[error("sysctl \"{0}\" is not in a separate kernel namespace")]
    Sysctl(String),
    /// A profile, device, limit or address that makes no sense.
    #[error("invalid {what} \"{value}\": {reason}")]
    Invalid {
        /// What it should be.
        what: String,
        /// What it is.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A program that is needed is not installed.
    #[error("{program} is not installed")]
    MissingProgram {
        /// `nft`, `newuidmap`…
        program: String,
        /// The package that has it.
        package: String,
    },
    /// A program that is needed failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        output: String,
    },
    /// Another runtime refused. Docker's words.
    #[error("OCI runtime {doing} failed: {output}")]
    Foreign {
        /// `create`, `start`, `exec`…
        doing: String,
        /// What it said.
        output: String,
    },
    /// The container is not running (any more).
    #[error("the container is not running")]
    NotRunning,
    /// The kernel refused.
    #[error("cannot {doing}")]
    System {
        /// `create the namespaces`, `read /etc/passwd`…
        doing: String,
        /// Why.
        #[source]
        #[serde(with = "errno")]
        source: io::Error,
    },
    /// The init ended without a word.
    #[error("the container's init ended before it could start the command")]
    InitDied,
}

/// What [`Error::System`] was doing when the kernel lets nobody be shut in.
pub(crate) const NAMESPACES: &str = "create the namespaces";

/// What the kernel says of a path, as docker's programs put it.
pub(crate) fn reason_of(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => why.to_string(),
    }
}

impl Error {
    /// For `map_err`: what was being done when the kernel refused.
    pub(crate) fn system<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |why| Self::System { doing: doing.into(), source: why.into() }
    }

    pub(crate) fn invalid(what: &str, value: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.to_owned(), value: value.into(), reason: reason.into() }
    }

    /// What `run` and `exec` exit with: 127 not found, 126 not executable, 125 everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CommandNotFound { .. } => 127,
            Self::NotExecutable { .. } | Self::WorkingDirectory { .. } => 126,
            _ => 125,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::CommandNotFound { .. } | Self::BindSource(_) | Self::WorkingDirectory { .. } => Kind::NotFound,
            Self::NotExecutable { .. } => Kind::Denied,
            Self::NoCommand
            | Self::UnknownUser(_)
            | Self::UnknownGroup(_)
            | Self::NoSuchId { .. }
            | Self::IdRange
            | Self::UnknownCapability(_)
            | Self::HostileTarget(_)
            | Self::InProc { .. }
            | Self::Sysctl(_)
            | Self::Device { .. }
            | Self::Invalid { .. } => Kind::Invalid,
            Self::Limit { .. }
            | Self::MissingProgram { .. }
            | Self::RootIsNoMount
            | Self::OverlayOnOverlay
            | Self::Bare(_) => Kind::Unsupported,
            Self::NotRunning => Kind::Unavailable,
            Self::Mount { source, .. } | Self::System { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Kind::Denied,
                io::ErrorKind::NotFound => Kind::NotFound,
                io::ErrorKind::Unsupported => Kind::Unsupported,
                _ => Kind::Unavailable,
            },
            Self::Program { .. } | Self::Foreign { .. } | Self::InitDied => Kind::Internal,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::MissingProgram { package, .. } => Some(format!("install the package `{package}`")),
            Self::NoSuchId { .. } => Some(
                "containers of an ordinary user have further ids when /etc/subuid and /etc/subgid give the user some \
                 (`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`) and the package `uidmap` is \
                 installed"
                    .to_owned(),
            ),
            Self::Bare(what) => Some(format!(
                "mount the machine's {0} here first; for a chroot, from outside: `mount --rbind {0} DIR{0}`",
                if what.starts_with("/dev") { "/dev" } else { what }
            )),
            Self::RootIsNoMount => Some(
                "outside of the chroot, bind its directory onto itself before entering it: `mount --bind DIR DIR`".to_owned(),
            ),
            Self::OverlayOnOverlay => Some(
                "put the store on a volume or another file system: WHARFIE_ROOT or --root on a directory that was mounted \
                 into this container"
                    .to_owned(),
            ),
            Self::System { doing, source } if doing == NAMESPACES && source.kind() == io::ErrorKind::PermissionDenied => {
                Some(
                    "this needs CAP_SYS_ADMIN or user namespaces: outside of this container, start it with `--privileged`, \
                     or with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
                        .to_owned(),
                )
            }
            Self::Limit { .. } => Some("run without the limit, or where the controller is available".to_owned()),
            _ => None,
        }
    }
}

/// An error of the kernel as its number, the one form that survives the way between processes.
mod errno {
    use super::*;

    pub(super) fn serialize<S: Serializer>(error: &io::Error, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_i32(error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<io::Error, D::Error> {
        i32::deserialize(d).map(io::Error::from_raw_os_error)
    }
}
