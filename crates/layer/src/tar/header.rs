//! The fixed fields of a 512-byte header block.

use super::BLOCK;

/// A header block whose checksum is right.
#[derive(Clone, Copy)]
pub(crate) struct Header<'a> {
    block: &'a [u8; BLOCK],
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl<'a> Header<'a> {
    /// Checks the checksum; `None` if this is not a header.
    /// Some old programs summed signed bytes, so both sums are right.
    pub(crate) fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        let stated = u64::try_from(octal(&block[148..156])?).ok()?;
        let unsigned = sum(block, u32::from);
        let blanks = 8 * u32::from(b' ');
        let field = block[148..156].iter().map(|&b| u32::from(b)).sum::<u32>();
        if stated != u64::from(unsigned - field + blanks) {
            let signed: i64 = block
                .iter()
                .enumerate()
                .map(|(i, &b)| if (148..156).contains(&i) { 32 } else { i64::from(b.cast_signed()) })
                .sum();
            if i64::try_from(stated).ok()? != signed {
                return None;
            }
        }
        let format = match &block[257..265] {
            b"ustar  \0" => Format::Gnu,
            magic if magic.starts_with(b"ustar\0") && &block[508..] == b"tar\0" => Format::Star,
            magic if magic.starts_with(b"ustar\0") => Format::Ustar,
            _ => Format::V7,
        };
        Some(Self { block, format })
    }

    /// Puts the name into `out`, joined with the prefix where the dialect has one.
    pub(crate) fn path_into(&self, out: &mut Vec<u8>) {
        let prefix = match self.format {
            Format::Ustar => text(&self.block[345..500]),
            Format::Star => text(&self.block[345..476]),
            Format::V7 | Format::Gnu => b"",
        };
        out.clear();
        if !prefix.is_empty() {
            out.extend_from_slice(prefix);
            out.push(b'/');
        }
        out.extend_from_slice(text(&self.block[..100]));
    }

    pub(crate) fn link(&self) -> &'a [u8] {
        text(&self.block[157..257])
    }

    pub(crate) fn typeflag(&self) -> u8 {
        self.block[156]
    }

    pub(crate) fn is_gnu(&self) -> bool {
        self.format == Format::Gnu
    }

    pub(crate) fn mode(&self) -> Option<i64> {
        number(&self.block[100..108])
    }

    pub(crate) fn uid(&self) -> Option<i64> {
        number(&self.block[108..116])
    }

    pub(crate) fn gid(&self) -> Option<i64> {
        number(&self.block[116..124])
    }

    pub(crate) fn size(&self) -> Option<i64> {
        number(&self.block[124..136])
    }

    pub(crate) fn mtime(&self) -> Option<i64> {
        number(&self.block[136..148])
    }

    /// Device numbers; v7 has none.
    pub(crate) fn device(&self) -> Option<(i64, i64)> {
        if self.format == Format::V7 {
            return Some((0, 0));
        }
        Some((number(&self.block[329..337])?, number(&self.block[337..345])?))
    }

    /// The old GNU sparse table: raw pairs, whether more blocks follow, and the real size.
    pub(crate) fn sparse(&self) -> Option<(&'a [u8], bool, i64)> {
        Some((&self.block[386..482], self.block[482] != 0, number(&self.block[483..495])?))
    }
}

fn sum(block: &[u8; BLOCK], of: impl Fn(u8) -> u32) -> u32 {
    block.iter().map(|&b| of(b)).sum()
}

/// A field up to its first NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// A numeric field: octal digits, or GNU's base-256 if the first bit is set. An empty field is 0.
/// `None` if it is neither, or does not fit.
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    // Two's complement over all bits but the marker.
    let mut value = i128::from(first & 0x7f);
    if first & 0x40 != 0 {
        value -= 0x80;
    }
    for &byte in rest {
        value = value.checked_mul(256)?.checked_add(i128::from(byte))?;
    }
    i64::try_from(value).ok()
}

fn octal(field: &[u8]) -> Option<i64> {
    let blank = |b: &u8| *b == b' ' || *b == 0;
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    let mut value: i64 = 0;
    // A NUL inside ends the number: some writers leave rubbish behind it.
    for &digit in text(&field[start..end]) {
        if !(b'0'..=b'7').contains(&digit) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(digit - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &[u8], expected: Option<i64>) {
        assert_eq!(number(field), expected, "{field:?}");
    }

    #[test]
    fn octal_numbers() {
        check(b"0000644\0", Some(0o644));
        check(b"   644 \0", Some(0o644));
        check(b"\0\0\0\0", Some(0));
        check(b"        ", Some(0));
        check(b"77777777777\0", Some(0o77777777777));
        check(b"0000648\0", None);
        check(b"-1\0", None);
        check(b"12\x0034\0", Some(0o12));
    }

    #[test]
    fn base_256_numbers() {
        check(b"\x80\0\0\0\0\0\0\x01", Some(1));
        check(b"\x80\0\0\0\xff\xff\xff\xff", Some(0xffff_ffff));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2));
        check(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None);
        check(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX));
    }
}
