//! Plans and checks: no text makes them panic, and what they say fits together.
#![no_main]

#[path = "../bodies/plan.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
