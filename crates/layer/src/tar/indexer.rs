//! The push side: sees a tar while it streams past on its way elsewhere.

use super::BLOCK;
use super::machine::{Machine, Need};
use crate::entry::Entry;
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
    /// Sum of the sizes in the headers: what docker calls the size of a layer.
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
    machine: Machine,
    /// The start of a block that a chunk boundary cut.
    partial: Vec<u8>,
    totals: Totals,
}

impl<S: EntrySink> Indexer<S> {
    /// An indexer at the start of an archive; entries go to `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink, machine: Machine::new(), partial: Vec::with_capacity(BLOCK), totals: Totals::default() }
    }

    /// Takes the next bytes of the tar.
    ///
    /// # Errors
    /// If the bytes are no tar, say something impossible, or the sink refuses an entry.
    pub fn push(&mut self, mut chunk: &[u8]) -> Result<()> {
        self.totals.tar_len += chunk.len() as u64;
        while !chunk.is_empty() {
            match self.machine.need() {
                Need::Nothing => break,
                Need::Skip(len) => {
                    let here = usize::try_from(len).unwrap_or(usize::MAX).min(chunk.len());
                    self.machine.skipped(here as u64);
                    chunk = &chunk[here..];
                }
                Need::Block if self.partial.is_empty() && chunk.len() >= BLOCK => {
                    let (block, rest) = chunk.split_first_chunk::<BLOCK>().expect("the length was checked");
                    self.block(block)?;
                    chunk = rest;
                }
                Need::Block => {
                    let here = (BLOCK - self.partial.len()).min(chunk.len());
                    self.partial.extend_from_slice(&chunk[..here]);
                    chunk = &chunk[here..];
                    if let Ok(block) = <[u8; BLOCK]>::try_from(self.partial.as_slice()) {
                        self.partial.clear();
                        self.block(&block)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the archive; gives back the sink.
    ///
    /// # Errors
    /// If the archive ends inside an entry or inside a header.
    pub fn finish(self) -> Result<(Totals, S)> {
        if !self.partial.is_empty() {
            let offset = self.totals.tar_len;
            return Err(Error::Truncated { offset, inside: "a header block".to_owned() });
        }
        self.machine.finish()?;
        Ok((self.totals, self.sink))
    }

    fn block(&mut self, block: &[u8; BLOCK]) -> Result<()> {
        if self.machine.block(block)? {
            let entry = self.machine.entry();
            self.totals.entries += 1;
            self.totals.content_size = self.totals.content_size.saturating_add(entry.declared_size);
            self.sink.entry(entry)?;
        }
        Ok(())
    }
}
