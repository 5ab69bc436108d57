//! Who may say something about an image: what comes with it, by whichever door it comes.
//!
//! About what was here before nothing is taken: it would be believed here and go with the next push, as if the image's owner had said
//! it. And the manifest of an image is about that image alone, whatever `subject` it has.

use std::collections::BTreeSet;

use wharfie_content::event::Event;
use wharfie_content::{Document, Observer, Warning};
use wharfie_oci::Digest;
use wharfie_oci::manifest::AnyManifest;
use wharfie_store::images::Recording;
use wharfie_store::{NewManifest, Store};

use crate::error::Result;
use crate::trust::{self, about};

/// What comes into the store at once, and what of it was here.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    new: BTreeSet<Digest>,
    old: BTreeSet<Digest>,
    /// What something was said about that was not taken.
    refused: BTreeSet<Digest>,
}

/// How a document was found to be about something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// By what it says.
    Listed,
    /// Or by the tag that it is kept under, if it says nothing.
    UnderTag,
}

impl Arrivals {
    /// Looks at what is about to be recorded, and takes away what it says about others.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn of(store: &Store, recording: &mut Recording) -> Result<Self> {
        let mut arrivals = Self::default();
        for manifest in &recording.manifests {
            let digests = if was_here(store, manifest)? { &mut arrivals.old } else { &mut arrivals.new };
            digests.insert(manifest.digest.clone());
        }
        arrivals.forget_kept(store, recording)?;
        for manifest in &mut recording.manifests {
            let is_image = manifest.image.is_some();
            let taken = manifest.subject.take_if(|subject| is_image || !arrivals.new.contains(subject));
            if let Some(subject) = taken
                && !arrivals.new.contains(&subject)
                && store.manifest(&subject)?.is_some()
                && store.manifest(&manifest.digest)?.is_none()
            {
                arrivals.refused.insert(subject);
            }
        }
        Ok(arrivals)
    }

    /// Forgets what was said about images that were removed since and come again: it came by another door, and waits for nobody.
    /// Signatures stay: who made them proves itself.
    fn forget_kept(&self, store: &Store, recording: &Recording) -> Result<()> {
        let mut subjects = self.new.clone();
        // One image may have several manifests, and what is said of one is said of it.
        for manifest in recording.manifests.iter().filter(|manifest| self.new.contains(&manifest.digest)) {
            if let Some(image) = &manifest.image {
                subjects.extend(store.manifests_of(image)?.into_iter().map(|row| row.digest));
            }
        }
        let is_coming = |digest: &Digest| recording.manifests.iter().any(|manifest| manifest.digest == *digest);
        let mut kept = Vec::new();
        for subject in &subjects {
            let said = store.referrers(subject)?;
            if said.is_empty() {
                continue;
            }
            let signatures = trust::local(store, subject)?.attached;
            let proves_itself = |digest: &Digest| {
                signatures.iter().any(|one| one.is_pure() && one.document.descriptor.digest == *digest)
            };
            let mut said: Vec<Digest> = said.into_iter().map(|row| row.digest).collect();
            said.retain(|digest| !is_coming(digest) && !proves_itself(digest));
            kept.append(&mut said);
        }
        if !kept.is_empty() {
            store.forget_referrers(&kept)?;
        }
        Ok(())
    }

    /// True for what was not here before.
    pub(crate) fn is_new(&self, digest: &Digest) -> bool {
        self.new.contains(digest)
    }

    /// The row for a document that is here now, if it may say something about `subject`. Only what is new itself is spoken of further.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn said(
        &mut self,
        store: &Store,
        document: &Document,
        subject: &Digest,
        found: Found,
    ) -> Result<Option<NewManifest>> {
        let says = match &document.content {
            AnyManifest::Manifest(manifest) => manifest.subject.as_ref().map(|subject| &subject.digest),
            // What an index is about is not read; it says nothing that is believed.
            AnyManifest::Index(_) => Some(subject),
        };
        if !self.is_new(subject) || says.map_or(found == Found::Listed, |says| says != subject) {
            return Ok(None);
        }
        let digest = &document.descriptor.digest;
        if store.manifest(digest)?.is_none() {
            self.new.insert(digest.clone());
        }
        Ok(Some(about(document, subject)))
    }

    /// Remembers that `document` is about what was here, and is not taken.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn refuse(&mut self, store: &Store, subject: &Digest, document: &Digest) -> Result<()> {
        if self.old.contains(subject) && store.manifest(document)?.is_none() {
            self.refused.insert(subject.clone());
        }
        Ok(())
    }

    /// Tells what was not taken of what `who` says.
    pub(crate) fn tell(self, who: &str, observer: &dyn Observer) {
        for subject in self.refused {
            let text = format!("WARNING: what {who} says about {subject} was not taken: that was here already");
            observer.observe(Event::Warned(Warning::Note(text)));
        }
    }
}

/// True if a document, or the image that it describes, can be seen in the store.
fn was_here(store: &Store, manifest: &NewManifest) -> Result<bool> {
    if let Some(image) = &manifest.image {
        return Ok(store.image(image)?.is_some());
    }
    let Some(row) = store.manifest(&manifest.digest)? else { return Ok(false) };
    let variants = store.variants(&row.digest)?;
    let seen = variants.iter().map(|variant| Ok(store.image(&variant.image)?.is_some())).collect::<Result<Vec<_>>>()?;
    // What was removed is only kept for a while; what is no index leads to no image.
    Ok(seen.is_empty() || seen.into_iter().any(|is_seen| is_seen))
}
