//! What is written one after the other: tables, and what is none.

use super::table::{self, Overflow};

/// A part of what a command writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A table whose long cells may be cut to fit a window.
    Table(String),
    /// A table whose last column is a text that is read to its end.
    Wrapping(String),
    /// Lines as they are.
    Text(String),
}

impl Piece {
    /// It, for a window of so many columns.
    pub fn fit(&self, window: usize) -> String {
        match self {
            Self::Table(text) => table::fit(text, window, Overflow::Cut),
            Self::Wrapping(text) => table::fit(text, window, Overflow::Wrap),
            Self::Text(text) => text.clone(),
        }
    }

    /// It, as it is.
    pub fn text(&self) -> &str {
        match self {
            Self::Table(text) | Self::Wrapping(text) | Self::Text(text) => text,
        }
    }
}

/// All of them as they are.
pub fn joined(pieces: &[Piece]) -> String {
    pieces.iter().map(Piece::text).collect()
}

/// All of them, with an empty line between two groups.
pub fn spaced(groups: Vec<Vec<Piece>>) -> Vec<Piece> {
    let mut all = Vec::new();
    for group in groups {
        if !all.is_empty() {
            all.push(Piece::Text("\n".to_owned()));
        }
        all.extend(group);
    }
    all
}
