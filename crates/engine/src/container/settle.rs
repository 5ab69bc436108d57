//! What is written down about a container may be older than a crash: here it is made true again.
//!
//! Nothing runs that could notice when whoever looked after a container is killed. So every command that reads a container
//! looks whether its row can still be true. If not, the command that saw it first writes down what it sees: an end that
//! nobody saw happens when it is noticed, a container that was to go with its end goes, and one that was frozen for a moment
//! by somebody who is gone runs on.

use wharfie_runtime::Cgroup;
use wharfie_store::ContainerLock;
use wharfie_store::containers::{ContainerRow, ContainerState, Phase, ProcessMark, Status};

use super::ContainerError;
use super::lifecycle::target_of;
use super::settings::Settings;
use super::{network, readable_settings};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;

/// Exit code of a container whose end nobody saw: the machine was restarted, or its monitor was killed.
const UNSEEN_END: u8 = 255;

impl Engine {
    /// A container as it really is; `None` if it is gone.
    pub(crate) fn settled(&self, row: ContainerRow) -> Option<ContainerRow> {
        if !is_abandoned(&row) {
            return Some(row);
        }
        if self.is_rehearsal() {
            return Some(as_it_looks(self, row));
        }
        let attempt = || -> Result<Option<ContainerRow>> {
            let store = self.writer()?;
            // Whoever holds the lock is about to say what becomes of it.
            let Some(lock) = store.try_lock_container(&row.id)? else {
                return Ok(store.find_container(&row.id)?.map(|now| as_it_looks(self, now)));
            };
            match store.find_container(&row.id)? {
                Some(now) => self.settle(now, &lock),
                None => Ok(None),
            }
        };
        // On a full disk, or for somebody who may only read, it is not written down.
        attempt().unwrap_or_else(|_| Some(as_it_looks(self, row)))
    }

    /// A container's lock, once nobody else holds it, and the container as it is then.
    pub(crate) fn locked(&self, name: &str) -> Result<(ContainerLock, ContainerRow)> {
        let missing = || ContainerError::NoSuch(name.to_owned());
        let id = self.container(name)?.id;
        let store = self.writer()?;
        let lock = store.lock_container(&id)?.ok_or_else(missing)?;
        let row = store.find_container(&id)?.ok_or_else(missing)?;
        if self.is_rehearsal() {
            return Ok((lock, as_it_looks(self, row)));
        }
        let row = match self.settle(row.clone(), &lock) {
            // Who removes it makes room, which is the only way out.
            Err(Error::Store(why)) if why.is_full() => as_it_looks(self, row),
            settled => settled?.ok_or_else(missing)?,
        };
        Ok((lock, row))
    }

    /// Makes true what a row says, whose container is locked. `None` if the container went with its end.
    fn settle(&self, row: ContainerRow, lock: &ContainerLock) -> Result<Option<ContainerRow>> {
        if !is_abandoned(&row) {
            return Ok(Some(row));
        }
        if is_alive(&row) {
            self.thaw_for(&row, row.state.frozen_by())?;
        } else {
            let settings = readable_settings(&row);
            self.withdraw(&row, &settings);
            if settings.auto_remove {
                self.write_end(&row, UNSEEN_END);
                self.discard(&row, lock)?;
                let _ = self.tell_names(&networks_of(&settings));
                return Ok(None);
            }
            self.write_down_unseen_end(&row)?;
            let _ = self.tell_names(&networks_of(&settings));
        }
        Ok(self.writer()?.find_container(&row.id)?)
    }

    fn write_down_unseen_end(&self, row: &ContainerRow) -> Result<()> {
        let store = self.writer()?;
        let now = store.now().to_nanos();
        if claims_life(&row.state) {
            self.write_end(row, UNSEEN_END);
        }
        let died = events::of_container(row, "die", &[("exitCode", UNSEEN_END.to_string())]);
        let events = if claims_life(&row.state) { vec![died] } else { Vec::new() };
        let unseen = |state: &mut ContainerState| {
            if claims_life(state) {
                state.phase = Phase::Exited;
                state.exit_code = i32::from(UNSEEN_END);
                state.finished_at = Some(now);
                state.health = state.health.after_end();
            }
            (state.monitor, state.restarter) = (None, None);
        };
        store.noting(events, |store| store.change_container(&row.id, unseen))?;
        Ok(())
    }

    /// Lets a container run on that `by` froze, unless somebody else has decided otherwise meanwhile.
    pub(crate) fn thaw_for(&self, row: &ContainerRow, by: Option<ProcessMark>) -> Result<()> {
        match target_of(row).map(|target| self.runtime_of(&target).freeze(&target, false)) {
            // It has ended meanwhile, which thaws as well.
            Some(Err(why)) if is_alive(row) => return Err(why.into()),
            _ => {}
        }
        self.writer()?.change_container(&row.id, |state| {
            if state.frozen_by() == by {
                state.thaw();
            }
        })?;
        Ok(())
    }

    /// What containers that have ended have left on the machine, because whoever looked after them was killed. It is
    /// taken away.
    pub(crate) fn withdraw_leftovers(&self) -> Result<Vec<String>> {
        let store = self.writer()?;
        let shared = network::subnet(self);
        let own: Vec<_> = self.networks()?.iter().map(|network| network.subnet(self)).collect();
        let mut with_address = shared.owners().unwrap_or_default();
        let mut found = Vec::new();
        // On the shared bridge others are at home too; on a network of one's own only this store's containers.
        let with_owners = own.iter().map(|subnet| (subnet, subnet.owners()));
        for (subnet, owners) in with_owners.chain([(&shared, shared.owners_of_store())]) {
            let owners = owners.unwrap_or_default();
            let mut gone = Vec::new();
            for owner in &owners {
                if store.find_container(owner)?.is_none() {
                    gone.push(owner.clone());
                }
            }
            let gone = self.release_lost(subnet, &gone)?;
            found.extend(gone.iter().map(|id| format!("address of container {id}, which is gone")));
            with_address.extend(owners);
        }
        found.extend(self.remove_lost_networks_in_turn()?.iter().map(|device| format!("bridge {device}")));
        for row in self.containers()? {
            // One that is being started has a cgroup and an address already, and its row does not say so yet.
            let Some(_lock) = self.writer()?.try_lock_container(&row.id)? else { continue };
            let Ok(row) = self.container(&row.id) else { continue };
            if !row.state.status().is_over() {
                continue;
            }
            let settings = readable_settings(&row);
            let has_group = Cgroup::find(super::start::parent(&settings), &row.id).exists();
            let has_address = with_address.iter().any(|id| row.id == *id);
            let is_known = self.runtime(&settings).knows(&row.id);
            if has_group || has_address || is_known {
                self.withdraw(&row, &settings);
            }
            for (has, what) in [(has_group, "cgroup"), (has_address, "address"), (is_known, "runtime's state")] {
                if has {
                    found.push(format!("{what} of container {}", row.name));
                }
            }
        }
        Ok(found)
    }
}

/// Names of the networks that a container is on.
pub(super) fn networks_of(settings: &Settings) -> Vec<String> {
    settings.attachments().into_iter().map(|one| one.network).collect()
}

fn claims_life(state: &ContainerState) -> bool {
    !state.status().is_over()
}

/// True if the row cannot be true, and nobody is there to mend it.
fn is_abandoned(row: &ContainerRow) -> bool {
    match row.state.status() {
        Status::Running | Status::Paused if is_alive(row) => row.state.frozen_by().is_some_and(|by| !exists(by)),
        Status::Running | Status::Paused | Status::Restarting => !is_looked_after(row),
        // It was made to run at once, or to go with its end, by somebody who is gone.
        Status::Created | Status::Exited => row.state.monitor.is_some() && !is_looked_after(row),
    }
}

/// A row that cannot be true as it would be if it could be written. For answers only.
fn as_it_looks(engine: &Engine, mut row: ContainerRow) -> ContainerRow {
    if claims_life(&row.state) && !is_alive(&row) && !is_looked_after(&row) {
        row.state.phase = Phase::Exited;
        row.state.exit_code = i32::from(UNSEEN_END);
        row.state.finished_at = engine.reader().ok().map(|store| store.now().to_nanos());
    }
    if row.state.frozen_by().is_some_and(|by| !exists(by)) {
        // Its guard is about to write that down.
        row.state.thaw();
    }
    row
}

/// True if the process that is to write down how the container ends is there.
fn is_looked_after(row: &ContainerRow) -> bool {
    row.state.monitor.is_some_and(exists)
}

/// True if the process that the row names still exists and is the same one.
pub(crate) fn is_alive(row: &ContainerRow) -> bool {
    row.state.process().is_some_and(exists)
}

/// True if the process is there and the same one.
pub(super) fn exists(process: ProcessMark) -> bool {
    start_ticks(process.pid) == Some(process.started)
}

/// This process.
pub(super) fn us() -> ProcessMark {
    let pid = std::process::id();
    ProcessMark { pid, started: start_ticks(pid).unwrap_or_default() }
}

/// When the kernel started a process, in ticks since boot; `None` if it is gone or only waits to be buried.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may contain anything.
    let rest = &stat[stat.rfind(')')? + 2..];
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // Field 22 of the whole line; the state was the third.
    fields.nth(18)?.parse().ok()
}
