//! What is about images goes into archives with them, and comes out again. That needs the very manifests that it is about, and
//! so the layers as they were compressed for those.

use std::collections::{BTreeMap, BTreeSet};

use wharfie_archive::{ArchiveSink, Root, Saved, oci};
use wharfie_content::{Document, Observer, Source, graph};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, Reference};
use wharfie_store::images::Recording;
use wharfie_store::{Lease, Store, StoreSink, StoreSource};

use super::evidence::{self, plain, signs, tag_of};
use crate::arrivals::{Arrivals, Found};
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

impl Engine {
    /// Takes what an archive lists about the documents of `recording`, which then has it as well. What is damaged is left: the image
    /// is not worse for it, and nothing is proven by it.
    pub(crate) fn take_companions(
        &self,
        lease: &Lease<'_>,
        source: &dyn Source,
        roots: &[Root],
        recording: &mut Recording,
        observer: &dyn Observer,
    ) -> Result<()> {
        let store = lease.store();
        let mut arrivals = Arrivals::of(store, recording)?;
        let mut listed = Vec::new();
        for root in roots.iter().filter(|root| root.names.is_empty()) {
            let Ok(document) = source.document(&root.descriptor, true) else { continue };
            let AnyManifest::Manifest(manifest) = &document.content else { continue };
            let of_tag = root.tags.iter().find_map(|tag| Digest::about(tag));
            if let Some(subject) = manifest.subject.as_ref().map(|subject| subject.digest.clone()).or(of_tag) {
                listed.push((subject, document));
            }
        }
        let mut seen = BTreeSet::new();
        for _ in 0..=MAX_DEPTH {
            let (mut now, later): (Vec<_>, Vec<_>) =
                listed.into_iter().partition(|(subject, _)| arrivals.is_new(subject));
            // Others do not take the room of signatures.
            now.sort_by_key(|(_, document)| !signs(document));
            for (subject, document) in now.into_iter().take(MAX_DOCUMENTS) {
                let descriptor = &document.descriptor;
                if arrivals.is_new(&descriptor.digest) || !seen.insert(descriptor.digest.clone()) {
                    continue;
                }
                if graph::copy(source, &StoreSink::new(lease), descriptor, &plain(1)).is_ok() {
                    recording.manifests.extend(arrivals.said(store, &document, &subject, Found::UnderTag)?);
                }
            }
            listed = later;
        }
        for (subject, document) in &listed {
            arrivals.refuse(store, subject, &document.descriptor.digest)?;
        }
        arrivals.tell("the archive", observer);
        Ok(())
    }
}
