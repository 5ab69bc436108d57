//! Push: an image, or an index of several, from the store to a registry.
//!
//! What came from a registry goes back byte for byte: its compressed layers and its manifest are still here. Layers that
//! have no compressed form yet are compressed once and kept, so that a second push finds them.

use wharfie_content::event::{Event, Subject, task};
use wharfie_content::graph::{self, Copied, Images, Options, Order, Platforms};
use wharfie_content::{Document, Observer, Outcome, Part, Task, Warning};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{DiffId, Digest, Platform, Reference};
use wharfie_remote::Destination;
use wharfie_store::images::Name;
use wharfie_store::{Lease, Store, StoreSource};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::names;
use crate::outgoing;
use crate::trust::Next;

/// What to push.
#[derive(Debug, Clone)]
pub struct Push {
    /// Which repository and, unless `all_tags`, which tag.
    pub reference: Reference,
    /// Every local tag of the repository.
    pub all_tags: bool,
    /// Only the image for this platform, instead of all that a name stands for.
    pub platform: Option<Platform>,
    /// What the caller does with it once it is there.
    pub next: Next,
}

/// One tag that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Which.
    pub reference: Reference,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Bytes of its manifest.
    pub size: u64,
}

impl Engine {
    /// Pushes one tag, or all local tags of a repository. An index goes as a whole if all of it is here; else the image that
    /// its name means on this machine goes alone.
    ///
    /// # Errors
    /// When there is nothing to push, the registry refuses or cannot be reached, or the store is damaged.
    pub fn push(&self, push: &Push, observer: &dyn Observer) -> Result<Vec<Pushed>> {
        self.push_now(push, observer).map_err(|why| why.of_work(observer))
    }

    fn push_now(&self, push: &Push, observer: &dyn Observer) -> Result<Vec<Pushed>> {
        if push.reference.digest().is_some() {
            return Err(Error::PushDigest);
        }
        let repository = push.reference.repository();
        let begun = Task::begin(observer, Subject::Push { repository: repository.canonical() });
        let store = self.reader()?;
        let mut pushed = Vec::new();
        for reference in tags_to_push(store, push)? {
            pushed.push(self.push_one(&reference, push, &begun.parts())?);
        }
        for warning in self.remote().take_warnings() {
            observer.observe(Event::Warned(warning));
        }
        begun.end(Outcome::Done);
        Ok(pushed)
    }

    fn push_one(&self, reference: &Reference, push: &Push, observer: &dyn Observer) -> Result<Pushed> {
        let store = self.writer()?;
        let lease = store.lease()?;
        let repository = reference.repository();
        let ToPush { root, part_of } = to_push(&lease, reference, push.platform.as_ref())?;
        // What nobody may take is not sent.
        let may_go = |digest: &Digest| self.check_outgoing(reference, digest, push.next, observer);
        if let Some(index) = &part_of {
            // A tag that stands for all of the index already is not made to stand for less.
            let tag = reference.tag().unwrap_or_default();
            let client = self.remote().repository(repository);
            if let Ok(found) = client.resolve(tag)
                && found.digest == *index
            {
                may_go(index)?;
                self.send_evidence(&client, &found)?;
                return self.pushed(reference, &found.digest, found.size, observer);
            }
        }
        may_go(&root.descriptor.digest)?;
        let mut copied = self.send(&lease, root.clone(), reference, observer);
        // Registries that were made before OCI take docker's own types only.
        if let (Err(Error::Remote(why)), AnyManifest::Manifest(_)) = (&copied, &root.content)
            && !root.descriptor.media_type.is_docker()
            && refuses_type(why)
        {
            let root = outgoing::in_dockers_types(&lease, &root)?;
            may_go(&root.descriptor.digest)?;
            copied = self.send(&lease, root, reference, &());
        }
        let copied = copied?;
        store.record_origins(repository, &blobs(&copied))?;
        let root = copied.last().and_then(|root| root.document.as_ref());
        let descriptor = &root.ok_or_else(|| Error::NothingToPush(repository.familiar()))?.descriptor;
        let event = crate::events::of_name("push", &reference.familiar());
        let digested = Reference::digested(repository.clone(), descriptor.digest.clone());
        store.noting(vec![event], |store| store.set_reference(&Name::new(digested, descriptor.digest.clone())))?;
        if let Some(index) = part_of
            && store.variants(&index)?.len() > 1
        {
            let image = copied.iter().find_map(|copied| copied.image.as_ref());
            let platform = image.map(|image| image.config.platform().to_string()).unwrap_or_default();
            observer.observe(Event::Warned(Warning::Note(format!(
                "WARNING: {} has platforms that are not here: only the image for {platform} was pushed",
                reference.familiar()
            ))));
        }
        // What others say about it goes with it.
        let client = self.remote().repository(repository);
        for document in copied.iter().filter_map(|copied| copied.document.as_ref()) {
            self.send_evidence(&client, &document.descriptor)?;
        }
        self.pushed(reference, &descriptor.digest, descriptor.size, observer)
    }

    /// Tells what the tag stands for now.
    fn pushed(&self, reference: &Reference, digest: &Digest, size: u64, observer: &dyn Observer) -> Result<Pushed> {
        let outcome = Outcome::Manifest { digest: digest.clone(), size };
        task(observer, Subject::Tag(reference.clone()), |_| -> Result<_> { Ok(((), outcome)) })?;
        Ok(Pushed { reference: reference.clone(), digest: digest.clone(), size })
    }

    /// Copies what `root` leads to into the repository and under the tag of `reference`.
    fn send(
        &self,
        lease: &Lease<'_>,
        root: Document,
        reference: &Reference,
        observer: &dyn Observer,
    ) -> Result<Vec<Copied>> {
        let store = lease.store();
        let repository = reference.repository();
        let client = self.remote().repository(repository);
        // What cannot be known is not mounted: it is uploaded.
        let origins = |digest: &Digest| store.origins_of_blob(digest, repository.host()).unwrap_or_default();
        let destination = Destination::new(&client, &origins).tagged(reference.tag().unwrap_or_default());
        let naming = |part: &Part| Subject::Upload {
            diff_id: part.diff_id.clone().unwrap_or_else(|| DiffId::new(part.descriptor.digest.clone())),
            size: Some(part.descriptor.size),
        };
        let options = Options {
            platforms: Platforms::All,
            jobs: self.config().jobs,
            observer,
            naming: Some(&naming),
            order: Order::TopFirst,
            images: Images::Known,
            check: &|_| Ok(()),
        };
        let descriptor = root.descriptor.clone();
        Ok(graph::copy(&StoreSource::new(store).with(root), &destination, &descriptor, &options)?)
    }
}

/// What a name is pushed as.
pub(crate) struct ToPush {
    pub(crate) root: Document,
    /// The index that the name stands for, if it is not here as a whole and nobody asked for one platform of it.
    pub(crate) part_of: Option<Digest>,
}

/// The document that a name is pushed as, which is held by the lease with all that it leads to.
pub(crate) fn to_push(lease: &Lease<'_>, reference: &Reference, platform: Option<&Platform>) -> Result<ToPush> {
    let store = lease.store();
    let nothing = || Error::NothingToPush(reference.repository().familiar());
    let row = store.reference(&reference.canonical())?.ok_or_else(nothing)?;
    lease.hold_all([&row.target])?;
    if platform.is_none()
        && let Some(root) = outgoing::whole_index(store, &row.target)?
    {
        return Ok(ToPush { root, part_of: None });
    }
    let image = match platform {
        Some(_) => names::variant(store, &reference.familiar(), &row.target, platform)?.ok_or_else(nothing)?,
        None => row.image,
    };
    let is_index = store.manifest(&row.target)?.is_some_and(|found| found.image.is_none());
    let target = Some(row.target.clone());
    let part_of = (is_index && platform.is_none()).then_some(row.target);
    Ok(ToPush { root: outgoing::of_image(lease, &image, part_of.as_ref().or(target.as_ref()))?, part_of })
}

/// The layers of everything that was sent.
fn blobs(copied: &[Copied]) -> Vec<Digest> {
    let manifests = copied.iter().filter_map(|copied| match &copied.document.as_ref()?.content {
        AnyManifest::Manifest(manifest) => Some(manifest),
        AnyManifest::Index(_) => None,
    });
    manifests.flat_map(|manifest| &manifest.layers).map(|layer| layer.digest.clone()).collect()
}

/// True if a registry did not take the manifest for what it is, whatever its words.
fn refuses_type(why: &wharfie_remote::Error) -> bool {
    match why.status() {
        Some(415) => true,
        Some(400..=499) => ["MANIFEST_INVALID", "UNSUPPORTED"].iter().any(|code| why.has_code(code)),
        _ => false,
    }
}

fn tags_to_push(store: &Store, push: &Push) -> Result<Vec<Reference>> {
    if !push.all_tags {
        return Ok(vec![push.reference.clone().or_latest()]);
    }
    let prefix = format!("{}:", push.reference.repository().canonical());
    let rows = store.references_beginning(&prefix)?.into_iter().filter(|row| !row.is_digest);
    let tags = rows.map(|row| names::reference(&row)).collect::<Result<Vec<_>>>()?;
    if tags.is_empty() {
        return Err(Error::NothingToPush(push.reference.repository().familiar()));
    }
    Ok(tags)
}
