//! Layers of any names, one over the other: no order of them makes the arithmetic panic, and no more is hidden than is there.
#![no_main]

#[path = "../bodies/analysis.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
