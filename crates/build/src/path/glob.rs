//! Wildcards of COPY's sources: Go's `filepath.Match`.

use std::iter::Peekable;
use std::str::Chars;

use super::automaton::{Piece, Run};

/// A pattern in which `*` and `?` stay within a name, `[a-z]` and `[^a]` are sets, and a backslash takes the meaning of the
/// character behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Piece>);

/// A pattern whose set or backslash does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When a set is empty or does not end, or nothing stands behind a backslash.
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        let mut pieces = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(c) = characters.next() {
            pieces.push(match c {
                '*' => Piece::Name,
                '?' => Piece::One,
                '[' => class(&mut characters)?,
                '\\' => Piece::Literal(characters.next().ok_or(BadPattern)?),
                c => Piece::Literal(c),
            });
        }
        Ok(Self(pieces))
    }

    /// Whether it fits the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        let mut run = Run::new(&self.0);
        run.feed(name);
        run.is_match()
    }

    /// Whether `name` has a wildcard, so that it is a pattern.
    pub fn is_pattern(name: &str) -> bool {
        let mut characters = name.chars();
        while let Some(c) = characters.next() {
            match c {
                '*' | '?' | '[' => return true,
                '\\' => drop(characters.next()),
                _ => {}
            }
        }
        false
    }
}

/// A set, after its opening bracket.
pub(super) fn class(characters: &mut Peekable<Chars<'_>>) -> Result<Piece, BadPattern> {
    let is_negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |characters: &mut Peekable<Chars<'_>>| match characters.next() {
        Some('-' | ']') | None => Err(BadPattern),
        Some('\\') => characters.next().ok_or(BadPattern),
        Some(c) => Ok(c),
    };
    loop {
        if !ranges.is_empty() && characters.next_if_eq(&']').is_some() {
            return Ok(Piece::Class { is_negated, ranges });
        }
        let first = one(characters)?;
        let last = if characters.next_if_eq(&'-').is_some() { one(characters)? } else { first };
        ranges.push((first, last));
        // A set that is cut off is no set, whatever it would hold.
        characters.peek().ok_or(BadPattern)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expected: Option<bool>) {
        assert_eq!(Glob::new(pattern).ok().map(|glob| glob.matches(name)), expected, "{pattern} {name}");
    }

    #[test]
    fn as_gos_match() {
        check("abc", "abc", Some(true));
        check("*", "abc", Some(true));
        check("*c", "abc", Some(true));
        check("a*", "ab/c", Some(false));
        check("a*/b", "abc/b", Some(true));
        check("a*b*c*d*e*/f", "axbxcxdxexxx/f", Some(true));
        check("a?b*", "a☺bc", Some(true));
        check("ab[c]", "abc", Some(true));
        check("ab[b-d]", "abc", Some(true));
        check("ab[^c]", "abc", Some(false));
        check("a\\*b", "a*b", Some(true));
        check("[\\]a]", "]", Some(true));
        check("[-]", "-", None);
        check("[]a]", "]", None);
        check("[a", "a", None);
        check("a[", "x", None);
        check("[a-", "a", None);
        check("a\\", "a", None);
        check("[z-a]", "b", Some(false));
    }

    #[test]
    fn patterns_have_wildcards() {
        assert!(Glob::is_pattern("a[1]"));
        assert!(!Glob::is_pattern("a\\*b"));
    }
}
