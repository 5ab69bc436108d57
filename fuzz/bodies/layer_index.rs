//! Indexes of layers: what is none is refused, what is one comes back as it was, and no layer is inflated to something else than its
//! index says.

use std::io::Read;
use std::num::NonZeroUsize;

use wharfie_layer::seekable::{BLOCK, End, Index, compress, inflate};

/// Insists on it for one input, as the end of a blob, an index, a layer under an index, and a plain tar.
pub(crate) fn run(bytes: &[u8]) {
    if let Some(end) = End::read(bytes, bytes.len() as u64) {
        let _ = end.index(&bytes[usize::try_from(end.at).expect("it is within the blob")..]);
    }
    if let Ok(index) = Index::read(bytes) {
        assert_eq!(index.write(), bytes, "an index has one spelling");
        let mut out = Vec::new();
        let inflated = inflate(bytes, index.clone(), NonZeroUsize::MIN);
        if let Ok(mut inflated) = inflated
            && inflated.read_to_end(&mut out).is_ok()
        {
            assert_eq!(out.len() as u64, index.plain);
        }
    }
    // As a tar, long enough for several blocks.
    let plain: Vec<u8> =
        bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { BLOCK * 2 + 77 }).collect();
    let mut blob = Vec::new();
    compress(&mut plain.as_slice(), &mut blob, NonZeroUsize::MIN).expect("memory can be written");
    if let Some(end) = End::read(&blob, blob.len() as u64) {
        let index = end.index(&blob[usize::try_from(end.at).expect("it is in memory")..]).expect("it is our own");
        let mut back = Vec::new();
        let inflated = inflate(blob.as_slice(), index, NonZeroUsize::MIN);
        inflated.and_then(|mut inflated| inflated.read_to_end(&mut back)).expect("it is our own");
        assert!(back == plain);
    }
}
