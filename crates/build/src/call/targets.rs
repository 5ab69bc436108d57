//! `--call targets`: what can be built.

use serde::Serialize;

use super::File;
use super::json::{self, Location};
use super::table::aligned;
use crate::Result;
use crate::dockerfile::stages::Stages;
use crate::dockerfile::{Dockerfile, Lines};
use crate::lint::Linter;

/// The stages of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets(pub Vec<Target>);

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name; empty if it has none.
    pub name: String,
    /// Whether it is built if nobody says anything else.
    pub is_default: bool,
    /// What the comment before it says of it.
    pub description: String,
    /// What it stands on, as it is written.
    pub base: String,
    /// `--platform`, as it is written.
    pub platform: String,
    /// Lines of FROM.
    pub lines: Lines,
}

/// Lists the stages. A file without any is fine.
///
/// # Errors
/// When an instruction makes no sense.
pub fn targets(dockerfile: &Dockerfile) -> Result<Targets> {
    let sections = Stages::read(dockerfile, &mut Linter::silent())?.all;
    let count = sections.len();
    let target = |(at, section): (usize, crate::dockerfile::stages::Section)| Target {
        name: section.from.name,
        is_default: at + 1 == count,
        description: section.from.description,
        base: section.from.base,
        platform: section.from.platform,
        lines: section.lines,
    };
    Ok(Targets(sections.into_iter().enumerate().map(target).collect()))
}

impl Targets {
    /// As text.
    pub fn text(&self) -> String {
        let mut rows = "TARGET\tDESCRIPTION\n".to_owned();
        for target in &self.0 {
            let name = match (target.name.as_str(), target.is_default) {
                ("", true) => "(default)".to_owned(),
                (name, true) => format!("{name} (default)"),
                (name, false) => name.to_owned(),
            };
            rows.push_str(&format!("{name}\t{}\n", target.description));
        }
        aligned(&rows, 1)
    }

    /// As JSON, without an end of line.
    pub fn json(&self, file: File<'_>) -> String {
        let target = |target: &Target| Object {
            name: target.name.clone(),
            default: target.is_default,
            description: target.description.clone(),
            base: target.base.clone(),
            platform: target.platform.clone(),
            location: Location::of(target.lines),
        };
        let targets: Vec<_> = self.0.iter().map(target).collect();
        json::document(&List {
            targets: Some(targets).filter(|targets| !targets.is_empty()),
            sources: [json::bytes(file.bytes)],
        })
    }
}

#[derive(Serialize)]
struct List {
    /// Go writes a list that was never begun as null.
    targets: Option<Vec<Object>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct Object {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    base: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    platform: String,
    location: Location,
}
