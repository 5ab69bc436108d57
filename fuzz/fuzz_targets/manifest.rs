//! Manifests and indexes: no bytes make parsing panic, whatever they were announced as.
#![no_main]

#[path = "../bodies/manifest.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
