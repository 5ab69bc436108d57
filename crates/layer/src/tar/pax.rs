//! PAX extended headers: `LENGTH KEY=VALUE\n` records that replace what the header after them says.

use crate::entry::Extent;

/// What one extended header says. Absent means: the header's own field counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    pub(crate) mtime: Option<(i64, u32)>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: SparseKeys,
}

/// The `GNU.sparse.*` keys, of three versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SparseKeys {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    /// Versions 0.0 and 0.1 state the map itself.
    pub(crate) map: Option<Vec<Extent>>,
    /// Version 0.0 states offset and length in two records.
    offset: Option<u64>,
}

/// Reads all records. `Err` says what is wrong.
pub(crate) fn parse(mut payload: &[u8]) -> Result<Pax, &'static str> {
    let mut pax = Pax::default();
    let mut libarchive = Vec::new();
    while !payload.is_empty() {
        let (key, value, rest) = record(payload).ok_or("has a malformed PAX record")?;
        payload = rest;
        pax.set(key, value, &mut libarchive)?;
    }
    // bsdtar writes both spellings; its own one is the fallback.
    for (name, value) in libarchive {
        if !pax.xattrs.iter().any(|(known, _)| *known == name) {
            pax.xattrs.push((name, value));
        }
    }
    Ok(pax)
}

impl Pax {
    fn set(&mut self, key: &[u8], value: &[u8], libarchive: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), &'static str> {
        const NUMBER: &str = "has a PAX record whose number cannot be read";
        let name = |value: &[u8]| {
            if value.contains(&0) { Err("has a NUL in a PAX name") } else { Ok(some(value)) }
        };
        match key {
            b"path" => self.path = name(value)?,
            b"linkpath" => self.link = name(value)?,
            b"size" => self.size = optional(value, unsigned).ok_or(NUMBER)?,
            b"uid" => self.uid = optional(value, signed).ok_or(NUMBER)?,
            b"gid" => self.gid = optional(value, signed).ok_or(NUMBER)?,
            b"mtime" => self.mtime = optional(value, time).ok_or(NUMBER)?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    put(&mut self.xattrs, name.to_vec(), value.to_vec());
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let name = percent_decode(name).ok_or("has a malformed attribute name")?;
                    put(libarchive, name, base64_decode(value).ok_or("has a malformed attribute value")?);
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(key, value)?;
                }
            }
        }
        Ok(())
    }
}

impl SparseKeys {
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const BAD: &str = "has a malformed sparse map";
        match key {
            b"major" => self.major = Some(unsigned(value).ok_or(BAD)?),
            b"minor" => self.minor = Some(unsigned(value).ok_or(BAD)?),
            b"name" => {
                if value.contains(&0) {
                    return Err("has a NUL in a PAX name");
                }
                self.name = some(value);
            }
            b"size" | b"realsize" => self.size = Some(unsigned(value).ok_or(BAD)?),
            b"map" => {
                let mut map = Vec::new();
                let mut numbers = value.split(|&b| b == b',');
                while let Some(offset) = numbers.next().filter(|_| !value.is_empty()) {
                    let len = numbers.next().ok_or(BAD)?;
                    map.push(Extent { offset: unsigned(offset).ok_or(BAD)?, len: unsigned(len).ok_or(BAD)? });
                }
                self.map = Some(map);
            }
            b"numblocks" => {
                self.map.get_or_insert_default();
            }
            b"offset" => match self.offset.replace(unsigned(value).ok_or(BAD)?) {
                None => {}
                Some(_) => return Err(BAD),
            },
            b"numbytes" => {
                let offset = self.offset.take().ok_or(BAD)?;
                self.map.get_or_insert_default().push(Extent { offset, len: unsigned(value).ok_or(BAD)? });
            }
            _ => {}
        }
        Ok(())
    }
}

/// Splits off the first record: key, value, rest.
fn record(payload: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = payload.iter().take(20).position(|&b| b == b' ')?;
    let len = usize::try_from(unsigned(&payload[..space])?).ok()?;
    let body = payload.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&b| b == b'=')?;
    if equals == 0 {
        return None;
    }
    Some((&body[..equals], &body[equals + 1..], &payload[len..]))
}

fn put(list: &mut Vec<(Vec<u8>, Vec<u8>)>, name: Vec<u8>, value: Vec<u8>) {
    list.retain(|(known, _)| *known != name);
    list.push((name, value));
}

/// An empty value takes an earlier one back.
fn some(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

fn optional<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(unsigned(digits)?),
        None => i64::try_from(unsigned(text)?).ok(),
    }
}

/// `[-]SECONDS[.FRACTION]`, digits beyond nanoseconds cut off.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut parts = digits.splitn(2, |&b| b == b'.');
    let seconds = i64::try_from(unsigned(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9).fold(0, |n, i| n * 10 + fraction.get(i).map_or(0, |d| u32::from(d - b'0')));
    Some(match (negative, nanos) {
        (false, _) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanos),
    })
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            out.push(u8::from_str_radix(str::from_utf8(tail.get(..2)?).ok()?, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    Some(out)
}

/// Base64 with or without its padding.
fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut have) = (0u32, 0);
    for &c in text.iter().filter(|c| !matches!(c, b'=' | b'\n')) {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_time(text: &str, expected: Option<(i64, u32)>) {
        assert_eq!(time(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn times() {
        check_time("0", Some((0, 0)));
        check_time("1700000000.123456789", Some((1_700_000_000, 123_456_789)));
        check_time("1.5", Some((1, 500_000_000)));
        check_time("1.0000000019", Some((1, 1)));
        check_time("-1", Some((-1, 0)));
        check_time("-1.25", Some((-2, 750_000_000)));
        check_time("1.", Some((1, 0)));
        check_time(".5", None);
        check_time("1.x", None);
        check_time("99999999999999999999", None);
    }

    fn check(payload: &str, expected: &Result<Pax, &'static str>) {
        assert_eq!(&parse(payload.as_bytes()), expected, "{payload:?}");
    }

    #[test]
    fn records() {
        let path = |p: &str| Pax { path: Some(p.into()), ..Pax::default() };
        check("", &Ok(Pax::default()));
        check("10 path=ab\n", &Err("has a malformed PAX record"));
        check("11 path=ab\n", &Ok(path("ab")));
        check("11 path=ab\n10 path=c\n", &Ok(path("c")));
        check("11 path=ab\n8 path=\n", &Ok(Pax::default()));
        check("11 path=ab\n9 path=\n", &Err("has a malformed PAX record"));
        check("11 path=ab\n7 path=\n", &Err("has a malformed PAX record"));
        check("11 path=a\0\n", &Err("has a NUL in a PAX name"));
        check("11 size=12\n", &Ok(Pax { size: Some(12), ..Pax::default() }));
        check("11 size=-1\n", &Err("has a PAX record whose number cannot be read"));
        check("18446744073709551615 a=b\n", &Err("has a malformed PAX record"));
    }

    #[test]
    fn attributes_in_both_spellings() {
        let pax = parse(b"29 LIBARCHIVE.xattr.u%41=eHg\n20 SCHILY.xattr.b=c\n").unwrap();
        assert_eq!(pax.xattrs, [(b"b".to_vec(), b"c".to_vec()), (b"uA".to_vec(), b"xx".to_vec())]);
    }
}
