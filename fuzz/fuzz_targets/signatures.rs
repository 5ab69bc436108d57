//! Keys, signatures and policies: no bytes make a reader panic, and nothing that nobody signed is by anybody.
#![no_main]

#[path = "../bodies/signatures.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
