//! Maps of sparse files: the two forms that are read block by block, and what makes a map believable.

use super::BLOCK;
use super::header::number;
use crate::entry::Extent;

/// The most pieces one sparse file may have: 2 MiB of map.
pub(crate) const MAX_EXTENTS: usize = 1 << 17;

const BAD: &str = "has a malformed sparse map";

/// Adds the pairs of an old GNU table to `map`. A pair that starts with a NUL ends the table.
pub(crate) fn old_pairs(table: &[u8], map: &mut Vec<Extent>) -> Result<(), &'static str> {
    for pair in table.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let value = |field| number(field).and_then(|n| u64::try_from(n).ok()).ok_or(BAD);
        push(map, Extent { offset: value(&pair[..12])?, len: value(&pair[12..])? })?;
    }
    Ok(())
}

/// Reads the map of version 1.0: decimal lines at the head of the file's data, first the count, then offsets and lengths.
#[derive(Debug, Default)]
pub(crate) struct DecimalMap {
    count: Option<u64>,
    offset: Option<u64>,
    digits: Option<u64>,
    map: Vec<Extent>,
}

impl DecimalMap {
    /// Takes the next block; `Some` when the map is complete (the rest of the block is padding).
    pub(crate) fn block(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<Extent>>, &'static str> {
        for &byte in block {
            if byte != b'\n' {
                if !byte.is_ascii_digit() {
                    return Err(BAD);
                }
                let value = self.digits.unwrap_or(0);
                let value = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(byte - b'0'))).ok_or(BAD)?;
                self.digits = Some(value);
                continue;
            }
            let value = self.digits.take().ok_or(BAD)?;
            match (self.count, self.offset.take()) {
                (None, _) => self.count = Some(value),
                (Some(_), None) => self.offset = Some(value),
                (Some(_), Some(offset)) => push(&mut self.map, Extent { offset, len: value })?,
            }
            if self.count == Some(self.map.len() as u64) {
                return Ok(Some(std::mem::take(&mut self.map)));
            }
        }
        Ok(None)
    }
}

fn push(map: &mut Vec<Extent>, extent: Extent) -> Result<(), &'static str> {
    if map.len() == MAX_EXTENTS {
        return Err("is a sparse file with too many pieces");
    }
    map.push(extent);
    Ok(())
}

/// Checks that pieces are in order, inside the file and inside what is stored, and drops empty ones.
pub(crate) fn validate(map: &mut Vec<Extent>, size: u64, stored: u64) -> Result<(), &'static str> {
    let (mut end, mut sum) = (0, 0u64);
    for extent in map.iter() {
        let next = extent.offset.checked_add(extent.len).ok_or(BAD)?;
        if extent.offset < end || next > size {
            return Err("is a sparse file whose pieces overlap or lie outside of it");
        }
        end = next;
        sum = sum.checked_add(extent.len).ok_or(BAD)?;
    }
    if sum > stored {
        return Err("is a sparse file that stores less than its map says");
    }
    map.retain(|extent| extent.len > 0);
    Ok(())
}
