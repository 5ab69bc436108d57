//! What is about images goes into archives with them, and comes out again. That needs the very manifests that it is about, and
//! so the layers as they were compressed for those.

use std::collections::{BTreeMap, BTreeSet};

use wharfie_archive::{ArchiveSink, Root, Saved, oci};
use wharfie_content::event::Event;
use wharfie_content::{Document, Observer, Source, Warning, graph};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, Reference};
use wharfie_store::images::Recording;
use wharfie_store::{Lease, NewManifest, Store, StoreSink, StoreSource};

use super::evidence::{self, about, plain, signs, tag_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::outgoing;

/// 64 documents about one image, and 3 steps from it: nobody says more, nor anything about what is farther away.
const MAX_DOCUMENTS: usize = 64;
const MAX_DEPTH: usize = 3;

/// Something about an image, and under which tag clients keep it if it does not say so itself.
pub(crate) struct Companion {
    pub(crate) descriptor: Descriptor,
    pub(crate) tag: Option<String>,
}

/// What the store has about `subject`.
pub(crate) fn in_store(store: &Store, subject: &Digest) -> Result<Vec<Companion>> {
    let mut found = Vec::new();
    for row in store.referrers(subject)?.into_iter().take(MAX_DOCUMENTS) {
        let Some(document) = outgoing::recorded(store, &row.digest)? else { continue };
        let names_subject = match &document.content {
            AnyManifest::Manifest(manifest) => manifest.subject.is_some(),
            AnyManifest::Index(_) => true,
        };
        let tag = (!names_subject).then(|| tag_of(subject));
        found.push(Companion { descriptor: document.descriptor, tag });
    }
    Ok(found)
}

/// The document that `target` is, if something is about it or its members, and all of them that are here can be written as they
/// are.
pub(crate) fn travelling(store: &Store, target: &Digest) -> Result<Option<Document>> {
    let Some(root) = outgoing::recorded(store, target)? else { return Ok(None) };
    let mut documents = vec![root.clone()];
    if let AnyManifest::Index(index) = &root.content {
        for member in &index.manifests {
            documents.extend(outgoing::recorded(store, &member.digest)?);
        }
    }
    let mut is_spoken_of = false;
    for document in &documents {
        is_spoken_of |= !store.referrers(&document.descriptor.digest)?.is_empty();
        if matches!(document.content, AnyManifest::Manifest(_)) && !outgoing::is_whole(store, document)? {
            return Ok(None);
        }
    }
    Ok(is_spoken_of.then_some(root))
}

/// Writes what is about these documents, and what is about that, into an archive. Signatures that are of other repositories than
/// those of `names` stay here, as with a push: they tell names that nobody there need know.
pub(crate) fn save(
    store: &Store,
    sink: &ArchiveSink<'_>,
    subjects: &[Digest],
    names: &[Reference],
    saved: &mut Vec<Saved>,
) -> Result<()> {
    let is_own = |name: &Reference| names.iter().any(|own| own.repository() == name.repository());
    let mut waiting: Vec<(Digest, usize)> = subjects.iter().map(|subject| (subject.clone(), 0)).collect();
    let mut seen = subjects.to_vec();
    while let Some((subject, depth)) = waiting.pop() {
        let foreign = evidence::local(store, &subject)?.foreign(is_own);
        for Companion { descriptor, tag } in in_store(store, &subject)? {
            if seen.contains(&descriptor.digest) || foreign.contains(&descriptor.digest) {
                continue;
            }
            seen.push(descriptor.digest.clone());
            let (source, descriptor) = match tag.as_ref().map(|_| without(store, &descriptor, &foreign)).transpose()? {
                Some(Some(document)) => (StoreSource::new(store).with(document.clone()), document.descriptor),
                _ => (StoreSource::new(store), descriptor),
            };
            graph::copy(&source, sink, &descriptor, &plain(1))?;
            let notes = tag.map(|tag| BTreeMap::from([(oci::REF_NAME.to_owned(), tag)]));
            let listed = Descriptor { annotations: notes, ..descriptor };
            if depth < MAX_DEPTH {
                waiting.push((listed.digest.clone(), depth + 1));
            }
            saved.push(Saved { root: Some(listed), images: Vec::new(), references: Vec::new() });
        }
    }
    Ok(())
}

/// A list of signatures without those in `foreign`; `None` if it has none of them. Its configuration stays: nobody reads it.
fn without(store: &Store, listed: &Descriptor, foreign: &[Digest]) -> Result<Option<Document>> {
    let Some(document) = outgoing::recorded(store, &listed.digest)? else { return Ok(None) };
    let AnyManifest::Manifest(manifest) = document.content else { return Ok(None) };
    if !manifest.layers.iter().any(|layer| foreign.contains(&layer.digest)) {
        return Ok(None);
    }
    let layers = manifest.layers.iter().filter(|layer| !foreign.contains(&layer.digest)).cloned().collect();
    let manifest = Manifest { layers, ..*manifest };
    let bytes = serde_json::to_vec(&manifest).map_err(Error::Document)?;
    let descriptor = Descriptor::of(document.descriptor.media_type, &bytes);
    Ok(Some(Document { descriptor, bytes, content: AnyManifest::Manifest(manifest.into()) }))
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

impl Engine {
    /// Takes what an archive lists about the documents of `recording`, which then has it as well. What is damaged is left: the image
    /// is not worse for it, and nothing is proven by it.
    ///
    /// Only what is new with this archive gains something: about an image that was here already nothing is taken, which would go
    /// with its next push as if its owner had said it.
    pub(crate) fn take_companions(
        &self,
        lease: &Lease<'_>,
        source: &dyn Source,
        roots: &[Root],
        recording: &mut Recording,
        observer: &dyn Observer,
    ) -> Result<()> {
        let store = lease.store();
        let mut known = Vec::new();
        let mut old = Vec::new();
        for manifest in &recording.manifests {
            let digests = if was_here(store, manifest)? { &mut old } else { &mut known };
            digests.push(manifest.digest.clone());
        }
        let mut refused = BTreeSet::new();
        for manifest in &mut recording.manifests {
            // What an index lists may say that it is about something else.
            if let Some(subject) = manifest.subject.take_if(|subject| !known.contains(subject))
                && store.manifest(&subject)?.is_some()
                && store.manifest(&manifest.digest)?.is_none()
            {
                refused.insert(subject);
            }
        }
        let mut listed = Vec::new();
        for root in roots.iter().filter(|root| root.names.is_empty()) {
            let Ok(document) = source.document(&root.descriptor, true) else { continue };
            let AnyManifest::Manifest(manifest) = &document.content else { continue };
            let of_tag = root.tags.iter().find_map(|tag| Digest::about(tag));
            if let Some(subject) = manifest.subject.as_ref().map(|subject| subject.digest.clone()).or(of_tag) {
                listed.push((subject, document));
            }
        }
        for _ in 0..=MAX_DEPTH {
            let (mut now, later): (Vec<_>, Vec<_>) =
                listed.into_iter().partition(|(subject, _)| known.contains(subject));
            // Others do not take the room of signatures.
            now.sort_by_key(|(_, document)| !signs(document));
            for (subject, document) in now.into_iter().take(MAX_DOCUMENTS) {
                let descriptor = &document.descriptor;
                if known.contains(&descriptor.digest) {
                    continue;
                }
                if graph::copy(source, &StoreSink::new(lease), descriptor, &plain(1)).is_ok() {
                    known.push(descriptor.digest.clone());
                    recording.manifests.push(about(&document, &subject));
                }
            }
            listed = later;
        }
        for (subject, document) in &listed {
            if old.contains(subject) && store.manifest(&document.descriptor.digest)?.is_none() {
                refused.insert(subject.clone());
            }
        }
        for subject in refused {
            observer.observe(Event::Warned(Warning::Note(format!(
                "WARNING: what the archive says about {subject} was not taken: that was here already"
            ))));
        }
        Ok(())
    }
}
