//! What can go wrong with a container. The texts are docker's where docker has one.

use std::io;

use wharfie_oci::{ContainerId, ContainerName, Fault, Kind};

/// Why something cannot be done with a container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No container of that name.
    #[error("No such container: {0}")]
    NoSuch(String),
    /// A name that containers cannot have.
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    BadName(String),
    /// Another container has the name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken {
        /// The name.
        name: ContainerName,
        /// The one that has it.
        id: ContainerId,
    },
    /// As [`Self::NameTaken`], of a container that is there already.
    #[error(
        "Error when allocating new name: Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    RenameTaken {
        /// The name.
        name: ContainerName,
        /// The one that has it.
        id: ContainerId,
    },
    /// A new name that is nothing.
    #[error("Neither old nor new names may be empty")]
    NoNewName,
    /// A new name that is the old one.
    #[error("Renaming a container with the same name as its current name")]
    SameName,
    /// Neither image nor user says what to run.
    #[error("No command specified")]
    NoCommand,
    /// The working directory is no absolute path.
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    RelativeDirectory(String),
    /// A directory of the host that is to be mounted is not there and cannot be made.
    #[error("error while creating mount source path '{path}': mkdir {path}: {source}")]
    MountSource {
        /// As it was given.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Our own init in another runtime.
    #[error("--init is a part of wharfie's own runtime: leave out --runtime")]
    InitOfOtherRuntime,
    /// What needs root.
    #[error("only root can {0}")]
    OnlyRoot(&'static str),
    /// It must run for that.
    #[error("Container {0} is not running")]
    NotRunning(ContainerId),
    /// It must run to be signalled.
    #[error("Cannot kill container: {name}: Container {id} is not running")]
    CannotKill {
        /// As it was given.
        name: String,
        /// Which.
        id: ContainerId,
    },
    /// It must not run for that.
    #[error("You cannot remove a running container {0}. Stop the container before attempting removal or force remove")]
    Running(ContainerId),
    /// It must not be frozen to be removed.
    #[error(
        "You cannot remove a paused container {0}. Unpause and then stop the container before attempting removal or force remove"
    )]
    RemovePaused(ContainerId),
    /// It must not wait for its next start to be removed.
    #[error(
        "You cannot remove a restarting container {0}. Stop the container before attempting removal or force remove"
    )]
    RemoveRestarting(ContainerId),
    /// It was started twice.
    #[error("container {0} is already running")]
    AlreadyRunning(ContainerId),
    /// It is frozen and cannot be started.
    #[error("cannot start a paused container, try unpause instead")]
    StartPaused,
    /// It is frozen and cannot run one more process; its name as it was given.
    #[error("Container {0} is paused, unpause the container before exec")]
    ExecPaused(String),
    /// It is frozen already.
    #[error("Container {0} is already paused")]
    AlreadyPaused(ContainerId),
    /// It is not frozen.
    #[error("Container {0} is not paused")]
    NotPaused(ContainerId),
    /// It waits for its next start and has nobody to connect to.
    #[error("You cannot attach to a restarting container, wait until it is running")]
    AttachRestarting,
    /// It is frozen and would not answer.
    #[error("You cannot attach to a paused container, unpause it first")]
    AttachPaused,
    /// It does not run and has nobody to connect to.
    #[error("You cannot attach to a stopped container, start it first")]
    AttachStopped,
    /// The command that runs it has its streams.
    #[error("container {} runs in the foreground of another command", .0.short())]
    InForeground(ContainerId),
    /// A word that is no signal.
    #[error("Invalid signal: {0}")]
    BadSignal(String),
    /// The kernel refused a signal.
    #[error("cannot send a signal to container {id}: {source}")]
    Signal {
        /// Which.
        id: ContainerId,
        /// Why.
        source: io::Error,
    },
    /// The container's monitor says why it could not be started, and the exit code that stands for that.
    #[error("{text}")]
    NotStarted {
        /// Why.
        text: String,
        /// What the user can do.
        help: Option<String>,
        /// 125 to 127.
        code: i32,
    },
    /// A word that it was made with is none for this version.
    #[error("cannot read what container {id} was made with: {why}")]
    Settings {
        /// Which.
        id: ContainerId,
        /// Which word.
        why: String,
    },
    /// The monitor was killed, or is another program.
    #[error("the container's monitor {0}")]
    Monitor(&'static str),
    /// Nothing of its output is kept.
    #[error("configured logging driver does not support reading")]
    NoLog,
    /// The host has no `ps`.
    #[error("cannot run ps: install the package procps")]
    NoPs,
    /// The host's `ps` says no; its words.
    #[error("{0}")]
    PsRefused(String),
    /// The numbers of processes are hidden, and so is whose they are.
    #[error("Couldn't find PID field in ps output")]
    NoPids,
    /// A path that is not in the container.
    #[error("Could not find the file {path} in container {container}")]
    NoSuchPath {
        /// As it was given.
        path: String,
        /// As it was given.
        container: String,
    },
    /// A path in the container that is no directory.
    #[error("{0}: not a directory")]
    NotADirectory(String),
    /// A place in the container that must not be written; docker's words.
    #[error("{0}")]
    ReadOnly(&'static str),
    /// A change of limits or of the restart policy that contradicts what the container has.
    #[error("Cannot update container {id}: {why}")]
    Update {
        /// Which.
        id: ContainerId,
        /// Docker's words.
        why: &'static str,
    },
    /// Its memory is its own.
    #[error(
        "cannot join IPC of a container {0}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
    )]
    NotShareable(ContainerId),
    /// A link to what is no container.
    #[error("could not get container for {0}")]
    NoSuchLink(String),
    /// A link to a container that has no network of its own.
    #[error(
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
    )]
    LinkToHost,
    /// A link to a container that cannot be reached.
    #[error("Cannot link to a non running container: /{other} AS /{name}/{alias}")]
    LinkToStopped {
        /// Which.
        other: ContainerName,
        /// Whose link.
        name: ContainerName,
        /// What it is to be called.
        alias: String,
    },
}

impl Fault for ContainerError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuch(_) | Self::NoSuchPath { .. } | Self::NoSuchLink(_) => Kind::NotFound,
            Self::NameTaken { .. } | Self::RenameTaken { .. } => Kind::Exists,
            Self::BadName(_)
            | Self::NoNewName
            | Self::SameName
            | Self::NoCommand
            | Self::RelativeDirectory(_)
            | Self::InitOfOtherRuntime
            | Self::BadSignal(_)
            | Self::PsRefused(_)
            | Self::NoPids
            | Self::NotADirectory(_)
            | Self::Update { .. }
            | Self::LinkToHost => Kind::Invalid,
            Self::Running(_)
            | Self::RemovePaused(_)
            | Self::RemoveRestarting(_)
            | Self::NotRunning(_)
            | Self::CannotKill { .. }
            | Self::AlreadyRunning(_)
            | Self::StartPaused
            | Self::ExecPaused(_)
            | Self::AlreadyPaused(_)
            | Self::NotPaused(_)
            | Self::AttachRestarting
            | Self::AttachPaused
            | Self::AttachStopped
            | Self::InForeground(_)
            | Self::NotShareable(_)
            | Self::LinkToStopped { .. } => Kind::InUse,
            Self::OnlyRoot(_) | Self::ReadOnly(_) => Kind::Denied,
            Self::NoLog | Self::NoPs | Self::Settings { .. } => Kind::Unsupported,
            Self::MountSource { source, .. } | Self::Signal { source, .. } => crate::error::kind_of(source),
            Self::NotStarted { .. } | Self::Monitor(_) => Kind::Unavailable,
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoSuch(_) | Self::NoSuchLink(_) => "`wharfie ps -a` lists all containers".to_owned(),
            Self::NameTaken { name, .. } => {
                format!("`wharfie rm -f {name}` removes that container; `--name` gives the new one another name")
            }
            Self::RenameTaken { name, .. } => format!("`wharfie rm -f {name}` removes that container"),
            Self::NoCommand => "name the command after the image: `wharfie run IMAGE COMMAND`".to_owned(),
            Self::OnlyRoot(_) => "run the command as root".to_owned(),
            Self::NotRunning(id) | Self::CannotKill { id, .. } => {
                format!("`wharfie start {}` starts it", id.short())
            }
            Self::Running(id) | Self::RemoveRestarting(id) => {
                format!("`wharfie rm -f {}` stops and removes it", id.short())
            }
            Self::RemovePaused(id) => format!("`wharfie rm -f {}` stops and removes it", id.short()),
            Self::ExecPaused(name) => format!("`wharfie unpause {name}` lets it run on"),
            Self::InForeground(id) => {
                format!("`wharfie exec -it {} sh` runs one more command in it; `run -d` lets others attach", id.short())
            }
            Self::BadSignal(_) => "signals have names as in `kill -l`, or numbers from 1 to 64".to_owned(),
            Self::NotStarted { help, .. } => return help.clone(),
            Self::Settings { id, .. } => {
                format!("make it anew with words that are known: `wharfie rm {}` removes it", id.short())
            }
            Self::NoLog => "it was made with `--log-driver none`; with `json-file` its output is kept".to_owned(),
            Self::PsRefused(_) => "what stands after the container's name are options of ps(1)".to_owned(),
            Self::NoPids => "choose columns with `pid` among them, as in `-o pid,cmd`".to_owned(),
            Self::NoSuchPath { container, .. } => format!("`wharfie exec {container} ls` shows what is there"),
            Self::ReadOnly(_) => "copy to a place that is mounted for writing".to_owned(),
            Self::LinkToStopped { other, .. } => format!("`wharfie start {other}` starts it"),
            Self::NotShareable(_) => "make the other container with `--ipc shareable`".to_owned(),
            // Their texts say what to do, or there is nothing.
            Self::BadName(_)
            | Self::NoNewName
            | Self::SameName
            | Self::RelativeDirectory(_)
            | Self::MountSource { .. }
            | Self::InitOfOtherRuntime
            | Self::AlreadyRunning(_)
            | Self::StartPaused
            | Self::AlreadyPaused(_)
            | Self::NotPaused(_)
            | Self::AttachRestarting
            | Self::AttachPaused
            | Self::AttachStopped
            | Self::Signal { .. }
            | Self::Monitor(_)
            | Self::NoPs
            | Self::NotADirectory(_)
            | Self::Update { .. }
            | Self::LinkToHost => return None,
        };
        Some(text)
    }
}
