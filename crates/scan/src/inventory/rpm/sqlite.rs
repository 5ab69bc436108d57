//! `rpmdb.sqlite`: the table `Packages`, read page by page. A library would want a file of its own, and may run what a hostile
//! schema says; here nothing is run.
//! Source: sqlite.org, "Database File Format".

use std::collections::HashSet;

use super::MAX_HEADER;
use crate::content::{Content, Result, Trouble, bytes_at};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// 24 levels: 2^24 pages at the very least.
const MAX_DEPTH: usize = 24;
/// 1,000,000 pages: four gigabytes.
const MAX_PAGES: usize = 1_000_000;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Calls `take` with each blob of the table.
pub(super) fn each(content: &dyn Content, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let head = bytes_at(content, 0, 100)?;
    if !head.starts_with(MAGIC) {
        return Err(Trouble::Broken("is no SQLite data base"));
    }
    let page = match u16::from_be_bytes([head[16], head[17]]) {
        1 => 65536,
        size if size >= 512 && size.is_power_of_two() => u64::from(size),
        _ => return Err(Trouble::Broken("has pages of an impossible size")),
    };
    let mut file = File { content, page, usable: page - u64::from(head[20]), seen: HashSet::new() };
    if file.usable < 480 {
        return Err(Trouble::Broken("has pages of an impossible size"));
    }
    let mut root = None;
    file.table(1, 0, &mut |record| {
        let columns = columns(record);
        if let [kind, name, _, page, ..] = columns[..]
            && kind == b"table"
            && name == b"Packages"
        {
            root = Some(page.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
        }
        Ok(())
    })?;
    let root = root.ok_or(Trouble::Broken("has no table of packages"))?;
    file.table(root, 0, &mut |record| match columns(record).get(1) {
        Some(blob) => take(blob),
        None => Ok(()),
    })
}

struct File<'a> {
    content: &'a dyn Content,
    page: u64,
    usable: u64,
    /// Those that were read: each belongs to one place of one tree, so that all work is as long as the file.
    seen: HashSet<u64>,
}

impl File<'_> {
    fn read(&mut self, number: u64) -> Result<Vec<u8>> {
        if number == 0 || self.seen.len() >= MAX_PAGES || !self.seen.insert(number) {
            return Err(Trouble::Broken("has pages that lead nowhere"));
        }
        let at = (number - 1).checked_mul(self.page).ok_or(Trouble::Broken("points outside of itself"))?;
        bytes_at(self.content, at, self.page as usize)
    }

    /// Calls `take` with each record of the table whose tree begins at the page `number`.
    fn table(&mut self, number: u64, depth: usize, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Trouble::Broken("has a tree that is too deep"));
        }
        let page = self.read(number)?;
        let from = if number == 1 { 100 } else { 0 };
        let u16_at = |at: usize| page.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        let u32_at = |at: usize| page.get(at..at + 4).map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])));
        const BROKEN: Trouble = Trouble::Broken("has a page that makes no sense");
        let count = u16_at(from + 3).ok_or(BROKEN)?;
        match page[from] {
            INTERIOR => {
                for index in 0..count {
                    let cell = u16_at(from + 12 + index * 2).ok_or(BROKEN)?;
                    let child = u32_at(cell).ok_or(BROKEN)?;
                    self.table(child, depth + 1, take)?;
                }
                let last = u32_at(from + 8).ok_or(BROKEN)?;
                self.table(last, depth + 1, take)
            }
            LEAF => {
                let mut here = 0;
                for index in 0..count {
                    let cell = u16_at(from + 8 + index * 2).ok_or(BROKEN)?;
                    let rest = page.get(cell..).ok_or(BROKEN)?;
                    let (len, used) = varint(rest).ok_or(BROKEN)?;
                    let (_, more) = varint(&rest[used..]).ok_or(BROKEN)?;
                    let local = &rest[used + more..];
                    let own = self.local(len)?;
                    // Records of a page lie beside each other.
                    here += own;
                    if here > page.len() {
                        return Err(BROKEN);
                    }
                    match own as u64 == len {
                        true => take(local.get(..own).ok_or(BROKEN)?)?,
                        false => take(&self.payload(local, own, len)?)?,
                    }
                }
                Ok(())
            }
            _ => Err(BROKEN),
        }
    }

    /// How much of a record lies in the page where it begins.
    fn local(&self, len: u64) -> Result<usize> {
        if len > MAX_HEADER as u64 {
            return Err(Trouble::TooLarge(MAX_HEADER as u64 >> 20));
        }
        let most = self.usable - 35;
        if len <= most {
            return Ok(len as usize);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let rest = least + (len - least) % (self.usable - 4);
        Ok(if rest <= most { rest } else { least } as usize)
    }

    /// A record that begins in a page with `here` bytes, with what did not fit there.
    fn payload(&mut self, local: &[u8], here: usize, len: u64) -> Result<Vec<u8>> {
        const BROKEN: Trouble = Trouble::Broken("has a record that makes no sense");
        let mut bytes = local.get(..here).ok_or(BROKEN)?.to_vec();
        let mut next = match local.get(here..here + 4) {
            Some(at) if (here as u64) < len => u64::from(u32::from_be_bytes([at[0], at[1], at[2], at[3]])),
            _ => 0,
        };
        while (bytes.len() as u64) < len {
            let page = self.read(next)?;
            next = u64::from(u32::from_be_bytes([page[0], page[1], page[2], page[3]]));
            let want = (len as usize - bytes.len()).min(self.usable as usize - 4);
            bytes.extend_from_slice(&page[4..4 + want]);
        }
        Ok(bytes)
    }
}

/// The columns of a record, as bytes.
fn columns(record: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let Some((head, mut at)) = varint(record) else { return found };
    let head = usize::try_from(head).unwrap_or(usize::MAX).min(record.len());
    let mut data = head;
    while at < head && found.len() < 64 {
        let Some((kind, used)) = varint(&record[at..]) else { break };
        at += used;
        let len = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            kind => usize::try_from(kind.saturating_sub(12) / 2).unwrap_or(usize::MAX),
        };
        let Some(bytes) = data.checked_add(len).and_then(|end| record.get(data..end)) else { break };
        found.push(bytes);
        data += len;
    }
    found
}

/// A number of one to nine bytes, and how many.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((number << 8 | u64::from(*byte), 9));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        assert_eq!(varint(&[0x7f]), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0]), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0x80]), None);
    }

    /// A data base of pages of 512 bytes: the schema in the first, and what is given from the second on.
    fn base(pages: &[Vec<u8>]) -> Vec<u8> {
        let mut file = vec![0; 512];
        file[..16].copy_from_slice(MAGIC);
        file[16] = 2;
        // `table`, `Packages`, any name, page 2.
        let record = [&[5, 23, 29, 15, 1][..], b"tablePackagesx", &[2]].concat();
        let cell = [vec![record.len() as u8, 1], record].concat();
        file[100] = LEAF;
        file[104] = 1;
        let at = 512 - cell.len();
        file[108..110].copy_from_slice(&(at as u16).to_be_bytes());
        file[at..].copy_from_slice(&cell);
        pages.iter().for_each(|page| file.extend(page));
        file
    }

    /// A page with cells at these places, each of them `cell`.
    fn leaf(places: &[usize], cell: &[u8]) -> Vec<u8> {
        let mut page = vec![0; 512];
        page[0] = LEAF;
        page[4] = places.len() as u8;
        for (index, at) in places.iter().enumerate() {
            page[8 + index * 2..10 + index * 2].copy_from_slice(&(*at as u16).to_be_bytes());
            page[*at..at + cell.len()].copy_from_slice(cell);
        }
        page
    }

    fn blobs(file: &[u8]) -> (usize, Result<()>) {
        let mut count = 0;
        let result = each(&file, &mut |_| {
            count += 1;
            Ok(())
        });
        (count, result)
    }

    #[test]
    fn pages_and_records_are_read_once() {
        // A record of 100 bytes: no number, and a blob of 96.
        let mut cell = vec![0; 102];
        cell[..6].copy_from_slice(&[100, 1, 4, 0, 0x81, 0x4c]);
        let (count, result) = blobs(&base(&[leaf(&[300, 400], &cell)]));
        assert!(result.is_ok() && count == 2, "{count} {result:?}");
        // All cells at one place.
        let (count, result) = blobs(&base(&[leaf(&[400; 60], &cell)]));
        assert!(result.is_err() && count <= 5, "{count}");
        // All children are one page.
        let mut interior = vec![0; 512];
        interior[0] = INTERIOR;
        interior[4] = 100;
        interior[8..12].copy_from_slice(&3_u32.to_be_bytes());
        interior[400..404].copy_from_slice(&3_u32.to_be_bytes());
        for index in 0..100 {
            interior[12 + index * 2..14 + index * 2].copy_from_slice(&400_u16.to_be_bytes());
        }
        let (count, result) = blobs(&base(&[interior, leaf(&[400], &cell)]));
        assert!(result.is_err() && count == 1, "{count}");
    }

    #[test]
    fn records_are_taken_apart() {
        // Three columns: a number of one byte, a text of two and a blob of one.
        assert_eq!(columns(&[4, 1, 17, 14, 5, b'h', b'i', 9]), [&[5][..], b"hi", &[9]]);
        assert!(columns(&[4, 1, 0xff]).is_empty());
    }
}
