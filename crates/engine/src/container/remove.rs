//! Removing containers.

use wharfie_oci::ContainerId;
use wharfie_store::ContainerLock;
use wharfie_store::containers::{ContainerRow, Status};

use super::ContainerError;
use super::lifecycle::target_of;
use super::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;

/// Which container to remove, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoveContainer {
    /// Its name or id.
    pub container: String,
    /// A running one is killed first.
    pub force: bool,
    /// Its anonymous volumes go with it.
    pub volumes: bool,
}

impl Engine {
    /// Removes a container.
    ///
    /// # Errors
    /// When there is no such container, or it runs and is not to be ended by force.
    pub fn remove_container(&self, remove: &RemoveContainer) -> Result<ContainerRow> {
        let row = self.container(&remove.container)?;
        let force = remove.force;
        if force {
            self.end_by_force(&row)?;
        }
        let (lock, row) = match self.locked_and_decided(&row.id) {
            // It was to go with its end.
            Err(Error::Container(ContainerError::NoSuch(_))) if force => return Ok(row),
            result => result?,
        };
        let is_running = is_alive(&row) || row.state.status() == Status::Restarting;
        if is_running {
            if !force {
                return Err(refusal_to_remove(row));
            }
            // Somebody started it again before we had the lock.
            self.end_by_force(&row)?;
        }
        self.remove_locked(&row, remove.volumes, &lock)?;
        Ok(row)
    }

    /// A container that has ended or was never started, and its lock; `None` if it runs or somebody is at work on it.
    pub(super) fn lock_idle(&self, id: &ContainerId) -> Result<Option<(ContainerRow, ContainerLock)>> {
        let store = self.writer()?;
        let Some(lock) = store.try_lock_container(id)? else { return Ok(None) };
        let Some(row) = store.find_container(id)? else { return Ok(None) };
        let is_idle = !is_alive(&row) && row.state.status().is_over();
        Ok(is_idle.then_some((row, lock)))
    }

    /// Removes locked containers in one transaction, and leaves their volumes.
    pub(super) fn remove_all_locked(&self, containers: &[(ContainerRow, ContainerLock)]) -> Result<()> {
        for (row, _) in containers.iter().filter(|_| !self.is_rehearsal()) {
            self.withdraw(row, &readable_settings(row));
        }
        let events = containers.iter().map(|(row, _)| events::of_container(row, "destroy", &[])).collect();
        let locked: Vec<_> = containers.iter().map(|(row, lock)| (&row.id, lock)).collect();
        Ok(self.writer()?.noting(events, |store| store.remove_containers(&locked))?)
    }

    fn end_by_force(&self, row: &ContainerRow) -> Result<()> {
        if self.is_rehearsal() {
            return Ok(());
        }
        if !self.mark_stopped(row)? {
            return Ok(());
        }
        if let Some(target) = target_of(row).filter(|_| is_alive(row)) {
            target.cgroup.kill();
        }
        self.end_now(row)?;
        self.wait_for_record(&row.id)
    }

    fn remove_locked(&self, row: &ContainerRow, volumes: bool, lock: &ContainerLock) -> Result<()> {
        if !self.is_rehearsal() {
            self.withdraw(row, &readable_settings(row));
        }
        let store = self.writer()?;
        let anonymous = store.volumes_of_container(&row.id)?;
        // What of one cannot be deleted keeps no other.
        let event = events::of_container(row, "destroy", &[]);
        let mut removed = store.noting(vec![event], |store| store.remove_container(&row.id, lock));
        for volume in anonymous.iter().filter(|name| volumes && name.is_random()) {
            removed = removed.and(store.remove_volume(volume).map(drop));
        }
        store.collect_expired()?;
        Ok(removed?)
    }
}

/// Why a container that is not at rest is not removed, in docker's words.
fn refusal_to_remove(row: ContainerRow) -> Error {
    let refusal = match row.state.status() {
        Status::Paused => ContainerError::RemovePaused,
        Status::Restarting => ContainerError::RemoveRestarting,
        Status::Created | Status::Running | Status::Exited => ContainerError::Running,
    };
    refusal(row.id).into()
}
