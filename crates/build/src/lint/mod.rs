//! Lint: what docker's build checks find in a Dockerfile.

mod rules;

pub use rules::Rule;

use crate::dockerfile::Lines;

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
