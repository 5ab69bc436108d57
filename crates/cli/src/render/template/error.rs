//! What can go wrong with a template. The texts are Go's, because scripts match on them.

use thiserror::Error;

/// A template that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: :{line}: {message}")]
pub struct ParseError {
    /// The line it was noticed on, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A template that failed half-way.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct ExecError {
    /// The whole message, position included.
    pub text: String,
    /// What had been printed when the failing action began.
    pub rendered: String,
}
