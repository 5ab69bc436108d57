//! Go's text/template, because scripts are written in it: the whole language, the functions docker adds, and the error texts.
//!
//! Templates come from users and scripts, values from images and registries. Neither can crash or stall the program: nesting, work and output
//! are bounded. What a template prints is not sanitised: its reader is a script as often as a terminal.

mod ast;
mod collection;
mod compare;
mod error;
mod escape;
mod eval;
mod expression;
mod float;
mod functions;
mod lexer;
mod literal;
mod parser;
mod pipeline;
mod print;
mod printf;
mod token;
mod verb;

#[cfg(test)]
mod tests;

use super::value::Value;

pub use error::{ExecError, ParseError};

/// A template that has been understood.
#[derive(Debug)]
pub struct Template {
    text: String,
    defined: parser::Definitions,
}

/// What a template runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Data.
    Data,
    /// Data, of which `json` writes documents for people: on several lines, indented by two blanks.
    Document,
    /// The titles of a table's columns: functions that shape a value (`json split join title lower upper truncate`) leave it as it is.
    Header,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`ParseError`] in Go's words, for example `template: :1: unclosed action`.
    pub fn parse(text: &str) -> Result<Template, ParseError> {
        Ok(Template { defined: parser::parse(text)?, text: text.to_owned() })
    }

    /// What it prints for `dot`.
    ///
    /// # Errors
    /// [`ExecError`] in Go's words, with what was printed before; also if the template prints more than 16 MiB or does too much.
    pub fn execute(&self, dot: &Value, mode: Mode) -> Result<String, ExecError> {
        eval::run(&self.text, &self.defined, dot, mode)
    }
}
