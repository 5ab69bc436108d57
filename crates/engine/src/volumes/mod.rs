//! Listing volumes, and removing those that nobody uses.

mod error;

use std::collections::BTreeMap;

pub use error::VolumeError;
use wharfie_model::volume::VolumeList;
use wharfie_oci::VolumeName;
use wharfie_store::volumes::VolumeRow;

use crate::container::volumes::tree_bytes;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::{Conditions, PruneFilters, matches_name};

/// Which volumes to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListVolumes {
    /// `name=value` conditions; different names must all hold, equal ones one of them.
    pub filters: Vec<(String, String)>,
}

/// Which of the volumes that no container uses to remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneVolumes {
    /// Also those that were given a name.
    pub all: bool,
    /// Further conditions.
    pub filters: PruneFilters,
}

/// What went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrunedVolumes {
    /// By name.
    pub names: Vec<VolumeName>,
    /// Bytes of the files in them.
    pub reclaimed: u64,
}

impl Engine {
    /// Lists volumes by name.
    ///
    /// # Errors
    /// When a filter is unknown or its value makes no sense, or the store cannot be read.
    pub fn list_volumes(&self, list: &ListVolumes) -> Result<VolumeList> {
        let conditions = Conditions::parse(&list.filters, &["dangling", "driver", "label", "name"])?;
        let (labels, dangling) = (conditions.labels(), conditions.truth("dangling")?);
        let mut volumes = Vec::new();
        for row in self.volumes()? {
            let found = labels_of(&row)?;
            let is_wanted = conditions.any("driver", |value| value == "local")
                && conditions.any("name", |value| matches_name(value, &row.name))
                && labels.accept(&found);
            if is_wanted && (dangling.is_none() || dangling == Some(!self.is_volume_used(&row.name)?)) {
                volumes.push(self.volume_document(row)?);
            }
        }
        Ok(VolumeList { volumes, ..VolumeList::default() })
    }

    /// Removes the volumes that no container uses: anonymous ones, or all.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn prune_volumes(&self, prune: &PruneVolumes) -> Result<PrunedVolumes> {
        let store = self.writer()?;
        let all = prune.all || prune.filters.all;
        let mut pruned = PrunedVolumes::default();
        for volume in store.volumes()? {
            let is_wanted = (all || volume.is_anonymous) && prune.filters.accept(volume.created, &labels_of(&volume)?);
            if !is_wanted || !store.users_of_volume(&volume.name)?.is_empty() {
                continue;
            }
            let bytes = tree_bytes(&store.volume_directory(&volume.name));
            if store.remove_volume(&volume.name)? {
                pruned.names.push(volume.name);
                pruned.reclaimed += bytes;
            }
        }
        Ok(pruned)
    }
}

fn labels_of(volume: &VolumeRow) -> Result<BTreeMap<String, String>> {
    serde_json::from_str(&volume.labels).map_err(Error::Document)
}
