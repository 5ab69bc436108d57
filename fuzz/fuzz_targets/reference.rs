//! References: whatever parses prints as something that parses to the same.
#![no_main]

#[path = "../bodies/reference.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
