//! The bodies of the fuzz targets on hand-made inputs and on random changes of them.

#[path = "../../../../fuzz/bodies/layer_index.rs"]
mod layer_index;

use proptest::prelude::*;
use wharfie_layer::seekable::{Block, Index};

fn seed() -> Vec<u8> {
    let blocks = vec![Block { compressed: 12, digest: [7; 32] }, Block { compressed: 9, digest: [1; 32] }];
    Index { plain: 300_000, blocks, headers: vec![1, 2, 3], headers_plain: 9 }.write()
}

#[test]
fn an_index_cut_anywhere() {
    let seed = seed();
    for at in 0..=seed.len() {
        layer_index::run(&seed[..at]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn changed_indexes(changes in prop::collection::vec((0_usize..200, any::<u8>()), 0..6), len in 0_usize..200) {
        let mut bytes = seed();
        bytes.resize(bytes.len().max(len), 0);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        layer_index::run(&bytes);
    }
}
