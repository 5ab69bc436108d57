//! Files that tell of packages: no bytes make a reader panic, and what it finds has a name and a place.
#![no_main]

#[path = "../bodies/packages.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
