//! What every kind of pattern becomes: pieces that are gone through side by side, so no pattern takes longer than its length
//! times the path's.

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// This character.
    Literal(char),
    /// One character of a name.
    One,
    /// One character of a set.
    Class {
        /// Every one but those in the set.
        is_negated: bool,
        /// The set.
        ranges: Vec<(char, char)>,
    },
    /// Any number of characters of a name.
    Name,
    /// Any number of whole folders, each with its slash.
    Folders,
    /// Anything.
    Everything,
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Literal(own) => *own == c,
            Self::One | Self::Name => c != '/',
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *is_negated
            }
            Self::Folders | Self::Everything => true,
        }
    }

    /// Whether it may stand for nothing.
    fn may_be_nothing(&self) -> bool {
        matches!(self, Self::Name | Self::Folders | Self::Everything)
    }
}

/// Where a path has got to in a pattern: before which pieces it may stand. `Folders` count twice: between two folders, and
/// in one.
pub(super) struct Run<'a> {
    pieces: &'a [Piece],
    /// Before this piece; the last is the end.
    before: Vec<bool>,
    /// In a folder of this piece.
    inside: Vec<bool>,
}

impl<'a> Run<'a> {
    /// At the beginning.
    pub(super) fn new(pieces: &'a [Piece]) -> Self {
        let mut run = Self { pieces, before: vec![false; pieces.len() + 1], inside: vec![false; pieces.len()] };
        run.reach(0);
        run
    }

    fn reach(&mut self, at: usize) {
        self.before[at] = true;
        if self.pieces.get(at).is_some_and(Piece::may_be_nothing) && !self.before[at + 1] {
            self.reach(at + 1);
        }
    }

    /// Goes on by `text`.
    pub(super) fn feed(&mut self, text: &str) {
        for c in text.chars() {
            let before = std::mem::replace(&mut self.before, vec![false; self.pieces.len() + 1]);
            let inside = std::mem::replace(&mut self.inside, vec![false; self.pieces.len()]);
            let pieces = self.pieces;
            for (at, piece) in pieces.iter().enumerate() {
                match piece {
                    Piece::Folders if before[at] || inside[at] => {
                        self.inside[at] = true;
                        if c == '/' {
                            self.reach(at + 1);
                        }
                    }
                    Piece::Name | Piece::Everything if before[at] && piece.takes(c) => self.reach(at),
                    Piece::Literal(_) | Piece::One | Piece::Class { .. } if before[at] && piece.takes(c) => {
                        self.reach(at + 1);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether the whole pattern fits what was fed.
    pub(super) fn is_match(&self) -> bool {
        self.before[self.pieces.len()]
    }

    /// Whether something longer could fit.
    pub(super) fn may_go_on(&self) -> bool {
        let end = self.pieces.len();
        self.before[..end].contains(&true) || self.inside.contains(&true)
    }
}
