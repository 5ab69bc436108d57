//! The push side: sees a tar while it streams past on its way elsewhere.

use super::feed::{Feed, Part};
use crate::entry::{Entry, Kind};
use crate::error::{Error, Result};

/// Takes entries in the order of the archive.
pub trait EntrySink {
    /// Takes one entry. The entry's buffers are reused for the next one.
    fn entry(&mut self, entry: &Entry) -> Result<()>;
}

impl<F: FnMut(&Entry) -> Result<()>> EntrySink for F {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self(entry)
    }
}

/// What an archive amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Length of the tar in bytes, with everything behind its end.
    pub tar_len: u64,
    /// Sum of the sizes in the headers, and of what symbolic links say: what docker calls the size of a layer.
    pub content_size: u64,
    /// Number of entries.
    pub entries: u64,
}

/// Finds the entries of a tar that is pushed through in chunks of any length.
///
/// File data is only counted, never kept. What follows the end-of-archive blocks is counted and ignored; an empty
/// input is an empty archive. After an error the indexer must not be used any more.
#[derive(Debug)]
pub struct Indexer<S> {
    sink: S,
    feed: Feed,
    totals: Totals,
}

impl<S: EntrySink> Indexer<S> {
    /// An indexer at the start of an archive; entries go to `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink, feed: Feed::new(), totals: Totals::default() }
    }

    /// Takes the next bytes of the tar.
    ///
    /// # Errors
    /// If the bytes are no tar, say something impossible, or the sink refuses an entry.
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.totals.tar_len += chunk.len() as u64;
        let Self { sink, feed, totals } = self;
        feed.push(chunk, |machine, part| match part {
            Part::Block(block) if machine.block(block)? => {
                let entry = machine.entry();
                totals.entries += 1;
                let size = if entry.kind == Kind::Symlink { entry.link.len() as u64 } else { entry.declared_size };
                totals.content_size = totals.content_size.saturating_add(size);
                sink.entry(entry)
            }
            Part::Block(_) | Part::Data => Ok(()),
        })
    }

    /// Ends the archive; gives back the sink.
    ///
    /// # Errors
    /// If the archive ends inside an entry or inside a header.
    pub fn finish(self) -> Result<(Totals, S)> {
        if self.feed.is_within_block() {
            let offset = self.totals.tar_len;
            return Err(Error::Truncated { offset, inside: "a header block".to_owned() });
        }
        self.feed.machine.finish()?;
        Ok((self.totals, self.sink))
    }
}
