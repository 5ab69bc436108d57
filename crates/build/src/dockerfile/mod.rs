//! Dockerfiles, layer by layer.

pub mod error;
pub mod expand;
pub mod nodes;
mod pattern;
pub mod words;

pub use error::{Error, Result};
pub use expand::{Expansion, Variables};
pub use nodes::{Dockerfile, Node};
