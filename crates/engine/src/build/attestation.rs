//! Attestations: in-toto statements about an image, in a manifest that lies in the index beside the image's.
//! Source: in-toto statement v0.1, and BuildKit's attestation storage.

use serde_json::{Value, json};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, MediaType, Platform};
use wharfie_store::images::Recording;
use wharfie_store::{Lease, NewManifest};

use crate::error::{Error, Result};

/// Something that is said of an image.
pub(super) struct Predicate {
    /// What kind of words it is in.
    pub(super) kind: &'static str,
    pub(super) body: Value,
}

/// The kind of an SPDX document.
pub(super) const SPDX: &str = "https://spdx.dev/Document";

/// The manifest that says all of this of the image whose manifest is `subject`, recorded and held; what an index says of it.
pub(super) fn attest(
    lease: &Lease<'_>,
    predicates: &[Predicate],
    subject: &Digest,
    names: &[String],
) -> Result<Descriptor> {
    let digest = json!({subject.algorithm().as_str(): subject.hex()});
    let subjects: Vec<Value> = names.iter().map(|name| json!({"name": name, "digest": digest})).collect();
    let subjects = if subjects.is_empty() { vec![json!({"name": "_", "digest": digest})] } else { subjects };
    let mut layers = Vec::with_capacity(predicates.len());
    for predicate in predicates {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": predicate.kind,
            "subject": subjects,
            "predicate": predicate.body,
        });
        let bytes = serde_json::to_vec(&statement).map_err(Error::Document)?;
        lease.put_blob(&bytes)?;
        layers.push(Descriptor {
            annotations: Some([("in-toto.io/predicate-type".to_owned(), predicate.kind.to_owned())].into()),
            ..Descriptor::of(MediaType::new("application/vnd.in-toto+json"), &bytes)
        });
    }
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = json!({
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": digests},
    });
    let bytes = serde_json::to_vec(&config).map_err(Error::Document)?;
    let config = Descriptor::of(MediaType::OCI_CONFIG, &bytes);
    lease.put_blob(&bytes)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: None,
    };
    let bytes = serde_json::to_vec(&manifest).map_err(Error::Document)?;
    lease.put_blob(&bytes)?;
    let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
    let content = AnyManifest::Manifest(Box::new(manifest));
    let row = NewManifest::of(descriptor.media_type.clone(), descriptor.digest.clone(), &content);
    lease.record(&Recording { manifests: vec![row], ..Recording::default() })?;
    let notes = [
        ("vnd.docker.reference.digest".to_owned(), subject.to_string()),
        ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned()),
    ];
    let nowhere = Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), ..Platform::default() };
    Ok(Descriptor { platform: Some(nowhere), annotations: Some(notes.into()), ..descriptor })
}
