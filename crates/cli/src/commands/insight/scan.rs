//! `scan`: what is known to be wrong with the packages in an image.

use std::path::Path;

use wharfie_engine::insight::Examined;
use wharfie_engine::insight::advisories::{Base, read_file};
use wharfie_oci::Timestamp;
use wharfie_scan::advisory::{Severity, unchecked};
use wharfie_scan::{exceptions, sarif, sbom};

use super::report::{self, LEAK, Report};
use super::{OUTPUT, PLATFORM, USAGE, db, deliver, examined};
use crate::commands::{PROGRESS, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Switch, Text, Texts};
use crate::render::sanitise::{Layout, sanitise};

const FORMATS: &[&str] = &["table", "json", "sarif", "cyclonedx"];
const PARTS: &[&str] = &["vulnerabilities", "leaks", "checks"];
pub(crate) const SEVERITIES: &[&str] = &["unknown", "negligible", "low", "medium", "high", "critical"];

const FORMAT: Text =
    Text::new("format", "Form of the output: \"table\", \"json\", \"sarif\" (2.1.0), \"cyclonedx\" (1.6)")
        .complete(Complete::Words(FORMATS))
        .default("table");
const SEVERITY: Texts = Texts::of_commas("severity", "Show and count only findings of these severities")
    .complete(Complete::Words(SEVERITIES))
    .value_name("severity");
const FAIL_ON: Text =
    Text::new("fail-on", "Leave with exit code 2 if there is a finding of this severity or a worse one")
        .complete(Complete::Words(SEVERITIES))
        .value_name("severity");
pub(crate) const ONLY_FIXED: Switch =
    Switch::new("only-fixed", "Show and count only findings that a newer version mends");
pub(crate) const IGNORE_FILE: Text = Text::new(
    "ignore-file",
    "File with findings to leave out: \"ID [package=NAME] [until=YYYY-MM-DD] # reason\" a line",
);
const ONLY: Texts = Texts::of_commas("only", "Look only for these (\"vulnerabilities\", \"leaks\", \"checks\")")
    .complete(Complete::Words(PARTS))
    .value_name("what");
pub(crate) const DB: Text = Text::new("db", "Directory of OSV's zips to use, instead of what `scan db import` took");

/// `PROG scan`.
pub static COMMAND: Command<Run> = Command {
    about: "Find known vulnerabilities, leaked secrets and bad settings of an image",
    usage: USAGE,
    arity: Arity::Exact(1),
    flags: &[
        DB.flag(),
        FAIL_ON.flag(),
        FORMAT.flag(),
        IGNORE_FILE.flag(),
        ONLY.flag(),
        ONLY_FIXED.flag(),
        OUTPUT.flag(),
        PLATFORM.flag(),
        PROGRESS.flag(),
        SEVERITY.flag(),
    ],
    subcommands: &[Entry::new("db", &db::COMMAND)],
    examples: &[
        Example { text: "Scan an image with OSV's zips in a directory", command: "scan --db ./osv web:1" },
        Example { text: "Let a pipeline fail", command: "scan --fail-on high --only-fixed web:1" },
        Example { text: "Look for secrets in all layers, without a data base", command: "scan --only leaks web:1" },
        Example { text: "Scan a document that another tool wrote", command: "scan ./web.cdx.json" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

/// What the threshold of `--fail-on` gives.
const FOUND: u8 = 2;
/// 30 days, in seconds: older advisories lack what everybody knows.
const OLD: i64 = 30 * 86_400;

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = matches.get(&FORMAT).unwrap_or_default();
    if !FORMATS.contains(&format) {
        let known = FORMATS.join(", ");
        return Err(Failure::new(format!("invalid format {format:?}")).help(Some(format!("the formats are {known}"))));
    }
    let wanted = matches.get(&SEVERITY).iter().map(|word| severity(word)).collect::<Result<Vec<_>>>()?;
    let limit = matches.get(&FAIL_ON).map(severity).transpose()?;
    let exceptions = exceptions(cx, matches)?;
    let base = base(matches);
    let parts = matches.get(&ONLY);
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        let help = format!("it can be {}", PARTS.join(", "));
        return Err(Failure::new(format!("cannot look for {unknown:?}")).help(Some(help)));
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|asked| asked == part);
    let wants_vulnerabilities = wants("vulnerabilities");
    if wants_vulnerabilities {
        // Nobody should wait for an image to hear that there is nothing to hold against it.
        let known = cx.engine()?.advisories_meta(&base)?;
        for warning in &known.warnings {
            cx.warn(&format!("WARNING: {warning}"));
        }
        warn_of_age(cx, &known.meta.newest);
    }
    let Examined { inventory, leaks, checks } = examined(cx, matches)?;
    let mut found = Report { inventory, ..Report::default() };
    if wants_vulnerabilities {
        let matched = cx.engine()?.findings(&found.inventory, &base)?;
        for (origin, count) in unchecked(&found.inventory, &matched.meta) {
            let (packages, were) = if count == 1 { ("package", "was") } else { ("packages", "were") };
            cx.warn(&format!(
                "WARNING: the data base knows nothing of {}: {count} {packages} {were} not checked",
                sanitise(&origin, Layout::OneLine)
            ));
        }
        found.findings = matched.findings;
    }
    if wants("leaks") {
        found.leaks = leaks;
    }
    if wants("checks") {
        found.checks = checks;
    }
    let is_wanted = |severity: Severity| wanted.is_empty() || wanted.contains(&severity);
    found.ignore(&exceptions);
    found
        .findings
        .retain(|finding| is_wanted(finding.severity) && (finding.fixed.is_some() || !matches.get(&ONLY_FIXED)));
    found.leaks.retain(|_| is_wanted(LEAK));
    found.checks.retain(|check| is_wanted(check.severity));
    let unwritten = |why: serde_json::Error| wharfie_engine::Error::Document(why);
    let stamp = cx.engine()?.stamp(&found.inventory, env!("CARGO_PKG_VERSION"));
    match format {
        "json" => deliver(cx, matches, &found.json().map_err(unwritten)?)?,
        "sarif" => {
            let text = sarif::write(&found.inventory, &found.findings, &found.others(), &stamp);
            deliver(cx, matches, &text.map_err(unwritten)?)?;
        }
        "cyclonedx" => {
            let told = found.findings.iter().map(report::vulnerability).collect::<Vec<_>>();
            deliver(cx, matches, &sbom::cyclonedx_with(&found.inventory, &stamp, &told).map_err(unwritten)?)?;
        }
        _ => {
            let text = found.tables(wants_vulnerabilities);
            match matches.get(&OUTPUT) {
                Some(_) => deliver(cx, matches, &text)?,
                None => cx.print(&text)?,
            }
        }
    }
    let unrated = found.findings.iter().filter(|finding| finding.severity == Severity::Unknown).count();
    if limit.is_some_and(|limit| limit > Severity::Unknown) && unrated > 0 {
        let findings = if unrated == 1 { "finding has" } else { "findings have" };
        cx.warn(&format!(
            "WARNING: {unrated} {findings} a severity that nobody knows: --fail-on counts them with \"unknown\" only"
        ));
    }
    match limit {
        Some(limit) if found.worst().is_some_and(|worst| worst >= limit) => Err(Failure::silent().code(FOUND)),
        _ => Ok(()),
    }
}

/// Which data base a command was told to use.
pub(crate) fn base(matches: &Matches) -> Base {
    matches.get(&DB).map_or(Base::Own, |path| Base::At(path.into()))
}

/// Reads a severity.
pub(crate) fn severity(word: &str) -> Result<Severity> {
    let known = Severity::parse(word).filter(|_| SEVERITIES.contains(&word.to_ascii_lowercase().as_str()));
    known.ok_or_else(|| {
        let help = format!("severities are {}", SEVERITIES.join(", "));
        Failure::new(format!("invalid severity {word:?}")).help(Some(help))
    })
}

/// What `--ignore-file` accepts today.
pub(crate) fn exceptions(cx: &Context, matches: &Matches) -> Result<Vec<exceptions::Exception>> {
    let today = Timestamp { nanos: 0, ..cx.now() }.to_string()[..10].to_owned();
    match matches.get(&IGNORE_FILE) {
        Some(path) => read_exceptions(cx, Path::new(path), &today),
        None => Ok(Vec::new()),
    }
}

fn read_exceptions(cx: &Context, path: &Path, today: &str) -> Result<Vec<exceptions::Exception>> {
    let text = read_file(path)?;
    let mut found =
        exceptions::parse(&text).map_err(|(line, why)| Failure::new(format!("{}:{line}: {why}", path.display())))?;
    found.retain(|exception| {
        let is_over = exception.is_over(today);
        if is_over {
            let until = exception.until.as_deref().unwrap_or_default();
            cx.warn(&format!("WARNING: {}: {} was accepted until {until}", path.display(), exception.id));
        }
        !is_over
    });
    Ok(found)
}

/// Warns if nothing new has come for long.
pub(crate) fn warn_of_age(cx: &Context, newest: &str) {
    let Ok(newest) = newest.parse::<Timestamp>() else { return };
    let age = cx.now().seconds - newest.seconds;
    if age > OLD {
        cx.warn(&format!(
            "WARNING: the newest advisory is {} days old: what is known since then is not found",
            age / 86_400
        ));
    }
}
