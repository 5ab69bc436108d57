//! What can be asked about a file instead of building it: `--call check`, `outline` and `targets`.
//!
//! Each question has an answer of plain values, which can be written as docker writes it: as text and as JSON. Nothing is
//! printed here.

mod check;
mod json;
mod outline;
mod table;
mod targets;

pub use check::{Check, Failure, check};
pub use outline::{Argument, Need, Outline, outline};
pub use targets::{Target, Targets, targets};

/// A file that questions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}
