//! Texts whose letters have one byte, two or four, and what is text at all: looked at before anything is searched for in a file.

use std::borrow::Cow;

/// 1 KiB: what a file begins with says whether it is text.
pub const HEAD: usize = 1 << 10;

/// True if a file that begins with `head` can have secrets that are found: programs and pictures have all letters somewhere. Zeros
/// alone do not make a file one of those: some stand between words, and others are half of a wide letter.
pub fn is_text(head: &[u8]) -> bool {
    if !head.contains(&0) || Wide::of(head).is_some() {
        return true;
    }
    let is_control = |byte: u8| matches!(byte, 1..=6 | 14..=26 | 28..=31 | 127);
    let (mut letters, mut controls) = (0, 0);
    for byte in head.iter().filter(|byte| **byte != 0) {
        letters += 1;
        controls += usize::from(is_control(*byte));
    }
    letters > 0 && controls * 32 <= letters
}

/// One byte a letter, as far as that is known of text that begins so.
pub(crate) fn narrow(bytes: &[u8]) -> Cow<'_, [u8]> {
    match Wide::of(&bytes[..bytes.len().min(HEAD)]) {
        Some(wide) => Cow::Owned(wide.narrow(bytes)),
        None if bytes.contains(&0) => Cow::Owned(without_zeros(bytes)),
        None => Cow::Borrowed(bytes),
    }
}

/// The bytes without zeros that are parts of wide letters, of two bytes or of four: those stand beside another, or with one letter
/// between. A zero alone ends a word, and stays.
fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    let is_zero = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| *byte == 0);
    let is_part =
        |at: usize| [1, 2].iter().any(|step| is_zero(at.checked_sub(*step)) || is_zero(at.checked_add(*step)));
    bytes.iter().enumerate().filter(|(at, byte)| **byte != 0 || !is_part(*at)).map(|(_, byte)| *byte).collect()
}

/// Text of two bytes a letter.
#[derive(Clone, Copy)]
enum Wide {
    Little,
    Big,
}

impl Wide {
    /// By its mark, or because every other byte is zero, as with letters of Latin.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, 0, 0, ..] => return None,
            [0xff, 0xfe, ..] => return Some(Self::Little),
            [0xfe, 0xff, ..] => return Some(Self::Big),
            _ => {}
        }
        let pairs = head.len() / 2;
        let are = |low: usize| {
            pairs >= 8
                && head.chunks_exact(2).filter(|pair| pair[low] != 0 && pair[1 - low] == 0).count() * 10 >= pairs * 9
        };
        if are(0) {
            return Some(Self::Little);
        }
        are(1).then_some(Self::Big)
    }

    /// One byte a letter; what is not of ASCII becomes a letter that no secret has.
    fn narrow(self, bytes: &[u8]) -> Vec<u8> {
        let letter = |pair: &[u8]| match self {
            Self::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Self::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let narrow = |letter| u8::try_from(letter).ok().filter(u8::is_ascii).unwrap_or(0xff);
        bytes.chunks_exact(2).map(|pair| narrow(letter(pair))).collect()
    }
}
