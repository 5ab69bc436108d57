//! Writes tars: equal entries give equal bytes.

use std::io::{Read, Write};

use super::paced::copy;
use super::{BLOCK, padded};
use crate::entry::{Entry, Kind};
use crate::error::{Error, Result};

/// Writes a tar: plain ustar headers, with a PAX header before those that need one.
/// [`Writer::finish`] must be called, else the archive has no end.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    len: u64,
}

impl<W: Write> Writer<W> {
    /// A writer at the start of an archive.
    pub fn new(inner: W) -> Self {
        Self { inner, len: 0 }
    }

    /// Writes one entry and exactly `entry.size` bytes of `data`; sparse files are written whole.
    /// Offsets in `entry` are ignored.
    ///
    /// # Errors
    /// If `data` is shorter, if a number does not fit the format, or if writing fails.
    pub fn append(&mut self, entry: &Entry, data: impl Read) -> Result<()> {
        self.append_at(entry, data, None, &mut |_| ())
    }

    /// As [`Writer::append`], with the data at a multiple of 4,096: the kernel copies whole pages from another file
    /// a third cheaper than pieces of two. What is between is a PAX comment, which readers pass over. Calls `told` with the
    /// bytes of `data` written so far, a few times a second however slow the output is.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn append_aligned(&mut self, entry: &Entry, data: impl Read, told: &mut dyn FnMut(u64)) -> Result<()> {
        self.append_at(entry, data, Some(PAGE), told)
    }

    fn append_at(
        &mut self,
        entry: &Entry,
        data: impl Read,
        multiple: Option<u64>,
        told: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let bad = |reason| Error::entry(&entry.path, self.len, reason);
        let size = if entry.kind == Kind::File { entry.size } else { 0 };
        let whole = padded(size).ok_or_else(|| bad("is larger than any file can be"))?;
        let mut records = Vec::new();
        let header = header(entry, size, &mut records).map_err(bad)?;
        if let Some(multiple) = multiple {
            fill(&mut records, self.len, multiple);
        }
        if !records.is_empty() {
            self.pax(entry, &records)?;
        }
        self.put(&header)?;
        let copied = copy(&mut data.take(size), &mut self.inner, told).map_err(Error::io(WRITE))?;
        self.len += copied;
        if copied != size {
            return Err(Error::entry(&entry.path, self.len, "has less data than its size says"));
        }
        self.zeros(whole - size)
    }

    /// Writes the end of the archive and gives back the writer, not flushed.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.zeros(2 * BLOCK as u64)?;
        Ok(self.inner)
    }

    fn pax(&mut self, entry: &Entry, records: &[u8]) -> Result<()> {
        let name = entry.path.rsplit(|&b| b == b'/').find(|part| !part.is_empty()).unwrap_or(b"root");
        let mut path = b"PaxHeaders.0/".to_vec();
        path.extend_from_slice(&name[..name.len().min(NAME - path.len())]);
        let extension = Entry { path, mode: 0o644, ..Entry::default() };
        let mut block =
            header(&extension, records.len() as u64, &mut Vec::new()).expect("a short name and a short payload fit");
        block[156] = b'x';
        seal(&mut block);
        self.put(&block)?;
        self.put(records)?;
        let len = records.len() as u64;
        self.zeros(padded(len).expect("the records are in memory") - len)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        self.inner.write_all(bytes).map_err(Error::io(WRITE))
    }

    fn zeros(&mut self, len: u64) -> Result<()> {
        let zeros = [0; 2 * BLOCK];
        self.put(&zeros[..usize::try_from(len).expect("padding is at most two blocks")])
    }
}

const WRITE: &str = "write the tar";
/// 4 KiB.
const PAGE: u64 = 4096;
const NAME: usize = 100;
const PREFIX: usize = 155;

/// The header block; what does not fit goes to `records`.
fn header(entry: &Entry, size: u64, records: &mut Vec<u8>) -> Result<[u8; BLOCK], &'static str> {
    let mut block = [0; BLOCK];
    match split(&entry.path) {
        Some((prefix, name)) => {
            block[..name.len()].copy_from_slice(name);
            block[345..345 + prefix.len()].copy_from_slice(prefix);
        }
        None => {
            record(records, b"path", &entry.path);
            block[..NAME].copy_from_slice(&entry.path[..NAME]);
        }
    }
    if matches!(entry.kind, Kind::Symlink | Kind::Hardlink) {
        let len = entry.link.len().min(NAME);
        block[157..157 + len].copy_from_slice(&entry.link[..len]);
        if entry.link.len() > NAME {
            record(records, b"linkpath", &entry.link);
        }
    }
    octal(&mut block[100..108], u64::from(entry.mode & 0o7777));
    for (field, key, id) in [(108, b"uid", entry.uid), (116, b"gid", entry.gid)] {
        if !octal(&mut block[field..field + 8], u64::from(id)) {
            record(records, key, id.to_string().as_bytes());
        }
    }
    if !octal(&mut block[124..136], size) {
        record(records, b"size", size.to_string().as_bytes());
    }
    let whole = u64::try_from(entry.mtime).is_ok_and(|mtime| octal(&mut block[136..148], mtime));
    if !whole || entry.mtime_nanos != 0 {
        record(records, b"mtime", time(entry.mtime, entry.mtime_nanos).as_bytes());
    }
    if !whole {
        octal(&mut block[136..148], 0);
    }
    for (name, value) in &entry.xattrs {
        // A PAX key ends at the first one.
        if name.contains(&b'=') {
            return Err("has an extended attribute whose name tar cannot hold");
        }
        record(records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    block[156] = match entry.kind {
        Kind::File => b'0',
        Kind::Hardlink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    };
    block[257..265].copy_from_slice(b"ustar\x0000");
    if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice)
        && !(octal(&mut block[329..337], u64::from(entry.major)) && octal(&mut block[337..345], u64::from(entry.minor)))
    {
        return Err("has a device number that tar cannot hold");
    }
    seal(&mut block);
    Ok(block)
}

/// Splits a path so that it fits the prefix and name fields.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME {
        return Some((b"", path));
    }
    // The slash between the two is not stored; the name may not be empty.
    let first = path.len().checked_sub(NAME + 1)?;
    let at = (first..path.len() - 1).find(|&i| path[i] == b'/' && i > 0 && i <= PREFIX)?;
    Some((&path[..at], &path[at + 1..]))
}

/// Digits and a NUL. False, and zeros, if the number does not fit.
fn octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    let fits = value >> (3 * digits) == 0;
    let mut rest = if fits { value } else { 0 };
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    field[digits] = 0;
    fits
}

/// Seconds and fraction; a negative time counts its fraction away from zero.
fn time(seconds: i64, nanos: u32) -> String {
    match (seconds, nanos) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{nanos:09}"),
        (..0, _) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
    }
}

/// Appends `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    records.extend_from_slice(len.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Adds a comment to `records` so that the data of an entry that begins at `at` begins at a multiple of `multiple`,
/// which is one of [`BLOCK`].
fn fill(records: &mut Vec<u8>, at: u64, multiple: u64) {
    let block = BLOCK as u64;
    let extension = if records.is_empty() { 0 } else { block + records.len().next_multiple_of(BLOCK) as u64 };
    if (at + extension + block).is_multiple_of(multiple) {
        return;
    }
    // The shortest comment is `13 comment=\n` with something in it; three bytes more for a longer length.
    let mut whole = (records.len() + 16).next_multiple_of(BLOCK);
    while !(at + 2 * block + whole as u64).is_multiple_of(multiple) {
        whole += BLOCK;
    }
    let digits = (whole - records.len()).to_string().len();
    let value = vec![b' '; whole - records.len() - digits - b" comment=\n".len()];
    record(records, b"comment", &value);
}

fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
    octal(&mut block[148..155], sum);
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn aligned_data_begins_at_a_page_whatever_was_before() {
        for before in 0..20 {
            for name in ["blob".to_owned(), "x".repeat(300), "y".repeat(1_000)] {
                let mut writer = Writer::new(Vec::new());
                for _ in 0..before {
                    writer.append(&Entry { path: b"small".to_vec(), ..Entry::default() }, io::empty()).unwrap();
                }
                let entry = Entry { path: name.clone().into_bytes(), size: 5, ..Entry::default() };
                writer.append_aligned(&entry, &b"hello"[..], &mut |_| ()).unwrap();
                let tar = writer.finish().unwrap();
                let mut reader = crate::tar::Reader::new(tar.as_slice());
                for _ in 0..before {
                    reader.next_entry().unwrap().unwrap();
                }
                let found = reader.next_entry().unwrap().unwrap().entry().clone();
                assert_eq!((found.path.as_slice(), found.size), (name.as_bytes(), 5));
                assert_eq!(found.data_offset % PAGE, 0, "{before} before {name}");
            }
        }
    }
}
