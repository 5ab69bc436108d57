//! What is about images goes into archives with them, and comes out again. That needs the very manifests that it is about, and
//! so the layers as they were compressed for those.

use std::collections::BTreeMap;

use wharfie_archive::{ArchiveSink, Root, Saved, oci};
use wharfie_content::{Document, Source, graph};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest};
use wharfie_store::images::Recording;
use wharfie_store::{Lease, Store, StoreSink, StoreSource};

use super::evidence::{about, plain, tag_of};
use crate::engine::Engine;
use crate::error::Result;
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

/// Writes what is about these documents, and what is about that, into an archive.
pub(crate) fn save(store: &Store, sink: &ArchiveSink<'_>, subjects: &[Digest], saved: &mut Vec<Saved>) -> Result<()> {
    let source = StoreSource::new(store);
    let mut waiting: Vec<(Digest, usize)> = subjects.iter().map(|subject| (subject.clone(), 0)).collect();
    let mut seen = subjects.to_vec();
    while let Some((subject, depth)) = waiting.pop() {
        for Companion { descriptor, tag } in in_store(store, &subject)? {
            if seen.contains(&descriptor.digest) {
                continue;
            }
            graph::copy(&source, sink, &descriptor, &plain(1))?;
            let notes = tag.map(|tag| BTreeMap::from([(oci::REF_NAME.to_owned(), tag)]));
            let listed = Descriptor { annotations: notes, ..descriptor };
            seen.push(listed.digest.clone());
            if depth < MAX_DEPTH {
                waiting.push((listed.digest.clone(), depth + 1));
            }
            saved.push(Saved { root: Some(listed), images: Vec::new(), references: Vec::new() });
        }
    }
    Ok(())
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
    ) -> Result<()> {
        let mut listed = Vec::new();
        for root in roots.iter().filter(|root| root.names.is_empty()) {
            let Ok(document) = source.document(&root.descriptor, true) else { continue };
            let AnyManifest::Manifest(manifest) = &document.content else { continue };
            let of_tag = root.tag.as_deref().and_then(subject_of);
            if let Some(subject) = manifest.subject.as_ref().map(|subject| subject.digest.clone()).or(of_tag) {
                listed.push((subject, document));
            }
        }
        let mut known: Vec<Digest> = recording.manifests.iter().map(|manifest| manifest.digest.clone()).collect();
        for _ in 0..=MAX_DEPTH {
            let (now, later): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(subject, _)| known.contains(subject));
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
        Ok(())
    }
}

/// What the tag is about that a client keeps something under.
fn subject_of(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?.split('.').next()?;
    Digest::sha256(hex).ok()
}
