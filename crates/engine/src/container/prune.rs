//! `container prune`: removing what has ended.

use wharfie_oci::ContainerId;

use super::readable_settings;
use crate::engine::Engine;
use crate::error::Result;
use crate::filter::PruneFilters;

/// Which of the containers that have ended, or were never started, to remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneContainers {
    /// Further conditions.
    pub filters: PruneFilters,
}

/// What went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrunedContainers {
    /// Whole ids, newest first.
    pub ids: Vec<ContainerId>,
    /// Bytes of what they had written.
    pub reclaimed: u64,
}

impl Engine {
    /// Removes containers that have ended. One that somebody is at work on stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn prune_containers(&self, prune: &PruneContainers) -> Result<PrunedContainers> {
        let mut pruned = PrunedContainers::default();
        let mut batch = Vec::new();
        for row in self.containers()? {
            let is_over = row.state.status().is_over();
            if !is_over || !prune.filters.accept(row.created, &readable_settings(&row).labels()) {
                continue;
            }
            let (own, _) = self.container_sizes(&row)?;
            if let Some(idle) = self.lock_idle(&row.id)? {
                pruned.ids.push(row.id);
                pruned.reclaimed += own;
                batch.push(idle);
            }
            if batch.len() == BATCH {
                self.remove_all_locked(&std::mem::take(&mut batch))?;
            }
        }
        self.remove_all_locked(&batch)?;
        self.writer()?.collect_expired()?;
        Ok(pruned)
    }
}

/// 64 containers are removed in one transaction: nearly all that removing a single one would wait for is the disk's, and one
/// that is locked costs a descriptor.
const BATCH: usize = 64;
