//! Manifests and indexes: no bytes make parsing panic, whatever they were announced as.

use wharfie_oci::MediaType;
use wharfie_oci::manifest::AnyManifest;

/// Insists on it for one input.
pub(crate) fn run(bytes: &[u8]) {
    let _ = AnyManifest::parse(bytes, &MediaType::default());
    if let Some((announced, body)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) {
        let _ = AnyManifest::parse(body.as_bytes(), &MediaType::new(announced));
    }
}
