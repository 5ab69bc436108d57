//! Indexes of layers: what is none is refused, and no layer becomes something else by one.
#![no_main]

#[path = "../bodies/layer_index.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
