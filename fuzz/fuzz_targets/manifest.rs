//! Manifests and indexes: no bytes make parsing panic, whatever they were announced as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharfie_oci::MediaType;
use wharfie_oci::manifest::AnyManifest;

fuzz_target!(|bytes: &[u8]| {
    let _ = AnyManifest::parse(bytes, &MediaType::default());
    if let Some((announced, body)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) {
        let _ = AnyManifest::parse(body.as_bytes(), &MediaType::new(announced));
    }
});
