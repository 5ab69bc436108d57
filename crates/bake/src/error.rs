//! Why bake files do not become targets.

use std::fmt;
use std::rc::Rc;

use wharfie_oci::{Fault, Kind};

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bake files do not become targets. Its text is buildx's, which scripts read; who wants to show the place in the file
/// asks for [`Error::diagnostics`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    what: What,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// About no place in a file.
    Text(String),
    /// About places in files; never empty.
    Diagnostics(Vec<Diagnostic>),
}

/// One finding in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in a few words.
    pub summary: String,
    /// What is wrong with this very thing.
    pub detail: String,
    /// Where, if it is known.
    pub place: Option<Place>,
}

/// Where in a file something stands. Lines and columns count from 1; line 0 says that only the file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name, as it was given.
    pub file: Rc<str>,
    /// Line and column of the first character.
    pub start: (usize, usize),
    /// Line and column behind the last character.
    pub end: (usize, usize),
}

impl Error {
    /// An error about no place in a file.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { what: What::Text(text.into()), kind: Kind::Invalid }
    }

    /// The same for something that is not there.
    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self { what: What::Text(text.into()), kind: Kind::NotFound }
    }

    /// A finding in a file.
    pub(crate) fn found(summary: impl Into<String>, detail: impl Into<String>, place: Option<Place>) -> Self {
        let found = Diagnostic { summary: summary.into(), detail: detail.into(), place };
        Self { what: What::Diagnostics(vec![found]), kind: Kind::Invalid }
    }

    /// Gives an error without a place this one; findings keep theirs.
    #[must_use]
    pub(crate) fn located(self, summary: &str, place: Option<Place>) -> Self {
        match self.what {
            What::Text(text) => Self { kind: self.kind, ..Self::found(summary, text, place) },
            What::Diagnostics(_) => self,
        }
    }

    /// Puts words in front of an error without a place.
    #[must_use]
    pub(crate) fn under(self, before: impl fmt::Display) -> Self {
        match self.what {
            What::Text(text) => Self { what: What::Text(format!("{before}: {text}")), ..self },
            What::Diagnostics(_) => self,
        }
    }

    /// Both errors as one.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self.what, other.what) {
            (What::Diagnostics(mut all), What::Diagnostics(more)) => {
                all.extend(more);
                Self { what: What::Diagnostics(all), kind: self.kind }
            }
            (what, _) => Self { what, kind: self.kind },
        }
    }

    /// The findings in files; empty if it is about no place in a file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match &self.what {
            What::Text(_) => &[],
            What::Diagnostics(found) => found,
        }
    }
}

/// Gathers what fails, so that a person learns of all mistakes at once.
#[derive(Default)]
pub(crate) struct Failures(Option<Error>);

impl Failures {
    /// The value, or `None` after noting why there is none.
    pub(crate) fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0 = Some(match self.0.take() {
                    Some(before) => before.and(error),
                    None => error,
                });
                None
            }
        }
    }

    /// `value` if nothing was noted.
    pub(crate) fn or<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Text(text) => f.write_str(text),
            What::Diagnostics(found) => {
                write!(f, "{}", found[0])?;
                match found.len() {
                    1 => Ok(()),
                    count => write!(f, ", and {} other diagnostic(s)", count - 1),
                }
            }
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}; {}", self.summary, self.detail)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { file, start, end }, (end_line, end_column)) = (self, self.end);
        match start.0 {
            0 => write!(f, "{file}"),
            line if line == end_line => write!(f, "{file}:{line},{}-{}", start.1, end.1),
            line => write!(f, "{file}:{line},{}-{end_line},{end_column}", start.1),
        }
    }
}

impl std::error::Error for Error {}

impl Fault for Error {
    fn kind(&self) -> Kind {
        self.kind
    }
}
