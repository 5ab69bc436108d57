//! `Packages` of old: a hash of Berkeley DB whose values are headers. Source: Berkeley DB, `dbinc/db_page.h`.

use super::MAX_HEADER;
use crate::content::{Content, Result, Trouble, bytes_at};

const HASH_MAGIC: u32 = 0x0006_1561;
const PAGE_HEAD: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;

struct File<'a> {
    content: &'a dyn Content,
    page: u64,
    pages: u64,
    is_big_endian: bool,
}

impl File<'_> {
    fn u16_at(&self, bytes: &[u8], at: usize) -> usize {
        let bytes = [bytes[at], bytes[at + 1]];
        usize::from(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32_at(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn read(&self, number: u64) -> Result<Vec<u8>> {
        bytes_at(self.content, number * self.page, self.page as usize)
    }

    /// The value whose place `entry` tells: in pages of its own, one leading to the next.
    fn overflow(&self, entry: &[u8]) -> Result<Vec<u8>> {
        const BROKEN: Trouble = Trouble::Broken("has a package that makes no sense");
        let entry = entry.get(..12).ok_or(BROKEN)?;
        let (mut next, len) = (u64::from(self.u32_at(entry, 4)), self.u32_at(entry, 8) as usize);
        if len > MAX_HEADER {
            return Err(Trouble::TooLarge(MAX_HEADER as u64 >> 20));
        }
        let mut value = Vec::new();
        while value.len() < len {
            let page = self.read(next)?;
            let here = self.u16_at(&page, 22).min(page.len() - PAGE_HEAD);
            if page[25] != OVERFLOW || here == 0 || next == 0 {
                return Err(BROKEN);
            }
            value.extend_from_slice(&page[PAGE_HEAD..PAGE_HEAD + here]);
            next = u64::from(self.u32_at(&page, 16));
        }
        value.truncate(len);
        Ok(value)
    }
}

/// Calls `take` with each value.
pub(super) fn each(content: &dyn Content, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let head = bytes_at(content, 0, 512)?;
    let magic = [head[12], head[13], head[14], head[15]];
    let is_big_endian = u32::from_be_bytes(magic) == HASH_MAGIC;
    if !is_big_endian && u32::from_le_bytes(magic) != HASH_MAGIC {
        return Err(Trouble::Broken("is no hash of Berkeley DB"));
    }
    let mut file = File { content, page: 0, pages: 0, is_big_endian };
    file.page = u64::from(file.u32_at(&head, 20));
    if !(512..=65536).contains(&file.page) || !file.page.is_power_of_two() {
        return Err(Trouble::Broken("has pages of an impossible size"));
    }
    file.pages = content.size() / file.page;
    for number in 1..file.pages {
        let page = file.read(number)?;
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            continue;
        }
        // Keys and values take turns.
        let (count, mut here) = (file.u16_at(&page, 20), 0);
        for index in (1..count).step_by(2) {
            let at = PAGE_HEAD + index * 2;
            if at + 2 > page.len() {
                return Err(Trouble::Broken("has a page that makes no sense"));
            }
            let from = file.u16_at(&page, at);
            // What is put in later lies nearer to the page's beginning.
            let to = file.u16_at(&page, at - 2);
            match page.get(from) {
                Some(&OFF_PAGE) => take(&file.overflow(&page[from..])?)?,
                Some(&KEY_DATA) => {
                    let value = page.get(from + 1..to).unwrap_or_default();
                    // A page's values lie beside each other.
                    here += value.len();
                    if here > page.len() {
                        return Err(Trouble::Broken("has a page that makes no sense"));
                    }
                    take(value)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of three pages: the head, a hash page with one value elsewhere, and that value.
    fn file(blob: &[u8]) -> Vec<u8> {
        let page = 4096;
        let mut file = vec![0; 3 * page];
        file[12..16].copy_from_slice(&HASH_MAGIC.to_le_bytes());
        file[20..24].copy_from_slice(&(page as u32).to_le_bytes());
        let hash = &mut file[page..2 * page];
        hash[20] = 2;
        hash[25] = HASH;
        hash[26..28].copy_from_slice(&4091_u16.to_le_bytes());
        hash[28..30].copy_from_slice(&4079_u16.to_le_bytes());
        hash[4079] = OFF_PAGE;
        hash[4083] = 2;
        hash[4087..4091].copy_from_slice(&(blob.len() as u32).to_le_bytes());
        let value = &mut file[2 * page..];
        value[22..24].copy_from_slice(&(blob.len() as u16).to_le_bytes());
        value[25] = OVERFLOW;
        value[26..26 + blob.len()].copy_from_slice(blob);
        file
    }

    #[test]
    fn values_are_found_in_pages_of_their_own() {
        let blob = super::super::tests::bash();
        let mut found = Vec::new();
        let mut file = file(&blob);
        each(&file, &mut |bytes| {
            found.push(bytes.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [blob]);
        // A value that never ends.
        file[4096 + 4087..4096 + 4091].copy_from_slice(&(7_u32 << 20).to_le_bytes());
        file[2 * 4096 + 16] = 2;
        assert!(each(&file, &mut |_| Ok(())).is_ok());
    }
}
