//! What builds say about images: attestations stand in an index beside the images they are about.

use serde_json::{Value as Json, json};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Digest, Index};
use wharfie_remote::RepositoryClient;

use crate::commands::manifest::document;
use crate::failure::{Failure, Result};

/// The predicates about the image `subject` whose type begins with `kind`, under `key`; `None` if there are none.
pub(super) fn about(
    client: &RepositoryClient,
    index: &Index,
    subject: &Digest,
    kind: &str,
    key: &str,
) -> Result<Option<Json>> {
    let note = |notes: &Option<std::collections::BTreeMap<String, String>>, name: &str| {
        notes.as_ref().and_then(|notes| notes.get(name).cloned())
    };
    let is_about = |name: Option<String>| name.as_deref() == Some(subject.as_str());
    for member in index.manifests.iter().filter(|m| is_about(note(&m.annotations, "vnd.docker.reference.digest"))) {
        let fetched = client.manifest(member.digest.as_str(), Some(member));
        let fetched = fetched.map_err(|why| Failure::because("", &why))?;
        let AnyManifest::Manifest(manifest) = fetched.content else { continue };
        for layer in &manifest.layers {
            let is_wanted = note(&layer.annotations, "in-toto.io/predicate-type").is_some_and(|t| t.starts_with(kind));
            if !is_wanted {
                continue;
            }
            let statement: Json = serde_json::from_slice(&document(client, layer)?)
                .map_err(|why| Failure::new(format!("cannot read the attestation {}: {why}", layer.digest)))?;
            return Ok(Some(json!({ key: statement.get("predicate").cloned().unwrap_or_default() })));
        }
    }
    Ok(None)
}
