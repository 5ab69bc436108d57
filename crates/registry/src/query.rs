//! Paths and queries of URLs: percent signs and pairs. Source: RFC 3986, and WHATWG's form encoding for queries.

/// Undoes percent-encoding. `None` for a broken escape or what is not UTF-8 then.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes what may not stand in a value of a query.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                out.push(char::from(byte));
            }
            _ => write!(out, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    out
}

/// The pairs of a query, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after `?`. `None` if an escape is broken or there are more than [`MAX_PAIRS`] of them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PAIRS {
                return None;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| decode(&text.replace('+', " "));
            pairs.push((decode(name)?, decode(value)?));
        }
        Some(Self(pairs))
    }

    /// The first value of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of this name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// 64: a push by digest may give many tags, nobody gives more of anything.
const MAX_PAIRS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone_or_refused() {
        assert_eq!(decode("sha256%3Aabc").as_deref(), Some("sha256:abc"));
        assert_eq!(decode("%2e%2E").as_deref(), Some(".."));
        for text in ["%", "%1", "%zz", "%ff"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn queries_are_pairs_in_order() {
        let query = Query::parse("tag=a&n=5&tag=b+c&empty&x=%3D").unwrap();
        assert_eq!(query.values("tag").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!((query.value("n"), query.value("empty"), query.value("x")), (Some("5"), Some(""), Some("=")));
        assert_eq!(query.value("none"), None);
        assert_eq!(Query::parse(&"a=1&".repeat(65)), None);
    }

    proptest! {
        #[test]
        fn encoding_comes_back(text in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }
    }
}
