//! What takes how much space.

use std::collections::BTreeMap;

use wharfie_oci::{DiffId, ImageId};

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

/// What one image takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUsage {
    /// The image and its references.
    pub listed: Listed,
    /// Bytes in layers that another image has too.
    pub shared: u64,
}

impl Engine {
    /// Adds up what images take.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn images_usage(&self) -> Result<ImagesUsage> {
        let store = self.reader()?;
        let uses: BTreeMap<DiffId, (u64, u64)> = store.layer_uses()?;
        let mut images = Vec::new();
        for listed in self.list(&List::default())? {
            let shared = self.shared_bytes(&listed.image.id, &uses)?;
            images.push(ImageUsage { listed, shared });
        }
        let visible: u64 = uses.values().map(|(size, _)| size).sum();
        let size = visible + store.kept_content_bytes()?;
        Ok(ImagesUsage { images, size, reclaimable: size })
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
