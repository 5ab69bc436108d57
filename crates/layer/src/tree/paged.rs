//! Lists of small records that take a fixed amount of memory however long they grow: pages that do not fit are in a file
//! without a name. Short lists never touch a disk.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result};

/// What can be in such a list. The default is all zeros, and what a list reads where nothing was written.
pub(crate) trait Record: Copy + Default {
    /// Bytes in the file.
    const LEN: usize;
    /// Records in a page.
    const PAGE: usize;
    /// Pages in memory.
    const PAGES: usize;

    /// Writes itself to `out`, which has [`Self::LEN`] bytes.
    fn write(&self, out: &mut [u8]);
    /// Reads itself from as many.
    fn read(bytes: &[u8]) -> Self;
}

/// Where lists put what does not fit into memory.
#[derive(Debug, Clone)]
pub(crate) struct Spill(pub(crate) Arc<Path>);

/// Such a list. Reading may have to move pages, so it is not for several threads at once.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    pages: RefCell<Pages<T>>,
}

#[derive(Debug)]
struct Pages<T> {
    len: usize,
    /// Page `n` can only be in frame `n % PAGES`: neighbours stay together, and finding one costs next to nothing.
    frames: Vec<Frame<T>>,
    spill: Spill,
    file: Option<File>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Frame<T> {
    page: usize,
    is_changed: bool,
    records: Vec<T>,
}

const NO_PAGE: usize = usize::MAX;

impl<T: Record> Paged<T> {
    /// An empty list.
    pub(crate) fn new(spill: &Spill) -> Self {
        Self::zeros(spill, 0)
    }

    /// A list of `len` defaults.
    pub(crate) fn zeros(spill: &Spill, len: usize) -> Self {
        let pages = Pages { len, frames: Vec::new(), spill: spill.clone(), file: None, bytes: Vec::new() };
        Self { pages: RefCell::new(pages) }
    }

    pub(crate) fn len(&self) -> usize {
        self.pages.borrow().len
    }

    /// The record at `index`, which must be one.
    pub(crate) fn get(&self, index: usize) -> Result<T> {
        let mut pages = self.pages.borrow_mut();
        Ok(pages.frame(index / T::PAGE)?.records[index % T::PAGE])
    }

    /// Changes the record at `index`, which must be one.
    pub(crate) fn update<U>(&self, index: usize, change: impl FnOnce(&mut T) -> U) -> Result<U> {
        let mut pages = self.pages.borrow_mut();
        let frame = pages.frame(index / T::PAGE)?;
        frame.is_changed = true;
        Ok(change(&mut frame.records[index % T::PAGE]))
    }

    /// Adds a record; gives its index.
    pub(crate) fn push(&self, record: T) -> Result<usize> {
        let mut pages = self.pages.borrow_mut();
        let index = pages.len;
        let frame = pages.frame(index / T::PAGE)?;
        frame.is_changed = true;
        frame.records.push(record);
        pages.len += 1;
        Ok(index)
    }
}

impl Paged<u8> {
    /// Adds bytes; gives where they start.
    pub(crate) fn append(&self, mut bytes: &[u8]) -> Result<usize> {
        let mut pages = self.pages.borrow_mut();
        let start = pages.len;
        while !bytes.is_empty() {
            let room = u8::PAGE - pages.len % u8::PAGE;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let page = pages.len / u8::PAGE;
            let frame = pages.frame(page)?;
            frame.is_changed = true;
            frame.records.extend_from_slice(now);
            pages.len += now.len();
            bytes = later;
        }
        Ok(start)
    }

    /// Adds `len` bytes from `at` on to `out`.
    pub(crate) fn copy_to(&self, at: usize, len: usize, out: &mut Vec<u8>) -> Result<()> {
        self.pieces(at, len, |piece| {
            out.extend_from_slice(piece);
            true
        })
    }

    /// True if `bytes` stand at `at`.
    pub(crate) fn is_at(&self, at: usize, mut bytes: &[u8]) -> Result<bool> {
        let mut is_equal = true;
        self.pieces(at, bytes.len(), |piece| {
            let (now, later) = bytes.split_at(piece.len());
            is_equal = now == piece;
            bytes = later;
            is_equal
        })?;
        Ok(is_equal)
    }

    fn pieces(&self, mut at: usize, mut len: usize, mut take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let mut pages = self.pages.borrow_mut();
        while len > 0 {
            let start = at % u8::PAGE;
            let now = len.min(u8::PAGE - start);
            if !take(&pages.frame(at / u8::PAGE)?.records[start..start + now]) {
                break;
            }
            at += now;
            len -= now;
        }
        Ok(())
    }
}

impl<T: Record> Pages<T> {
    fn frame(&mut self, page: usize) -> Result<&mut Frame<T>> {
        let at = page % T::PAGES;
        if at >= self.frames.len() {
            let empty = || Frame { page: NO_PAGE, is_changed: false, records: Vec::new() };
            self.frames.resize_with(at + 1, empty);
        }
        if self.frames[at].page != page {
            self.exchange(at, page).map_err(Error::io("keep the list of a layer's files in a temporary file"))?;
        }
        Ok(&mut self.frames[at])
    }

    /// Puts the page into the frame and what was there into the file.
    fn exchange(&mut self, at: usize, page: usize) -> io::Result<()> {
        let frame = &mut self.frames[at];
        if frame.is_changed {
            self.bytes.resize(frame.records.len() * T::LEN, 0);
            for (record, bytes) in frame.records.iter().zip(self.bytes.chunks_exact_mut(T::LEN)) {
                record.write(bytes);
            }
            let file = match &self.file {
                Some(file) => file,
                None => self.file.insert(nameless(&self.spill.0)?),
            };
            file.write_all_at(&self.bytes, offset::<T>(frame.page))?;
        }
        (frame.page, frame.is_changed) = (NO_PAGE, false);
        let len = self.len.saturating_sub(page * T::PAGE).min(T::PAGE);
        frame.records.clear();
        if let Some(file) = self.file.as_ref().filter(|_| len > 0) {
            self.bytes.clear();
            self.bytes.resize(len * T::LEN, 0);
            read_up_to(file, &mut self.bytes, offset::<T>(page))?;
            frame.records.extend(self.bytes.chunks_exact(T::LEN).map(T::read));
        } else {
            frame.records.resize(len, T::default());
        }
        frame.page = page;
        Ok(())
    }
}

fn offset<T: Record>(page: usize) -> u64 {
    (page * T::PAGE * T::LEN) as u64
}

/// Fills `bytes` from `at` on as far as the file goes; gives how many there were.
pub(crate) fn read_up_to(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], at + len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(len)
}

/// A file that is gone when it is closed.
pub(crate) fn nameless(directory: &Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(directory, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => return Ok(file.into()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {}
        Err(why) => return Err(why.into()),
    }
    let path = directory.join(format!("list-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

impl Record for u8 {
    const LEN: usize = 1;
    const PAGE: usize = 2 << 10;
    const PAGES: usize = 512;

    fn write(&self, out: &mut [u8]) {
        out[0] = *self;
    }

    fn read(bytes: &[u8]) -> Self {
        bytes[0]
    }
}

impl Record for u32 {
    const LEN: usize = 4;
    const PAGE: usize = 1 << 8;
    const PAGES: usize = 256;

    fn write(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Fields(bytes).u32()
    }
}

impl Record for u64 {
    const LEN: usize = 8;
    const PAGE: usize = 1 << 7;
    const PAGES: usize = 1 << 12;

    fn write(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Fields(bytes).u64()
    }
}

/// The fields of a record in the file, one after the other.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn next<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("a record is read as it was written");
        self.0 = rest;
        *field
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.next())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.next())
    }
}

/// Puts fields one after the other, as [`Fields`] reads them.
pub(crate) fn put_fields(mut out: &mut [u8], fields: &[&[u8]]) {
    for field in fields {
        let (now, later) = out.split_at_mut(field.len());
        now.copy_from_slice(field);
        out = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill() -> Spill {
        // Its files have no names: where the tests stand is as good as anywhere.
        Spill(Path::new(".").into())
    }

    #[test]
    fn records_are_what_they_were_however_many_there_are() {
        let list = Paged::<u32>::new(&spill());
        let many = (u32::PAGE * u32::PAGES * 3 + 17) as u32;
        for n in 0..many {
            assert_eq!(list.push(n ^ 0x5555).unwrap(), n as usize);
        }
        assert_eq!(list.len(), many as usize);
        assert!(list.pages.borrow().frames.len() <= u32::PAGES);
        // Far apart, so that nearly every one is on another page.
        for step in [1, 997, 65_537] {
            for n in (0..many).step_by(step) {
                list.update(n as usize, |record| *record = record.wrapping_add(1)).unwrap();
            }
        }
        let changes = |n: u32| 1 + u32::from(n.is_multiple_of(997)) + u32::from(n.is_multiple_of(65_537));
        for n in 0..many {
            assert_eq!(list.get(n as usize).unwrap(), (n ^ 0x5555).wrapping_add(changes(n)), "{n}");
        }
    }

    #[test]
    fn what_was_never_written_is_zero() {
        let many = u32::PAGE * u32::PAGES * 4;
        let list = Paged::<u32>::zeros(&spill(), many);
        for n in (0..many).step_by(u32::PAGE * 3) {
            list.update(n, |record| *record = 7).unwrap();
        }
        for n in (0..many).step_by(u32::PAGE) {
            assert_eq!(list.get(n).unwrap(), if n.is_multiple_of(u32::PAGE * 3) { 7 } else { 0 });
            assert_eq!(list.get(n + 1).unwrap(), 0);
        }
    }

    #[test]
    fn text_may_lie_on_several_pages() {
        let list = Paged::<u8>::new(&spill());
        let text = |n: usize| format!("{n}-").repeat(n % 5_000 + 1).into_bytes();
        let starts: Vec<usize> = (0..700).map(|n| list.append(&text(n * 13)).unwrap()).collect();
        assert!(list.len() > u8::PAGE * u8::PAGES, "else nothing leaves memory");
        for (n, start) in starts.iter().enumerate().rev() {
            let expected = text(n * 13);
            let mut found = Vec::new();
            list.copy_to(*start, expected.len(), &mut found).unwrap();
            assert!(found == expected && list.is_at(*start, &expected).unwrap(), "{n}");
            let mut other = expected;
            *other.last_mut().unwrap() ^= 1;
            assert!(!list.is_at(*start, &other).unwrap(), "{n}");
        }
    }
}
