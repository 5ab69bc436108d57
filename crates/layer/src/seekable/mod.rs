//! Layers that can be read in the middle: ordinary gzip whose blocks do not depend on each other, with an index behind them that
//! only those who know of it see. Specified in `docs/seekable-layers.md`.

mod headers;
mod index;
mod inflate;
mod write;

pub use headers::Headers;
pub use index::{Block, END_LEN, End, Index, IndexError};
pub use inflate::{Inflated, inflate};
pub use write::{Made, compress};

/// The annotation of a layer's descriptor with the digest of its index: so whoever trusts the manifest trusts the index.
pub const ANNOTATION: &str = "dev.wharfie.layer.index";
/// Plain bytes of a block: a random read inflates so much at most, and the loss in size is 0.7 %.
pub const BLOCK: usize = 256 << 10;
/// The gzip header of the first member: deflate, no name, no time, operating system unknown.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// What ends a deflate stream that was flushed: an empty last block with fixed codes.
const LAST: [u8; 2] = [3, 0];
