//! Variables that expansion sees, and the words that are expanded with them.

use wharfie_oci::Platform;

use super::label::{format_all, format_short};
use super::request::Request;
use crate::Result;
use crate::dockerfile::instruction::{Instruction, Kind};
use crate::dockerfile::{Expanded, Style, nearest};

/// Variables, in the order in which they were last set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    /// What `name` stands for.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable; it becomes the last one.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Forgets a variable.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// All names with their values.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The name that was probably meant by `name`.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.names(), true)
    }

    /// Expands a word.
    pub(super) fn expand(&self, word: &str, style: Style) -> Result<Expanded> {
        Ok(style.expand(word, &|name| self.get(name).map(str::to_owned))?)
    }

    /// Expands a word; also says which variables had no value, even if it cannot be expanded.
    pub(super) fn try_expand(&self, word: &str, style: Style) -> (Vec<String>, Result<Expanded>) {
        let (unmatched, expanded) = style.try_expand(word, &|name| self.get(name).map(str::to_owned));
        (unmatched, expanded.map_err(Into::into))
    }

    /// What every build knows without being told: the platforms, and the stage it is for.
    pub(super) fn predefined(request: &Request, target: &str) -> Self {
        let mut all = Self::default();
        let (build, wanted) = (&request.build_platform, &request.platform);
        let target = if target.is_empty() { "default" } else { target };
        for (name, value) in [
            ("BUILDPLATFORM", format_short(build)),
            ("BUILDOS", build.os.clone()),
            ("BUILDOSVERSION", build.os_version.clone().unwrap_or_default()),
            ("BUILDARCH", build.architecture.clone()),
            ("BUILDVARIANT", build.variant.clone().unwrap_or_default()),
            ("TARGETPLATFORM", format_all(wanted)),
            ("TARGETOS", wanted.os.clone()),
            ("TARGETOSVERSION", wanted.os_version.clone().unwrap_or_default()),
            ("TARGETARCH", wanted.architecture.clone()),
            ("TARGETVARIANT", wanted.variant.clone().unwrap_or_default()),
            ("TARGETSTAGE", target.to_owned()),
        ] {
            all.set(name, request.build_args.get(name).cloned().unwrap_or(value));
        }
        all
    }
}

/// The platform that the variables `TARGET…` describe, if any of them is set.
pub(super) fn described_platform(environment: &Environment) -> Option<Platform> {
    let mut platform = None::<Platform>;
    for (name, value) in environment.pairs() {
        match name.as_str() {
            "TARGETPLATFORM" => {
                if let Ok(platform) = value.parse() {
                    return Some(platform);
                }
            }
            "TARGETOS" => platform.get_or_insert_default().os.clone_from(value),
            "TARGETARCH" => platform.get_or_insert_default().architecture.clone_from(value),
            "TARGETVARIANT" => {
                platform.get_or_insert_default().variant = Some(value.clone()).filter(|text| !text.is_empty());
            }
            _ => {}
        }
    }
    platform
}

/// An ARG before the first FROM, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GlobalArg {
    pub(super) instruction: usize,
    pub(super) argument: usize,
    pub(super) value: Option<String>,
    /// The variables that its default is made of.
    pub(super) of: Vec<String>,
}

/// Gives the ARGs before the first FROM their values, on top of `environment`. `given` says what the user said.
pub(super) fn read_globals<'a>(
    environment: &mut Environment,
    globals: &[Instruction],
    escape: char,
    given: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<Vec<GlobalArg>> {
    let mut all = Vec::new();
    for (number, instruction) in globals.iter().enumerate() {
        let Kind::Arg(arguments) = &instruction.kind else { continue };
        for (argument, arg) in arguments.iter().enumerate() {
            let mut of = Vec::new();
            let value = match (given(&arg.name), &arg.default) {
                (Some(value), _) => Some(value.to_owned()),
                (None, Some(default)) => {
                    let expanded = environment.expand(default, Style::of(escape));
                    let expanded = expanded.map_err(|why| why.at(instruction.lines))?;
                    of = expanded.matched;
                    Some(expanded.text)
                }
                (None, None) => None,
            };
            if let Some(value) = &value {
                environment.set(&arg.name, value.clone());
            }
            all.push(GlobalArg { instruction: number, argument, value, of });
        }
    }
    Ok(all)
}
