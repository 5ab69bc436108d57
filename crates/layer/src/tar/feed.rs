//! Cuts a tar that comes in chunks of any length into what the machine asks for.

use super::BLOCK;
use super::machine::{Machine, Need};

/// A machine and what it is fed with.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) machine: Machine,
    /// The start of a block that a chunk boundary cut.
    partial: Vec<u8>,
}

/// What comes next.
pub(crate) enum Part<'a> {
    /// A block that the machine is to be given.
    Block(&'a [u8; BLOCK]),
    /// Bytes of a file, or padding: the machine has passed over them.
    Data,
}

impl Feed {
    /// A feed at the start of an archive.
    pub(crate) fn new() -> Self {
        Self { machine: Machine::new(), partial: Vec::with_capacity(BLOCK) }
    }

    /// Takes the next bytes of the tar. What follows its end is ignored.
    pub(crate) fn push<E>(
        &mut self,
        mut chunk: &[u8],
        mut take: impl FnMut(&mut Machine, Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !chunk.is_empty() {
            match self.machine.need() {
                Need::Nothing => break,
                Need::Skip(len) => {
                    let here = usize::try_from(len).unwrap_or(usize::MAX).min(chunk.len());
                    self.machine.skipped(here as u64);
                    take(&mut self.machine, Part::Data)?;
                    chunk = &chunk[here..];
                }
                Need::Block if self.partial.is_empty() && chunk.len() >= BLOCK => {
                    let (block, rest) = chunk.split_first_chunk::<BLOCK>().expect("the length was checked");
                    take(&mut self.machine, Part::Block(block))?;
                    chunk = rest;
                }
                Need::Block => {
                    let here = (BLOCK - self.partial.len()).min(chunk.len());
                    self.partial.extend_from_slice(&chunk[..here]);
                    chunk = &chunk[here..];
                    if let Ok(block) = <[u8; BLOCK]>::try_from(self.partial.as_slice()) {
                        self.partial.clear();
                        take(&mut self.machine, Part::Block(&block))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// True within a block that is not whole.
    pub(crate) fn is_within_block(&self) -> bool {
        !self.partial.is_empty()
    }
}
