//! Changing what a container may use, also while it runs.

use wharfie_runtime::Resources;
use wharfie_store::containers::Status;

use super::ContainerError;
use super::lifecycle::target_of;
use super::settings::Restart;
use super::{is_alive, settings_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;

/// What to change; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Limits that are not `None` are set anew.
    pub resources: Resources,
    /// What happens when it ends.
    pub restart: Option<Restart>,
}

impl Engine {
    /// Changes limits and restart policy of a container, at once if it runs.
    ///
    /// # Errors
    /// In docker's words, when they contradict each other or what the container has; when a limit cannot be set.
    pub fn update(&self, name: &str, update: &Update) -> Result<()> {
        super::judge::resources(&update.resources)?;
        let (_lock, row) = self.locked(name)?;
        let mut settings = settings_of(&row)?;
        let refused = |why| Err(ContainerError::Update { id: row.id.clone(), why }.into());
        if let Some(restart) = update.restart {
            if settings.auto_remove && restart != Restart::No {
                return refused("Restart policy cannot be updated because AutoRemove is enabled for the container");
            }
            settings.restart = restart;
        }
        let merged = merge(&settings.resources, &update.resources);
        if let (Some(memory), Some(both)) = (merged.memory, merged.memory_swap)
            && both < memory
        {
            return refused(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            );
        }
        if is_alive(&row)
            && update.resources != Resources::default()
            && let Some(mut target) = target_of(&row)
        {
            let parent = Some(settings.cgroup_parent.as_str()).filter(|parent| !parent.is_empty());
            let is_frozen = row.state.status() == Status::Paused;
            match target.cgroup.update(parent, &row.id, &update.resources, &merged, is_frozen) {
                Ok(cgroup) => {
                    target.cgroup = cgroup;
                    let target = serde_json::to_string(&target).map_err(Error::Document)?;
                    self.writer()?.change_container(&row.id, |state| {
                        if let Some(running) = state.running_mut() {
                            running.target.clone_from(&target);
                        }
                    })?;
                }
                // It ended meanwhile, and its cgroup with it: the limits are its next run's.
                Err(_) if !self.container(&row.id).is_ok_and(|now| is_alive(&now)) => {}
                Err(why) => return Err(why.into()),
            }
        }
        settings.resources = merged;
        let event = events::of_container(&row, "update", &[]);
        self.writer()?.noting(vec![event], |_| self.set_settings(&row, &settings))
    }
}

fn merge(old: &Resources, new: &Resources) -> Resources {
    Resources {
        memory: new.memory.or(old.memory),
        memory_swap: new.memory_swap.or(old.memory_swap),
        memory_reservation: new.memory_reservation.or(old.memory_reservation),
        // Two ways to say one thing: the new one replaces the other.
        milli_cpus: new.milli_cpus.or(old.milli_cpus.filter(|_| new.cpu_quota.is_none() && new.cpu_period.is_none())),
        cpu_quota: new.cpu_quota.or(old.cpu_quota.filter(|_| new.milli_cpus.is_none())),
        cpu_period: new.cpu_period.or(old.cpu_period.filter(|_| new.milli_cpus.is_none())),
        cpu_shares: new.cpu_shares.or(old.cpu_shares),
        cpuset_cpus: new.cpuset_cpus.clone().or_else(|| old.cpuset_cpus.clone()),
        cpuset_mems: new.cpuset_mems.clone().or_else(|| old.cpuset_mems.clone()),
        pids: new.pids.or(old.pids),
        blkio_weight: new.blkio_weight.or(old.blkio_weight),
    }
}
