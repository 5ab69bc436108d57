//! Words that could not be understood: what to print on stderr, and the exit code.

use thiserror::Error;

use crate::suggest::{nearest, said};

/// A command line that cannot be run. The text is complete, without a final newline.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct UsageError {
    /// What to print on stderr.
    pub text: String,
    /// The exit code: 125 for flags, 1 for commands and argument counts.
    pub code: u8,
    /// What the user can do, for a line after the text.
    pub help: Option<String>,
}

impl UsageError {
    /// A flag that does not exist, lacks its value or has a bad one. `path` is the full command path, `usage_line` its usage.
    pub(super) fn flag(message: &str, help: Option<String>, path: &str, usage_line: &str) -> Self {
        UsageError {
            text: format!("{message}\n\nUsage:  {usage_line}\n\nRun '{path} --help' for more information"),
            code: 125,
            help,
        }
    }

    /// A wrong number of positional arguments. The rule for minimum counts points to help with `See`, all others with `Run`.
    pub(super) fn count(program: &str, rule: &str, path: &str, usage_line: &str, see: bool) -> Self {
        let verb = if see { "See" } else { "Run" };
        UsageError {
            text: format!(
                "{program}: '{path}' {rule}\n\nUsage:  {usage_line}\n\n{verb} '{path} --help' for more information"
            ),
            code: 1,
            help: None,
        }
    }

    /// A word that is no command of the program (`usage` is `None`) or of a group.
    pub(super) fn unknown_command(program: &str, path: &str, word: &str, known: &[&str], usage: Option<&str>) -> Self {
        let usage = usage.map(|usage| format!("Usage:  {usage}\n\n")).unwrap_or_default();
        UsageError {
            text: format!(
                "{program}: unknown command: {path} {word}\n\n{usage}Run '{path} --help' for more information"
            ),
            code: 1,
            help: nearest(word, known).map(|meant| said(&meant)),
        }
    }

    /// Words after `help` that name no command.
    pub(super) fn unknown_topic(words: &str) -> Self {
        UsageError { text: format!("unknown help topic: {words}"), code: 1, help: None }
    }
}
