//! As much of DER as keys need. Source: X.690; RFC 5280, section 4.1.2.7.

/// One element: its tag, its content, and what comes after it.
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) rest: &'a [u8],
}

/// The element that `bytes` begin with. Lengths must be the shortest form, and at most 64 KiB.
pub(crate) fn read(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest).at_least(0x80)?
        }
        0x82 => {
            let (&[high, low], rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes([high, low])), rest).at_least(0x100)?
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}

/// The content of the element with `tag` that `bytes` begin with, and what comes after it.
pub(crate) fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let element = read(bytes)?;
    (element.tag == tag).then_some((element.content, element.rest))
}

/// The element with `tag` and this content, which is of 64 KiB at most.
pub(crate) fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let head = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

trait Shortest: Sized {
    fn at_least(self, least: usize) -> Option<Self>;
}

impl Shortest for (usize, &[u8]) {
    fn at_least(self, least: usize) -> Option<Self> {
        (self.0 >= least).then_some(self)
    }
}

/// A list of elements.
pub(crate) const SEQUENCE: u8 = 0x30;
/// A number.
pub(crate) const INTEGER: u8 = 0x02;
/// Bytes.
pub(crate) const BYTES: u8 = 0x04;
/// Bits, after a byte that says how many of them do not count.
pub(crate) const BITS: u8 = 0x03;
/// The name of an algorithm or a curve.
pub(crate) const OBJECT: u8 = 0x06;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_form() {
        fn check(bytes: &[u8], expected: Option<usize>) {
            assert_eq!(read(bytes).map(|element| element.content.len()), expected, "{bytes:?}");
        }
        check(&[0x30, 0], Some(0));
        check(&[0x30, 2, 1, 2], Some(2));
        check(&[0x30, 3, 1, 2], None);
        check(&[0x30, 0x81, 2, 1, 2], None);
        check(&[0x30, 0x82, 0, 0x80], None);
        check(&[0x30, 0x80, 0, 0], None);
        check(&[[0x30, 0x81, 0x80].as_slice(), &[7; 0x80]].concat(), Some(0x80));
        check(&[], None);
    }
}
