//! What a certificate says its key is for. Source: RFC 5280, sections 4.1 and 4.2.1; notaryproject/specifications,
//! signature-specification.md, "Certificate Requirements".
//!
//! Signatures along a chain are proven elsewhere. What reads paths there asks nothing of an anchor: that somebody trusts a certificate
//! does not make it one that may name others.

use wharfie_oci::Timestamp;

use crate::der;

/// The parts of a certificate that are asked here.
#[derive(Debug)]
pub(crate) struct Certificate<'a> {
    /// Names, in DER.
    issuer: &'a [u8],
    subject: &'a [u8],
    /// Seconds since 1970; both moments belong to it.
    valid: (i64, i64),
    basic: Option<Basic>,
    usage: Option<Usage>,
    extended: Option<Vec<&'a [u8]>>,
}

#[derive(Debug)]
struct Basic {
    is_critical: bool,
    is_authority: bool,
    path_len: Option<usize>,
}

#[derive(Debug)]
struct Usage {
    is_critical: bool,
    /// The first is the highest of the first byte, as RFC 5280 numbers them.
    bits: u16,
}

const DIGITAL_SIGNATURE: u16 = 1 << 15;
const CONTENT_COMMITMENT: u16 = 1 << 14;
const KEY_CERT_SIGN: u16 = 1 << 10;

/// Checks a chain, the signer's first: whole, in order, valid at `now`, and each for what it does.
///
/// # Errors
/// Why not, for people.
pub(crate) fn check_chain(chain: &[Vec<u8>], now: i64) -> Result<(), &'static str> {
    let chain = chain.iter().map(|der| Certificate::read(der)).collect::<Option<Vec<_>>>();
    let chain = chain.ok_or("one of its chain cannot be read")?;
    for (at, certificate) in chain.iter().enumerate() {
        // The last one names itself.
        let above = chain.get(at + 1).unwrap_or(certificate);
        if certificate.issuer != above.subject {
            return Err("its chain is not in order, or does not end in a root");
        }
        if at + 1 < chain.len() && certificate.issuer == certificate.subject {
            return Err("its chain goes on after a root");
        }
        if now < certificate.valid.0 || certificate.valid.1 < now {
            return Err("one of its chain is not valid now");
        }
        match at.checked_sub(1) {
            None => certificate.check_signer()?,
            Some(between) => certificate.check_issuer(between)?,
        }
    }
    Ok(())
}

impl<'a> Certificate<'a> {
    /// Reads one; `None` if it is none of version 3, or has an extension twice.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (certificate, rest) = der::expect(bytes, der::SEQUENCE)?;
        let (body, _) = der::expect(certificate, der::SEQUENCE)?;
        let (version, body) = der::expect(body, VERSION)?;
        if !rest.is_empty() || version != VERSION_3 {
            return None;
        }
        let (_serial, body) = der::expect(body, INTEGER)?;
        let (_algorithm, body) = der::expect(body, der::SEQUENCE)?;
        let (issuer, body) = der::expect(body, der::SEQUENCE)?;
        let (validity, body) = der::expect(body, der::SEQUENCE)?;
        let (subject, body) = der::expect(body, der::SEQUENCE)?;
        let (_key, mut body) = der::expect(body, der::SEQUENCE)?;
        let (from, validity) = moment(validity)?;
        let (until, _) = moment(validity)?;
        let mut found = Self { issuer, subject, valid: (from, until), basic: None, usage: None, extended: None };
        while !body.is_empty() {
            let part = der::read(body)?;
            body = part.rest;
            if part.tag == EXTENSIONS {
                found.read_extensions(part.content)?;
            }
        }
        Some(found)
    }

    fn read_extensions(&mut self, bytes: &'a [u8]) -> Option<()> {
        let (mut list, _) = der::expect(bytes, der::SEQUENCE)?;
        let mut known = Vec::new();
        while !list.is_empty() {
            let (extension, rest) = der::expect(list, der::SEQUENCE)?;
            list = rest;
            let (id, rest) = der::expect(extension, der::OBJECT)?;
            if known.contains(&id) {
                return None;
            }
            known.push(id);
            let (is_critical, rest) = match der::expect(rest, BOOLEAN) {
                Some((value, rest)) => (value == TRUE, rest),
                None => (false, rest),
            };
            let (value, _) = der::expect(rest, OCTETS)?;
            match id {
                BASIC_CONSTRAINTS => self.basic = Some(Basic::read(value, is_critical)?),
                KEY_USAGE => self.usage = Some(Usage::read(value, is_critical)?),
                EXTENDED_KEY_USAGE => self.extended = Some(objects(value)?),
                _ => {}
            }
        }
        Some(())
    }

    /// Whether it may sign what is no certificate.
    fn check_signer(&self) -> Result<(), &'static str> {
        if self.basic.as_ref().is_some_and(|basic| basic.is_authority) {
            return Err("it is of an authority, which signs certificates only");
        }
        match &self.usage {
            Some(usage) if usage.is_critical && usage.bits & DIGITAL_SIGNATURE != 0 => {
                if usage.bits & !(DIGITAL_SIGNATURE | CONTENT_COMMITMENT) != 0 {
                    return Err("its key is for other things than signatures as well");
                }
            }
            _ => return Err("its key is not said to be for signatures (keyUsage)"),
        }
        match &self.extended {
            Some(uses) if !uses.contains(&CODE_SIGNING) => Err("it is not for signing code (extendedKeyUsage)"),
            Some(uses) if uses.iter().any(|id| FORBIDDEN.contains(id)) => {
                Err("it is for other things than signing code as well (extendedKeyUsage)")
            }
            _ => Ok(()),
        }
    }

    /// Whether it may sign certificates with so many others between it and the signer's.
    fn check_issuer(&self, between: usize) -> Result<(), &'static str> {
        match &self.basic {
            Some(basic) if basic.is_critical && basic.is_authority => {
                if basic.path_len.is_some_and(|most| most < between) {
                    return Err("its chain is longer than an issuer allows");
                }
            }
            _ => return Err("an issuer is no authority (basicConstraints)"),
        }
        if !self.usage.as_ref().is_some_and(|usage| usage.is_critical && usage.bits & KEY_CERT_SIGN != 0) {
            return Err("an issuer may not sign certificates (keyUsage)");
        }
        match &self.extended {
            Some(uses) if !uses.contains(&CODE_SIGNING) && !uses.contains(&ANY_USE) => {
                Err("an issuer may not name who signs code (extendedKeyUsage)")
            }
            _ => Ok(()),
        }
    }
}

impl Basic {
    fn read(bytes: &[u8], is_critical: bool) -> Option<Self> {
        let (content, rest) = der::expect(bytes, der::SEQUENCE)?;
        let (is_authority, after) = match der::expect(content, BOOLEAN) {
            Some((value, after)) => (value == TRUE, after),
            None => (false, content),
        };
        let path_len = match after {
            [] => None,
            after => {
                let (number, end) = der::expect(after, INTEGER)?;
                let is_natural = number.first().is_some_and(|first| first & 0x80 == 0);
                if !is_natural || !end.is_empty() || number.len() > size_of::<u32>() {
                    return None;
                }
                Some(number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
            }
        };
        rest.is_empty().then_some(Self { is_critical, is_authority, path_len })
    }
}

impl Usage {
    fn read(bytes: &[u8], is_critical: bool) -> Option<Self> {
        let (content, rest) = der::expect(bytes, der::BITS)?;
        let (&unused, bits) = content.split_first()?;
        let bits = match (bits, unused) {
            ([], 0) => 0,
            ([first], 0..=7) => u16::from_be_bytes([*first, 0]),
            ([first, second], 0..=7) => u16::from_be_bytes([*first, *second]),
            _ => return None,
        };
        rest.is_empty().then_some(Self { is_critical, bits })
    }
}

/// A list of identifiers.
fn objects(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut list, rest) = der::expect(bytes, der::SEQUENCE)?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let (id, rest) = der::expect(list, der::OBJECT)?;
        list = rest;
        found.push(id);
    }
    rest.is_empty().then_some(found)
}

/// Seconds since 1970, and what comes after them.
fn moment(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let element = der::read(bytes)?;
    let text = std::str::from_utf8(element.content).ok()?;
    let (year, rest) = match element.tag {
        // Two digits are of the years 1950 to 2049.
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME => text.split_at_checked(4).map(|(year, rest)| (year.to_owned(), rest))?,
        _ => return None,
    };
    let rest =
        rest.strip_suffix('Z').filter(|rest| rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit()))?;
    // No end at all (RFC 5280, section 4.1.2.5), and later than moments go here.
    if year == "9999" {
        return Some((i64::MAX, element.rest));
    }
    let two = |at: usize| &rest[at..at + 2];
    let text = format!("{year}-{}-{}T{}:{}:{}Z", two(0), two(2), two(4), two(6), two(8));
    Some((text.parse::<Timestamp>().ok()?.seconds, element.rest))
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]` and `[3]` of a certificate's body.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const VERSION_3: &[u8] = &[INTEGER, 1, 2];
const TRUE: &[u8] = &[0xff];
/// 2.5.29.19, 15 and 37.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
/// 2.5.29.37.0
const ANY_USE: &[u8] = &[0x55, 0x1d, 37, 0];
/// 1.3.6.1.5.5.7.3.3
pub(crate) const CODE_SIGNING: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 3];
/// Any, serverAuth, emailProtection, timeStamping: a certificate that signs must not be for these (notation).
const FORBIDDEN: [&[u8]; 4] =
    [ANY_USE, &[43, 6, 1, 5, 5, 7, 3, 1], &[43, 6, 1, 5, 5, 7, 3, 4], &[43, 6, 1, 5, 5, 7, 3, 8]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_two_forms() {
        let check = |tag: u8, text: &str, expected: Option<i64>| {
            let der = [&[tag, text.len() as u8], text.as_bytes()].concat();
            assert_eq!(moment(&der).map(|(seconds, _)| seconds), expected, "{text}");
        };
        check(UTC_TIME, "700101000001Z", Some(1));
        check(UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        check(GENERALIZED_TIME, "99991231235959Z", Some(i64::MAX));
        for bad in ["", "7001010000Z", "700101000001", "701301000001Z", "7001010000é1Z"] {
            check(UTC_TIME, bad, None);
        }
        check(BOOLEAN, "700101000001Z", None);
    }

    #[test]
    fn extensions_are_read_to_their_end() {
        let basic = |bytes: &[u8]| Basic::read(bytes, true).map(|basic| (basic.is_authority, basic.path_len));
        assert_eq!(basic(&[0x30, 0]), Some((false, None)));
        assert_eq!(basic(&[0x30, 3, 1, 1, 0xff]), Some((true, None)));
        assert_eq!(basic(&[0x30, 6, 1, 1, 0xff, 2, 1, 3]), Some((true, Some(3))));
        assert_eq!(basic(&[0x30, 6, 1, 1, 0xff, 2, 1, 0xff]), None);
        assert_eq!(basic(&[0x30, 3, 1, 1, 0xff, 0]), None);
        let usage = |bytes: &[u8]| Usage::read(bytes, true).map(|usage| usage.bits);
        assert_eq!(usage(&[3, 2, 7, 0x80]), Some(DIGITAL_SIGNATURE));
        assert_eq!(usage(&[3, 2, 2, 0x04]), Some(KEY_CERT_SIGN));
        assert_eq!(usage(&[3, 3, 7, 0x80, 0x80]), Some(DIGITAL_SIGNATURE | 0x80));
        assert_eq!(usage(&[3, 4, 0, 1, 1, 1]), None);
        assert_eq!(objects(&[0x30, 2, 6, 0]).map(|ids| ids.len()), Some(1));
        assert_eq!(objects(&[0x30, 2, 6, 1]), None);
    }
}
