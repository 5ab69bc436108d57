//! Manifests as a registry must understand them: what they are, what they name, and what they are about.
//! Source: image-spec, manifest.md and image-index.md; docker's manifest version 2, schema 2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharfie_oci::{Descriptor, Digest, MediaType, json};

use crate::refusal::{Code, Refusal};

/// What a registry knows of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub media_type: MediaType,
    /// Configuration and layers that must be in the repository. Layers that are elsewhere are not among them.
    pub blobs: Vec<Digest>,
    /// Layers that are elsewhere; a client may have pushed them all the same.
    pub elsewhere: Vec<Digest>,
    /// Manifests that must be in the repository.
    pub children: Vec<Digest>,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
    /// What kind of artifact it is, as the list of referrers tells it.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<MediaType>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// 20,000 descriptors: a manifest of 4 MiB has no room for more that are of use, and each is looked up.
const MAX_NAMED: usize = 20_000;

/// Reads a manifest that was sent as `announced`, which is empty if nothing was said.
///
/// # Errors
/// The answer for what is none that a registry can take.
pub fn parse(bytes: &[u8], announced: &MediaType) -> Result<Document, Refusal> {
    let refuse = |why: &str| Refusal::new(Code::ManifestInvalid, why);
    let shape: Shape = json::from_slice(bytes).map_err(|why| refuse("no manifest").with_detail(why.to_string()))?;
    let is_image = shape.config.is_some() || shape.layers.is_some();
    if shape.schema_version == 1 || shape.fs_layers.is_some() || announced.is_schema1() {
        return Err(refuse("schema 1 manifests are not supported: push with a current client"));
    }
    if is_image && shape.manifests.is_some() {
        return Err(refuse("the manifest claims to be an image and an index at once"));
    }
    let is_said = |text: &MediaType| !text.as_str().is_empty();
    let media_type = match (shape.media_type.filter(is_said), is_said(announced)) {
        (Some(own), true) if own != *announced => {
            return Err(refuse("Content-Type and the manifest's own mediaType differ").with_detail(format!(
                "{} and {}",
                announced.as_str(),
                own.as_str()
            )));
        }
        (Some(own), _) => own,
        (None, true) => announced.clone(),
        (None, false) if shape.manifests.is_some() => MediaType::OCI_INDEX,
        (None, false) => MediaType::OCI_MANIFEST,
    };
    if media_type.is_manifest() {
        let config = shape.config.as_ref().ok_or_else(|| refuse("the manifest has no config"))?;
        let layers = shape.layers.unwrap_or_default();
        if shape.manifests.is_some() || layers.len() > MAX_NAMED {
            return Err(refuse("an image has layers, and no more than 20,000"));
        }
        let here = layers.iter().filter(|layer| !layer.is_elsewhere()).map(|layer| layer.digest.clone());
        let mut blobs: Vec<Digest> = std::iter::once(config.digest.clone()).chain(here).collect();
        blobs.sort_unstable();
        blobs.dedup();
        let elsewhere = layers.iter().filter(|layer| layer.is_elsewhere()).map(|layer| layer.digest.clone()).collect();
        // Source: distribution-spec, "Listing referrers": the config's type stands in.
        let artifact_type = shape.artifact_type.filter(|text| !text.is_empty());
        let artifact_type = artifact_type.or_else(|| Some(config.media_type.as_str().to_owned()));
        let subject = shape.subject.map(|subject| subject.digest);
        let annotations = shape.annotations;
        return Ok(Document {
            media_type,
            blobs,
            elsewhere,
            children: Vec::new(),
            subject,
            artifact_type,
            annotations,
        });
    }
    if media_type.is_index() {
        let members = shape.manifests.unwrap_or_default();
        if is_image || members.len() > MAX_NAMED {
            return Err(refuse("an index has manifests, and no more than 20,000"));
        }
        let mut children: Vec<Digest> = members.into_iter().map(|member| member.digest).collect();
        children.sort_unstable();
        children.dedup();
        let artifact_type = shape.artifact_type.filter(|text| !text.is_empty());
        let subject = shape.subject.map(|subject| subject.digest);
        let annotations = shape.annotations;
        return Ok(Document {
            media_type,
            blobs: Vec::new(),
            elsewhere: Vec::new(),
            children,
            subject,
            artifact_type,
            annotations,
        });
    }
    Err(refuse("unsupported media type of a manifest").with_detail(media_type.as_str()))
}

/// An entry in a list of referrers. Source: distribution-spec, "Listing referrers".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Referrer {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Its entry in the list of the referrers of its subject.
    pub(crate) fn referrer(&self, digest: &Digest, size: u64) -> Referrer {
        Referrer {
            media_type: self.media_type.as_str().to_owned(),
            digest: digest.clone(),
            size,
            artifact_type: self.artifact_type.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn part(media_type: &str) -> String {
        format!("{{\"mediaType\":\"{media_type}\",\"digest\":\"sha256:{HEX}\",\"size\":0}}")
    }

    #[track_caller]
    fn refused(text: &str, announced: &str, word: &str) {
        let why = parse(text.as_bytes(), &MediaType::new(announced)).unwrap_err();
        let body = String::from_utf8(why.body()).unwrap();
        assert!(body.contains(word), "{text}: {body}");
    }

    #[test]
    fn images_name_blobs_and_indexes_name_manifests() {
        let config = part("application/vnd.example.config");
        let elsewhere = part("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
            .replace('}', ",\"urls\":[\"https://example.org\"]}")
            .replace("e3b0", "e3b1");
        let image =
            format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{elsewhere}],\"subject\":{config}}}");
        let document = parse(image.as_bytes(), &MediaType::OCI_MANIFEST).unwrap();
        assert_eq!(document.blobs, [Digest::sha256(HEX).unwrap()]);
        assert_eq!(document.subject, Some(Digest::sha256(HEX).unwrap()));
        assert_eq!(document.artifact_type.as_deref(), Some("application/vnd.example.config"));
        let index = format!("{{\"schemaVersion\":2,\"manifests\":[{config},{config}]}}");
        let document = parse(index.as_bytes(), &MediaType::default()).unwrap();
        assert_eq!((document.media_type, document.children.len()), (MediaType::OCI_INDEX, 1));
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        let config = part("a/b");
        refused("{}", "", "no config");
        refused("[]", "", "no manifest");
        refused("", "", "no manifest");
        refused(&format!("{{\"config\":{config},\"manifests\":[]}}"), "", "at once");
        refused(&format!("{{\"Config\":{config},\"MANIFESTS\":[]}}"), "", "at once");
        refused("{\"schemaVersion\":1}", "", "schema 1");
        refused("{\"mediaType\":\"a/b\"}", "a/c", "differ");
        refused("{\"mediaType\":\"a/b\"}", "a/b", "unsupported media type");
        refused("{\"layers\":[]}", MediaType::OCI_INDEX.as_str(), "an index has manifests");
        refused("{\"config\":{\"digest\":\"sha256:../../x\",\"size\":1}}", "", "no manifest");
    }
}
