//! Dockerfiles: no text makes parsing or expansion panic, and its lines are counted upwards.
#![no_main]

#[path = "../bodies/dockerfile.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
