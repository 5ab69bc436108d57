//! From when until when a certificate is good. Source: RFC 5280, 4.1; X.690 for its encoding.

use wharfie_oci::Timestamp;

/// The first and the last second, since 1970, of a certificate in DER; `None` for what is none.
pub(super) fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let signed = Reader(certificate).enter(SEQUENCE)?.enter(SEQUENCE)?;
    let mut fields = signed;
    // A version, if there is one; then serial number, algorithm and issuer.
    if fields.0.first() == Some(&VERSION) {
        fields.skip()?;
    }
    for _ in 0..3 {
        fields.skip()?;
    }
    let mut times = fields.enter(SEQUENCE)?;
    Some((times.time()?, times.time()?))
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match length {
            0..=127 => (usize::from(length), rest),
            // No certificate is longer than three bytes can say.
            129..=131 => {
                let (digits, rest) = rest.split_at_checked(usize::from(length - 128))?;
                (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn skip(&mut self) -> Option<()> {
        self.next().map(|_| ())
    }

    /// The inside of the next element, if it has this tag.
    fn enter(mut self, tag: u8) -> Option<Self> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Self(content))
    }

    /// A moment. Source: RFC 5280, 4.1.2.5: two digits of a year are one of 1950 to 2049; seconds and `Z` are always there.
    fn time(&mut self) -> Option<i64> {
        let (tag, content) = self.next()?;
        let text = std::str::from_utf8(content).ok().filter(|text| text.is_ascii())?;
        let text = match tag {
            UTC_TIME if text < "50" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        if text.len() != "YYYYMMDDhhmmssZ".len() {
            return None;
        }
        let part = |from: usize, to: usize| &text[from..to];
        let written =
            format!("{}-{}-{}T{}:{}:{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 15));
        written.parse::<Timestamp>().ok().map(|time| time.seconds)
    }
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_of_their_forms() {
        let mut parameters = rcgen::CertificateParams::new(vec!["images.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 11, 30);
        parameters.not_after = rcgen::date_time_ymd(2071, 1, 2);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let seconds = |text: &str| text.parse::<Timestamp>().unwrap().seconds;
        let expected = (seconds("2026-11-30T00:00:00Z"), seconds("2071-01-02T00:00:00Z"));
        assert_eq!(validity(certificate.der()), Some(expected));
        // Half a certificate is none, wherever it ends.
        let until_times = certificate.der().windows(13).position(|w| w == b"261130000000Z").unwrap();
        for end in 0..until_times {
            assert_eq!(validity(&certificate.der()[..end]), None);
        }
    }
}
