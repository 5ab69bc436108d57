//! Lint: what docker's build checks find in a Dockerfile.
//!
//! The findings are made where a file is understood: by its instructions and by the plan. Here is what they are, and which
//! of them count.

pub(crate) mod judge;
mod options;
mod rules;

pub(crate) use options::Options;
pub use rules::Rule;

use crate::dockerfile::Lines;
use crate::{Error, Result};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What was found.
    pub text: String,
    /// Where.
    pub lines: Lines,
}

impl Warning {
    /// On one line, as builds list it: `Rule: text (line 2)`.
    pub fn short(&self) -> String {
        let line = if self.lines.first > 0 { format!(" (line {})", self.lines.first) } else { String::new() };
        format!("{}: {}{line}", self.rule.name(), self.text)
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(crate) struct Linter {
    /// None: nobody wants to know.
    options: Option<Options>,
    pub(crate) warnings: Vec<Warning>,
}

impl Linter {
    /// One that keeps what `options` ask for.
    pub(crate) fn new(options: Options) -> Self {
        Self { options: Some(options), warnings: Vec::new() }
    }

    /// One that keeps nothing.
    pub(crate) fn silent() -> Self {
        Self::default()
    }

    /// Keeps a finding about an instruction with these comments before it, if it counts.
    pub(crate) fn report(&mut self, rule: Rule, lines: Lines, text: impl Into<String>, comments: &[String]) {
        if self.options.as_ref().is_some_and(|options| options.ask_for(rule, comments)) {
            self.warnings.push(Warning { rule, text: text.into(), lines });
        }
    }

    /// The error that the findings are, if the file wants that.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.warnings.is_empty() || !self.options.as_ref().is_some_and(|options| options.is_strict) {
            return Ok(());
        }
        let mut names: Vec<&str> = Vec::new();
        for warning in &self.warnings {
            if !names.contains(&warning.rule.name()) {
                names.push(warning.rule.name());
            }
        }
        Err(Error::new(format!("lint violation found for rules: {}", names.join(", "))))
    }
}
