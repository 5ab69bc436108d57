//! What is about an image and goes along with it: documents that name it as their subject, and those that clients keep under
//! tags made of its digest (`sha256-….sig`, `.att`, `.sbom`), as cosign does.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use wharfie_archive::{Layout, oci};
use wharfie_content::{Document, Source};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest};
use wharfie_remote::RepositoryClient;
use wharfie_store::Store;

use crate::error::Result;
use crate::trust::{archived, is_signature_tag};

/// Something about an image.
#[derive(Debug, Clone)]
pub(super) struct Companion {
    pub(super) descriptor: Descriptor,
    /// The tag it is kept under, if it does not name its subject itself.
    pub(super) tag: Option<String>,
}

/// A place that may have companions.
pub(super) trait Companions {
    /// What is about `subject`.
    fn of(&self, subject: &Digest) -> Result<Vec<Companion>>;
}

/// Where there are none.
pub(super) struct Nowhere;

impl Companions for Nowhere {
    fn of(&self, _subject: &Digest) -> Result<Vec<Companion>> {
        Ok(Vec::new())
    }
}

/// Those in the store.
pub(super) struct InStore<'a>(pub(super) &'a Store);

impl Companions for InStore<'_> {
    fn of(&self, subject: &Digest) -> Result<Vec<Companion>> {
        let found = archived::in_store(self.0, subject)?.into_iter();
        Ok(found.map(|found| Companion { descriptor: found.descriptor, tag: found.tag }).collect())
    }
}

/// Those in a repository.
pub(super) struct InRepository<'a> {
    client: &'a RepositoryClient,
    tags: OnceLock<BTreeSet<String>>,
}

impl<'a> InRepository<'a> {
    pub(super) fn new(client: &'a RepositoryClient) -> Self {
        Self { client, tags: OnceLock::new() }
    }

    fn tags(&self) -> Result<&BTreeSet<String>> {
        if let Some(tags) = self.tags.get() {
            return Ok(tags);
        }
        let tags = self.client.tags()?.into_iter().filter(|tag| is_signature_tag(tag)).collect();
        Ok(self.tags.get_or_init(|| tags))
    }
}

impl Companions for InRepository<'_> {
    fn of(&self, subject: &Digest) -> Result<Vec<Companion>> {
        let referrers = self.client.referrers(subject)?.into_iter();
        // What the list says beside type, digest and size is made from the documents by whoever lists them.
        let plain = |found: Descriptor| Descriptor::new(found.media_type, found.digest, found.size);
        let mut found: Vec<Companion> =
            referrers.map(|descriptor| Companion { descriptor: plain(descriptor), tag: None }).collect();
        let known = self.tags()?;
        for tag in tags_about(subject).filter(|tag| known.contains(tag)) {
            found.push(Companion { descriptor: self.client.resolve(&tag)?, tag: Some(tag) });
        }
        Ok(found)
    }
}

/// Those that a layout lists.
pub(super) struct InLayout {
    /// With their subjects.
    referrers: Vec<(Digest, Descriptor)>,
    tagged: Vec<(String, Descriptor)>,
}

impl InLayout {
    pub(super) fn new(layout: &Layout) -> Result<Self> {
        let (mut referrers, mut tagged) = (Vec::new(), Vec::new());
        for member in layout.listed()? {
            let name = member.annotations.as_ref().and_then(|notes| notes.get(oci::REF_NAME).cloned());
            let plain = Descriptor { annotations: None, ..member };
            if let Some(tag) = name.filter(|name| is_signature_tag(name)) {
                tagged.push((tag, plain));
                continue;
            }
            // What is not there or makes no sense is told by whoever is asked to copy it.
            if let Ok(Document { content: AnyManifest::Manifest(manifest), .. }) = layout.document(&plain, false)
                && let Some(subject) = manifest.subject
            {
                referrers.push((subject.digest, plain));
            }
        }
        Ok(Self { referrers, tagged })
    }
}

impl Companions for InLayout {
    fn of(&self, subject: &Digest) -> Result<Vec<Companion>> {
        let about = self.referrers.iter().filter(|(about, _)| about == subject);
        let mut found: Vec<Companion> =
            about.map(|(_, descriptor)| Companion { descriptor: descriptor.clone(), tag: None }).collect();
        let tags: Vec<String> = tags_about(subject).collect();
        let tagged = self.tagged.iter().filter(|(tag, _)| tags.contains(tag));
        found.extend(
            tagged.map(|(tag, descriptor)| Companion { descriptor: descriptor.clone(), tag: Some(tag.clone()) }),
        );
        Ok(found)
    }
}

/// The tags that clients keep documents about `subject` under.
fn tags_about(subject: &Digest) -> impl Iterator<Item = String> {
    let start = format!("{}-{}", subject.algorithm().as_str(), subject.hex());
    ENDINGS.iter().map(move |ending| format!("{start}.{ending}"))
}

/// Signatures, attestations, SBOMs.
const ENDINGS: [&str; 3] = ["sig", "att", "sbom"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_about_images_are_known() {
        let hex = "ab".repeat(32);
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.sbom")] {
            assert!(is_signature_tag(&tag), "{tag}");
        }
        for tag in ["latest".to_owned(), "sha256-1".to_owned(), format!("md5-{hex}")] {
            assert!(!is_signature_tag(&tag), "{tag}");
        }
        let tags: Vec<String> = tags_about(&Digest::of(b"x")).collect();
        assert!(tags.len() == 3 && tags.iter().all(|tag| is_signature_tag(tag)));
    }
}
