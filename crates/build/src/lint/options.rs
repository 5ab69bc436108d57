//! Which rules count: what `# check=` says, and the comments before an instruction.

use std::collections::BTreeSet;

use crate::dockerfile::instruction::truth;
use crate::dockerfile::{directive, quoted};
use crate::plan::Request;
use crate::{Error, Result};

/// Which rules count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    skips_all: bool,
    skipped: BTreeSet<String>,
    asks_for_all: bool,
    asked_for: BTreeSet<String>,
    /// Whether a finding is an error.
    pub(crate) is_strict: bool,
}

/// The build argument that says the same as `# check=`, and wins.
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

impl Options {
    /// What a build argument says, or else the file's directive.
    pub(crate) fn of(directive: Option<&str>, request: &Request) -> Result<Self> {
        match request.build_args.get(ARGUMENT) {
            Some(text) => {
                Self::parse(text).map_err(|why| why.under(format_args!("failed to parse build-arg:{ARGUMENT}: ")))
            }
            None => {
                Self::parse(directive.unwrap_or_default()).map_err(|why| why.under("failed to parse check options: "))
            }
        }
    }

    /// Reads `skip=A,B;error=true;experimental=all`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut options = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(options);
        }
        for part in text.splitn(3, ';') {
            let unknown = |what: &str| Error::new(format!("invalid check option {}", quoted(what)));
            let (key, value) = part.split_once('=').ok_or_else(|| unknown(part))?;
            let (key, value) = (key.trim(), value.trim());
            let names = || value.split(',').map(|name| name.trim().to_owned()).collect();
            match (key, value) {
                ("skip", "all") => options.skips_all = true,
                ("skip", _) => options.skipped = names(),
                ("experimental", "all") => options.asks_for_all = true,
                ("experimental", _) => options.asked_for = names(),
                ("error", _) => {
                    options.is_strict = truth(value).ok_or_else(|| {
                        let (part, value) = (quoted(part), quoted(value));
                        let why = format!("strconv.ParseBool: parsing {value}: invalid syntax");
                        Error::new(format!("failed to parse check option {part}: {why}"))
                    })?;
                }
                _ => return Err(unknown(key)),
            }
        }
        Ok(options)
    }

    /// Whether `rule` counts where these comments stand before an instruction.
    pub(crate) fn ask_for(&self, rule: super::Rule, comments: &[String]) -> bool {
        let own = comments.iter().find_map(|comment| match directive(comment) {
            Some((name, value)) if name == "check" => Some(Self::parse(value.split(' ').next().unwrap_or_default())),
            _ => None,
        });
        let own = own.and_then(Result::ok).unwrap_or_default();
        let name = rule.name();
        [self, &own].iter().any(|options| match rule.is_experimental() {
            true => options.asks_for_all || options.asked_for.contains(name),
            false => options.skips_all || options.skipped.contains(name),
        }) == rule.is_experimental()
    }
}
