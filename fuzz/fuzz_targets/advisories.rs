//! Advisories: no record makes an import panic, and what was imported can be opened and asked; nor does a damaged data base.
#![no_main]

#[path = "../bodies/advisories.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
