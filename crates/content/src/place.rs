//! The two faces of every place that holds content.

use std::io::Read;

use wharfie_oci::Descriptor;

/// An error of a place, kept whole for whoever knows the place.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A place that content can be read from.
pub trait Source: Sync {
    /// The bytes of `blob`, from the start. They are *not* verified here: whoever consumes them does (see
    /// [`crate::verify::Verified`]).
    ///
    /// # Errors
    /// When the place does not have the blob or cannot be read.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, BoxError>;
}

/// A place that content can be put into.
pub trait Sink: Sync {
    /// True once `blob` can be read back whole.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn has(&self, blob: &Descriptor) -> Result<bool, BoxError>;

    /// Stores `blob`. Idempotent: `Ok` means "it is there", not "this call put it there".
    /// Refuses bytes that do not match the descriptor's size and digest; nothing is visible until it returns.
    ///
    /// # Errors
    /// When the bytes do not match, the reader fails or the place cannot be written.
    fn put(&self, blob: &Descriptor, bytes: &mut (dyn Read + Send)) -> Result<(), BoxError>;
}
