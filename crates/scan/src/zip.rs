//! Zip archives, read in place: the directory at the end, then what is wanted of it. Source: PKWARE, APPNOTE.

use flate2::read::DeflateDecoder;

use crate::budget::{Work, inflate};
use crate::content::{Content, Range, Result, Stream, Trouble, bytes_at};

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// 22 bytes of the end and the longest comment.
const MAX_TAIL: u64 = 22 + 65535;
/// 64 KiB of the directory at a time.
const WINDOW: u64 = 64 << 10;
const MAX_32: u64 = u32::MAX as u64;

/// An archive.
pub(crate) struct Zip<'a> {
    content: &'a dyn Content,
    directory: u64,
    count: u64,
    /// What stands before the archive, as in programs that unpack themselves.
    skip: u64,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    method: u16,
    is_encrypted: bool,
    stored: u64,
    /// As it says; reading is bounded by what is really there.
    pub(crate) size: u64,
    offset: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}

/// Whether an end of 32 bits stands behind a directory with entries.
fn leads_to_entries(content: &dyn Content, end_at: u64, end: &[u8]) -> bool {
    let directory = end_at.checked_sub(u32_at(end, 12));
    u16_at(end, 10) > 0
        && directory.is_some_and(|at| bytes_at(content, at, 4).is_ok_and(|signature| signature == ENTRY))
}

impl<'a> Zip<'a> {
    /// Finds the directory.
    pub(crate) fn open(content: &'a dyn Content) -> Result<Self> {
        const NONE: Trouble = Trouble::Broken("is no zip archive");
        let tail_len = content.size().min(MAX_TAIL);
        let tail_at = content.size() - tail_len;
        let tail = bytes_at(content, tail_at, tail_len as usize)?;
        // The comment may hold whatever looks like an end: the last one that makes sense is it, as Java sees it.
        let ends = || (0..tail.len().saturating_sub(21)).rev().filter(|at| tail[*at..].starts_with(END));
        let is_whole = |at: &usize| at + 22 + u16_at(&tail[*at..], 20) as usize == tail.len();
        let makes_sense = |at: &usize| is_whole(at) || leads_to_entries(content, tail_at + *at as u64, &tail[*at..]);
        let at = ends().find(makes_sense).or_else(|| ends().next()).ok_or(NONE)?;
        let end = &tail[at..];
        let (mut count, mut len, mut directory) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
        let mut end_at = tail_at + at as u64;
        if (count == 0xffff || directory == MAX_32 || len == MAX_32)
            && at >= 20
            && tail[at - 20..].starts_with(LOCATOR_64)
        {
            end_at = u64_at(&tail[at - 20..], 8);
            let end = bytes_at(content, end_at, 56)?;
            if !end.starts_with(END_64) {
                return Err(NONE);
            }
            (count, len, directory) = (u64_at(&end, 32), u64_at(&end, 40), u64_at(&end, 48));
        }
        let skip = end_at.checked_sub(len).and_then(|at| at.checked_sub(directory)).unwrap_or(0);
        Ok(Self { content, directory: directory.saturating_add(skip), count, skip })
    }

    /// Calls `take` with each entry, until it says that this is enough.
    pub(crate) fn each(&self, mut take: impl FnMut(Entry) -> Result<bool>) -> Result<()> {
        const BROKEN: Trouble = Trouble::Broken("has a directory that makes no sense");
        let mut window: Vec<u8> = Vec::new();
        let mut window_at = self.directory;
        let mut at = 0_usize;
        for _ in 0..self.count {
            // The longest entry has 46 bytes and three fields of 64 KiB; almost all are short.
            let mut need = 46;
            loop {
                if window.len() - at < need {
                    window_at += at as u64;
                    let len = WINDOW.max(need as u64).min(self.content.size().saturating_sub(window_at));
                    if (len as usize) < need {
                        return Err(BROKEN);
                    }
                    window = bytes_at(self.content, window_at, len as usize)?;
                    at = 0;
                }
                let head = &window[at..];
                if !head.starts_with(ENTRY) {
                    return Err(BROKEN);
                }
                let full = 46 + (u16_at(head, 28) + u16_at(head, 30) + u16_at(head, 32)) as usize;
                if full <= need {
                    break;
                }
                need = full;
            }
            let head = &window[at..at + need];
            let name_len = u16_at(head, 28) as usize;
            let extra_len = u16_at(head, 30) as usize;
            let mut entry = Entry {
                name: String::from_utf8_lossy(&head[46..46 + name_len]).into_owned(),
                method: u16_at(head, 10) as u16,
                is_encrypted: u16_at(head, 8) & 1 != 0,
                stored: u32_at(head, 20),
                size: u32_at(head, 24),
                offset: u32_at(head, 42),
            };
            entry.widen(&head[46 + name_len..46 + name_len + extra_len]);
            at += need;
            if !take(entry)? {
                break;
            }
        }
        Ok(())
    }

    /// The stored bytes of an entry, as they lie in the archive.
    fn range(&self, entry: &Entry) -> Result<Range<'a>> {
        let at = entry.offset.checked_add(self.skip).ok_or(Trouble::Broken("points outside of itself"))?;
        let head = bytes_at(self.content, at, 30)?;
        if !head.starts_with(LOCAL) {
            return Err(Trouble::Broken("has an entry that makes no sense"));
        }
        Ok(Range::new(self.content, at + 30 + u16_at(&head, 26) + u16_at(&head, 28), entry.stored))
    }

    /// The entry as a file in place, if it is not compressed.
    pub(crate) fn in_place(&self, entry: &Entry) -> Result<Option<Range<'a>>> {
        (entry.method == 0 && !entry.is_encrypted).then(|| self.range(entry)).transpose()
    }

    /// All of an entry, which may have `limit` bytes and what `work` has left.
    pub(crate) fn read(&self, entry: &Entry, limit: u64, work: &Work) -> Result<Vec<u8>> {
        let range = self.range(entry)?;
        match entry.method {
            _ if entry.is_encrypted => Err(Trouble::Broken("is encrypted")),
            0 => inflate(Stream::new(&range), limit, work),
            8 => inflate(DeflateDecoder::new(Stream::new(&range)), limit, work),
            _ => Err(Trouble::Broken("is compressed in an unusual way")),
        }
    }
}

impl Entry {
    /// Takes the numbers that do not fit into 32 bits from the extra field.
    fn widen(&mut self, mut extra: &[u8]) {
        while extra.len() >= 4 {
            let (id, len) = (u16_at(extra, 0), u16_at(extra, 2) as usize);
            let Some(mut field) = extra.get(4..4 + len) else { return };
            if id == 1 {
                for number in [&mut self.size, &mut self.stored, &mut self.offset] {
                    if *number == MAX_32 && field.len() >= 8 {
                        *number = u64_at(field, 0);
                        field = &field[8..];
                    }
                }
                return;
            }
            extra = &extra[4 + len..];
        }
    }
}

/// Archives made by hand, for tests.
#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn zip(files: &[(&str, &[u8])], is_compressed: bool) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, data) in files {
            let stored = match is_compressed {
                true => {
                    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(data).unwrap();
                    encoder.finish().unwrap()
                }
                false => data.to_vec(),
            };
            let mut head = vec![20, 0, 0, 0, if is_compressed { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            head.extend((stored.len() as u32).to_le_bytes());
            head.extend((data.len() as u32).to_le_bytes());
            head.extend((name.len() as u16).to_le_bytes());
            head.extend([0, 0]);
            let at = out.len() as u32;
            out.extend(LOCAL);
            out.extend(&head);
            out.extend(name.as_bytes());
            out.extend(stored);
            directory.extend(ENTRY);
            directory.extend([20, 0]);
            directory.extend(&head);
            directory.extend([0; 10]);
            directory.extend(at.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let at = out.len() as u32;
        let len = directory.len() as u32;
        out.extend(directory);
        out.extend(END);
        out.extend([0; 4]);
        out.extend((files.len() as u16).to_le_bytes());
        out.extend((files.len() as u16).to_le_bytes());
        out.extend(len.to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    fn all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
        let bytes = bytes.to_vec();
        let zip = Zip::open(&bytes)?;
        let mut found = Vec::new();
        zip.each(|entry| {
            found.push((entry.name.clone(), zip.read(&entry, 1 << 20, &Work::new(1 << 30))?));
            Ok(true)
        })?;
        Ok(found)
    }

    #[test]
    fn files_are_found_and_read() {
        for is_compressed in [false, true] {
            let bytes = zip(&[("a/b", b"hello"), ("c", &[7; 5000])], is_compressed);
            let found = all(&bytes).unwrap();
            assert_eq!(found, [("a/b".to_owned(), b"hello".to_vec()), ("c".to_owned(), vec![7; 5000])]);
            // Something before the archive does not matter.
            assert_eq!(all(&[&b"#!/bin/sh\n"[..], &bytes].concat()).unwrap(), found);
        }
        assert!(all(b"PK").is_err());
    }

    #[test]
    fn an_end_within_the_comment_is_none() {
        let mut bytes = zip(&[("a/b", b"hello")], true);
        // An empty archive, whose comment would be longer than what is there.
        let fake = [END, &[0; 16], &[5, 0]].concat();
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&(fake.len() as u16).to_le_bytes());
        bytes.extend(&fake);
        assert_eq!(all(&bytes).unwrap().len(), 1);
        // Something behind the archive, that no comment tells of.
        let bytes = [zip(&[("a/b", b"hello")], true), b"signed".to_vec()].concat();
        assert_eq!(all(&bytes).unwrap().len(), 1);
        assert_eq!(all(&zip(&[], true)).unwrap().len(), 0);
    }

    #[test]
    fn what_swells_is_refused() {
        let bytes = zip(&[("zeros", &vec![0; 2 << 20])], true);
        assert_eq!(all(&bytes).unwrap_err().to_string(), "is larger than 1 MiB, which is not looked at");
    }

    proptest! {
        #[test]
        fn damage_is_told_and_never_panics(at in 0_usize..200, byte: u8) {
            let mut bytes = zip(&[("a/b", b"hello"), ("c", b"more")], true);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = all(&bytes);
        }
    }
}
