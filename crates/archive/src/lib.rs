//! Images in files: what `save` writes and `load` reads.
//!
//! Three layouts are one stream of tar members here: docker-archive old (`<id>/layer.tar`) and new (`blobs/sha256/…`),
//! and the OCI image layout. [`read`] takes a stream apart in one pass, [`docker`] and [`oci`] say what the pieces mean,
//! [`Archive`] is what they make of it: the source of graphs. [`ArchiveSink`] makes a tar that is both at once.

mod archive;
pub mod docker;
pub mod error;
mod layout;
mod lying;
pub mod oci;
pub mod read;
#[cfg(test)]
mod tests;
mod write;

pub use archive::{Archive, Root};
pub use error::{Error, Result};
pub use layout::Layout;
pub use lying::{Lying, Place};
pub use read::{Intake, StoredLayer, Taken};
pub use write::{ArchiveSink, Saved, SavedImage};
