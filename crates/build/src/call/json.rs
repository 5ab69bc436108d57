//! JSON as Go's `MarshalIndent` writes it, and the parts that all answers have.

use serde::Serialize;

use crate::dockerfile::Lines;

/// `value` on several lines, without one at the end. What could be mistaken for HTML is escaped.
pub(super) fn document(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("texts, numbers and lists can be written");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Bytes as JSON has them: base64 (RFC 4648, section 4). The crate for it is for credentials, which this room knows nothing of.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |at: usize| usize::from(chunk.get(at).copied().unwrap_or_default());
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            out.push(if is_padding { '=' } else { char::from(ALPHABET[group >> (18 - 6 * digit) & 63]) });
        }
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Where something stands.
#[derive(Debug, Serialize)]
pub(super) struct Location {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Range>,
}

#[derive(Debug, Serialize)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Debug, Serialize)]
struct Position {
    #[serde(skip_serializing_if = "is_nowhere")]
    line: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_nowhere(line: &usize) -> bool {
    *line == 0
}

impl Location {
    /// Each line is a range of its own.
    pub(super) fn of_lines(lines: impl IntoIterator<Item = usize>) -> Self {
        let range = |line| Range { start: Position { line }, end: Position { line } };
        Self { ranges: lines.into_iter().map(range).collect() }
    }

    /// All lines of a place; none if it is nowhere.
    pub(super) fn of(place: Lines) -> Self {
        Self::of_lines((place.first..=place.last).filter(|line| *line > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_encoded() {
        let check = |text: &str, expected: &str| assert_eq!(bytes(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
        check("\u{fb}\u{ff}?>", "w7vDvz8+");
    }

    #[test]
    fn documents_are_gos() {
        assert_eq!(document(&["a<b>&\u{2028}"]), "[\n  \"a\\u003cb\\u003e\\u0026\\u2028\"\n]");
        assert_eq!(
            serde_json::to_string(&Location::of(Lines { first: 2, last: 3 })).unwrap(),
            "{\"ranges\":[{\"start\":{\"line\":2},\"end\":{\"line\":2}},{\"start\":{\"line\":3},\"end\":{\"line\":3}}]}",
        );
        assert_eq!(serde_json::to_string(&Location::of(Lines { first: 0, last: 0 })).unwrap(), "{}");
    }
}
