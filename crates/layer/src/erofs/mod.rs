//! Layers that the kernel mounts: the tar itself with an index behind it.
//!
//! ```text
//! 0       superblock, padded to 4 KiB
//! 4096    the tar, byte for byte
//!         expanded sparse files, if there are any
//!         inodes, root first; small directories and links inline
//!         directories and long links in blocks of their own
//! ```
//!
//! Blocks are 512 bytes, as in a tar, so every file's data already lies on a block and its inode just points there.
//! Nothing depends on when or where an index was made: equal tars give equal bytes.
//! The kernel parses only what is written here, never a foreign image.

mod build;
mod format;
mod mount;
mod read;

pub use build::{LayerIndex, Summary};
pub use mount::{MountError, mount_detached};
pub use read::{Inodes, Node, NodeNumber, OPAQUE_MARK};

/// Where the tar starts in a layer file; a 4 KiB multiple, so that file systems can share its blocks with copies.
pub const TAR_OFFSET: u64 = 4096;
