//! What can be wrong with a Dockerfile. The texts are docker's.

use super::quote::quoted;

/// Results of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a Dockerfile, or a part of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has no instruction at all.
    #[error("file with no instructions")]
    Empty,
    /// A line that nobody writes; holds the most that is read, in bytes.
    #[error("dockerfile line greater than max allowed size of {0}")]
    LongLine(usize),
    /// The escape character can be the backslash or the backtick.
    #[error("invalid escape token '{0}' does not match ` or \\")]
    Escape(String),
    /// A parser directive that was given before; holds its name.
    #[error("only one {0} parser directive can be used")]
    SecondDirective(String),
    /// A quote that does not end: `single` or `double`.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    OpenQuote(&'static str),
    /// A brace, or a slash in it, that does not end; holds the character. Always told as what is missing.
    #[error("unexpected end of statement while looking for matching {0}")]
    OpenBrace(char),
    /// `${…` without its end, or without its second slash; holds what is missing.
    #[error("syntax error: missing {0}")]
    Missing(&'static str),
    /// A pattern with a backslash before a character that has no other meaning.
    #[error("invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What stands behind the backslash.
        escaped: char,
    },
    /// More substitutions in each other than anybody writes.
    #[error("syntax error: substitutions are nested too deeply")]
    TooDeep,
    /// `${}` and the like.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// What stands behind a variable's name is nothing that we know.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${NAME:?message}` of a variable that has no value.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What is said of it.
        message: String,
    },
    /// `ENV a`: neither form of pairs.
    #[error("{0} must have two arguments")]
    TwoArguments(String),
    /// `ENV a=b c`.
    #[error("Syntax error - can't find = in {}. Must be of the form: name=value", quoted(.0))]
    NoEquals(String),
    /// A here-document without its last line.
    #[error("unterminated heredoc")]
    OpenDocument,
    /// A list of something else than texts.
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotOnlyTexts,
}
