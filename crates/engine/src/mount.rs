//! Looking into images: mounting their root file systems read-only.

use std::path::Path;

use wharfie_oci::ImageId;
use wharfie_store::mounts::MountRow;

use crate::engine::Engine;
use crate::error::Result;
use crate::names;

impl Engine {
    /// Mounts the image called `name` read-only on `directory`. Its layers stay until it is unmounted.
    ///
    /// # Errors
    /// When there is no such image or directory, or mounting is not possible here.
    pub fn mount(&self, name: &str, directory: &Path) -> Result<ImageId> {
        let store = self.writer()?;
        let id = names::find(store, name)?.id;
        store.mount(&id, directory)?;
        Ok(id)
    }

    /// Unmounts what [`Self::mount`] mounted on `directory`.
    ///
    /// # Errors
    /// When nothing of ours is mounted there, or it is in use.
    pub fn unmount(&self, directory: &Path) -> Result<()> {
        Ok(self.writer()?.unmount(directory)?)
    }

    /// What is mounted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn mounts(&self) -> Result<Vec<MountRow>> {
        Ok(self.reader()?.mounts()?)
    }
}
