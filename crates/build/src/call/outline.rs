//! `--call outline`: what the target can be given.

use serde::Serialize;

use super::File;
use super::json::{self, Location};
use super::table::aligned;
use crate::Result;
use crate::dockerfile::{Dockerfile, Lines};
use crate::lint::{Linter, Options};
use crate::plan::{Bases, Planner, Request};

/// What the target can be given, each kind in the file's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The target's name; empty if it has none.
    pub name: String,
    /// What the comment before it says of it.
    pub description: String,
    /// Build arguments.
    pub arguments: Vec<Argument>,
    /// Secrets.
    pub secrets: Vec<Need>,
    /// Ssh agents.
    pub agents: Vec<Need>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What the comment before it says of it.
    pub description: String,
    /// What it is.
    pub value: String,
    /// Where it is declared.
    pub lines: Lines,
}

/// A secret, or an ssh agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Its id.
    pub name: String,
    /// Whether it cannot be done without.
    pub is_required: bool,
    /// Where it is asked for first.
    pub lines: Lines,
}

/// Lists what the request's target can be given.
///
/// # Errors
/// As [`plan`](crate::plan::plan).
pub fn outline(dockerfile: &Dockerfile, request: &Request, bases: &dyn Bases) -> Result<Outline> {
    let mut linter = Linter::new(Options::of(dockerfile.check.as_deref(), request)?);
    let mut planner = Planner::new(dockerfile, request, bases, &mut linter)?;
    let target = planner.run(false)?;
    Ok(planner.outline(target))
}

impl Outline {
    /// As text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if !self.name.is_empty() || !self.description.is_empty() {
            let name = if self.name.is_empty() { "(default)" } else { &self.name };
            let mut rows = format!("TARGET:\t{name}\n");
            if !self.description.is_empty() {
                rows.push_str(&format!("DESCRIPTION:\t{}\n", self.description));
            }
            out.push_str(&aligned(&rows, 1));
            out.push('\n');
        }
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|arg| format!("{}\t{}\t{}\n", arg.name, arg.value, arg.description));
        table("BUILD ARG\tVALUE\tDESCRIPTION\n", arguments, &mut out);
        let need = |need: &Need| format!("{}\t{}\n", need.name, if need.is_required { "true" } else { "" });
        table("SECRET\tREQUIRED\n", self.secrets.iter().map(need), &mut out);
        table("SSH\tREQUIRED\n", self.agents.iter().map(need), &mut out);
        out
    }

    /// As JSON, without an end of line.
    pub fn json(&self, file: File<'_>) -> String {
        let argument = |arg: &Argument| ArgumentObject {
            name: arg.name.clone(),
            description: arg.description.clone(),
            value: arg.value.clone(),
            location: Location::of(arg.lines),
        };
        let need = |need: &Need| NeedObject {
            name: need.name.clone(),
            required: need.is_required,
            location: Location::of(need.lines),
        };
        json::document(&Object {
            name: &self.name,
            description: &self.description,
            args: self.arguments.iter().map(argument).collect(),
            secrets: self.secrets.iter().map(need).collect(),
            ssh: self.agents.iter().map(need).collect(),
            sources: [json::bytes(file.bytes)],
        })
    }
}

/// A table with its head, and an empty line below; nothing without rows.
fn table(head: &str, rows: impl Iterator<Item = String>, out: &mut String) {
    let rows: String = rows.collect();
    if !rows.is_empty() {
        out.push_str(&aligned(&format!("{head}{rows}"), 3));
        out.push('\n');
    }
}

#[derive(Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<ArgumentObject>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<NeedObject>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<NeedObject>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct ArgumentObject {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    location: Location,
}

#[derive(Serialize)]
struct NeedObject {
    name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    location: Location,
}
