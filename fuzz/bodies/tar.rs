//! Layers: the entries of a tar do not depend on how it was cut into chunks. The first byte says how.

use wharfie_layer::entry::Entry;
use wharfie_layer::tar::{Indexer, Totals};

/// Insists on it for one input.
pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, tar)) = bytes.split_first() else {
        return;
    };
    let whole = index(std::iter::once(tar));
    let pieces = index(tar.chunks(usize::from(*cut) + 1));
    assert_eq!(whole.is_some(), pieces.is_some());
    assert_eq!(whole, pieces);
}

fn index<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Option<(Totals, Vec<String>)> {
    let mut entries = Vec::new();
    let mut indexer = Indexer::new(|entry: &Entry| {
        entries.push(format!("{entry:?}"));
        Ok(())
    });
    for chunk in chunks {
        indexer.push(chunk).ok()?;
    }
    let (totals, _) = indexer.finish().ok()?;
    Some((totals, entries))
}
