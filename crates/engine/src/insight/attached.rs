//! Documents that lie beside an image and say what is in it: attached to its manifest, or put into its index by the build that
//! made it. Whoever finds one need not look into the layers, but believes whoever could put it there.

use std::io::Read as _;

use serde::Deserialize;
use wharfie_content::{Document, Part, Source, Verified, Watch};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageId, Platform, Reference, Timestamp};
use wharfie_remote::RepositoryClient;
use wharfie_scan::{Inventory, sbom};
use wharfie_store::images::Recording;
use wharfie_store::{Lease, StoreSource};
use wharfie_trust::bundle;
use wharfie_trust::dsse::Envelope;

use super::{Look, MAX_DOCUMENT};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::trust::{about, artifact, asked};
use crate::{names, outgoing};

/// CycloneDX in JSON: the type of the artifact and of its only layer.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// SPDX in JSON, as [`CYCLONEDX`].
pub const SPDX: &str = "application/spdx+json";

/// What is to lie beside an image.
#[derive(Debug)]
pub struct Attach<'a> {
    /// As the image was looked at: its document goes to where it was found.
    pub look: &'a Look,
    /// What the document says.
    pub inventory: &'a Inventory,
    /// [`CYCLONEDX`] or [`SPDX`].
    pub kind: &'static str,
    /// The document.
    pub text: &'a str,
}

/// What lies beside an image now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The manifest that the document is about.
    pub subject: Digest,
    /// The manifest that holds the document.
    pub digest: Digest,
    /// Whether a document that says the same was there already.
    pub is_old: bool,
}

/// A document that was found beside an image.
pub(super) struct Read {
    inventory: Inventory,
    kind: String,
    /// The manifest that holds it.
    digest: Digest,
}

/// A manifest that may hold a document about `subject`.
struct Candidate {
    manifest: Document,
    subject: Digest,
    /// Whether an index lists it beside the image, as builds have it.
    is_of_build: bool,
}

/// Something that documents can be about.
struct Subject {
    manifest: Descriptor,
    /// What lists it.
    index: Option<Document>,
}

/// What an image needs before anything that others say of it is believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing: whoever can push is believed.
    None,
    /// Signatures by the rules for all of these names.
    Wanting(Vec<Reference>),
    /// It has no name that could be asked about, and there are rules.
    All,
}

impl Doubt {
    fn of(wanting: Vec<Reference>) -> Self {
        if wanting.is_empty() { Self::None } else { Self::Wanting(wanting) }
    }
}

/// 64 documents about one image: nobody writes more.
const MAX_DOCUMENTS: usize = 64;
const CREATED: &str = "org.opencontainers.image.created";
/// As BuildKit stores what a build says of its result.
const OF_DIGEST: &str = "vnd.docker.reference.digest";
const OF_TYPE: &str = "vnd.docker.reference.type";
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(default)]
    predicate_type: String,
    #[serde(default)]
    subject: Vec<StatementSubject>,
    #[serde(borrow)]
    predicate: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
struct StatementSubject {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

impl Engine {
    /// What a document beside the image says, if there is one. Of an image that is here only the store is asked, of another one its
    /// registry. Nothing is taken of images that need signatures, but what an index lists that is signed as they want it.
    ///
    /// What the document calls the image, and which one that is, is not its to say: both are of what was asked for.
    pub(super) fn attached(&self, look: &Look) -> Result<Option<Inventory>> {
        match self.named(look)? {
            Some((name, Some(found))) => {
                let beside = self.beside_local(&self.local_subjects(&found)?, &self.doubt(&found)?)?;
                let target = match &found.reference {
                    Some(reference) => self.reader()?.target(&reference.canonical())?,
                    None => None,
                };
                let digest = target.filter(|target| target != found.id.digest()).map(|target| target.to_string());
                let name = found.reference.map_or_else(|| name.to_owned(), |reference| reference.familiar());
                let id = Some(found.id.as_str().to_owned());
                Ok(beside.map(|beside| Inventory { name, id, digest, ..beside.told() }))
            }
            Some((name, None)) => {
                let (root, beside) = self.beside_remote(name, look.platform.as_ref())?;
                let (name, digest) = (name.to_owned(), Some(root.to_string()));
                Ok(beside.map(|beside| Inventory { name, digest, ..beside.told() }))
            }
            None => Ok(None),
        }
    }

    /// What an image that is here needs before anything that others say of it is believed. All of its names count: by which one its
    /// documents came is not known.
    pub(super) fn doubt(&self, found: &names::Found) -> Result<Doubt> {
        let leading = self.reader()?.names_leading_to(&found.id)?;
        let mut names = leading.iter().map(|name| names::of_row(name)).collect::<Result<Vec<_>>>()?;
        names.extend(found.reference.clone());
        match names.is_empty() {
            true if self.wants_any()? => Ok(Doubt::All),
            true => Ok(Doubt::None),
            false => self.wanting(&names).map(Doubt::of),
        }
    }

    /// Lays a document beside the image that it is about, where that was looked at: in the store, from where it goes with every
    /// push, or on its registry. One that says the same as another that is there already is not laid beside it.
    ///
    /// # Errors
    /// When what was looked at is no image with a name, or its place cannot be written.
    pub fn attach_document(&self, attach: &Attach<'_>) -> Result<Attached> {
        match self.named(attach.look)? {
            Some((_, Some(found))) => self.attach_here(attach, &found),
            Some((name, None)) => self.attach_there(attach, name),
            None => Err(Error::NotAttachable(attach.inventory.name.clone())),
        }
    }

    fn attach_here(&self, attach: &Attach<'_>, found: &names::Found) -> Result<Attached> {
        let store = self.writer()?;
        let id = match &attach.inventory.id {
            Some(id) => ImageId::new(id.parse().map_err(|_| Error::NoSuchImage(id.clone()))?),
            None => found.id.clone(),
        };
        let lease = store.lease()?;
        let target = match &found.reference {
            Some(reference) => store.target(&reference.canonical())?,
            None => None,
        };
        // An image that has no manifest yet gets the one that it is pushed with.
        let subject = outgoing::of_image(&lease, &id, target.as_ref())?.descriptor;
        let source = StoreSource::new(store);
        let known = self.referring_here(&subject.digest)?;
        if let Some(known) = same(&source, &known, &subject.digest, attach) {
            return Ok(Attached { subject: subject.digest, digest: known, is_old: true });
        }
        let document = self.document_of(&lease, attach, &subject)?;
        let manifests = vec![about(&document, &subject.digest)];
        lease.record(&Recording { manifests, ..Recording::default() })?;
        Ok(Attached { subject: subject.digest, digest: document.descriptor.digest, is_old: false })
    }

    fn attach_there(&self, attach: &Attach<'_>, name: &str) -> Result<Attached> {
        let mut reference = name.parse::<Reference>().map_err(Error::BadName)?;
        // The tag may have moved since the image was looked at.
        if let Some(digest) = attach.inventory.digest.as_ref().and_then(|digest| digest.parse().ok()) {
            reference = Reference::digested(reference.repository().clone(), digest);
        }
        let client = self.remote().repository(reference.repository());
        let subject = self.remote_subject(&client, &reference, attach.look.platform.as_ref())?.manifest;
        let known = referring_there(&client, &subject.digest, may_tell)?;
        if let Some(known) = same(&client, &known, &subject.digest, attach) {
            return Ok(Attached { subject: subject.digest, digest: known, is_old: true });
        }
        let store = self.writer()?;
        let lease = store.lease()?;
        let document = self.document_of(&lease, attach, &subject)?;
        self.send_referrer(&client, &subject.digest, &document)?;
        if store.manifest(&subject.digest)?.is_some() {
            let manifests = vec![about(&document, &subject.digest)];
            lease.record(&Recording { manifests, ..Recording::default() })?;
        }
        Ok(Attached { subject: subject.digest, digest: document.descriptor.digest, is_old: false })
    }

    /// A manifest for the document, whose parts the lease holds.
    fn document_of(&self, lease: &Lease<'_>, attach: &Attach<'_>, subject: &Descriptor) -> Result<Document> {
        let now = Timestamp { nanos: 0, ..(self.config().store.clock)() };
        let notes = [(CREATED.to_owned(), now.to_string())].into();
        artifact(lease, attach.kind, attach.text.as_bytes(), subject, notes)
    }

    /// The manifests that an image has here, with the indexes that list them.
    fn local_subjects(&self, found: &names::Found) -> Result<Vec<Subject>> {
        let store = self.reader()?;
        let target = match &found.reference {
            Some(reference) => store.target(&reference.canonical())?,
            None => None,
        };
        let root = match &target {
            Some(target) => outgoing::recorded(store, target)?,
            None => None,
        };
        let index = root.filter(|root| matches!(root.content, AnyManifest::Index(_)));
        let rows = store.manifests_of(&found.id)?.into_iter().take(MAX_DOCUMENTS);
        let subject = |row: wharfie_store::graph::ManifestRow| Subject {
            manifest: Descriptor::new(row.media_type, row.digest, 0),
            index: index.clone(),
        };
        Ok(rows.map(subject).collect())
    }

    /// What is about a manifest, in the store.
    pub(super) fn referring_here(&self, subject: &Digest) -> Result<Vec<Document>> {
        let store = self.reader()?;
        let rows = store.referrers(subject)?.into_iter().take(MAX_DOCUMENTS);
        rows.filter_map(|row| outgoing::recorded(store, &row.digest).transpose()).collect()
    }

    /// The manifests of an image that is here, and the indexes that list them.
    pub(super) fn digests_here(&self, found: &names::Found) -> Result<Vec<Digest>> {
        Ok(digests(self.local_subjects(found)?))
    }

    /// As [`Self::digests_here`], of an image on its registry.
    pub(super) fn digests_there(
        &self,
        client: &RepositoryClient,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Vec<Digest>> {
        Ok(digests(vec![self.remote_subject(client, reference, platform)?]))
    }

    fn beside_local(&self, subjects: &[Subject], doubt: &Doubt) -> Result<Option<Read>> {
        let store = self.reader()?;
        let mut all = Vec::new();
        for subject in subjects {
            let digest = &subject.manifest.digest;
            for member in self.believed_attestations(subject, doubt, None)? {
                all.extend(outgoing::recorded(store, &member.digest)?.map(|found| Candidate::of(found, digest, true)));
            }
            if *doubt == Doubt::None {
                let found = self.referring_here(digest)?.into_iter();
                all.extend(found.map(|found| Candidate::of(found, digest, false)));
            }
        }
        Ok(newest(&StoreSource::new(store), all, self.now()))
    }

    /// The digest of what the registry has under the name, and the newest document beside the image.
    fn beside_remote(&self, name: &str, platform: Option<&Platform>) -> Result<(Digest, Option<Read>)> {
        let reference = name.parse::<Reference>().map_err(Error::BadName)?.without_redundant_tag().or_latest();
        let client = self.remote().repository(reference.repository());
        let subject = self.remote_subject(&client, &reference, platform)?;
        let digest = &subject.manifest.digest;
        let doubt = Doubt::of(self.wanting([&reference])?);
        let mut all = Vec::new();
        for member in self.believed_attestations(&subject, &doubt, Some(&client))? {
            let found = client.manifest(member.digest.as_str(), None).ok();
            all.extend(found.map(|found| Candidate::of(found, digest, true)));
        }
        if doubt == Doubt::None {
            // Who cannot be asked has none: the image itself is still there to be looked into.
            let found = referring_there(&client, digest, may_tell).unwrap_or_default().into_iter();
            all.extend(found.map(|found| Candidate::of(found, digest, false)));
        }
        let beside = newest(&client, all, self.now());
        let root = subject.index.map_or(subject.manifest.digest, |index| index.descriptor.digest);
        Ok((root, beside))
    }

    /// What the index of an image lists that its build says of it, if the very index is signed as it has to be.
    fn believed_attestations(
        &self,
        subject: &Subject,
        doubt: &Doubt,
        client: Option<&RepositoryClient>,
    ) -> Result<Vec<Descriptor>> {
        let listed = attestations(subject);
        let (Some(index), false) = (&subject.index, listed.is_empty()) else { return Ok(Vec::new()) };
        let is_believed = match doubt {
            Doubt::None => true,
            Doubt::All => false,
            Doubt::Wanting(names) => {
                let proven = names.iter().map(|name| self.is_proven(name, &index.descriptor.digest, client));
                proven.collect::<Result<Vec<bool>>>()?.into_iter().all(|is_proven| is_proven)
            }
        };
        Ok(if is_believed { listed } else { Vec::new() })
    }

    fn now(&self) -> Timestamp {
        (self.config().store.clock)()
    }

    /// The manifest of one platform's image on its registry.
    fn remote_subject(
        &self,
        client: &RepositoryClient,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Subject> {
        let reference = reference.clone().without_redundant_tag().or_latest();
        let failed = |source| Error::Pull { reference: reference.familiar(), source };
        let root = client.manifest(&asked(&reference), None).map_err(failed)?;
        let wanted = platform.unwrap_or(&self.config().store.platform);
        let member = match &root.content {
            AnyManifest::Manifest(_) => return Ok(Subject { manifest: root.descriptor, index: None }),
            AnyManifest::Index(index) => {
                let only = || index.images().next().filter(|_| index.images().count() == 1);
                index.select(wanted).or_else(only).cloned()
            }
        };
        let member = member.ok_or_else(|| Error::NoPlatform(wanted.to_string()))?;
        let manifest = Descriptor::new(member.media_type, member.digest, member.size);
        Ok(Subject { manifest, index: Some(root) })
    }
}

fn digests(subjects: Vec<Subject>) -> Vec<Digest> {
    let both = |subject: Subject| {
        [Some(subject.manifest.digest), subject.index.map(|index| index.descriptor.digest)].into_iter().flatten()
    };
    let mut all: Vec<Digest> = subjects.into_iter().flat_map(both).collect();
    all.sort();
    all.dedup();
    all
}

impl Candidate {
    fn of(manifest: Document, subject: &Digest, is_of_build: bool) -> Self {
        Self { manifest, subject: subject.clone(), is_of_build }
    }

    /// When it was made. What does not say so, or says that it will be made, is older than all others: who dates a document far
    /// ahead would have the last word for ever.
    fn created(&self, now: Timestamp) -> Option<(i64, u32)> {
        let AnyManifest::Manifest(manifest) = &self.manifest.content else { return None };
        let text = manifest.annotations.as_ref().and_then(|notes| notes.get(CREATED))?;
        let moment = text.parse::<Timestamp>().ok()?;
        let moment = (moment.seconds, moment.nanos);
        (moment <= (now.seconds, now.nanos)).then_some(moment)
    }
}

impl Read {
    /// What it says of packages, and where that is from.
    fn told(self) -> Inventory {
        let attached = Some(format!("{} ({})", self.digest, self.kind));
        Inventory { attached, id: None, digest: None, base: None, ..self.inventory }
    }
}

/// What is about a manifest on its registry, of these types or of none that the list tells.
pub(super) fn referring_there(
    client: &RepositoryClient,
    subject: &Digest,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Document>> {
    let is_wanted = |found: &Descriptor| found.artifact_type.as_deref().is_none_or(&is_wanted);
    let referrers = client.referrers(subject)?.into_iter().filter(is_wanted).take(MAX_DOCUMENTS);
    Ok(referrers.filter_map(|found| client.manifest(found.digest.as_str(), None).ok()).collect())
}

/// True for what may tell what is in an image.
pub(super) fn may_tell(kind: &str) -> bool {
    is_kind(kind) || is_bundle(kind)
}

fn is_kind(media_type: &str) -> bool {
    [CYCLONEDX, SPDX].contains(&media_type.split(';').next().unwrap_or_default())
}

/// True for an attestation as cosign attaches it.
pub(super) fn is_bundle(media_type: &str) -> bool {
    media_type.starts_with(bundle::MEDIA_TYPES)
}

/// The manifest that holds a document which says the same as the one that is to be attached.
fn same(source: &dyn Source, known: &[Document], subject: &Digest, attach: &Attach<'_>) -> Option<Digest> {
    let new = sbom::read(attach.text.as_bytes()).ok().flatten()?;
    let is_same = |beside: &Read| beside.kind == attach.kind && beside.inventory == new;
    let known = known.iter().filter_map(|document| read(source, document, subject));
    known.filter(is_same).map(|beside| beside.digest).next()
}

/// The last that was made and can be read. One is read after the other: together they may be large.
fn newest(source: &dyn Source, mut all: Vec<Candidate>, now: Timestamp) -> Option<Read> {
    all.sort_by_key(|candidate| std::cmp::Reverse(candidate.created(now)));
    all.iter().find_map(|Candidate { manifest, subject, is_of_build }| match is_of_build {
        true => stated(source, manifest, subject),
        false => read(source, manifest, subject),
    })
}

/// What a document says that names `subject` itself. Whoever lists it may be wrong.
pub(super) fn read(source: &dyn Source, document: &Document, subject: &Digest) -> Option<Read> {
    let AnyManifest::Manifest(manifest) = &document.content else { return None };
    if manifest.subject.as_ref().is_none_or(|of| of.digest != *subject) {
        return None;
    }
    let layer = manifest.layers.iter().find(|layer| may_tell(layer.media_type.as_str()))?;
    let bytes = bytes(source, layer)?;
    if is_bundle(layer.media_type.as_str()) {
        let predicate = payload_of(&bytes, subject, |_| true)?;
        let inventory = sbom::read(&predicate).ok().flatten()?;
        return Some(found(document, "attestation, unverified", inventory));
    }
    let inventory = sbom::read(&bytes).ok().flatten()?;
    Some(found(document, layer.media_type.as_str(), inventory))
}

fn found(document: &Document, kind: &str, inventory: Inventory) -> Read {
    Read { inventory, kind: kind.to_owned(), digest: document.descriptor.digest.clone() }
}

/// The manifests of what a build says of an image, in the index that lists both.
fn attestations(subject: &Subject) -> Vec<Descriptor> {
    let Some(AnyManifest::Index(index)) = subject.index.as_ref().map(|index| &index.content) else {
        return Vec::new();
    };
    let is_about = |member: &&Descriptor| {
        let note = |name| member.annotations.as_ref().and_then(|notes| notes.get(name)).map(String::as_str);
        note(OF_DIGEST) == Some(subject.manifest.digest.as_str()) && note(OF_TYPE) == Some("attestation-manifest")
    };
    index.manifests.iter().filter(is_about).take(MAX_DOCUMENTS).cloned().collect()
}

/// The SPDX document of an attestation, if its statement is about `subject`.
fn stated(source: &dyn Source, document: &Document, subject: &Digest) -> Option<Read> {
    let AnyManifest::Manifest(manifest) = &document.content else { return None };
    let is_spdx = |layer: &&Descriptor| {
        let kind = layer.annotations.as_ref().and_then(|notes| notes.get(PREDICATE_TYPE));
        kind.is_some_and(|kind| kind == "https://spdx.dev/Document")
    };
    let bytes = bytes(source, manifest.layers.iter().find(is_spdx)?)?;
    let predicate = predicate_of(&bytes, subject, |_| true)?;
    Some(found(document, "attestation of its build", sbom::read(&predicate).ok().flatten()?))
}

/// What a bundle of cosign's says of `subject`, if it is of a wanted type. Nobody's signature is verified.
pub(super) fn payload_of(bytes: &[u8], subject: &Digest, is_wanted: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let bundle: Bundle = serde_json::from_slice(bytes).ok()?;
    predicate_of(&bundle.dsse_envelope?.open().ok()?.payload, subject, is_wanted)
}

/// What a statement says, if it is about `subject` and of a wanted type.
fn predicate_of(bytes: &[u8], subject: &Digest, is_wanted: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let statement: Statement<'_> = serde_json::from_slice(bytes).ok()?;
    let is_about =
        |of: &StatementSubject| of.digest.get(subject.algorithm().as_str()).is_some_and(|hex| hex == subject.hex());
    let is_one = is_wanted(&statement.predicate_type) && statement.subject.iter().any(is_about);
    is_one.then(|| statement.predicate.get().as_bytes().to_vec())
}

/// A small blob, proven.
pub(super) fn bytes(source: &dyn Source, layer: &Descriptor) -> Option<Vec<u8>> {
    if layer.size > MAX_DOCUMENT {
        return None;
    }
    // Only where the image is: nobody has us ask elsewhere.
    let bare = Descriptor::new(layer.media_type.clone(), layer.digest.clone(), layer.size);
    let part = Part { descriptor: bare.clone(), diff_id: None };
    let mut opened = source.open(&part, Watch::silent()).ok()?;
    let mut bytes = Vec::new();
    Verified::new(&mut opened, &bare).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
