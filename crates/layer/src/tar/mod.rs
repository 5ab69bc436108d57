//! The tar format, read in two ways and written in one.
//!
//! [`Indexer`] is fed with whatever chunks pass by on their way to a hash and a file; [`Reader`] pulls from a reader and
//! hands out each file's bytes; both share one state machine, so they accept and refuse the same archives. [`Writer`]
//! makes the same bytes from the same entries, always.
//!
//! Accepted: v7, ustar, star, GNU (long names, base-256 numbers, sparse files) and PAX. Where dialects disagree the
//! reading follows Go's `archive/tar`, because that is what made and read almost every image there is.

pub(crate) mod feed;
mod header;
mod headers;
mod indexer;
pub(crate) mod machine;
mod paced;
mod pax;
mod reader;
mod sparse;
mod whole;
mod writer;

pub use headers::headers;
pub use indexer::{EntrySink, Indexer, Totals};
pub use reader::{EntryReader, Reader};
pub(crate) use whole::whole;
pub use writer::Writer;

/// Everything in a tar is counted in blocks of this many bytes.
pub const BLOCK: usize = 512;

/// `len` rounded up to whole blocks. `None` on overflow.
pub(crate) fn padded(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(BLOCK as u64)
}

/// True if `block` is a tar header: its checksum is right. A block of zeros is none.
pub fn is_header(block: &[u8]) -> bool {
    block.first_chunk().is_some_and(|block| header::Header::parse(block).is_some())
}
