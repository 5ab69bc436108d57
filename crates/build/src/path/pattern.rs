//! Patterns with `**`, as ignore files, `--exclude` and `--parents` have them.
//! Source: moby's patternmatcher, whose rules are not Go's alone.

use super::automaton::{Piece, Run};
use super::glob::{BadPattern, Glob, class};

/// A pattern that fits whole paths from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    written: String,
    pieces: Vec<Piece>,
}

impl PathPattern {
    /// Reads a pattern, which is taken to be clean.
    ///
    /// # Errors
    /// As [`Glob::new`].
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        Glob::new(pattern)?;
        let mut pieces = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '*' if characters.next_if_eq(&'*').is_some() => {
                    let has_slash = characters.next_if_eq(&'/').is_some();
                    let is_plain = !characters.clone().any(|c| matches!(c, '*' | '?' | '[' | ']' | '\\'));
                    pieces.push(match characters.peek() {
                        None => Piece::Everything,
                        // At the very beginning the rest may be the end of a name, if it is no pattern.
                        Some(_) if pieces.is_empty() && !has_slash && is_plain => Piece::Everything,
                        Some(_) => Piece::Folders,
                    });
                }
                '*' => pieces.push(Piece::Name),
                '?' => pieces.push(Piece::One),
                '[' => pieces.push(class(&mut characters)?),
                '\\' => pieces.push(Piece::Literal(characters.next().ok_or(BadPattern)?)),
                c => pieces.push(Piece::Literal(c)),
            }
        }
        Ok(Self { written: pattern.to_owned(), pieces })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it fits `path` itself.
    pub fn matches(&self, path: &str) -> bool {
        let mut run = Run::new(&self.pieces);
        run.feed(path);
        run.is_match()
    }

    /// Whether it fits `path` or a folder that `path` is in.
    pub fn matches_or_above(&self, path: &str) -> bool {
        let mut run = Run::new(&self.pieces);
        for (at, part) in path.split('/').enumerate() {
            if at > 0 {
                run.feed("/");
            }
            run.feed(part);
            if run.is_match() {
                return true;
            }
        }
        false
    }

    /// Whether it could fit something in the folder.
    pub fn may_match_below(&self, folder: &str) -> bool {
        let mut run = Run::new(&self.pieces);
        if !matches!(folder, "" | ".") {
            run.feed(folder);
            run.feed("/");
        }
        run.may_go_on()
    }
}
