//! Provenance: what was built from what. Source: SLSA provenance v0.2.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharfie_oci::{Digest, Platform, Timestamp};

use super::request::Build;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// What was built from, by whom and when.
    Min,
    /// Also with which arguments and labels.
    Max,
}

/// The predicate's type.
pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v0.2";

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
    pub(super) fn predicate(&self, provenance: Provenance) -> Value {
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
