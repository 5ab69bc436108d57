//! Freezing a container for a moment, so that its files hold still, and never for longer than whoever froze it lives.
//!
//! The kernel does not thaw what a dead process has frozen. So a guard is started before: a copy of our own program that
//! waits until its socket is closed, which the kernel sees to when we are gone, however we go. If the guard is killed as
//! well, the next command that reads the container thaws it ([`super::settle`]).

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use wharfie_oci::ContainerId;
use wharfie_store::containers::{ContainerRow, ProcessMark, Status};

use super::ContainerError;
use super::is_alive;
use super::lifecycle::target_of;
use super::settle::us;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::job::{Work, Worker};

/// A container that is frozen until this is thawed or dropped.
pub(crate) struct Frozen<'a> {
    engine: &'a Engine,
    row: ContainerRow,
    by: ProcessMark,
    guard: Worker,
}

impl Engine {
    /// Freezes a container that runs. `None` if it does not, if it is frozen already, or if this machine cannot freeze.
    pub(crate) fn freeze_for_a_moment(&self, row: &ContainerRow) -> Result<Option<Frozen<'_>>> {
        let (lock, row) = self.locked(&row.id)?;
        let Some(target) = target_of(&row).filter(|_| is_alive(&row) && row.state.status() == Status::Running) else {
            return Ok(None);
        };
        let by = us();
        let mut frozen =
            Frozen { engine: self, guard: self.start_job(Work::Guard { id: row.id.clone(), by }, &[])?, row, by };
        let result = self.freeze(&frozen.row, &target, Some(by));
        if result.is_err() {
            // It has ended, or nothing here can freeze; what was begun is taken back as far as that goes.
            let _ = self.runtime_of(&target).freeze(&target, false);
            self.writer()?.change_container(&frozen.row.id, |state| {
                if state.frozen_by() == Some(by) {
                    state.thaw();
                }
            })?;
            frozen.dismiss_guard();
            return Ok(None);
        }
        // Letting go takes it again.
        drop(lock);
        Ok(Some(frozen))
    }

    /// What a guard does when whoever froze the container is gone.
    ///
    /// # Errors
    /// When the store cannot be used, or the container cannot be thawed.
    pub(crate) fn thaw_abandoned(&self, id: &ContainerId, by: ProcessMark) -> Result<()> {
        match self.locked(id) {
            Ok((_lock, row)) if row.state.frozen_by() == Some(by) => self.thaw_for(&row, Some(by)),
            Ok(_) | Err(Error::Container(ContainerError::NoSuch(_))) => Ok(()),
            Err(why) => Err(why),
        }
    }
}

impl Frozen<'_> {
    /// Lets the container run on.
    pub(crate) fn thaw(mut self) -> Result<()> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<()> {
        let result = self.engine.thaw_abandoned(&self.row.id, self.by);
        self.dismiss_guard();
        result
    }

    /// It has nothing to do any more, and nobody is to see it.
    fn dismiss_guard(&mut self) {
        let _ = self.guard.process.kill();
        let _ = self.guard.process.wait();
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.guard.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.let_go();
        }
    }
}

/// The right to make an image of a container, until it is dropped.
pub(crate) fn commit_turn(directory: &Path) -> Result<File> {
    let path = directory.join("commit.lock");
    let failed = |source| Error::File { doing: "lock", path: path.clone(), source };
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(&path);
    let file = file.map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|why| failed(why.into()))?;
    Ok(file)
}
