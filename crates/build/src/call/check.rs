//! `--call check`: what could be better in a file, and what is wrong with it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use super::File;
use super::json::{self, Location};
use crate::dockerfile::{Dockerfile, Lines, check_directive, excerpt};
use crate::lint::{Linter, Options, Warning};
use crate::plan::{Bases, Planner, Request};
use crate::{Error, Result};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// Findings, in the order in which they were met.
    pub warnings: Vec<Warning>,
    /// Why the file cannot be built at all.
    pub failure: Option<Failure>,
}

/// Why a file cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error's text.
    pub message: String,
    /// Every line that it is about, once, upwards; 0 stands for none.
    pub lines: Vec<usize>,
}

/// Looks through a file; through all its stages, if the request has no target.
pub fn check(bytes: &[u8], request: &Request, bases: &dyn Bases) -> Check {
    let mut warnings = Vec::new();
    let failure = look(bytes, request, bases, &mut warnings).err();
    Check { warnings, failure: failure.as_ref().map(Failure::of) }
}

fn look(bytes: &[u8], request: &Request, bases: &dyn Bases, warnings: &mut Vec<Warning>) -> Result<()> {
    // What the file wants to be told comes first, even of a file that is none.
    let options =
        if bytes.is_empty() { Ok(Options::default()) } else { Options::of(check_directive(bytes).as_deref(), request) };
    let mut linter = Linter::new(options?);
    let dockerfile = Dockerfile::read(bytes)?;
    let takes_all = request.target.as_deref().unwrap_or_default().is_empty();
    let result = Planner::new(&dockerfile, request, bases, &mut linter).and_then(|mut planner| planner.run(takes_all));
    *warnings = linter.warnings;
    result.map(drop)
}

impl Failure {
    fn of(why: &Error) -> Self {
        let lines: BTreeSet<usize> = why.places().iter().flat_map(|place| place.first..=place.last).collect();
        Self { message: why.to_string(), lines: lines.into_iter().collect() }
    }
}

impl Check {
    /// How the command ends: 1 if anything was found.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.warnings.is_empty() || self.failure.is_some())
    }

    /// As text: what goes to the standard output.
    pub fn text(&self, file: File<'_>) -> String {
        let mut out = match (self.warnings.len(), &self.failure) {
            (0, Some(_)) => String::new(),
            (0, None) => return "Check complete, no warnings found.\n".to_owned(),
            (1, _) => "Check complete, 1 warning has been found!\n".to_owned(),
            (count, _) => format!("Check complete, {count} warnings have been found!\n"),
        };
        let mut sorted: Vec<&Warning> = self.warnings.iter().collect();
        sorted.sort_by_key(|warning| warning.lines.first);
        let text = String::from_utf8_lossy(file.bytes);
        for Warning { rule, text: found, lines } in sorted {
            let url = rule.url().map(|url| format!(" - {url}")).unwrap_or_default();
            let shown = excerpt(file.name, &text, &[*lines]);
            let _ = write!(out, "\nWARNING: {}{url}\n{found}\n{shown}", rule.name());
        }
        if self.failure.is_some() && !self.warnings.is_empty() {
            out.push('\n');
        }
        out
    }

    /// The error that the command ends with, with its place; `None` if the file can be built.
    pub fn error(&self, file: File<'_>) -> Option<String> {
        let Failure { message, lines } = self.failure.as_ref()?;
        let places: Vec<_> = lines.iter().map(|line| Lines { first: *line, last: *line }).collect();
        Some(format!("{message}\n{}", excerpt(file.name, &String::from_utf8_lossy(file.bytes), &places)))
    }

    /// As JSON, without an end of line.
    pub fn json(&self, file: File<'_>) -> String {
        let warning = |warning: &Warning| WarningObject {
            rule_name: warning.rule.name(),
            description: warning.rule.description(),
            url: warning.rule.url(),
            detail: warning.text.clone(),
            location: Location::of(warning.lines),
        };
        let warnings = self.warnings.iter().map(warning).collect();
        json::document(&Object {
            warnings: Some(warnings).filter(|warnings: &Vec<_>| !warnings.is_empty()),
            sources: [Source { filename: file.name, data: json::bytes(file.bytes), language: "Dockerfile" }],
            build_error: self.failure.as_ref().map(|failure| FailureObject {
                message: &failure.message,
                location: Location::of_lines(failure.lines.iter().copied()),
            }),
        })
    }
}

#[derive(Serialize)]
struct Object<'a> {
    /// Go writes a list that was never begun as null.
    warnings: Option<Vec<WarningObject>>,
    sources: [Source<'a>; 1],
    #[serde(rename = "buildError", skip_serializing_if = "Option::is_none")]
    build_error: Option<FailureObject<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WarningObject {
    rule_name: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    location: Location,
}

#[derive(Serialize)]
struct Source<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    filename: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    data: String,
    language: &'static str,
}

#[derive(Serialize)]
struct FailureObject<'a> {
    message: &'a str,
    location: Location,
}
