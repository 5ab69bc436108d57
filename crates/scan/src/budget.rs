//! What may be done for one image, all its files together. Each reader has bounds of its own, and an image has any number of files.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::content::{Content, Trouble};

/// 2 GiB of what is read and inflated for archives and programs, and as much for all other files: a hundred times what large
/// honest images need, and seconds. They are apart, so that bombs leave nothing for themselves and all for a system's packages.
const MAX_WORK: u64 = 2 << 30;

/// Bytes that may still be read and inflated.
#[derive(Debug, Clone)]
pub(crate) struct Work(Rc<Cell<u64>>);

impl Work {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    pub(crate) fn left(&self) -> u64 {
        self.0.get()
    }

    pub(crate) fn spend(&self, bytes: u64) {
        self.0.set(self.left().saturating_sub(bytes));
    }
}

/// What may still be done for an image. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    pub(crate) archives: Work,
    pub(crate) documents: Work,
}

impl Default for Budget {
    fn default() -> Self {
        Self { archives: Work::new(MAX_WORK), documents: Work::new(MAX_WORK) }
    }
}

impl Budget {
    /// A file, of which is read what the budget for documents has left.
    pub fn document<'a>(&self, content: &'a dyn Content) -> Metered<'a> {
        Metered { content, work: self.documents.clone() }
    }

    /// Whether nothing more is read of documents.
    pub fn is_spent(&self) -> bool {
        self.documents.left() == 0
    }
}

/// A file whose bytes count.
#[derive(Clone)]
pub struct Metered<'a> {
    content: &'a dyn Content,
    work: Work,
}

impl<'a> Metered<'a> {
    pub(crate) fn new(content: &'a dyn Content, work: &Work) -> Self {
        Self { content, work: work.clone() }
    }
}

impl Content for Metered<'_> {
    fn size(&self) -> u64 {
        self.content.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.work.left() == 0 {
            return Err(spent());
        }
        let read = self.content.read_at(offset, buffer)?;
        self.work.spend(read as u64);
        Ok(read)
    }
}

/// Why nothing more is read.
pub(crate) fn spent() -> io::Error {
    io::Error::other("too much would have to be read of this image")
}

/// Inflates all of `source`, which may be `limit` bytes and what `work` has left; what comes out counts, whatever becomes of it.
pub(crate) fn inflate(source: impl Read, limit: u64, work: &Work) -> Result<Vec<u8>, Trouble> {
    let limit = limit.min(work.left());
    let mut bytes = Vec::new();
    let read = source.take(limit + 1).read_to_end(&mut bytes);
    work.spend(bytes.len() as u64);
    read?;
    if bytes.len() as u64 > limit {
        return Err(Trouble::TooLarge(limit >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::read_all;

    #[test]
    fn what_is_read_and_inflated_counts_whatever_becomes_of_it() {
        let bytes = vec![7; 600];
        let work = Work::new(1000);
        assert_eq!(read_all(&Metered::new(&bytes, &work), 1000).unwrap().len(), 600);
        assert_eq!(work.left(), 400);
        assert!(inflate(bytes.as_slice(), 100, &work).is_err());
        assert_eq!(work.left(), 299);
        assert!(inflate(bytes.as_slice(), 1000, &work).is_err());
        assert_eq!(work.left(), 0);
        let why = read_all(&Metered::new(&bytes, &work), 1000).unwrap_err();
        assert_eq!(why.to_string(), "cannot be read: too much would have to be read of this image");
    }
}
