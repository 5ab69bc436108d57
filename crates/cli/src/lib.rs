//! What the `wharfie` program is made of, as a library so that its parsers can be tested and fuzzed without starting it.

pub mod flags;
pub mod render;
