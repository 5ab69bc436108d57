//! Signatures of an image, where they lie: in the store, under cosign's tag, or among what refers to it on the registry.

use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::{Document, Source, place};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, Reference};
use wharfie_remote::RepositoryClient;
use wharfie_store::images::Recording;
use wharfie_store::{NewManifest, Store, StoreSink, StoreSource};
use wharfie_trust::{MAX_DOCUMENT, Signature, bundle, notation, simple};

use crate::engine::Engine;
use crate::error::Result;

/// Everything that was found about one digest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) attached: Vec<Attached>,
    /// What was there and could not be read.
    notes: Vec<String>,
    /// Bytes of what was read.
    size: u64,
}

/// A manifest with signatures.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    pub(crate) document: Document,
    /// Its layers with what they say; those that say nothing are not among them.
    pub(crate) entries: Vec<Entry>,
}

/// A layer with signatures.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) layer: Descriptor,
    pub(crate) signatures: Vec<Signature>,
}

/// 64 layers of one manifest, and 64 manifests: nobody signs as often.
const MAX_ENTRIES: usize = 64;

/// 1,024 manifests of the store that do not say what they are, looked at for signatures.
const MAX_REFERRERS: usize = 1024;
/// 4 MiB of signatures about one image: real ones have some thousand bytes.
const MAX_EVIDENCE: u64 = 4 << 20;
/// 300 letters of what is wrong with one.
const MAX_NOTE: usize = 300;
const TOO_MUCH: &str = "there is more about it than anybody signs";

/// The tag under which cosign has signatures of `digest`.
pub(crate) fn tag_of(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm().as_str(), digest.hex())
}

/// True for tags that such things lie under: signatures, attestations, documents, and lists of what refers to something.
pub(crate) fn is_signature_tag(tag: &str) -> bool {
    let digest = tag.split('.').next().unwrap_or_default();
    digest.strip_prefix("sha256-").is_some_and(|hex| Digest::sha256(hex).is_ok())
}

impl Attached {
    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        match &self.document.content {
            AnyManifest::Manifest(manifest) => Some(manifest),
            AnyManifest::Index(_) => None,
        }
    }

    /// True for what lies under cosign's tag.
    pub(crate) fn is_simple(&self) -> bool {
        let is_simple = |layer: &Descriptor| layer.media_type.as_str() == simple::MEDIA_TYPE;
        self.manifest().is_some_and(|manifest| manifest.layers.iter().any(is_simple))
    }

    /// True if it says nothing but who signed something.
    pub(crate) fn is_pure(&self) -> bool {
        let is_signature = |layer: &Descriptor| match layer.media_type.as_str() {
            simple::MEDIA_TYPE | notation::JWS => true,
            // A bundle may hold any statement; these were read.
            _ => self.entries.iter().any(|entry| entry.layer == *layer && !entry.signatures.is_empty()),
        };
        self.manifest().is_some_and(|manifest| manifest.layers.iter().all(is_signature))
    }

    /// True if all of it is small and in one place: nobody has us keep more than that for the sake of a signature.
    fn is_small(&self) -> bool {
        self.manifest().is_some_and(|manifest| {
            let mut parts = manifest.layers.iter().chain([&manifest.config]);
            let size = parts.clone().map(|part| part.size).fold(0, u64::saturating_add);
            size <= MAX_DOCUMENT * 4 && parts.all(|part| part.urls.is_none())
        })
    }
}

impl Evidence {
    /// All signatures.
    pub(crate) fn signatures(&self) -> Vec<Signature> {
        let entries = self.attached.iter().flat_map(|attached| &attached.entries);
        entries.flat_map(|entry| entry.signatures.iter().cloned()).collect()
    }

    /// What may be the reason why there is too little.
    pub(crate) fn note(&self) -> Option<&str> {
        self.notes.first().map(String::as_str)
    }

    /// The layers whose signatures are all of other repositories, and the manifests that have no others. What a signature of no name
    /// is of is not known: it is of none of them.
    pub(super) fn foreign(&self, is_own: impl Fn(&Reference) -> bool) -> Vec<Digest> {
        let mut foreign = Vec::new();
        for attached in &self.attached {
            let is_foreign = |entry: &&Entry| {
                let mut names = entry.signatures.iter().map(|signature| signature.claim.name.as_ref());
                !entry.signatures.is_empty() && names.all(|name| name.is_some_and(|name| !is_own(name)))
            };
            let layers = attached.entries.iter().filter(is_foreign).map(|entry| entry.layer.digest.clone());
            let before = foreign.len();
            foreign.extend(layers);
            if foreign.len() - before == attached.entries.len() {
                foreign.push(attached.document.descriptor.digest.clone());
            }
        }
        foreign
    }

    /// Adds what others found and this has not.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for attached in other.attached {
            let digest = &attached.document.descriptor.digest;
            if !self.attached.iter().any(|known| known.document.descriptor.digest == *digest) {
                self.attached.push(attached);
            }
        }
        self.notes.extend(other.notes);
        self.size += other.size;
        self
    }

    /// Drops what says that the image is of another type or size than it is. `described` finds out, if anything says something.
    fn settle(&mut self, described: impl FnOnce() -> Result<Option<Descriptor>>) -> Result<()> {
        let all = || self.attached.iter().flat_map(|attached| &attached.entries).flat_map(|entry| &entry.signatures);
        if !all().any(|signature| signature.certified.is_some()) {
            return Ok(());
        }
        let subject = described()?;
        let mut is_other = false;
        for entry in self.attached.iter_mut().flat_map(|attached| &mut attached.entries) {
            entry.signatures.retain(|signature| {
                let Some(target) = signature.certified.as_ref().map(|certified| &certified.target) else { return true };
                // What is of another digest is told by whoever compares that.
                let is_same = subject.as_ref().is_some_and(|subject| {
                    target.digest != subject.digest
                        || (&target.media_type, target.size) == (&subject.media_type, subject.size)
                });
                is_other |= !is_same;
                is_same
            });
        }
        if is_other {
            self.notes.push("a signature of notation's is of something of another type or size".to_owned());
        }
        Ok(())
    }

    /// Reads what a document says, if it says anything.
    fn read(&mut self, source: &dyn Source, document: Document) {
        let AnyManifest::Manifest(manifest) = &document.content else { return };
        let mut entries = Vec::new();
        self.size += document.bytes.len() as u64;
        for layer in manifest.layers.iter().take(MAX_ENTRIES) {
            if self.size > MAX_EVIDENCE {
                self.notes.push(TOO_MUCH.to_owned());
                return;
            }
            let kind = layer.media_type.as_str();
            let is_notation = document_kind(manifest) == notation::ARTIFACT;
            if is_notation && kind != notation::JWS {
                self.notes.push(short(&format!("a signature of notation's is in {kind}, which wharfie does not read")));
                continue;
            }
            if !is_notation && kind != simple::MEDIA_TYPE && !kind.starts_with(bundle::MEDIA_TYPES) {
                continue;
            }
            match signatures(source, layer) {
                Ok(signatures) => {
                    self.size += signatures.iter().map(|one| one.message.len() as u64).sum::<u64>();
                    entries.push(Entry { layer: layer.clone(), signatures });
                }
                Err(why) => self.notes.push(short(&why)),
            }
        }
        if !entries.is_empty() {
            self.attached.push(Attached { document, entries });
        }
    }
}

/// What an artifact is.
fn document_kind(manifest: &Manifest) -> &str {
    manifest.artifact_type.as_deref().unwrap_or_else(|| manifest.config.media_type.as_str())
}

/// What is wrong with a document may quote all of it.
pub(super) fn short(why: &str) -> String {
    match why.char_indices().nth(MAX_NOTE) {
        Some((end, _)) => format!("{}…", &why[..end]),
        None => why.to_owned(),
    }
}

fn signatures(source: &dyn Source, layer: &Descriptor) -> std::result::Result<Vec<Signature>, String> {
    if layer.size > MAX_DOCUMENT {
        return Err(format!("a signature has {} bytes", layer.size));
    }
    // Only where the image is: nobody has us ask elsewhere for the sake of a signature.
    let bare = Descriptor::new(layer.media_type.clone(), layer.digest.clone(), layer.size);
    let bytes = place::read(source, &bare).map_err(|why| format!("a signature cannot be read: {why}"))?;
    let read = match layer.media_type.as_str() {
        simple::MEDIA_TYPE => {
            let notes = layer.annotations.as_ref().and_then(|notes| notes.get(simple::ANNOTATION));
            simple::read(&bytes, notes.map_or("", String::as_str)).map(|signature| vec![signature])
        }
        notation::JWS => notation::read(&bytes).map(|signature| vec![signature]),
        _ => bundle::read(&bytes),
    };
    read.map_err(|why| why.to_string())
}

/// What the store has about `digest`.
pub(crate) fn local(store: &Store, digest: &Digest) -> Result<Evidence> {
    let source = StoreSource::new(store);
    let mut evidence = Evidence::default();
    // What is no signature must not keep those from being read that are: they come by digest, and digests can be chosen.
    let rows = store.referrers(digest)?.into_iter().filter(|row| may_sign(row.artifact_type.as_deref()));
    let mut signatures = 0;
    for row in rows.take(MAX_REFERRERS) {
        let announced = Descriptor::new(row.media_type.clone(), row.digest.clone(), 0);
        match store.document(&row.digest, &announced) {
            Ok(document) if !signs(&document) => continue,
            Ok(document) => evidence.read(&source, document),
            Err(why) => evidence.notes.push(short(&why.to_string())),
        }
        signatures += 1;
        if signatures == MAX_ENTRIES {
            break;
        }
    }
    evidence.settle(|| Ok(crate::outgoing::recorded(store, digest)?.map(|document| document.descriptor)))?;
    Ok(evidence)
}

/// What the registry has about `digest`: under cosign's tag, and among what refers to it.
///
/// # Errors
/// When it fails or cannot be reached; not when it has nothing.
pub(crate) fn remote(client: &RepositoryClient, digest: &Digest) -> Result<Evidence> {
    let mut evidence = Evidence::default();
    match client.manifest(&tag_of(digest), None) {
        Ok(document) => evidence.read(client, document),
        Err(why) if is_absent(&why) => {}
        Err(why) => return Err(why.into()),
    }
    let may_sign = |found: &Descriptor| may_sign(found.artifact_type.as_deref());
    let referrers = client.referrers(digest)?.into_iter().filter(may_sign);
    for referrer in referrers.take(MAX_ENTRIES) {
        match client.manifest(referrer.digest.as_str(), None) {
            Ok(document) => evidence.read(client, document),
            Err(why) if is_absent(&why) => evidence.notes.push(short(&format!("a signature cannot be read: {why}"))),
            Err(why) => return Err(why.into()),
        }
    }
    evidence.settle(|| Ok(Some(client.manifest(digest.as_str(), None)?.descriptor)))?;
    Ok(evidence)
}

/// True for an artifact that may be a signature, by its type as lists have it.
fn may_sign(kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| kind.starts_with(bundle::MEDIA_TYPES) || kind == notation::ARTIFACT)
}

/// True for a manifest that has something of the kinds that signatures are.
pub(super) fn signs(document: &Document) -> bool {
    let AnyManifest::Manifest(manifest) = &document.content else { return false };
    let is_one = |layer: &Descriptor| {
        layer.media_type.as_str() == simple::MEDIA_TYPE || layer.media_type.as_str().starts_with(bundle::MEDIA_TYPES)
    };
    document_kind(manifest) == notation::ARTIFACT || manifest.layers.iter().take(MAX_ENTRIES).any(is_one)
}

/// True for an answer that says that there is nothing, or nothing that could be taken for a signature.
fn is_absent(why: &wharfie_remote::Error) -> bool {
    why.status().is_some_and(|status| (400..500).contains(&status))
        || matches!(why, wharfie_remote::Error::Manifest { .. } | wharfie_remote::Error::ManifestMismatch { .. })
}

impl Engine {
    /// Keeps the signatures that a registry has of `digest`, which is here: it is verified without the registry from now on, and they
    /// travel on. Nothing else that the registry says of it is taken: what is signed may have been here before. Returns how many.
    pub(super) fn keep_evidence(
        &self,
        client: &RepositoryClient,
        digest: &Digest,
        evidence: &Evidence,
    ) -> Result<usize> {
        let store = self.writer()?;
        let lease = store.lease()?;
        let mut recording = Recording::default();
        for attached in evidence.attached.iter().filter(|attached| attached.is_small() && attached.is_pure()) {
            let descriptor = &attached.document.descriptor;
            if store.manifest(&descriptor.digest)?.is_some() {
                continue;
            }
            graph::copy(client, &StoreSink::new(&lease), descriptor, &plain(self.config().jobs))?;
            recording.manifests.push(about(&attached.document, digest));
        }
        if !recording.manifests.is_empty() {
            lease.record(&recording)?;
        }
        Ok(recording.manifests.len())
    }
}

/// A row for a document that is about `subject`, whether or not it says so: what lies under cosign's tag does not.
pub(crate) fn about(document: &Document, subject: &Digest) -> NewManifest {
    let Descriptor { media_type, digest, .. } = &document.descriptor;
    let row = NewManifest::of(media_type.clone(), digest.clone(), &document.content);
    NewManifest { subject: Some(subject.clone()), image: None, ..row }
}

/// Copying what is no image, with nobody watching.
pub(crate) fn plain<'a>(jobs: usize) -> Options<'a> {
    Options {
        platforms: Platforms::All,
        jobs,
        observer: &(),
        naming: None,
        order: Order::BottomFirst,
        images: Images::Ignored,
        check: &|_| Ok(()),
    }
}
