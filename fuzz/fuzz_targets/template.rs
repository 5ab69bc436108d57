//! Templates: no text makes parsing or running panic, recurse without end or print without bound.
#![no_main]

#[path = "../bodies/template.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
