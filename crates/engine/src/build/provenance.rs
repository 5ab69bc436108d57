//! Provenance: what was built from what, as an in-toto statement that lies in the index beside its image.
//! Source: SLSA provenance v0.2, and BuildKit's attestation storage.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Manifest, MediaType, Platform, Timestamp};
use wharfie_store::images::Recording;
use wharfie_store::{Lease, NewManifest};

use super::request::Build;
use crate::error::{Error, Result};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// What was built from, by whom and when.
    Min,
    /// Also with which arguments and labels.
    Max,
}

/// The predicate's type.
const PREDICATE: &str = "https://slsa.dev/provenance/v0.2";

/// What there is to say of a build.
pub(super) struct Facts<'a> {
    pub(super) build: &'a Build,
    pub(super) id: &'a str,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    /// Images that were built from, with their digests where they are known.
    pub(super) materials: Vec<(String, Option<Digest>)>,
    pub(super) host: Platform,
}

impl Facts<'_> {
    /// The predicate.
    fn predicate(&self, provenance: Provenance) -> Value {
        let materials: Vec<Value> =
            self.materials.iter().map(|(name, digest)| material(name, digest.as_ref())).collect();
        let mut parameters = json!({
            "frontend": "dockerfile.v0",
            "locals": [{"name": "context"}, {"name": "dockerfile"}],
        });
        if provenance == Provenance::Max {
            let mut arguments: BTreeMap<String, String> = BTreeMap::new();
            let build = self.build;
            arguments.extend(build.build_args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
            arguments.extend(build.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone())));
            if let Some(target) = &build.target {
                arguments.insert("target".to_owned(), target.clone());
            }
            parameters["args"] = json!(arguments);
            let secrets: Vec<Value> = build.secrets.keys().map(|id| json!({"id": id})).collect();
            if !secrets.is_empty() {
                parameters["secrets"] = json!(secrets);
            }
        }
        json!({
            "builder": {"id": ""},
            "buildType": "https://mobyproject.org/buildkit@v1",
            "materials": materials,
            "invocation": {
                "configSource": {"entryPoint": self.build.dockerfile_name},
                "parameters": parameters,
                "environment": {"platform": self.host.to_string()},
            },
            "metadata": {
                "buildInvocationID": self.id,
                "buildStartedOn": self.started.to_string(),
                "buildFinishedOn": self.finished.to_string(),
                "completeness": {
                    "parameters": provenance == Provenance::Max,
                    "environment": true,
                    // Files of the context have no names that others could look up.
                    "materials": false,
                },
                "reproducible": false,
            },
        })
    }

    /// The manifest about the image whose manifest is `subject`, recorded and held; what an index says of it.
    pub(super) fn attest(
        &self,
        lease: &Lease<'_>,
        provenance: Provenance,
        subject: &Digest,
        names: &[String],
    ) -> Result<Descriptor> {
        let digest = json!({subject.algorithm().as_str(): subject.hex()});
        let subjects: Vec<Value> = names.iter().map(|name| json!({"name": name, "digest": digest})).collect();
        let subjects = if subjects.is_empty() { vec![json!({"name": "_", "digest": digest})] } else { subjects };
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": PREDICATE,
            "subject": subjects,
            "predicate": self.predicate(provenance),
        });
        let bytes = serde_json::to_vec(&statement).map_err(Error::Document)?;
        let layer = Descriptor {
            annotations: Some([("in-toto.io/predicate-type".to_owned(), PREDICATE.to_owned())].into()),
            ..Descriptor::of(MediaType::new("application/vnd.in-toto+json"), &bytes)
        };
        lease.put_blob(&bytes)?;
        let config = json!({
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest.as_str()]},
        });
        let bytes = serde_json::to_vec(&config).map_err(Error::Document)?;
        let config = Descriptor::of(MediaType::OCI_CONFIG, &bytes);
        lease.put_blob(&bytes)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            artifact_type: None,
            config,
            layers: vec![layer],
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
}

/// An image that was built from, as a package URL.
fn material(name: &str, digest: Option<&Digest>) -> Value {
    let reference = name.parse::<wharfie_oci::Reference>().map(wharfie_oci::Reference::or_latest);
    let uri = match &reference {
        Ok(reference) => {
            let version = reference.tag().map(|tag| format!("@{tag}")).unwrap_or_default();
            format!("pkg:docker/{}{version}", reference.repository().familiar())
        }
        Err(_) => format!("pkg:docker/{name}"),
    };
    match digest {
        Some(digest) => json!({"uri": uri, "digest": {digest.algorithm().as_str(): digest.hex()}}),
        None => json!({"uri": uri}),
    }
}
