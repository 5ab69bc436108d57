//! The headers of a tar that streams past: all that is needed to know its tree and where its files lie.

use std::io::{self, Write};

use crate::tar::BLOCK;
use crate::tar::feed::{Feed, Part};
use crate::tar::machine::Machine;

/// Gathers headers, with what belongs to them: extended headers and long names. File data is passed over.
pub struct Headers {
    feed: Feed,
    runs: Runs,
}

/// Headers, compressed.
struct Runs {
    /// Headers that stand side by side, until something else follows.
    run: Vec<u8>,
    run_at: u64,
    /// None if there are too many, or the bytes are no tar.
    out: Option<zstd::Encoder<'static, Vec<u8>>>,
    plain: u64,
}

/// 16 MiB: headers of some hundred thousand files. An index that large is no help any more.
const MAX_COMPRESSED: usize = 16 << 20;
/// zstd's default: 145 KB for Debian's 4.5 MB.
const LEVEL: i32 = 3;

impl Headers {
    /// Nothing yet.
    ///
    /// # Errors
    /// When the compressor cannot be set up.
    pub fn new() -> io::Result<Self> {
        let out = Some(zstd::Encoder::new(Vec::new(), LEVEL)?);
        Ok(Self { feed: Feed::new(), runs: Runs { run: Vec::new(), run_at: 0, out, plain: 0 } })
    }

    /// Takes the next bytes of the tar. What is no tar has no headers; whoever reads the layer says so.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        let Self { feed, runs } = self;
        if runs.out.is_none() {
            return Ok(());
        }
        feed.push(chunk, |machine, part| match part {
            Part::Block(block) => runs.block(machine, block),
            Part::Data => runs.end(),
        })
    }

    /// The headers, compressed with zstd, and how many bytes they are plain: runs of `offset: u64, length: u32, bytes`, all numbers
    /// little-endian. Empty if there are too many, or the bytes were no tar.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn finish(mut self) -> io::Result<(Vec<u8>, u64)> {
        self.runs.end()?;
        match self.runs.out {
            Some(out) => Ok((out.finish()?, self.runs.plain)),
            None => Ok((Vec::new(), 0)),
        }
    }
}

impl Runs {
    fn block(&mut self, machine: &mut Machine, block: &[u8; BLOCK]) -> io::Result<()> {
        // A machine that refused a block takes no more.
        if self.out.is_none() {
            return Ok(());
        }
        if self.run.is_empty() {
            self.run_at = machine.offset();
        }
        self.run.extend_from_slice(block);
        if machine.block(block).is_err() {
            self.out = None;
        } else if self.run.len() >= MAX_RUN {
            self.end()?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(out) = self.out.as_mut().filter(|_| !self.run.is_empty()) else { return Ok(()) };
        let len = u32::try_from(self.run.len()).expect("runs are short");
        out.write_all(&self.run_at.to_le_bytes())?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(&self.run)?;
        self.plain += 12 + self.run.len() as u64;
        self.run.clear();
        if out.get_ref().len() > MAX_COMPRESSED {
            self.out = None;
        }
        Ok(())
    }
}

/// 1 MiB of headers in a row are written as several runs.
const MAX_RUN: usize = 1 << 20;
