//! Challenges: no header makes parsing panic, and what is found was in the header.
#![no_main]

#[path = "../bodies/challenge.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
