//! Dockerfiles, layer by layer.

mod directives;
pub mod error;
mod excerpt;
pub mod expand;
mod heredoc;
pub mod instruction;
pub mod nodes;
mod pattern;
mod quote;
pub(crate) mod stages;
mod suggest;
pub mod words;

pub use error::{Error, Result};
pub use excerpt::excerpt;
pub use expand::{Expansion, Variables};
pub use heredoc::HereDocument;
pub use nodes::{Arguments, Dockerfile, Node, Pair};

pub(crate) use directives::directive;
pub(crate) use expand::{Expanded, Style};
pub(crate) use nodes::check_directive;
pub(crate) use quote::{quoted, quoted_list};
pub(crate) use suggest::nearest;

/// Where something stands in a file, counted from 1, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lines {
    /// The first line.
    pub first: usize,
    /// The last line.
    pub last: usize,
}

/// An error of the first layer with its place.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) why: Error,
    pub(crate) lines: Lines,
}

impl Located {
    fn new(why: Error, first: usize, last: usize) -> Self {
        Self { why, lines: Lines { first, last: last.max(first) } }
    }
}

impl From<Located> for crate::Error {
    fn from(located: Located) -> Self {
        Self::from(located.why).at(located.lines)
    }
}
