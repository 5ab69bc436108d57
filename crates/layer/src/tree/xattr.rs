//! Extended attributes, kept in the form in which EROFS stores them.
//!
//! Source: kernel, fs/erofs/erofs_fs.h, `struct erofs_xattr_entry`: length of the name without its prefix, number of the
//! prefix, length of the value, name, value, padded to 4 bytes.

use super::NONE;
use super::paged::{Fields, Paged, Spill};
use crate::error::Result;

/// Prefixes by their number on disk. A prefix that is a whole name stands alone.
const PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];

/// Encoded attributes of many files, one after the other, each with its length in front.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Paged<u8>,
    /// The last set and where it is: neighbours often have the same ones.
    last: (Vec<u8>, u32),
}

/// Attributes that no inode can hold; the rest of a sentence.
pub(super) const TOO_LONG: &str = "has extended attributes that are too long";

impl Arena {
    pub(super) fn new(spill: &Spill) -> Self {
        Self { bytes: Paged::new(spill), last: (Vec::new(), NONE) }
    }

    /// Keeps a set of encoded attributes and gives its place; `None` if there are too many.
    pub(super) fn put(&mut self, encoded: &[u8]) -> Result<Option<u32>> {
        if encoded.is_empty() {
            return Ok(Some(NONE));
        }
        if self.last.0 != encoded {
            if self.bytes.len() + encoded.len() > MAX_BYTES {
                return Ok(None);
            }
            let start = self.bytes.append(&(encoded.len() as u32).to_le_bytes())?;
            self.bytes.append(encoded)?;
            self.last.0.clear();
            self.last.0.extend_from_slice(encoded);
            self.last.1 = start as u32;
        }
        Ok(Some(self.last.1))
    }

    /// Length of the set at `start`.
    pub(super) fn len(&self, start: u32) -> Result<usize> {
        if start == NONE {
            return Ok(0);
        }
        let mut len = Vec::with_capacity(4);
        self.bytes.copy_to(start as usize, 4, &mut len)?;
        Ok(Fields(&len).u32() as usize)
    }

    pub(super) fn get(&self, start: u32) -> Result<Vec<u8>> {
        let len = self.len(start)?;
        let mut bytes = Vec::with_capacity(len);
        if len > 0 {
            self.bytes.copy_to(start as usize + 4, len, &mut bytes)?;
        }
        Ok(bytes)
    }
}

/// 1 GiB of attributes in one layer.
const MAX_BYTES: usize = 1 << 30;

/// Appends the attributes to `out` in the form in which they are stored. Names that no Linux file system can have are
/// dropped.
pub(super) fn encode(xattrs: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) -> Result<(), &'static str> {
    for (name, value) in xattrs {
        let Some((prefix, suffix)) = namespace(name) else {
            continue;
        };
        let len = u8::try_from(suffix.len()).map_err(|_| TOO_LONG)?;
        let value_len = u16::try_from(value.len()).map_err(|_| TOO_LONG)?;
        out.extend_from_slice(&[len, prefix]);
        out.extend_from_slice(&value_len.to_le_bytes());
        out.extend_from_slice(suffix);
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(4), 0);
        // The inode counts words in 16 bits; room is left for the header and the mark of an opaque directory.
        if out.len() > usize::from(u16::MAX) * 4 - 64 {
            return Err(TOO_LONG);
        }
    }
    Ok(())
}

/// Number of the prefix and rest of the name. `None` for names that are not kept: unknown namespaces, and overlayfs's own.
fn namespace(name: &[u8]) -> Option<(u8, &[u8])> {
    if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") || name.contains(&0) {
        return None;
    }
    let (number, suffix) = PREFIXES.iter().find_map(|(number, prefix)| Some((*number, name.strip_prefix(*prefix)?)))?;
    // Behind "user." there must be something, behind the name of an ACL there must be nothing.
    (matches!(number, 2 | 3) == suffix.is_empty()).then_some((number, suffix))
}

/// Full names and values of encoded attributes.
pub(crate) fn decode(mut bytes: &[u8]) -> impl Iterator<Item = (Vec<u8>, &[u8])> {
    std::iter::from_fn(move || {
        let (&[len, number, low, high], rest) = bytes.split_first_chunk()?;
        let (suffix, rest) = rest.split_at_checked(usize::from(len))?;
        let value_len = usize::from(u16::from_le_bytes([low, high]));
        let (value, _) = rest.split_at_checked(value_len)?;
        bytes = bytes.get((4 + usize::from(len) + value_len).next_multiple_of(4)..)?;
        let prefix = PREFIXES.iter().find(|(known, _)| *known == number)?.1;
        Some(([prefix, suffix].concat(), value))
    })
}
