//! What takes how much space.

use std::collections::BTreeMap;

use wharfie_model::image::ImageSummary;
use wharfie_model::system::DiskUsage;
use wharfie_model::volume::{UsageData, Volume};
use wharfie_oci::{DiffId, ImageId};
use wharfie_store::volumes::VolumeRow;

use crate::build::CacheFilters;
use crate::container::list::ListContainers;
use crate::engine::Engine;
use crate::error::Result;
use crate::list::{List, Listed};

impl Engine {
    /// Adds up what everything takes. This looks at all files of containers and volumes, and `with_labels` at the
    /// configuration of each image, which holds its labels.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn disk_usage(&self, with_labels: bool) -> Result<DiskUsage> {
        let store = self.reader()?;
        let uses: BTreeMap<DiffId, (u64, u64)> = store.layer_uses()?;
        let visible: u64 = uses.values().map(|(size, _)| size).sum();
        let everything = ListContainers { all: true, sizes: true, ..ListContainers::default() };
        Ok(DiskUsage {
            layers_size: visible + store.kept_content_bytes()?,
            images: self.counted_images(&uses, with_labels)?,
            containers: self.list_containers(&everything)?,
            volumes: self.counted_volumes()?,
            build_cache: self.build_cache(&CacheFilters::default())?,
        })
    }

    fn counted_images(&self, uses: &BTreeMap<DiffId, (u64, u64)>, with_labels: bool) -> Result<Vec<ImageSummary>> {
        let mut users: BTreeMap<ImageId, i64> = BTreeMap::new();
        for row in self.reader()?.containers()? {
            *users.entry(row.image).or_default() += 1;
        }
        let listed = self.list(&List { members: true, ..List::default() })?;
        let count = |listed: Listed| -> Result<ImageSummary> {
            let shared = self.shared_bytes(&listed.image.id, uses)?;
            let containers = users.get(&listed.image.id).copied().unwrap_or_default();
            let shared_size = i64::try_from(shared).unwrap_or(i64::MAX);
            Ok(ImageSummary { containers, shared_size, ..self.image_summary(listed, with_labels)? })
        };
        listed.into_iter().map(count).collect()
    }

    fn counted_volumes(&self) -> Result<Vec<Volume>> {
        let store = self.reader()?;
        let count = |row: VolumeRow| -> Result<Volume> {
            let size = crate::container::volumes::tree_bytes(&store.volume_directory(&row.name));
            let ref_count = store.users_of_volume(&row.name)?.len();
            Ok(Volume { usage_data: Some(UsageData { size, ref_count }), ..self.volume_document(row)? })
        };
        self.volumes()?.into_iter().map(count).collect()
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
