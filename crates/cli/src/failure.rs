//! How a command ends when it does not succeed: what stderr says, and the exit code.

use std::io;

/// Results of commands.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A command that failed. Its text is complete; empty if everything has been said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For stderr, without a final newline.
    pub text: String,
    /// For whoever started the program.
    pub code: u8,
}

/// An ordinary failure.
pub const FAILED: u8 = 1;
/// A template that does not parse, in `inspect`.
pub const BAD_TEMPLATE: u8 = 64;
/// 128 + SIGPIPE: whoever read our output has left.
const CLOSED_PIPE: u8 = 141;

impl Failure {
    /// Fails with a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: FAILED }
    }

    /// Fails with a text and an exit code of its own.
    pub fn with_code(text: impl Into<String>, code: u8) -> Self {
        Self { text: text.into(), code }
    }

    /// Fails after everything has been said.
    pub fn silent() -> Self {
        Self { text: String::new(), code: FAILED }
    }

    /// Output that could not be written. A closed pipe is no error worth a word.
    pub fn output(why: &io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::BrokenPipe => Self { text: String::new(), code: CLOSED_PIPE },
            _ => Self::new(format!("cannot write the output: {why}")),
        }
    }

    /// What kept an archive from being written to our output. A closed pipe is no error worth a word here either.
    pub fn while_printing(why: wharfie_engine::Error) -> Self {
        let is_closed = |why: &(dyn std::error::Error + 'static)| {
            why.downcast_ref::<io::Error>().is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe)
        };
        let mut at: Option<&(dyn std::error::Error + 'static)> = Some(&why);
        while let Some(error) = at {
            if is_closed(error) {
                return Self { text: String::new(), code: CLOSED_PIPE };
            }
            at = error.source();
        }
        why.into()
    }
}

impl From<wharfie_engine::Error> for Failure {
    fn from(why: wharfie_engine::Error) -> Self {
        Self::new(crate::compat::engine_text(&why))
    }
}

impl From<wharfie_oci::platform::ParsePlatformError> for Failure {
    fn from(why: wharfie_oci::platform::ParsePlatformError) -> Self {
        Self::new(why.to_string())
    }
}
