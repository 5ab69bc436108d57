//! One package's header: an index of tags and the data that they point at.
//! Source: rpm, "RPM package format", header structure; in data bases without its magic.

use super::super::MAX_WORD;
use crate::content::text;

pub(super) const NAME: u32 = 1000;
pub(super) const VERSION: u32 = 1001;
pub(super) const RELEASE: u32 = 1002;
pub(super) const EPOCH: u32 = 1003;
pub(super) const VENDOR: u32 = 1011;
pub(super) const LICENCE: u32 = 1014;
pub(super) const ARCHITECTURE: u32 = 1022;
pub(super) const SOURCE_RPM: u32 = 1044;
pub(super) const DIR_INDEXES: u32 = 1116;
pub(super) const BASE_NAMES: u32 = 1117;
pub(super) const DIR_NAMES: u32 = 1118;

/// 16 bytes: tag, type, offset and count.
const ENTRY: usize = 16;
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// A header in memory. Whatever it says of itself is looked at before it is believed.
pub(super) struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header in `bytes`; `None` if its lengths are lies.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..at + 4)?.first_chunk()?) as usize);
        let (entries, len) = (number(0)?, number(4)?);
        let index_len = entries.checked_mul(ENTRY)?;
        let rest = bytes.get(8..)?;
        if index_len > rest.len() {
            return None;
        }
        let (index, data) = rest.split_at(index_len);
        Some(Self { index, data: data.get(..len)? })
    }

    /// Type, data and count of a tag.
    fn find(&self, tag: u32) -> Option<(u32, &'a [u8], usize)> {
        self.index.chunks_exact(ENTRY).find_map(|entry| {
            let number = |at: usize| u32::from_be_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
            (number(0) == tag).then(|| Some((number(4), self.data.get(number(8) as usize..)?, number(12) as usize)))?
        })
    }

    /// The first text of a tag, empty if it has none.
    pub(super) fn text(&self, tag: u32) -> String {
        let found = self.find(tag).filter(|(kind, ..)| matches!(*kind, STRING | STRING_ARRAY | I18N_STRING));
        let first = found.and_then(|(_, data, _)| data.split(|byte| *byte == 0).next()).unwrap_or_default();
        // One more than is kept, so that it is seen that it is too long.
        text(&first[..first.len().min(MAX_WORD + 1)]).trim().to_owned()
    }

    /// All texts of a tag.
    pub(super) fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> {
        let (data, count) = match self.find(tag) {
            Some((STRING | STRING_ARRAY, data, count)) => (data, count),
            _ => (&[][..], 0),
        };
        data.split(|byte| *byte == 0).take(count)
    }

    /// All numbers of a tag.
    pub(super) fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> {
        let (data, count) = match self.find(tag) {
            Some((INT32, data, count)) => (data, count),
            _ => (&[][..], 0),
        };
        data.chunks_exact(4).take(count).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}
