//! Bake files: no text makes reading, evaluation, `--set` or prints panic, and what was read can be printed and listed.
#![no_main]

#[path = "../bodies/bake.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
