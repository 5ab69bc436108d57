//! `maintain`: what a machine with images wants to have done every day, in one command: retention, a limit on the build cache, and
//! a scan of all images that tells what is new.

mod scan;
mod systemd;

use std::io::Write;
use std::process::{Command as Program, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use wharfie_engine::build::{CacheFilters, PruneBuildCache};
use wharfie_oci::size::{self, Units};

use crate::commands::builder::total;
use crate::commands::image::retain;
use crate::commands::insight::scan as insight;
use crate::commands::{DRY_RUN, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Example, Matches, Needs, Switch, Text};
use crate::render::size::short;

use scan::Scanned;

/// `[maintain]` of the settings file. Flags win.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MaintainOptions {
    /// How much of the build cache stays, as `10GB`; all of it if not given.
    pub build_cache: Option<String>,
    /// The severity from which a new finding is a failure.
    pub fail_on: Option<String>,
    /// A command that is called with what is new.
    pub notify: Option<String>,
}

const FORMATS: &[&str] = &["table", "json"];

const BUILD_CACHE: Text =
    Text::new("build-cache", "Remove what was used longest ago of the build cache, down to this size")
        .value_name("bytes");
const FAIL_ON: Text =
    Text::new("fail-on", "Leave with exit code 2 if there is a new finding of this severity or a worse one")
        .complete(Complete::Words(insight::SEVERITIES))
        .value_name("severity");
const FORMAT: Text =
    Text::new("format", "Form of the output: \"table\", \"json\"").complete(Complete::Words(FORMATS)).default("table");
const NOTIFY: Text =
    Text::new("notify", "Call this with sh if a scan found something new, with the JSON on its standard input")
        .value_name("command");
const SYSTEMD: Switch =
    Switch::new("systemd", "Do nothing, and print a timer and a service of systemd that do it every day");

/// `PROG maintain`.
pub static COMMAND: Command<Run> = Command {
    about: "Keep the rules of retention, limit the build cache, and scan all images for what is new",
    usage: "[OPTIONS]",
    flags: &[
        BUILD_CACHE.flag(),
        insight::DB.flag(),
        DRY_RUN.flag(),
        FAIL_ON.flag(),
        FORMAT.flag(),
        insight::IGNORE_FILE.flag(),
        NOTIFY.flag(),
        insight::ONLY_FIXED.flag(),
        SYSTEMD.flag(),
    ],
    examples: &[
        Example { text: "See what it would do", command: "maintain --dry-run" },
        Example {
            text: "Hear of new findings by mail",
            command: "maintain --fail-on high --notify \"mail -s findings root\"",
        },
        Example { text: "Have it done every day", command: "maintain --systemd --fail-on high" },
    ],
    needs: Needs::Namespace,
    run: Some(run),
    ..Command::BASE
};

/// What the threshold of `--fail-on` gives, as with `scan`.
const FOUND: u8 = 2;

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = matches.get(&FORMAT).unwrap_or_default();
    if !FORMATS.contains(&format) {
        let known = FORMATS.join(", ");
        return Err(Failure::new(format!("invalid format {format:?}")).help(Some(format!("the formats are {known}"))));
    }
    let settings = &cx.settings().maintain;
    let said = |given: Option<&str>, set: &Option<String>| given.map(str::to_owned).or_else(|| set.clone());
    let limit = said(matches.get(&FAIL_ON), &settings.fail_on).as_deref().map(insight::severity).transpose()?;
    let cache = said(matches.get(&BUILD_CACHE), &settings.build_cache).map(|text| bytes(&text)).transpose()?;
    let policies = retain::policies(cx.settings())?;
    if matches.get(&SYSTEMD) {
        let given = [
            ("--build-cache", matches.get(&BUILD_CACHE)),
            ("--db", matches.get(&insight::DB)),
            ("--fail-on", matches.get(&FAIL_ON)),
            ("--format", Some(format).filter(|format| *format != "table")),
            ("--ignore-file", matches.get(&insight::IGNORE_FILE)),
            ("--notify", matches.get(&NOTIFY)),
            ("--only-fixed", Some("").filter(|_| matches.get(&insight::ONLY_FIXED))),
        ];
        return cx.print(&systemd::units(&systemd::command(cx, &given)?));
    }
    let is_dry = matches.get(&DRY_RUN);
    let mut lines = String::new();
    let retained = match policies.is_empty() {
        true => {
            lines.push_str("Retention:    no rules in the settings file, all names stay\n");
            None
        }
        false => {
            let retained = cx.engine_to_remove(matches)?.retain(&policies)?;
            let goes = retained.removed.len();
            lines.push_str(&format!(
                "Retention:    {} names judged, {goes} names, images and layers gone\n",
                retained.decisions.len()
            ));
            Some(retain::document(&retained))
        }
    };
    let cleared = match cache {
        None => {
            lines.push_str("Build cache:  no limit, all of it stays\n");
            None
        }
        Some(keep) if is_dry => {
            lines.push_str(&format!("Build cache:  would be held to {}\n", short(keep)));
            None
        }
        Some(keep_storage) => {
            let filters = CacheFilters::parse(&[], &|text| cx.parse_moment(text))?;
            let gone = cx.engine()?.prune_build_cache(&PruneBuildCache { all: true, filters, keep_storage })?;
            lines.push_str(&format!("Build cache:  {} gone, held to {}\n", short(total(&gone)), short(keep_storage)));
            Some(json!({"removed": gone.len(), "bytes": total(&gone), "limit": keep_storage}))
        }
    };
    let scanned = scan::all(cx, matches, !is_dry, limit.is_some())?;
    lines.push_str(&scan::line(scanned.as_ref()));
    let document = json!({
        "retention": retained,
        "buildCache": cleared,
        "scan": scanned.as_ref().map(Scanned::document),
    });
    match format {
        "json" => cx.line(&format!("{document:#}"))?,
        _ => {
            cx.print(&lines)?;
            if let Some(table) = scanned.as_ref().and_then(Scanned::table) {
                cx.print(&format!("\n{table}"))?;
            }
        }
    }
    cx.end_dry_run(matches);
    if let (Some(command), Some(scanned), false) = (
        said(matches.get(&NOTIFY), &settings.notify),
        scanned.as_ref().filter(|scanned| !scanned.new.is_empty()),
        is_dry,
    ) {
        notify(&command, &scanned.document())?;
    }
    match limit {
        Some(limit) if scanned.is_some_and(|scanned| scanned.worst() >= Some(limit)) => {
            Err(Failure::silent().code(FOUND))
        }
        _ => Ok(()),
    }
}

fn bytes(text: &str) -> Result<u64> {
    size::parse(text, Units::Decimal).ok_or_else(|| {
        Failure::new(format!("{text:?} is not a size")).help(Some("write for example \"10GB\"".to_owned()))
    })
}

/// Calls the user's command with a document on its standard input.
fn notify(command: &str, document: &Value) -> Result {
    let failed = |why: &dyn std::fmt::Display| Failure::new(format!("cannot call {command:?}: {why}"));
    let mut child =
        Program::new("/bin/sh").args(["-c", command]).stdin(Stdio::piped()).spawn().map_err(|why| failed(&why))?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not want to read it need not.
        let _ = input.write_all(document.to_string().as_bytes());
    }
    match child.wait().map_err(|why| failed(&why))? {
        status if status.success() => Ok(()),
        status => Err(failed(&status)),
    }
}
