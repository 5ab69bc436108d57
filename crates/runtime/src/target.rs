//! A running container from the outside: is it still the same, and signals to it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::foreign::Foreign;
use crate::process_table;
use crate::spec::Security;
use crate::sys;

/// What another process needs to handle a container that runs. Keep it where the container is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its first process.
    pub pid: u32,
    /// When that started, in ticks since boot.
    pub start_time: u64,
    /// Where it is accounted.
    pub cgroup: Cgroup,
    /// The walls that processes which join it get too.
    pub security: Security,
    /// Its ids are mapped.
    pub has_user_namespace: bool,
    /// Another runtime's container, and what it calls it.
    #[serde(default)]
    pub(crate) foreign: Option<(Foreign, String)>,
}

impl Target {
    /// True while the first process of the container runs.
    pub fn is_running(&self) -> bool {
        self.check().is_ok()
    }

    /// # Errors
    /// [`Error::NotRunning`].
    pub(crate) fn check(&self) -> Result<()> {
        if process_table::start_time(self.pid)? == self.start_time { Ok(()) } else { Err(Error::NotRunning) }
    }

    /// Its first process as a descriptor that cannot become another's.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn open(&self) -> Result<OwnedFd> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or(Error::NotRunning)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|_| Error::NotRunning)?;
        // Only now is it certain that the number was still this process's when it was opened.
        self.check()?;
        Ok(pidfd)
    }

    /// Ends every process of the container at once: the first takes its whole process namespace along, and those of a
    /// shared namespace die by cgroup. With nothing left to end it does nothing.
    pub fn kill_all(&self) {
        if let Ok(pidfd) = self.open() {
            let _ = sys::send_signal(pidfd.as_fd(), libc::SIGKILL);
        }
        self.cgroup.kill();
    }
}
