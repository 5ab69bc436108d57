//! Who runs containers: this program itself, or another one. Whoever handles a container asks here and does not know which.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::foreign::Foreign;
use crate::launch::{self, Io, Started};
use crate::spec::{Process, Spec};
use crate::sys;
use crate::target::Target;

/// What every runtime does.
pub trait Runtime {
    /// Starts a container and returns when its command runs. `lowers` are the mounts that [`crate::Lower::Fd`] counts.
    ///
    /// # Errors
    /// Whatever keeps the command from running; nothing of the container is left then.
    fn start(&self, spec: &Spec, lowers: Vec<OwnedFd>, io: Io) -> Result<Started>;

    /// Runs one more process in a running container, with the same walls around it.
    ///
    /// # Errors
    /// When the container is not running, or the command cannot be run.
    fn exec(&self, target: &Target, process: &Process, io: Io) -> Result<Started>;

    /// Sends a signal by number to the first process of a container.
    ///
    /// # Errors
    /// [`Error::NotRunning`], and the kernel's for a signal that does not exist.
    fn kill(&self, target: &Target, signal: u8) -> Result<()>;

    /// Stops all processes of a container where they are, or lets them go on.
    ///
    /// # Errors
    /// When nothing here can freeze.
    fn freeze(&self, target: &Target, is_frozen: bool) -> Result<()>;

    /// Forgets a container that has ended. Idempotent.
    ///
    /// # Errors
    /// When something of it is left.
    fn forget(&self, id: &str) -> Result<()>;

    /// True if it remembers a container, which may have ended.
    fn knows(&self, id: &str) -> bool;
}

/// This program: it runs again as an init that makes the container around itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// A program that calls [`crate::init_main`] when its first argument is [`crate::INIT_WORD`].
    pub program: PathBuf,
}

impl Runtime for Own {
    fn start(&self, spec: &Spec, lowers: Vec<OwnedFd>, io: Io) -> Result<Started> {
        launch::start(spec, lowers, io, &self.program)
    }

    fn exec(&self, target: &Target, process: &Process, io: Io) -> Result<Started> {
        launch::exec(target, process, io, &self.program)
    }

    fn kill(&self, target: &Target, signal: u8) -> Result<()> {
        let process = target.open()?;
        match sys::send_signal(process.as_fd(), i32::from(signal)) {
            Err(why) if why.raw_os_error() == Some(libc::ESRCH) => Err(Error::NotRunning),
            other => other.map_err(Error::system(format!("send signal {signal}"))),
        }
    }

    fn freeze(&self, target: &Target, is_frozen: bool) -> Result<()> {
        if is_frozen { target.cgroup.pause() } else { target.cgroup.unpause() }
    }

    /// What is left of its containers is the machine's, and goes with [`crate::cleanup`].
    fn forget(&self, _id: &str) -> Result<()> {
        Ok(())
    }

    fn knows(&self, _id: &str) -> bool {
        false
    }
}

impl Target {
    /// Who runs it; `program` is what our own containers' further processes run through.
    pub fn runtime(&self, program: &Path) -> Box<dyn Runtime> {
        match &self.foreign {
            Some((runtime, _)) => Box::new(Foreign::clone(runtime)),
            None => Box::new(Own { program: program.to_owned() }),
        }
    }
}
