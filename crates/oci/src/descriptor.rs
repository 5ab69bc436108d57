//! Descriptors: what some bytes are, how many, and their digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, MediaType, Platform};

/// Points at content: type, size in bytes and digest. Source: image-spec, descriptor.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    #[serde(default)]
    pub media_type: MediaType,
    /// What they hash to.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// Where else they can be had (foreign layers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// What the image behind an index entry runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact it is, if not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required members.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, urls: None, annotations: None, platform: None, artifact_type: None }
    }

    /// Describes `bytes`.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// True for a layer that a registry may not hold: fetched from its `urls`, never pushed. Without `urls` it would be
    /// nowhere, whatever its type.
    pub fn is_elsewhere(&self) -> bool {
        self.media_type.is_foreign_layer() && self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }

    /// True for build attestations, which sit in an index beside the images but are none.
    pub fn is_attestation(&self) -> bool {
        self.annotations.as_ref().is_some_and(|notes| notes.contains_key("vnd.docker.reference.type"))
            || self.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
    }
}
