//! The pull side: walks through a tar and reads what is in it.

use std::io::{self, Read, Seek, SeekFrom};

use super::BLOCK;
use super::machine::{Machine, Need};
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::fill;

/// 64 KiB: what is read at once when data is passed over in a stream.
const SKIP_CHUNK: usize = 64 << 10;

type Skip<R> = fn(&mut R, u64, &mut Vec<u8>) -> io::Result<u64>;

/// Reads a tar entry by entry. After an error it must not be used any more.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    machine: Machine,
    skip: Skip<R>,
    scratch: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// A reader of a stream: data nobody asks for is read and dropped.
    pub fn new(inner: R) -> Self {
        Self { inner, machine: Machine::new(), skip: skip_by_reading, scratch: Vec::new() }
    }

    /// Goes to the next entry, past whatever was not read of the current one. `None` at the end of the archive.
    ///
    /// # Errors
    /// If the bytes are no tar, end inside an entry, or cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<EntryReader<'_, R>>> {
        loop {
            match self.machine.need() {
                Need::Nothing => return Ok(None),
                Need::Skip(len) => {
                    let skipped = (self.skip)(&mut self.inner, len, &mut self.scratch).map_err(Error::io(READ))?;
                    self.machine.skipped(skipped);
                    if skipped < len {
                        self.machine.finish()?;
                        return Ok(None);
                    }
                }
                Need::Block => {
                    let mut block = [0; BLOCK];
                    match fill(&mut self.inner, &mut block).map_err(Error::io(READ))? {
                        0 => {
                            self.machine.finish()?;
                            return Ok(None);
                        }
                        BLOCK => {}
                        part => {
                            let offset = self.machine.offset() + part as u64;
                            return Err(Error::Truncated { offset, inside: "a header block".to_owned() });
                        }
                    }
                    if self.machine.block(&block)? {
                        return Ok(Some(EntryReader { reader: self }));
                    }
                }
            }
        }
    }

    /// Gives back the reader, positioned behind what was read.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read + Seek> Reader<R> {
    /// A reader of a file: data nobody asks for is jumped over. Starts at the file's current position.
    pub fn seekable(inner: R) -> Self {
        Self { skip: skip_by_seeking, ..Self::new(inner) }
    }
}

/// One entry and its data. Reading gives the bytes that are stored: of a sparse file the pieces, back to back.
#[derive(Debug)]
pub struct EntryReader<'a, R> {
    reader: &'a mut Reader<R>,
}

impl<R> EntryReader<'_, R> {
    /// What the archive says about the file.
    pub fn entry(&self) -> &Entry {
        self.reader.machine.entry()
    }
}

impl<R: Read> Read for EntryReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.reader.machine.data_left()).unwrap_or(usize::MAX);
        let len = left.min(out.len());
        if len == 0 {
            return Ok(0);
        }
        let read = self.reader.inner.read(&mut out[..len])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends inside a file"));
        }
        self.reader.machine.skipped(read as u64);
        Ok(read)
    }
}

const READ: &str = "read the tar";

fn skip_by_reading<R: Read>(reader: &mut R, len: u64, scratch: &mut Vec<u8>) -> io::Result<u64> {
    scratch.resize(SKIP_CHUNK, 0);
    let mut skipped = 0;
    while skipped < len {
        let want = usize::try_from(len - skipped).unwrap_or(SKIP_CHUNK).min(SKIP_CHUNK);
        let read = fill(reader, &mut scratch[..want])?;
        skipped += read as u64;
        if read < want {
            break;
        }
    }
    Ok(skipped)
}

/// A seek succeeds beyond the end of a file, so the end is looked up first. Short ways are cheaper to read.
fn skip_by_seeking<R: Read + Seek>(reader: &mut R, len: u64, scratch: &mut Vec<u8>) -> io::Result<u64> {
    if len > SKIP_CHUNK as u64 {
        let before = reader.stream_position()?;
        let end = reader.seek(SeekFrom::End(0))?;
        let target = before.saturating_add(len).min(end.max(before));
        reader.seek(SeekFrom::Start(target))?;
        return Ok(target - before);
    }
    skip_by_reading(reader, len, scratch)
}
