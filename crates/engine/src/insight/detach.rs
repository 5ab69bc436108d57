//! Documents that lie beside an image, taken away again: of several the newest is believed, so one that is wrong has to go.

use wharfie_oci::{Digest, Platform, Reference};
use wharfie_store::StoreSource;

use super::Look;
use super::attached::{may_tell, read, referring_there};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::names;

/// What was taken away from beside an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detached {
    /// The manifests that held documents; empty if there were none.
    pub digests: Vec<Digest>,
    /// The registry did not let all of them go.
    pub is_kept: bool,
}

impl Engine {
    /// Takes away the documents beside an image that say what is in it, whoever laid them there: in the store, or on its registry if
    /// the image is not here or the registry was named. What its own index lists stays, as do signatures and VEX. Idempotent.
    ///
    /// # Errors
    /// When what was named is no image with a name, or its place cannot be asked or written.
    pub fn detach_documents(&self, look: &Look) -> Result<Detached> {
        let platform = look.platform.as_ref();
        match self.named(look)? {
            Some((_, Some(found))) => self.detach_here(&found),
            Some((name, None)) => self.detach_there(name, platform),
            None => Err(Error::NotAttachable(look.target.shown())),
        }
    }

    fn detach_here(&self, found: &names::Found) -> Result<Detached> {
        let store = self.writer()?;
        let source = StoreSource::new(store);
        let mut digests = Vec::new();
        for subject in self.digests_here(found)? {
            let documents = self.referring_here(&subject)?.into_iter();
            let telling = documents.filter(|document| read(&source, document, &subject).is_some());
            digests.extend(telling.map(|document| document.descriptor.digest));
        }
        store.forget_referrers(&digests)?;
        Ok(Detached { digests, is_kept: false })
    }

    fn detach_there(&self, name: &str, platform: Option<&Platform>) -> Result<Detached> {
        let reference = name.parse::<Reference>().map_err(Error::BadName)?;
        let client = self.remote().repository(reference.repository());
        let mut detached = Detached::default();
        for subject in self.digests_there(&client, &reference, platform)? {
            let documents = referring_there(&client, &subject, may_tell)?.into_iter();
            let telling = documents.filter(|document| read(&client, document, &subject).is_some());
            let digests: Vec<Digest> = telling.map(|document| document.descriptor.digest).collect();
            detached.is_kept |= !client.remove_referrers(&subject, &digests)?;
            detached.digests.extend(digests);
        }
        Ok(detached)
    }
}
