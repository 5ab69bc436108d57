//! Tar to tree and back: compression, entries, whiteouts, EROFS index, unpacking beneath a root.
//!
//! A layer arrives as a tar, often compressed. [`compression`] undoes that; [`tar`] finds the entries while the bytes
//! stream past; [`erofs`] appends an index to the tar that lets the kernel mount it; [`apply`] makes real files
//! where the kernel cannot. Both follow one tree, so they show the same files.
//!
//! Nothing here hashes, counts or reports progress: callers do.

pub mod adopt;
pub mod apply;
pub mod changes;
pub mod chmod;
pub mod compression;
pub mod entry;
pub mod erofs;
mod error;
mod fill;
pub mod graft;
pub mod merge;
mod node;
pub mod pack;
#[cfg(test)]
mod races;
pub mod resolve;
pub mod scan;
pub mod seam;
pub mod seekable;
pub mod tar;
pub mod trail;
mod tree;
pub mod unpack;
pub mod view;
pub mod whiteout;

pub use error::{Error, Result};
pub use fill::fill;
