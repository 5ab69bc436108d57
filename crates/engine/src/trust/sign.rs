//! Sign: a name is what its digest says, by the word of whoever has the keys. In the store first, then on the registry.

use std::collections::BTreeMap;

use wharfie_content::Document;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, MediaType, Reference, Repository, Timestamp};
use wharfie_store::Lease;
use wharfie_store::images::{Name, Recording};
use wharfie_trust::policy::{ADMIN, Revocation};
use wharfie_trust::signature::Form;
use wharfie_trust::{PrivateKey, Rule, Signature, Wanted, bundle, simple};

use super::evidence::{self, Evidence, about};
use super::{KeyFile, TrustError};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::outgoing;

/// Which keys would sign images of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    /// These, with the names of their signers; [`ADMIN`] for the repository's own.
    With(Vec<(String, KeyFile)>),
    /// Nobody may sign for the repository yet: it needs a key of its own.
    Initialise,
}

/// What to sign.
#[derive(Debug)]
pub struct Sign<'a> {
    /// A repository with a tag.
    pub reference: Reference,
    /// What the registry has under it; what the store has if none is given.
    pub digest: Option<Digest>,
    /// The keys with the names of their signers.
    pub keys: &'a [(String, PrivateKey)],
    /// Signatures stay here, and go with the image when it is pushed.
    pub is_local: bool,
}

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What the name is now said to be.
    pub digest: Digest,
    /// Who had signed it before.
    pub before: Vec<String>,
}

impl Engine {
    /// The keys that are here of those who may sign for a repository; its signers', else its own.
    ///
    /// # Errors
    /// When there are signers and none of their keys is here.
    pub fn signing(&self, repository: &Repository) -> Result<Signing> {
        let policy = self.trust_policy()?;
        let Some(rule) = policy.rule(repository) else { return Ok(Signing::Initialise) };
        let files = self.trust_keys()?;
        let listed = rule.signers.iter().flat_map(|(name, keys)| keys.iter().map(move |key| (name.as_str(), key.id())));
        let own = rule.repository.iter().map(|key| (ADMIN, key.id()));
        let here =
            |(name, id): (&str, _)| files.iter().find(|file| file.id == id).map(|file| (name.to_owned(), file.clone()));
        let signers: Vec<_> = listed.filter_map(here).collect();
        let keys = if signers.is_empty() { own.filter_map(here).collect() } else { signers };
        match keys.is_empty() {
            true if rule.signers.is_empty() && rule.repository.is_none() => Ok(Signing::Initialise),
            true => Err(TrustError::NoSigningKey(repository.canonical()).into()),
            false => Ok(Signing::With(keys)),
        }
    }

    /// The digest that a name has on its registry.
    ///
    /// # Errors
    /// When the registry does not have it or cannot be asked.
    pub fn remote_digest(&self, reference: &Reference) -> Result<Digest> {
        let found = self.remote().repository(reference.repository()).resolve(&super::asked(reference));
        Ok(found.map_err(|source| Error::Pull { reference: reference.familiar(), source })?.digest)
    }

    /// Lets a key be the repository's own, which signs where no signer does.
    ///
    /// # Errors
    /// When the policy cannot be changed.
    pub fn set_repository_key(&self, repository: &Repository, key: &PrivateKey) -> Result<()> {
        self.change_policy(|policy| {
            policy.own_rule_mut(repository).repository = Some(key.public().clone());
            Ok(())
        })
    }

    /// Undoes [`Self::set_repository_key`] and forgets the key: nothing was signed with it.
    ///
    /// # Errors
    /// When the policy cannot be changed or the key not removed.
    pub fn discard_repository_key(&self, repository: &Repository, key: &PrivateKey, file: &KeyFile) -> Result<()> {
        self.change_policy(|policy| {
            policy.forget_repository_key(repository, key.public());
            Ok(())
        })?;
        self.remove_trust_key(file)
    }

    /// Signs in both of cosign's forms. What a key has signed already it does not sign again.
    ///
    /// # Errors
    /// When there is no such image, the store cannot be written, or the registry refuses.
    pub fn sign(&self, sign: &Sign<'_>) -> Result<Signed> {
        let reference = sign.reference.clone();
        let (None, Some(_)) = (reference.digest(), reference.tag()) else {
            return Err(TrustError::DigestReference.into());
        };
        let store = self.writer()?;
        let lease = store.lease()?;
        let subject = self.subject(&lease, sign)?;
        let digest = &subject.digest;
        self.name_signed(&reference, digest)?;
        let client = self.remote().repository(reference.repository());
        let mut known = evidence::local(store, digest)?;
        if !sign.is_local {
            known = known.and(evidence::remote(&client, digest)?);
        }
        let wanted = Wanted { digest, reference: &reference };
        let policy = self.trust_policy()?;
        let rule = policy.rule(reference.repository()).cloned().unwrap_or_default();
        let rule = self.with_roots(Rule { threshold: 1, ..rule })?;
        let before = policy.judge(&rule, &known.signatures(), &wanted).unwrap_or_default();
        self.attach_signatures(&lease, sign, &subject, &known)?;
        if !sign.is_local {
            self.send_evidence(&client, &subject)?;
        }
        self.change_policy(|policy| {
            for (_, key) in sign.keys {
                policy.forgive(&Revocation {
                    repository: reference.repository().canonical(),
                    tag: reference.tag().map(str::to_owned),
                    digest: digest.clone(),
                    key: key.public().id().to_string(),
                });
            }
            Ok(())
        })?;
        Ok(Signed { digest: digest.clone(), before })
    }

    /// The manifest or index that is to be signed. An image that has none gets the one that it is pushed with.
    fn subject(&self, lease: &Lease<'_>, sign: &Sign<'_>) -> Result<Descriptor> {
        let store = lease.store();
        let reference = &sign.reference;
        if let Some(digest) = &sign.digest {
            return match outgoing::recorded(store, digest)? {
                Some(document) => Ok(document.descriptor),
                None => {
                    let document = self.remote().repository(reference.repository()).manifest(digest.as_str(), None);
                    let unavailable = |source| Error::Pull { reference: reference.familiar(), source };
                    Ok(document.map_err(unavailable)?.descriptor)
                }
            };
        }
        let row = store.reference(&reference.canonical())?;
        let row = row.ok_or_else(|| Error::NoSuchImage(reference.familiar()))?;
        lease.hold_all([&row.target])?;
        if let Some(document) = outgoing::recorded(store, &row.target)? {
            return Ok(document.descriptor);
        }
        Ok(outgoing::of_image(lease, &row.image, Some(&row.target))?.descriptor)
    }

    /// Lets a name stand for what is signed, if it stands for an image of which that is the manifest: what is signed is what the
    /// name is compared with.
    fn name_signed(&self, reference: &Reference, digest: &Digest) -> Result<()> {
        let store = self.writer()?;
        let Some(row) = store.reference(&reference.canonical())? else { return Ok(()) };
        let described = store.manifest(digest)?.and_then(|manifest| manifest.image);
        if store.manifest(&row.target)?.is_none() && described.as_ref() == Some(&row.image) {
            let (reference, target) = (reference.clone(), digest.clone());
            store.set_reference(&Name { reference, target, image: Some(row.image) })?;
        }
        Ok(())
    }

    /// Makes what is missing of signatures, and records it.
    fn attach_signatures(
        &self,
        lease: &Lease<'_>,
        sign: &Sign<'_>,
        subject: &Descriptor,
        known: &Evidence,
    ) -> Result<()> {
        let now = (self.config().store.clock)();
        let (name, digest) = (&sign.reference, &subject.digest);
        let signatures = known.signatures();
        let mut layers = Vec::new();
        let mut recording = Recording::default();
        for (signer, key) in sign.keys {
            let has = |form| signatures.iter().any(|one| is_same(one, form, name, digest) && one.is_by(key.public()));
            if !has(Form::Simple) {
                let made = simple::sign(key, signer, name, digest, now.seconds).map_err(TrustError::from)?;
                lease.put_blob(&made.message)?;
                let mut layer = Descriptor::of(MediaType::new(simple::MEDIA_TYPE), &made.message);
                layer.annotations = Some([(simple::ANNOTATION.to_owned(), made.annotation())].into());
                layers.push(layer);
            }
            if !has(Form::Bundle) {
                let made = bundle::sign(key, signer, name, digest).map_err(TrustError::from)?;
                recording.manifests.push(about(&bundle_manifest(lease, &made, subject, now)?, digest));
            }
        }
        let simple: Vec<_> = known.attached.iter().filter(|attached| attached.is_simple()).collect();
        if !layers.is_empty() {
            let all =
                merged(simple.iter().filter_map(|attached| attached.manifest()).flat_map(|one| &one.layers), &layers);
            recording.manifests.push(about(&simple_manifest(lease, all)?, digest));
        }
        if recording.manifests.is_empty() {
            return Ok(());
        }
        lease.record(&recording)?;
        // The new one has all that is in the old ones.
        let old: Vec<Digest> = match layers.is_empty() {
            true => Vec::new(),
            false => simple.iter().map(|attached| attached.document.descriptor.digest.clone()).collect(),
        };
        Ok(lease.store().forget_referrers(&old)?)
    }
}

/// True for a signature that says the same in the same form.
fn is_same(one: &Signature, form: Form, name: &Reference, digest: &Digest) -> bool {
    one.form == form && one.claim.digest == *digest && one.claim.name.as_ref() == Some(name)
}

/// Layers of several manifests, each once.
pub(super) fn merged<'a>(first: impl Iterator<Item = &'a Descriptor>, then: &'a [Descriptor]) -> Vec<Descriptor> {
    let mut all: Vec<Descriptor> = Vec::new();
    for layer in first.chain(then) {
        if !all.iter().any(|known| known.digest == layer.digest && known.annotations == layer.annotations) {
            all.push(layer.clone());
        }
    }
    all
}

/// What lies under cosign's tag: an image whose layers are payloads. Cosign wants a configuration to it.
pub(super) fn simple_manifest(lease: &Lease<'_>, layers: Vec<Descriptor>) -> Result<Document> {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = serde_json::json!({
        "architecture": "", "config": {}, "created": "0001-01-01T00:00:00Z", "os": "",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let config = (MediaType::OCI_CONFIG, config);
    put(lease, config, Manifest { layers, ..blank() })
}

/// What refers to an image and has one bundle.
fn bundle_manifest(lease: &Lease<'_>, bytes: &[u8], subject: &Descriptor, now: Timestamp) -> Result<Document> {
    let notes = [
        ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
        ("dev.sigstore.bundle.predicateType", bundle::SIGNED.to_owned()),
        ("org.opencontainers.image.created", Timestamp { nanos: 0, ..now }.to_string()),
    ];
    let notes = notes.map(|(name, value)| (name.to_owned(), value)).into();
    artifact(lease, bundle::MEDIA_TYPE, bytes, subject, notes)
}

/// A manifest that is about `subject` and has one layer; type of the artifact and of the layer are the same. The lease holds it.
pub(crate) fn artifact(
    lease: &Lease<'_>,
    kind: &str,
    bytes: &[u8],
    subject: &Descriptor,
    notes: BTreeMap<String, String>,
) -> Result<Document> {
    lease.put_blob(bytes)?;
    let bare = Descriptor::new(subject.media_type.clone(), subject.digest.clone(), subject.size);
    let manifest = Manifest {
        artifact_type: Some(kind.to_owned()),
        layers: vec![Descriptor::of(MediaType::new(kind), bytes)],
        subject: Some(bare),
        annotations: Some(notes),
        ..blank()
    };
    put(lease, (MediaType::new("application/vnd.oci.empty.v1+json"), b"{}".to_vec()), manifest)
}

fn blank() -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config: Descriptor::of(MediaType::default(), b""),
        layers: Vec::new(),
        subject: None,
        annotations: None,
    }
}

fn put(lease: &Lease<'_>, config: (MediaType, Vec<u8>), manifest: Manifest) -> Result<Document> {
    let (kind, bytes) = config;
    lease.put_blob(&bytes)?;
    let manifest = Manifest { config: Descriptor::of(kind, &bytes), ..manifest };
    let bytes = serde_json::to_vec(&manifest).map_err(Error::Document)?;
    lease.put_blob(&bytes)?;
    let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
    Ok(Document { descriptor, bytes, content: AnyManifest::Manifest(Box::new(manifest)) })
}
