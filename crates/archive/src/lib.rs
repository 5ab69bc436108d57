//! Images in files: what `save` writes and `load` reads.
//!
//! Three layouts are one stream of tar members here: docker-archive old (`<id>/layer.tar`) and new (`blobs/sha256/…`),
//! and the OCI image layout. [`read`] takes a stream apart in one pass, [`docker`] and [`oci`] say what the pieces mean,
//! [`write`] makes a tar that is both at once.

pub mod docker;
pub mod error;
pub mod oci;
pub mod read;
#[cfg(test)]
mod tests;
pub mod write;

pub use error::{Error, Result};
pub use read::{ArchivedImage, Intake, Members, StoredLayer, Taken, read};
