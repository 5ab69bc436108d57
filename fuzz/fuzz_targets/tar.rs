//! Layers: the entries of a tar do not depend on how it was cut into chunks. The first byte says how.
#![no_main]

#[path = "../bodies/tar.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
