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
use crate::commands::insight::limit::{LIMITS, Limit};
use crate::commands::insight::scan as insight;
use crate::commands::{DRY_RUN, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Example, Matches, Needs, Switch, Text, Texts};
use crate::render::pieces::Piece;
use crate::render::sanitise::{Layout, sanitise};
use crate::render::size::short;

use scan::{Manner, count};

/// `[maintain]` of the settings file. Flags win.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MaintainOptions {
    /// How much of the build cache stays, as `10GB`; all of it if not given.
    pub build_cache: Option<String>,
    /// The severity from which a new finding is a failure, and `kev` for those that are exploited, with a comma between.
    pub fail_on: Option<String>,
    /// A command that is called with what is new.
    pub notify: Option<String>,
}

const FORMATS: &[&str] = &["table", "json"];

const BUILD_CACHE: Text =
    Text::new("build-cache", "Remove what was used longest ago of the build cache, down to this size")
        .value_name("bytes")
        .check(|text| size::parse(text, Units::Decimal).map(drop).ok_or_else(|| format!("invalid size: '{text}'")));
const FAIL_ON: Texts = Texts::of_commas(
    "fail-on",
    "Leave with exit code 2 if there is a new finding of this severity or a worse one, or one that is known to be exploited (\"kev\")",
)
.complete(Complete::Words(LIMITS))
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
    about: "Keep the rules of retention, limit the build cache, and tell what scans of all images find that is new",
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
        Example { text: "Fail on what is exploited since today", command: "maintain --fail-on critical,kev" },
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
    let limit = match matches.is_given(&FAIL_ON) {
        false => Limit::parse(settings.fail_on.iter().flat_map(|text| text.split(',')).map(str::trim))?,
        true => Limit::of_flag(matches, &FAIL_ON)?,
    };
    let cache = said(matches.get(&BUILD_CACHE), &settings.build_cache).map(|text| bytes(&text)).transpose()?;
    if matches.get(&SYSTEMD) {
        if matches.get(&DRY_RUN) {
            return Err(Failure::new(
                "a service that does nothing is of no use: --systemd and --dry-run exclude each other",
            )
            .help(Some("`wharfie maintain --dry-run` shows what it would do".to_owned())));
        }
        let fail_on = matches.get(&FAIL_ON).join(",");
        let path = |path: Option<&str>| path.map(systemd::absolute);
        // A flag without a word would take the next one for it.
        let said_word = |flag: &Text| matches.get(flag).filter(|word| !word.is_empty());
        let (db, ignore_file) = (path(said_word(&insight::DB)), path(said_word(&insight::IGNORE_FILE)));
        let given = [
            ("--build-cache", said_word(&BUILD_CACHE)),
            ("--db", db.as_deref()),
            ("--fail-on", Some(fail_on.as_str()).filter(|words| !words.is_empty())),
            ("--format", Some(format).filter(|format| *format != "table")),
            ("--ignore-file", ignore_file.as_deref()),
            ("--notify", said_word(&NOTIFY)),
            ("--only-fixed", Some("").filter(|_| matches.get(&insight::ONLY_FIXED))),
        ];
        return cx.print(&systemd::units(&systemd::service(cx, &given)?));
    }
    let is_dry = matches.get(&DRY_RUN);
    let (retained, retention) = retention(cx, matches)?;
    let (cleared, cache) = limited(cx, matches, cache)?;
    let (scanned, news) = scan::all(cx, matches, &Manner { is_dry, limit })?;
    let command = said(matches.get(&NOTIFY), &settings.notify);
    // Nobody is called for nothing.
    let called = command.filter(|_| !scanned.new.is_empty());
    let document = json!({
        // Nothing that this document tells was done then.
        "dryRun": is_dry,
        "retention": retained,
        "buildCache": cleared,
        "scan": scanned.document(),
        (if is_dry { "wouldNotify" } else { "notified" }): called,
    });
    match format {
        "json" => cx.line(&format!("{document:#}"))?,
        _ => {
            cx.print(&(retention + &cache + &scanned.line(is_dry)))?;
            if let Some(command) = &called {
                let would = if is_dry { "would be called" } else { "is called" };
                cx.print(&format!(
                    "Notification: {:?} {would} with what is new\n",
                    sanitise(command, Layout::OneLine)
                ))?;
            }
            for table in scanned.tables() {
                cx.print_pieces(&[Piece::Text("\n".to_owned()), table])?;
            }
        }
    }
    if is_dry {
        cx.warn("This was a dry run: nothing was removed, nothing is remembered, and nobody was called.");
    } else {
        if let Some(command) = &called {
            notify(command, &scanned.document())?;
        }
        // What nobody was told is told the next time.
        news.remember()?;
    }
    match limit {
        Some(limit) if scanned.reaches(limit) => Err(Failure::silent().code(FOUND)),
        _ => Ok(()),
    }
}

/// Keeps the rules of retention, or finds out what they would remove; the second is a line about it.
fn retention(cx: &Context, matches: &Matches) -> Result<(Option<Value>, String)> {
    let policies = retain::policies(cx.settings())?;
    if policies.is_empty() {
        return Ok((None, "Retention:    no rules in the settings file, all names stay\n".to_owned()));
    }
    let retained = cx.engine_to_remove(matches)?.retain(&policies)?;
    let judged = count(retained.decisions.len(), "name is", "names are");
    let gone = count(retained.removed.len(), "name, image or layer", "names, images and layers");
    let mut document = retain::document(&retained);
    let line = match matches.get(&DRY_RUN) {
        true => {
            would(&mut document, "removed", "wouldRemove");
            let why = retain::decisions(&retained);
            format!("Retention:    {judged} judged; {gone} would be removed, nothing was\n{why}\n")
        }
        false => format!("Retention:    {judged} judged; {gone} removed\n{}", retain::removed(&retained)),
    };
    Ok((Some(document), line))
}

/// Holds the build cache to a size, or finds out what that would remove, as [`retention`].
fn limited(cx: &Context, matches: &Matches, limit: Option<u64>) -> Result<(Option<Value>, String)> {
    let Some(keep_storage) = limit else {
        return Ok((None, "Build cache:  no limit, all of it stays\n".to_owned()));
    };
    let filters = CacheFilters::parse(&[], &|text| cx.parse_moment(text))?;
    let prune = PruneBuildCache { all: true, filters, keep_storage };
    let gone = cx.engine_to_remove(matches)?.prune_build_cache(&prune)?;
    let mut document = json!({"removed": gone.len(), "bytes": total(&gone), "limit": keep_storage});
    let (bytes, limit) = (short(total(&gone)), short(keep_storage));
    let line = match matches.get(&DRY_RUN) {
        true => {
            would(&mut document, "removed", "wouldRemove");
            format!("Build cache:  {bytes} would be removed to hold it to {limit}, nothing was\n")
        }
        false => format!("Build cache:  {bytes} removed, held to {limit}\n"),
    };
    Ok((Some(document), line))
}

/// Renames a member of what a dry run tells: what was not done is not called done.
fn would(document: &mut Value, done: &str, undone: &str) {
    if let Some(members) = document.as_object_mut()
        && let Some(value) = members.remove(done)
    {
        members.insert(undone.to_owned(), value);
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
        status => Err(failed(&status).help(Some("what is new is told again the next time".to_owned()))),
    }
}
