//! From files and what the user asked for to targets.

use std::collections::BTreeMap;

use crate::compose::Composer;
use crate::csv;
use crate::definition::{Defined, Surroundings, define, rebase};
use crate::error::{Error, Result};
use crate::functions::Means;
use crate::overrides::Overrides;
use crate::path;
use crate::select::{Granted, select};
use crate::sizes;
use crate::syntax::{self, Body};
use crate::target::{Group, Target, annotations};

/// What to make of bake files.
pub struct Request<'a> {
    /// The files by their names, in the order in which they are merged.
    pub files: &'a [(String, Vec<u8>)],
    /// Names and patterns of targets and groups; `default` if there are none.
    pub targets: &'a [String],
    /// What `--set` was given, each `target.key=value`.
    pub overrides: &'a [String],
    /// What `--var` was given.
    pub variables: &'a BTreeMap<String, String>,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file that compose files use besides: `.env`, and what `env_file`, `extends` and `include` name; `None` if it
    /// is not there.
    pub neighbours: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// `BAKE_LOCAL_PLATFORM`, as in `linux/amd64`.
    pub local_platform: &'a str,
    /// `BAKE_CMD_CONTEXT`: `cwd://` unless the files come from elsewhere.
    pub command_context: &'a str,
    /// What functions need from outside.
    pub means: Means<'a>,
}

/// What is built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bake {
    /// The groups that were asked for; `default` has all names that were.
    pub groups: BTreeMap<String, Group>,
    /// The targets, with everything that they inherit and that was overridden.
    pub targets: BTreeMap<String, Target>,
    /// The names of the targets in the order in which they were asked for, contexts of others behind them.
    pub order: Vec<String>,
    /// What `--set` allows by naming it.
    pub granted: Granted,
}

/// 1 MiB: all files together. Definitions have kilobytes.
const MAX_BYTES: usize = 1 << 20;

/// Reads the files, evaluates what they define, and chooses what was asked for.
///
/// # Errors
/// With buildx's texts: when a file makes no sense, or there is no such target.
pub fn read(request: &Request<'_>) -> Result<Bake> {
    let defined = definitions(request)?;
    let environment = |name: &str| environment(request, name);
    let overrides = Overrides::parse(request.overrides, &defined.targets, &environment)?;
    let default = ["default".to_owned()];
    let asked = if request.targets.is_empty() { &default } else { request.targets };
    let mut selected = select(&defined.targets, &defined.groups, asked, &overrides)?;
    let epoch = (request.environment)("SOURCE_DATE_EPOCH").filter(|epoch| !epoch.is_empty());
    for target in selected.targets.values_mut() {
        if let Some(epoch) = &epoch {
            target.args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.clone());
        }
        finish(target)?;
    }
    Ok(Bake { groups: selected.groups, targets: selected.targets, order: selected.order, granted: selected.granted })
}

/// All that the files define.
pub(crate) fn definitions(request: &Request<'_>) -> Result<Defined> {
    if request.files.is_empty() {
        return Err(Error::missing("couldn't find a bake definition"));
    }
    if request.files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MAX_BYTES {
        return Err(Error::new(format!("the bake definition has more than {MAX_BYTES} bytes")));
    }
    let lookup = |name: &str| request.variables.get(name).cloned().or_else(|| environment(request, name));
    let composer = Composer::new(&lookup, request.neighbours)?;
    let (mut bodies, mut compose) = (Vec::new(), Vec::new());
    for (name, bytes) in request.files {
        let text = std::str::from_utf8(bytes).map_err(|why| Error::new(format!("failed to parse {name}: {why}")))?;
        match read_file(name, text, &composer)? {
            Some(body) => bodies.push(body),
            None => compose.push((name.as_str(), text)),
        }
    }
    let mut base = Defined::default();
    if !compose.is_empty() {
        base = composer.define(&compose).map_err(|why| why.under("failed to parse compose file"))?;
    }
    let builtin = [("BAKE_CMD_CONTEXT", request.command_context), ("BAKE_LOCAL_PLATFORM", request.local_platform)];
    let surroundings = Surroundings {
        builtin: builtin.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        lookup: &lookup,
        means: Means { now: request.means.now, entropy: request.means.entropy, home: request.means.home },
    };
    let mut defined = if bodies.is_empty() { base } else { define(&bodies, &surroundings, base)? };
    if is_relative_to_files(request)? {
        rebase(&mut defined);
    }
    Ok(defined)
}

/// Whether contexts are named from the files that name them.
fn is_relative_to_files(request: &Request<'_>) -> Result<bool> {
    const NAME: &str = "BUILDX_BAKE_FILE_RELATIVE_PATHS";
    match (request.environment)(NAME).as_deref().map_or("", str::trim) {
        "" => Ok(false),
        text => csv::truth(text).ok_or_else(|| {
            let why = format!("strconv.ParseBool: parsing \"{text}\": invalid syntax");
            Error::new(format!("failed to parse {NAME} value \"{text}\": {why}"))
        }),
    }
}

/// What a file in HCL or JSON says; nothing for one of compose, which is known by its name or by making sense.
fn read_file(name: &str, text: &str, composer: &Composer<'_>) -> Result<Option<Body>> {
    let lower = name.to_lowercase();
    if lower.ends_with(".yml") || lower.ends_with(".yaml") {
        return composer.check(name, text).map(|()| None);
    }
    if lower.ends_with(".json") || lower.ends_with(".hcl") {
        return syntax::read(name, text).map(Some);
    }
    match composer.check(name, text) {
        Ok(()) => Ok(None),
        Err(compose) => match syntax::read(name, text) {
            Ok(body) => Ok(Some(body)),
            Err(why) => {
                let text = format!("failed to parse {name}: parsing yaml: {compose}, parsing hcl: {why}");
                Err(Error::new(text))
            }
        },
    }
}

/// The environment, unless it is not to be looked at.
fn environment(request: &Request<'_>, name: &str) -> Option<String> {
    let is_disabled = (request.environment)("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP")
        .is_some_and(|text| csv::truth(&text) == Some(true));
    if is_disabled { None } else { (request.environment)(name) }
}

/// Says the context as it is used, and refuses what is read from elsewhere.
fn finish(target: &mut Target) -> Result<()> {
    if target.context.as_deref() == Some("-") {
        return Err(Error::new("context from stdin not allowed in bake"));
    }
    if target.dockerfile.as_deref() == Some("-") {
        return Err(Error::new("dockerfile from stdin not allowed in bake"));
    }
    if let Some(size) = target.shm_size.as_ref().filter(|size| sizes::parse(size).is_err()) {
        return Err(Error::new(format!("invalid value {size} for membytes key shm-size")));
    }
    target.annotations.iter().try_for_each(|one| annotations::check(one)).map_err(Error::new)?;
    for output in target.outputs.iter().flatten() {
        let is_folder = match output.kind.as_str() {
            "local" => true,
            "oci" | "docker" => output.attributes.get("tar").and_then(|tar| csv::truth(tar)) == Some(false),
            _ => false,
        };
        let wrong = match output.destination.as_str() {
            "" => "dest is required",
            "-" => "dest cannot be stdout",
            _ => continue,
        };
        if is_folder {
            return Err(Error::new(format!("{wrong} for {} exporter", output.kind)));
        }
    }
    if let Some(context) = target.context.as_mut().filter(|context| !path::is_remote(context)) {
        *context = path::clean(context.strip_prefix("cwd://").unwrap_or(context));
    }
    Ok(())
}
