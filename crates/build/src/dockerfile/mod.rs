//! Dockerfiles, layer by layer.

pub mod error;
pub mod expand;
pub mod nodes;
mod pattern;
pub mod words;

pub use error::{Error, Result};
pub use expand::{Expansion, Variables};
pub use nodes::{Dockerfile, Node};

/// Where something stands in a file, counted from 1, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lines {
    /// The first line.
    pub first: usize,
    /// The last line.
    pub last: usize,
}
