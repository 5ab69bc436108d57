//! Why a Dockerfile cannot be read, or a build of it not be planned.

use std::fmt;

use wharfie_oci::{Fault, Kind};

use crate::dockerfile::Lines;
use crate::plan::BoxError;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with the lines that it is about.
///
/// Its text is docker's, which scripts read. A hundred of them differ in nothing but their words, so the words are what is
/// kept, and who wants to show the place asks for the lines.
#[derive(Debug)]
pub struct Error {
    text: String,
    /// What the excerpts show, innermost first; empty if docker shows none.
    places: Vec<Lines>,
    source: Option<BoxError>,
}

impl Error {
    /// An error that is about no line yet.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), places: Vec::new(), source: None }
    }

    /// What somebody else found, under a text of ours that ends in theirs.
    pub(crate) fn because(before: impl fmt::Display, source: BoxError) -> Self {
        Self { text: format!("{before}{source}"), places: Vec::new(), source: Some(source) }
    }

    /// Adds a place.
    #[must_use]
    pub(crate) fn at(mut self, lines: Lines) -> Self {
        self.places.push(lines);
        self
    }

    /// Forgets the places that were told, and tells this one.
    #[must_use]
    pub(crate) fn only_at(mut self, lines: Lines) -> Self {
        self.places = vec![lines];
        self
    }

    /// Puts words in front.
    #[must_use]
    pub(crate) fn under(mut self, before: impl fmt::Display) -> Self {
        self.text = format!("{before}{}", self.text);
        self
    }

    /// Adds words behind.
    #[must_use]
    pub(crate) fn suggesting(mut self, found: Option<String>) -> Self {
        if let Some(found) = found {
            self.text.push_str(&format!(" (did you mean {found}?)"));
        }
        self
    }

    /// The lines it is about, an excerpt for each, innermost first. Line 0 stands for none.
    pub fn places(&self) -> &[Lines] {
        &self.places
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl From<crate::dockerfile::Error> for Error {
    fn from(why: crate::dockerfile::Error) -> Self {
        Self::new(why.to_string())
    }
}
