//! A sparse file read whole: the pieces that are stored, and zeros between them.

use std::io::{self, Read};

use crate::entry::Extent;

/// Reads `size` bytes: those of the pieces come from `inner`, where they stand back to back.
pub(crate) fn whole<R: Read>(extents: Vec<Extent>, size: u64, inner: R) -> impl Read {
    Whole { extents: extents.into_iter(), current: None, at: 0, size, inner }
}

struct Whole<R> {
    extents: std::vec::IntoIter<Extent>,
    current: Option<Extent>,
    at: u64,
    size: u64,
    inner: R,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let extent = match self.current {
                Some(extent) if self.at < extent.offset + extent.len => Some(extent),
                _ => {
                    self.current = self.extents.next();
                    match self.current {
                        Some(extent) if extent.len == 0 => continue,
                        other => other,
                    }
                }
            };
            let (end, is_stored) = match extent {
                Some(extent) if self.at >= extent.offset => (extent.offset + extent.len, true),
                Some(extent) => (extent.offset, false),
                None => (self.size, false),
            };
            let len = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
            let n = if is_stored {
                self.inner.read(&mut buffer[..len])?
            } else {
                buffer[..len].fill(0);
                len
            };
            self.at += n as u64;
            return Ok(n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_stand_between_the_pieces() {
        let extents = vec![Extent { offset: 2, len: 3 }, Extent { offset: 5, len: 0 }, Extent { offset: 7, len: 1 }];
        let mut bytes = Vec::new();
        whole(extents, 10, &b"abcd"[..]).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"\0\0abc\0\0d\0\0");
    }
}
