//! What `--list` prints.

use crate::csv;
use crate::definition::Variable;
use crate::error::{Error, Result};
use crate::print::{Fields, Json};
use crate::request::{Request, definitions};

/// What `--list` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// What is listed.
    pub what: Listed,
    /// True for JSON instead of a table.
    pub is_json: bool,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Targets and groups.
    Targets,
    /// Variables.
    Variables,
}

impl List {
    /// Reads `targets`, `variables` or `type=targets,format=json`.
    ///
    /// # Errors
    /// With buildx's texts, when it is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        let fields = csv::fields(text).map_err(Error::new)?;
        let (mut what, mut format) = (String::new(), String::new());
        if fields.len() == 1 && fields[0] == text && !text.starts_with("type=") {
            text.clone_into(&mut what);
        } else {
            for field in &fields {
                let (key, value) = field.split_once('=').ok_or_else(|| Error::new(format!("invalid value {field}")))?;
                match key.to_lowercase().trim() {
                    "type" => value.clone_into(&mut what),
                    "format" => value.clone_into(&mut format),
                    key => return Err(Error::new(format!("unexpected key '{key}' in '{field}'"))),
                }
            }
        }
        let what = match what.as_str() {
            "targets" => Listed::Targets,
            "variables" => Listed::Variables,
            other => return Err(Error::new(format!("invalid list type \"{other}\""))),
        };
        match format.as_str() {
            "" | "table" => Ok(Self { what, is_json: false }),
            "json" => Ok(Self { what, is_json: true }),
            other => Err(Error::new(format!("invalid list format \"{other}\""))),
        }
    }

    /// What is listed, as it is printed.
    ///
    /// # Errors
    /// As [`crate::read`], for the files alone.
    pub fn print(self, request: &Request<'_>) -> Result<String> {
        match self.what {
            Listed::Targets => list_targets(request, self.is_json),
            Listed::Variables => list_variables(request, self.is_json),
        }
    }
}

/// All targets and groups whose names do not begin with an underscore.
///
/// # Errors
/// As [`crate::read`], for the files alone.
pub fn list_targets(request: &Request<'_>, is_json: bool) -> Result<String> {
    let defined = definitions(request)?;
    let targets = defined.targets.into_iter().map(|target| (target.name, target.description, false));
    let groups = defined.groups.into_iter().map(|mut group| {
        group.targets.sort();
        let members = group.targets.join(", ");
        let description = match (group.description.is_empty(), members.is_empty()) {
            (true, _) => members,
            (false, true) => group.description,
            (false, false) => format!("{} ({members})", group.description),
        };
        (group.name, description, true)
    });
    let mut all: Vec<_> = targets.chain(groups).filter(|(name, ..)| !name.starts_with('_')).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    if is_json {
        return Ok(document(all.into_iter().map(|(name, description, is_group)| {
            let mut fields = Fields::default();
            fields.always("name", Json::String(name));
            fields.add("description", Json::String(description));
            if is_group {
                fields.always("group", Json::Bool(true));
            }
            fields.object()
        })));
    }
    let rows = all.into_iter().map(|(name, description, _)| vec![name, description]);
    Ok(table(["TARGET", "DESCRIPTION"].map(str::to_owned).to_vec(), rows))
}

/// All variables, with the values that they have in this environment.
///
/// # Errors
/// As [`crate::read`], for the files alone.
pub fn list_variables(request: &Request<'_>, is_json: bool) -> Result<String> {
    let mut variables = definitions(request)?.variables;
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    if is_json {
        if variables.is_empty() {
            // Where targets that are none are null in Go, variables are an empty list.
            return Ok("[]\n".to_owned());
        }
        return Ok(document(variables.into_iter().map(|variable| {
            let Variable { name, description, kind, value } = variable;
            let mut fields = Fields::default();
            fields.always("name", Json::String(name));
            fields.add("description", Json::String(description));
            fields.add("type", Json::String(kind));
            fields.maybe("value", value.as_ref());
            fields.object()
        })));
    }
    let rows = variables.into_iter().map(|variable| {
        let value = variable.value.unwrap_or_else(|| "<null>".to_owned());
        vec![variable.name, variable.kind, value, variable.description]
    });
    Ok(table(["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"].map(str::to_owned).to_vec(), rows))
}

fn document(entries: impl Iterator<Item = Json>) -> String {
    let entries: Vec<_> = entries.collect();
    let document = if entries.is_empty() { Json::Null } else { Json::Array(entries) };
    let mut out = String::new();
    document.write(0, &mut out);
    out.push('\n');
    out
}

/// Columns filled with tabs, eight columns wide, as Go's tabwriter fills them for buildx.
fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    const TAB: usize = 8;
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let last = rows[0].len() - 1;
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..last)
        .map(|column| rows.iter().map(|row| width(&row[column]) + 1).max().unwrap_or(1).next_multiple_of(TAB))
        .collect();
    let mut out = String::new();
    for row in &rows {
        for (cell, full) in row.iter().zip(&widths) {
            out.push_str(cell);
            out.push_str(&"\t".repeat((full - width(cell)).div_ceil(TAB)));
        }
        out.push_str(&row[last]);
        out.push('\n');
    }
    out
}
