//! Ignore files: no text makes reading them panic, and a folder with something to be seen in it is looked into.
#![no_main]

#[path = "../bodies/ignore.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
