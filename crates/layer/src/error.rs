//! What can go wrong between a tar and a tree.

use std::io;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a layer could not be read, indexed, unpacked or mounted.
/// Names come from the archive; they are escaped, so they are safe to show on a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A block that should be a tar header is not one.
    #[error("the tar is broken at byte {offset}: {reason}")]
    Header {
        /// Where the block starts in the tar.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A header was read, but what it says cannot be right or cannot be done.
    #[error("the tar entry {name:?} at byte {offset} {reason}")]
    Entry {
        /// The entry's name, escaped.
        name: String,
        /// Where the entry's header starts in the tar.
        offset: u64,
        /// What is wrong with it, as the rest of a sentence.
        reason: &'static str,
    },
    /// The tar ends inside an entry.
    #[error("the tar ends at byte {offset}, inside {inside}")]
    Truncated {
        /// Length of what there was.
        offset: u64,
        /// What was being read: an escaped name or a part of the format.
        inside: String,
    },
    /// A hard link names something that no earlier entry of the same layer made.
    #[error("the hard link {name:?} at byte {offset} points to {target:?}, which no earlier entry of the layer made")]
    LinkTarget {
        /// The link's name, escaped.
        name: String,
        /// What it points to, escaped.
        target: String,
        /// Where the entry's header starts in the tar.
        offset: u64,
    },
    /// A hard link names something that neither its own layer nor one below it has.
    #[error("the hard link {name:?} points to {target:?}, which neither its layer nor one below it has")]
    LinkBelow {
        /// The link's name, escaped.
        name: String,
        /// What it points to, escaped.
        target: String,
    },
    /// The layer is larger than the format on disk, or this program's memory, can hold.
    #[error("the layer has too many {what}: at most {limit} can be kept")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most there can be.
        limit: u64,
    },
    /// What was written behind a layer's tar does not read as it was written.
    #[error("the index of a layer is damaged: {0}; `wharfie system fsck` finds out what is left of it")]
    Index(&'static str),
    /// Compressed bytes could not be read back.
    #[error("cannot decompress {format}")]
    Decompress {
        /// The compression's name.
        format: &'static str,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// A file or directory of the layer could not be made.
    #[error("cannot {action} {path:?} in the unpacked layer")]
    Unpack {
        /// What was tried, as in "create".
        action: &'static str,
        /// The path beneath the layer's root, escaped.
        path: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A file should go where a directory is.
    #[error("{0:?} is a directory")]
    IsDirectory(String),
    /// A directory should go where something else is.
    #[error("{0:?} is not a directory")]
    NotDirectory(String),
    /// Reading or writing failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried, as in "read the tar".
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn entry(name: &[u8], offset: u64, reason: &'static str) -> Self {
        Self::Entry { name: show(name), offset, reason }
    }

    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// A name from an archive as text: UTF-8 where it is, everything that could move a cursor escaped.
pub(crate) fn show(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
