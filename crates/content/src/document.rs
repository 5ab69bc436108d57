//! Manifests and indexes as they were found: the bytes that their digest names, and what they say.

use wharfie_oci::Descriptor;
use wharfie_oci::manifest::AnyManifest;

/// A manifest or index, byte for byte and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its type, digest and size.
    pub descriptor: Descriptor,
    /// The document, byte for byte.
    pub bytes: Vec<u8>,
    /// The document, read.
    pub content: AnyManifest,
}
