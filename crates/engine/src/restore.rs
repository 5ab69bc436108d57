//! Undo: bringing back what `rmi` removed.

use wharfie_oci::{ImageId, Reference};
use wharfie_store::trash::{KeptImage, KeptName, Restored};

use crate::engine::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// Images that can be brought back, newest removal first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept(&self) -> Result<Vec<KeptImage>> {
        Ok(self.reader()?.kept_images()?)
    }

    /// Names that can be brought back, newest removal first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_names(&self) -> Result<Vec<KeptName>> {
        Ok(self.reader()?.kept_names()?)
    }

    /// Brings back what was removed under `name`: a reference, or an image by its id or the beginning of it, with all
    /// names it had then. Names that mean something else by now are left alone.
    ///
    /// # Errors
    /// When nothing of that name is kept.
    pub fn restore(&self, name: &str) -> Result<(ImageId, Restored)> {
        let store = self.writer()?;
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        if let Ok(reference) = name.parse::<Reference>() {
            let canonical = reference.without_redundant_tag().or_latest().canonical();
            if let Some(row) = store.kept_references()?.into_iter().find(|row| row.name == canonical) {
                // A whole image comes back as it was; a single name that an image lost comes back alone.
                let names = if store.is_kept(&row.image)? { Vec::new() } else { vec![canonical] };
                return Ok((row.image.clone(), store.restore(&row.image, &names)?));
            }
        }
        let fits: Vec<ImageId> = store
            .kept_images()?
            .into_iter()
            .map(|kept| kept.id)
            .filter(|id| !hex.is_empty() && id.digest().hex().starts_with(hex))
            .collect();
        match fits.as_slice() {
            [id] => Ok((id.clone(), store.restore(id, &[])?)),
            _ => Err(Error::NotKept(name.to_owned())),
        }
    }
}
