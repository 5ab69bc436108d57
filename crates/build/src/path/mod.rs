//! Patterns of paths: COPY's wildcards, and the patterns of ignore files, `--exclude` and `--parents`.
//!
//! Paths are seen from a root, without a slash in front.

mod automaton;
mod glob;
mod pattern;

pub use glob::{BadPattern, Glob};
pub use pattern::PathPattern;
pub use wharfie_oci::path::clean;
