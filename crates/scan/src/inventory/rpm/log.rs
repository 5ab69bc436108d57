//! SQLite's write-ahead log: the newest pages of a data base lie in the file `-wal` beside it until somebody writes them back.
//! Source: sqlite.org, "Database File Format", section 4; "WAL-mode File Format".

use std::collections::HashMap;
use std::io;

use crate::content::{Content, Result, bytes_at};

/// Words of the checksums are little endian; with the last bit set they are big endian.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;
const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// 256 MiB: logs are written back after some four.
const MAX_LOG: u64 = 256 << 20;

/// A data base as who opens it sees it: with the pages that its log has. What was begun and not committed does not count, nor does what
/// follows a frame with a wrong checksum.
pub struct Logged<'a> {
    base: &'a dyn Content,
    log: &'a dyn Content,
    page: u64,
    /// Where in the log pages lie, by their number from 0.
    pages: HashMap<u64, u64>,
    size: u64,
}

impl<'a> Logged<'a> {
    /// Reads the log. One that is empty or no log changes nothing.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn open(base: &'a dyn Content, log: &'a dyn Content) -> Result<Self> {
        let mut found = Self { base, log, page: 1, pages: HashMap::new(), size: base.size() };
        found.recover()?;
        Ok(found)
    }

    fn recover(&mut self) -> Result<()> {
        if self.log.size() < HEAD as u64 {
            return Ok(());
        }
        let head = bytes_at(self.log, 0, HEAD)?;
        let magic = word(&head, 0);
        let page = u64::from(word(&head, 8));
        let is_known = magic & !1 == MAGIC && word(&head, 4) == VERSION;
        if !is_known || !(512..=65536).contains(&page) || !page.is_power_of_two() {
            return Ok(());
        }
        let mut sum = Sum { is_big_endian: magic & 1 == 1, words: (0, 0) };
        sum.add(&head[..24]);
        if sum.words != (word(&head, 24), word(&head, 28)) {
            return Ok(());
        }
        let salts = &head[16..24];
        let step = FRAME_HEAD as u64 + page;
        let mut at = HEAD as u64;
        // Pages of a transaction that has not ended.
        let mut open = Vec::new();
        while at + step <= self.log.size().min(MAX_LOG) {
            let frame = bytes_at(self.log, at, step as usize)?;
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEAD..]);
            let (number, pages) = (word(&frame, 0), word(&frame, 4));
            if &frame[8..16] != salts || sum.words != (word(&frame, 16), word(&frame, 20)) || number == 0 {
                break;
            }
            open.push((u64::from(number) - 1, at + FRAME_HEAD as u64));
            if pages != 0 {
                self.pages.extend(open.drain(..));
                self.size = u64::from(pages) * page;
                self.page = page;
            }
            at += step;
        }
        Ok(())
    }
}

impl Content for Logged<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pages.is_empty() {
            return self.base.read_at(offset, buffer);
        }
        let (number, within) = (offset / self.page, offset % self.page);
        let left = (self.page - within).min(self.size.saturating_sub(offset));
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.pages.get(&number) {
            Some(at) => self.log.read_at(at + within, &mut buffer[..len]),
            None => self.base.read_at(offset, &mut buffer[..len]),
        }
    }
}

/// The sum that goes on through a log, over pairs of words.
struct Sum {
    is_big_endian: bool,
    words: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let of = |bytes: &[u8]| {
            let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
            if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let (mut first, mut second) = self.words;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(of(&pair[..4])).wrapping_add(second);
            second = second.wrapping_add(of(&pair[4..])).wrapping_add(first);
        }
        self.words = (first, second);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::read_all;

    const PAGE: usize = 512;

    /// A log with these frames: page, pages after the commit, and what the page is filled with.
    fn log(frames: &[(u32, u32, u8)], is_big_endian: bool) -> Vec<u8> {
        let mut log = Vec::new();
        for number in [MAGIC | u32::from(is_big_endian), VERSION, PAGE as u32, 0, 11, 22] {
            log.extend(number.to_be_bytes());
        }
        let mut sum = Sum { is_big_endian, words: (0, 0) };
        sum.add(&log);
        log.extend([sum.words.0.to_be_bytes(), sum.words.1.to_be_bytes()].concat());
        for (page, pages, byte) in frames {
            let head = [page.to_be_bytes(), pages.to_be_bytes()].concat();
            sum.add(&head);
            sum.add(&[*byte; PAGE]);
            log.extend(head);
            for number in [11, 22, sum.words.0, sum.words.1] {
                log.extend(number.to_be_bytes());
            }
            log.extend([*byte; PAGE]);
        }
        log
    }

    /// The first byte of each page.
    fn seen(log: &[u8]) -> Vec<u8> {
        let base = [vec![1; PAGE], vec![2; PAGE]].concat();
        let logged = Logged::open(&base, &log).unwrap();
        read_all(&logged, 1 << 20).unwrap().chunks(PAGE).map(|page| page[0]).collect()
    }

    #[test]
    fn committed_pages_count_and_others_do_not() {
        for is_big_endian in [false, true] {
            assert_eq!(seen(&log(&[(2, 0, 7), (3, 3, 8)], is_big_endian)), [1, 7, 8]);
            assert_eq!(seen(&log(&[(2, 2, 7), (2, 2, 9), (1, 0, 5)], is_big_endian)), [1, 9]);
            assert_eq!(seen(&log(&[(1, 1, 7)], is_big_endian)), [7]);
        }
        assert_eq!(seen(&[]), [1, 2]);
        assert_eq!(seen(&[0; 4000]), [1, 2]);
    }

    #[test]
    fn what_follows_a_wrong_checksum_does_not_count() {
        let mut bytes = log(&[(1, 2, 7), (2, 2, 8), (1, 2, 9)], false);
        let end = bytes.len();
        bytes[HEAD + FRAME_HEAD + PAGE + FRAME_HEAD + 3] ^= 1;
        assert_eq!(seen(&bytes), [7, 2]);
        bytes.truncate(end - 1);
        assert_eq!(seen(&bytes), [7, 2]);
        bytes[12] ^= 1;
        assert_eq!(seen(&bytes), [1, 2]);
    }
}
