//! Jobs: work that outlives the command that wants it, done by one more process of our own program.
//!
//! A monitor looks after a container as long as it runs; a guard thaws a container whose freezer is gone. Such a process is
//! told all that it has to know over a socket that nobody else has: which store, how it is kept, what to do, and with which
//! descriptors. It reads neither a command line nor settings nor an environment, which may be others' by now.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use wharfie_oci::{ContainerId, Platform, Timestamp};
use wharfie_runtime::Channel;
use wharfie_store::containers::ProcessMark;
use wharfie_store::snapshots::Kind as SnapshotKind;
use wharfie_store::{ContainerLock, Options};

use crate::container::monitor::Detach;
use crate::engine::{Config, Engine};
use crate::error::{Error, Result};

/// The word that makes our program do a job. Those after it only name the process for whoever looks at it.
pub const JOB_WORD: &str = "__job";

/// What a job's process finds out by itself, because it is code and cannot be told.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// The time.
    pub clock: fn() -> Timestamp,
    /// As [`Options::remove`].
    pub remove: fn(&Path) -> bool,
}

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Start a container, whose lock comes along, and look after it until it has ended.
    Monitor {
        /// Which.
        id: ContainerId,
        /// How it is started.
        detach: Detach,
    },
    /// Thaw a container as soon as the other end of the socket is gone.
    Guard {
        /// Which.
        id: ContainerId,
        /// Who froze it.
        by: ProcessMark,
    },
}

/// A process that does a job.
pub(crate) struct Worker {
    pub(crate) process: Child,
    /// What it is told, and what it tells. It is gone when this is dropped, or when the process ends.
    pub(crate) channel: Channel,
}

#[derive(Serialize, Deserialize)]
struct Job {
    setup: Setup,
    work: Work,
}

/// A [`Config`] on its way to another process.
#[derive(Serialize, Deserialize)]
struct Setup {
    root: PathBuf,
    state: PathBuf,
    platform: Platform,
    grace: i64,
    keep_limit: u64,
    keep_free: u64,
    snapshots: Option<String>,
    jobs: usize,
    program: PathBuf,
    is_rootless: bool,
}

impl Setup {
    fn of(config: &Config) -> Self {
        let Options { platform, grace, keep_limit, keep_free, snapshots, clock: _, remove: _ } = &config.store;
        Self {
            root: config.root.clone(),
            state: config.state.clone(),
            platform: platform.clone(),
            grace: *grace,
            keep_limit: *keep_limit,
            keep_free: *keep_free,
            snapshots: snapshots.map(|kind| kind.as_str().to_owned()),
            jobs: config.jobs,
            program: config.program.clone(),
            is_rootless: config.is_rootless,
        }
    }

    fn config(self, Surroundings { clock, remove }: Surroundings) -> Config {
        Config {
            root: self.root,
            state: self.state,
            store: Options {
                clock,
                platform: self.platform,
                grace: self.grace,
                keep_limit: self.keep_limit,
                keep_free: self.keep_free,
                snapshots: self.snapshots.as_deref().and_then(SnapshotKind::from_name),
                remove,
            },
            jobs: self.jobs,
            program: self.program,
            is_rootless: self.is_rootless,
        }
    }
}

impl Engine {
    /// Starts a process that does `work` with these descriptors.
    pub(crate) fn start_job(&self, work: Work, files: &[BorrowedFd<'_>]) -> Result<Worker> {
        let (ours, theirs) = Channel::pair()?;
        let mut command = Command::new(&self.config().program);
        match &work {
            Work::Monitor { id, .. } => command.args([JOB_WORD, "monitor", id]),
            // Whoever interrupts us from the keyboard does not interrupt it.
            Work::Guard { id, .. } => command.args([JOB_WORD, "guard", id]).process_group(0),
        };
        command
            // It keeps nobody's directory busy.
            .current_dir("/")
            .stdin(Stdio::from(theirs.into_fd()))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let failed = |source| Error::File { doing: "run", path: self.config().program.clone(), source };
        let process = command.spawn().map_err(failed)?;
        ours.send(&Job { setup: Setup::of(self.config()), work }, files)?;
        Ok(Worker { process, channel: ours })
    }
}

/// Does the job that this process was started for.
///
/// # Errors
/// When there is none, or it cannot be done.
pub fn perform(surroundings: Surroundings) -> Result<()> {
    let channel = channel().map_err(Error::system("take over a job"))?;
    // Whoever wanted it may have been killed before it could say what.
    let Some((Job { setup, work }, mut files)) = channel.receive::<Job>()? else { return Ok(()) };
    let engine = Engine::new(setup.config(surroundings), || unreachable!("no job asks a registry"));
    match (work, files.pop()) {
        (Work::Monitor { id, detach }, Some(lock)) => {
            engine.monitor(&id, detach, ContainerLock::from_descriptor(lock), channel)
        }
        (Work::Monitor { .. }, None) => Ok(()),
        (Work::Guard { id, by }, _) => {
            // Nothing is said: it ends when the other is gone.
            while channel.receive::<()>()?.is_some() {}
            engine.thaw_abandoned(&id, by)
        }
    }
}

/// The socket that we were started with as our standard input.
fn channel() -> io::Result<Channel> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Channel::from_fd(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_knows_all_that_the_command_knew() {
        let store = Options {
            clock: || Timestamp::ZERO,
            platform: "linux/arm64".parse().unwrap(),
            grace: 7,
            keep_limit: 8,
            keep_free: 9,
            snapshots: SnapshotKind::from_name("unpacked"),
            remove: |_| false,
        };
        let (root, state, program) = ("/root".into(), "/state".into(), "/program".into());
        let config = Config { root, state, store, jobs: 3, program, is_rootless: true };
        let work = Work::Guard { id: ContainerId::from_random([3; 32]), by: ProcessMark { pid: 5, started: 6 } };
        let (one, other) = Channel::pair().unwrap();
        one.send(&Job { setup: Setup::of(&config), work }, &[]).unwrap();
        let (job, files) = other.receive::<Job>().unwrap().unwrap();
        let surroundings = Surroundings { clock: config.store.clock, remove: config.store.remove };
        let told = job.setup.config(surroundings);
        assert!(matches!(job.work, Work::Guard { by: ProcessMark { pid: 5, started: 6 }, .. }) && files.is_empty());
        // Also what is added later must arrive.
        assert_eq!(format!("{told:?}"), format!("{config:?}"));
    }
}
