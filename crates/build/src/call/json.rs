//! JSON as Go's `MarshalIndent` writes it, and the parts that all answers have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

/// Bytes as JSON has them.
pub(super) fn bytes(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

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
    fn documents_are_gos() {
        assert_eq!(document(&["a<b>&\u{2028}"]), "[\n  \"a\\u003cb\\u003e\\u0026\\u2028\"\n]");
        assert_eq!(
            serde_json::to_string(&Location::of(Lines { first: 2, last: 3 })).unwrap(),
            "{\"ranges\":[{\"start\":{\"line\":2},\"end\":{\"line\":2}},{\"start\":{\"line\":3},\"end\":{\"line\":3}}]}",
        );
        assert_eq!(serde_json::to_string(&Location::of(Lines { first: 0, last: 0 })).unwrap(), "{}");
    }
}
