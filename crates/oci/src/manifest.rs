//! Manifests: one image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, MediaType};

/// An OCI image manifest or Docker's version 2 schema 2. Source: image-spec, manifest.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2; 0 if the document does not say.
    #[serde(default)]
    pub schema_version: u32,
    /// Its own type, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What kind of artifact it is, if not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// The manifest this one is about (signatures, SBOMs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// True for what describes an image. Attestations and signatures borrow the type of the configuration; their layers tell.
    pub fn is_image(&self) -> bool {
        self.config.media_type.may_be_config()
            && self.artifact_type.is_none()
            && self.layers.iter().all(|layer| layer.media_type.is_layer())
    }
}

/// The largest manifest, index or configuration that is read into memory.
/// 8 MiB: twice what distribution-spec asks every registry to accept.
pub const MAX_MANIFEST_BYTES: u64 = 8 << 20;

/// What a manifest's bytes turn out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyManifest {
    /// One image.
    Manifest(Box<Manifest>),
    /// A list of manifests.
    Index(crate::Index),
}

/// Why bytes are no manifest that wharfie takes.
#[derive(Debug, thiserror::Error)]
pub enum ParseManifestError {
    /// Not JSON, or JSON of another shape.
    #[error("cannot read the manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Docker's schema 1, which has no content digests.
    #[error(
        "schema 1 manifests are not supported: the image is in the format that registries dropped in 2019; push it again with a current docker"
    )]
    Schema1,
    /// Both `layers` and `manifests`: two readers could see two images in it.
    #[error("the manifest claims to be an image and an index at once")]
    Ambiguous,
    /// Neither.
    #[error("unsupported manifest media type {0:?}")]
    Unknown(String),
}

impl AnyManifest {
    /// Reads `bytes` that were announced as `announced` (an empty type means nothing was said).
    /// The document's own `mediaType` wins where both are present.
    ///
    /// # Errors
    /// For schema 1, ambiguous documents, unknown types and JSON of another shape.
    pub fn parse(bytes: &[u8], announced: &MediaType) -> Result<Self, ParseManifestError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Probe {
            #[serde(default)]
            schema_version: u32,
            media_type: Option<MediaType>,
            layers: Option<serde::de::IgnoredAny>,
            config: Option<serde::de::IgnoredAny>,
            manifests: Option<serde::de::IgnoredAny>,
            fs_layers: Option<serde::de::IgnoredAny>,
        }
        let probe: Probe = crate::json::from_slice(bytes)?;
        let media_type = probe.media_type.unwrap_or_else(|| announced.clone());
        if probe.schema_version == 1 || probe.fs_layers.is_some() || media_type.is_schema1() {
            return Err(ParseManifestError::Schema1);
        }
        match (probe.layers.is_some() || probe.config.is_some(), probe.manifests.is_some()) {
            (true, true) => Err(ParseManifestError::Ambiguous),
            (false, true) if media_type.is_index() || !media_type.is_manifest() => {
                Ok(Self::Index(crate::json::from_slice(bytes)?))
            }
            (true, false) if media_type.is_manifest() || !media_type.is_index() => {
                Ok(Self::Manifest(Box::new(crate::json::from_slice(bytes)?)))
            }
            (false, false) if media_type.is_index() => Ok(Self::Index(crate::json::from_slice(bytes)?)),
            _ => Err(ParseManifestError::Unknown(media_type.as_str().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AnyManifest, ParseManifestError> {
        AnyManifest::parse(text.as_bytes(), &MediaType::default())
    }

    #[test]
    fn old_and_ambiguous_documents_are_refused() {
        assert!(matches!(parse(r#"{"schemaVersion":1,"fsLayers":[]}"#), Err(ParseManifestError::Schema1)));
        assert!(matches!(
            parse(r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#),
            Err(ParseManifestError::Ambiguous)
        ));
        assert!(matches!(parse(r#"{"schemaVersion":2}"#), Err(ParseManifestError::Unknown(_))));
        assert!(matches!(parse("<html>"), Err(ParseManifestError::Json(_))));
    }

    #[test]
    fn an_index_needs_no_media_type() {
        assert!(matches!(parse(r#"{"schemaVersion":2,"manifests":[]}"#), Ok(AnyManifest::Index(_))));
    }
}
