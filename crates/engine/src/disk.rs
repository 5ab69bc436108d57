//! What takes how much space.

use std::collections::BTreeMap;

use wharfie_oci::{DiffId, ImageId, VolumeName};

use crate::engine::Engine;
use crate::error::Result;
use crate::list::{List, Listed};

/// What images take. Bytes are those of the files in their layers, every layer counted once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImagesUsage {
    /// Each listed image.
    pub images: Vec<ImageUsage>,
    /// All layers, those of removed images that are still kept included.
    pub size: u64,
    /// What would be freed if everything unused went.
    pub reclaimable: u64,
}

/// What containers take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainersUsage {
    /// How many there are.
    pub count: usize,
    /// How many run.
    pub running: usize,
    /// Bytes of their changes.
    pub size: u64,
    /// Bytes of the changes of those that do not run.
    pub reclaimable: u64,
}

/// What volumes take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumesUsage {
    /// Each volume: its name, how many containers use it, bytes of its files.
    pub volumes: Vec<(VolumeName, usize, u64)>,
}

/// What one image takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUsage {
    /// The image and its references.
    pub listed: Listed,
    /// Bytes in layers that another image has too.
    pub shared: u64,
    /// Containers that were made from it.
    pub containers: usize,
}

impl Engine {
    /// Adds up what images take.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn images_usage(&self) -> Result<ImagesUsage> {
        let store = self.reader()?;
        let uses: BTreeMap<DiffId, (u64, u64)> = store.layer_uses()?;
        let containers = store.containers()?;
        let mut images = Vec::new();
        for listed in self.list(&List { members: true, ..List::default() })? {
            let shared = self.shared_bytes(&listed.image.id, &uses)?;
            let count = containers.iter().filter(|row| row.image == listed.image.id).count();
            images.push(ImageUsage { listed, shared, containers: count });
        }
        let visible: u64 = uses.values().map(|(size, _)| size).sum();
        let size = visible + store.kept_content_bytes()?;
        // Docker's rule: what containers use alone is not reclaimable; what they share counts as if it were.
        let in_use = images.iter().filter(|image| image.containers > 0);
        let used: u64 = in_use.map(|image| image.listed.image.size.saturating_sub(image.shared)).sum();
        Ok(ImagesUsage { images, size, reclaimable: size.saturating_sub(used) })
    }

    /// Adds up what containers take.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn containers_usage(&self) -> Result<ContainersUsage> {
        let mut usage = ContainersUsage::default();
        for row in self.containers()? {
            let (own, _) = self.container_sizes(&row)?;
            usage.count += 1;
            usage.size += own;
            if crate::container::is_alive(&row) {
                usage.running += 1;
            } else {
                usage.reclaimable += own;
            }
        }
        Ok(usage)
    }

    /// Adds up what volumes take.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn volumes_usage(&self) -> Result<VolumesUsage> {
        let store = self.reader()?;
        let mut usage = VolumesUsage::default();
        for volume in store.volumes()? {
            let bytes = crate::container::volumes::tree_bytes(&store.volume_directory(&volume.name));
            usage.volumes.push((volume.name.clone(), store.users_of_volume(&volume.name)?.len(), bytes));
        }
        Ok(usage)
    }

    /// Bytes that an image's layers take to move: compressed where a compressed form is kept, else their tars.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn moved_bytes(&self, id: &ImageId) -> Result<u64> {
        let store = self.reader()?;
        let mut bytes = 0;
        for layer in store.layers_of(id)? {
            let blobs = store.blobs_of_layer(&layer.diff_id)?;
            bytes += match blobs.iter().map(|blob| blob.size).min() {
                Some(size) => size,
                None => store.open_tar(&layer.diff_id)?.2,
            };
        }
        Ok(bytes)
    }

    fn shared_bytes(&self, id: &ImageId, uses: &BTreeMap<DiffId, (u64, u64)>) -> Result<u64> {
        let layers = self.reader()?.layers_of(id)?;
        let shared = layers.iter().filter(|layer| uses.get(&layer.diff_id).is_some_and(|(_, images)| *images > 1));
        Ok(shared.map(|layer| layer.content_size).sum())
    }
}
