//! Extended attributes, kept in the form in which EROFS stores them.
//!
//! Source: kernel, fs/erofs/erofs_fs.h, `struct erofs_xattr_entry`: length of the name without its prefix, number of the
//! prefix, length of the value, name, value, padded to 4 bytes.

use super::NONE;

/// Prefixes by their number on disk. A prefix that is a whole name stands alone.
const PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];

/// Encoded attributes of many files, one after the other.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    /// Where the last set starts: neighbours often have the same ones.
    last: u32,
}

impl Arena {
    /// Keeps a set of attributes and gives its place. Names that no Linux file system can have are dropped.
    pub(super) fn put(&mut self, xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<u32, &'static str> {
        const TOO_LONG: &str = "has extended attributes that are too long";
        let start = self.bytes.len();
        for (name, value) in xattrs {
            let Some((prefix, suffix)) = namespace(name) else {
                continue;
            };
            if self.bytes.len() == start {
                self.bytes.extend_from_slice(&[0; 4]);
            }
            let len = u8::try_from(suffix.len()).map_err(|_| TOO_LONG)?;
            let value_len = u16::try_from(value.len()).map_err(|_| TOO_LONG)?;
            self.bytes.extend_from_slice(&[len, prefix]);
            self.bytes.extend_from_slice(&value_len.to_le_bytes());
            self.bytes.extend_from_slice(suffix);
            self.bytes.extend_from_slice(value);
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        }
        let len = self.bytes.len() - start;
        if len == 0 {
            return Ok(NONE);
        }
        // The inode counts words in 16 bits; room is left for the header and the mark of an opaque directory.
        if len > usize::from(u16::MAX) * 4 - 64 {
            return Err(TOO_LONG);
        }
        self.bytes[start..start + 4].copy_from_slice(&(len as u32 - 4).to_le_bytes());
        if start > 0 && self.at(self.last) == self.at(start as u32) {
            self.bytes.truncate(start);
            return Ok(self.last);
        }
        self.last = u32::try_from(start).map_err(|_| "brings more extended attributes than one layer can hold")?;
        Ok(self.last)
    }

    pub(super) fn at(&self, start: u32) -> &[u8] {
        if start == NONE {
            return b"";
        }
        let start = start as usize;
        let len = self.bytes[start..].first_chunk().map_or(0, |len| u32::from_le_bytes(*len) as usize);
        &self.bytes[start + 4..start + 4 + len]
    }
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
