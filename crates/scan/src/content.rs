//! The bytes of one file, wherever they lie.

use std::io::{self, Read};

/// A file that can be read at any place, as a layer's tar or a file on disk can.
pub trait Content {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Reads some bytes at `offset` into `buffer` and says how many; 0 at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Content for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let len = buffer.len().min(self.len() - from);
        buffer[..len].copy_from_slice(&self[from..from + len]);
        Ok(len)
    }
}

impl Content for &[u8] {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }
}

impl Content for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }
}

/// A part of a file as a file of its own.
pub struct Range<'a> {
    content: &'a dyn Content,
    from: u64,
    len: u64,
}

impl<'a> Range<'a> {
    /// `len` bytes of `content` from `from`, or fewer if it ends before.
    pub fn new(content: &'a dyn Content, from: u64, len: u64) -> Self {
        Self { content, from, len: len.min(content.size().saturating_sub(from)) }
    }
}

impl Content for Range<'_> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        if len == 0 {
            return Ok(0);
        }
        self.content.read_at(self.from.saturating_add(offset), &mut buffer[..len])
    }
}

/// Reads a content from front to back.
pub struct Stream<'a> {
    content: &'a dyn Content,
    at: u64,
}

impl<'a> Stream<'a> {
    /// From the beginning.
    pub fn new(content: &'a dyn Content) -> Self {
        Self { content, at: 0 }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Why a file says nothing: what is wrong with it, for people.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It has more than is looked at; bytes.
    #[error("is larger than {0} MiB, which is not looked at")]
    TooLarge(u64),
    /// It is not what its name promises.
    #[error("{0}")]
    Broken(&'static str),
    /// It is no JSON of the shape that belongs there.
    #[error("is not the JSON that belongs there: {0}")]
    Json(#[from] serde_json::Error),
}

/// Results of readers.
pub type Result<T, E = Trouble> = std::result::Result<T, E>;

const MIB: u64 = 1 << 20;

/// All of a file that may have `limit` bytes.
///
/// # Errors
/// When it has more, or cannot be read.
pub fn read_all(content: &dyn Content, limit: u64) -> Result<Vec<u8>> {
    if content.size() > limit {
        return Err(Trouble::TooLarge(limit / MIB));
    }
    read_up_to(Stream::new(content), limit)
}

/// All that `source` yields, which may be `limit` bytes.
///
/// # Errors
/// When it is more, or cannot be read.
pub(crate) fn read_up_to(source: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Trouble::TooLarge(limit / MIB));
    }
    Ok(bytes)
}

/// Fills `buffer` from `offset`; `false` if there are fewer bytes.
pub(crate) fn fill(content: &dyn Content, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<bool> {
    while !buffer.is_empty() {
        let read = content.read_at(offset, buffer)?;
        if read == 0 {
            return Ok(false);
        }
        offset += read as u64;
        buffer = &mut buffer[read..];
    }
    Ok(true)
}

/// `len` bytes at `offset`.
pub(crate) fn bytes_at(content: &dyn Content, offset: u64, len: usize) -> Result<Vec<u8>> {
    if offset.checked_add(len as u64).is_none_or(|end| end > content.size()) {
        return Err(Trouble::Broken("points outside of itself"));
    }
    let mut bytes = vec![0; len];
    match fill(content, offset, &mut bytes)? {
        true => Ok(bytes),
        false => Err(Trouble::Broken("ends too early")),
    }
}

/// 64 KiB are compared at once.
const COMPARED: usize = 64 << 10;

/// Whether two files have the same bytes; false if that cannot be known.
pub fn are_equal(one: &dyn Content, other: &dyn Content) -> bool {
    if one.size() != other.size() {
        return false;
    }
    let mut at = 0;
    while at < one.size() {
        let len = usize::try_from(one.size() - at).unwrap_or(usize::MAX).min(COMPARED);
        match (bytes_at(one, at, len), bytes_at(other, at, len)) {
            (Ok(one), Ok(other)) if one == other => at += len as u64,
            _ => return false,
        }
    }
    true
}

/// Bytes as text; what is no UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_file_of_its_own() {
        let whole = b"0123456789".to_vec();
        let part = Range::new(&whole, 2, 5);
        assert_eq!(read_all(&part, 10).unwrap(), b"23456");
        assert_eq!(Range::new(&whole, 8, 50).size(), 2);
        assert_eq!(Range::new(&whole, 80, 50).size(), 0);
        assert!(bytes_at(&part, 3, 3).is_err() && bytes_at(&part, u64::MAX, 2).is_err());
        assert_eq!(bytes_at(&part, 3, 2).unwrap(), b"56");
    }

    #[test]
    fn files_are_compared_to_their_ends() {
        let mut other = vec![7; COMPARED + 5];
        let one = other.clone();
        assert!(are_equal(&one, &other) && are_equal(&Vec::new(), &Vec::new()));
        other[COMPARED + 4] = 8;
        assert!(!are_equal(&one, &other) && !are_equal(&one, &Vec::new()));
    }

    #[test]
    fn what_is_too_large_is_told() {
        let whole = vec![0; 3 << 20];
        assert_eq!(read_all(&whole, 2 << 20).unwrap_err().to_string(), "is larger than 2 MiB, which is not looked at");
    }
}
