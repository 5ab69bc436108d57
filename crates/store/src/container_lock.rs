//! The right to change what a container is: one lock for each, from its making to its removal.
//!
//! Whoever decides what becomes of a container (start it, freeze it, remove it) holds this lock from the look at its row to
//! the deed, and reads the row again once it holds it. The lock is `flock` on the container's directory: the kernel drops it
//! with its holder, and it can be handed to another process as a descriptor.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use wharfie_oci::ContainerId;

use crate::error::{Error, Result};
use crate::store::{Store, make_private};

/// A container's lock, held until it is dropped or handed on.
#[derive(Debug)]
pub struct ContainerLock(Option<OwnedFd>);

impl Store {
    /// Waits for a container's lock. `None` if there is no such container any more.
    ///
    /// # Errors
    /// When the directory cannot be opened or locked.
    pub fn lock_container(&self, id: &ContainerId) -> Result<Option<ContainerLock>> {
        self.lock(id, FlockOperation::LockExclusive)
    }

    /// The container's lock, if nobody holds it. `None` as well if there is no such container any more.
    ///
    /// # Errors
    /// When the directory cannot be opened or locked.
    pub fn try_lock_container(&self, id: &ContainerId) -> Result<Option<ContainerLock>> {
        self.lock(id, FlockOperation::NonBlockingLockExclusive)
    }

    fn lock(&self, id: &ContainerId, how: FlockOperation) -> Result<Option<ContainerLock>> {
        let path = self.container_directory(id);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(directory) => directory,
            // Somebody deleted it by hand: the container can at least be removed.
            Err(Errno::NOENT) if self.find_container(id)?.is_some() => {
                make_private(&path).map_err(Error::io("create", &path))?;
                return self.lock(id, how);
            }
            Err(Errno::NOENT) => return Ok(None),
            Err(why) => return Err(Error::io("lock", path)(why.into())),
        };
        loop {
            match flock(&directory, how) {
                Ok(()) => return Ok(Some(ContainerLock(Some(directory)))),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(why) => return Err(Error::io("lock", path)(why.into())),
            }
        }
    }
}

impl ContainerLock {
    /// The lock as another process gave it to us.
    pub fn from_descriptor(descriptor: OwnedFd) -> Self {
        Self(Some(descriptor))
    }

    /// The lock for another process to hold: it stays locked until that process gives it up, or every process that has the
    /// descriptor is gone.
    pub fn into_descriptor(mut self) -> OwnedFd {
        self.0.take().expect("only this takes it, and it consumes the lock")
    }
}

impl Drop for ContainerLock {
    fn drop(&mut self) {
        // Closing alone would leave it locked while a copy of this process has the descriptor.
        if let Some(directory) = &self.0 {
            let _ = flock(directory.as_fd(), FlockOperation::Unlock);
        }
    }
}
