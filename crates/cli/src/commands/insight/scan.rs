//! `scan`: what is known to be wrong with the packages in an image.

use std::path::Path;

use serde_json::{Value, json};
use wharfie_engine::insight::advisories::{Base, Matched, read_file};
use wharfie_oci::Timestamp;
use wharfie_scan::advisory::{Finding, Severity};
use wharfie_scan::{Inventory, exceptions, purl, sarif, sbom};

use super::sbom::instruction;
use super::{OUTPUT, PLATFORM, USAGE, db, deliver, inventory};
use crate::commands::{PROGRESS, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Switch, Text, Texts};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::{ellipsis, table};

const FORMATS: &[&str] = &["table", "json", "sarif", "cyclonedx"];
const SEVERITIES: &[&str] = &["unknown", "negligible", "low", "medium", "high", "critical"];

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
const ONLY_FIXED: Switch = Switch::new("only-fixed", "Show and count only findings that a newer version mends");
const IGNORE_FILE: Text = Text::new(
    "ignore-file",
    "File with findings to leave out: \"ID [package=NAME] [until=YYYY-MM-DD] # reason\" a line",
);
pub(super) const DB: Text = Text::new("db", "Directory of OSV's zips to use, instead of what `scan db import` took");

/// `PROG scan`.
pub static COMMAND: Command<Run> = Command {
    about: "Find known vulnerabilities of the packages in an image",
    usage: USAGE,
    arity: Arity::Exact(1),
    flags: &[
        DB.flag(),
        FAIL_ON.flag(),
        FORMAT.flag(),
        IGNORE_FILE.flag(),
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
/// Columns of a layer's instruction.
const INSTRUCTION: usize = 40;

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = matches.get(&FORMAT).unwrap_or_default();
    if !FORMATS.contains(&format) {
        let known = FORMATS.join(", ");
        return Err(Failure::new(format!("invalid format {format:?}")).help(Some(format!("the formats are {known}"))));
    }
    let wanted = matches.get(&SEVERITY).iter().map(|word| severity(word)).collect::<Result<Vec<_>>>()?;
    let limit = matches.get(&FAIL_ON).map(severity).transpose()?;
    let today = Timestamp { nanos: 0, ..cx.now() }.to_string()[..10].to_owned();
    let exceptions = match matches.get(&IGNORE_FILE) {
        Some(path) => read_exceptions(cx, Path::new(path), &today)?,
        None => Vec::new(),
    };
    let base = base(matches);
    // Nobody should wait for an image to hear that there is nothing to hold against it.
    let known = cx.engine()?.advisories_meta(&base)?;
    for warning in &known.warnings {
        cx.warn(&format!("WARNING: {warning}"));
    }
    warn_of_age(cx, &known.meta.newest);
    let inventory = inventory(cx, matches)?;
    let Matched { mut findings, .. } = cx.engine()?.findings(&inventory, &base)?;
    let all = findings.len();
    findings.retain(|finding| {
        let package = &inventory.packages[finding.package];
        !exceptions.iter().any(|exception| exception.is_about(finding, &package.full_name()))
    });
    let ignored = all - findings.len();
    findings.retain(|finding| {
        (wanted.is_empty() || wanted.contains(&finding.severity))
            && (finding.fixed.is_some() || !matches.get(&ONLY_FIXED))
    });
    let unwritten = |why: serde_json::Error| wharfie_engine::Error::Document(why);
    let stamp = cx.engine()?.stamp(&inventory, env!("CARGO_PKG_VERSION"));
    match format {
        "json" => deliver(cx, matches, &json_text(&inventory, &findings, ignored).map_err(unwritten)?)?,
        "sarif" => deliver(cx, matches, &sarif::write(&inventory, &findings, &stamp).map_err(unwritten)?)?,
        "cyclonedx" => {
            let told = findings.iter().map(vulnerability).collect::<Vec<_>>();
            deliver(cx, matches, &sbom::cyclonedx_with(&inventory, &stamp, &told).map_err(unwritten)?)?;
        }
        _ => {
            let text = lines(&inventory, &findings);
            match matches.get(&OUTPUT) {
                Some(_) => deliver(cx, matches, &(text + &totals(&findings, ignored) + "\n"))?,
                None => {
                    if !findings.is_empty() {
                        cx.print_table(&text)?;
                    }
                    cx.line(&totals(&findings, ignored))?;
                }
            }
        }
    }
    match limit {
        Some(limit) if findings.iter().any(|finding| finding.severity >= limit) => Err(Failure::silent().code(FOUND)),
        _ => Ok(()),
    }
}

/// Which data base a command was told to use.
pub(super) fn base(matches: &Matches) -> Base {
    matches.get(&DB).map_or(Base::Own, |path| Base::At(path.into()))
}

fn severity(word: &str) -> Result<Severity> {
    let known = Severity::parse(word).filter(|_| SEVERITIES.contains(&word.to_ascii_lowercase().as_str()));
    known.ok_or_else(|| {
        let help = format!("severities are {}", SEVERITIES.join(", "));
        Failure::new(format!("invalid severity {word:?}")).help(Some(help))
    })
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

fn warn_of_age(cx: &Context, newest: &str) {
    let Ok(newest) = newest.parse::<Timestamp>() else { return };
    let age = cx.now().seconds - newest.seconds;
    if age > OLD {
        cx.warn(&format!(
            "WARNING: the newest advisory is {} days old: what is known since then is not found",
            age / 86_400
        ));
    }
}

/// By package, the worst first; one line for each finding.
fn lines(inventory: &Inventory, findings: &[Finding]) -> String {
    let mut groups: Vec<&[Finding]> = findings.chunk_by(|a, b| a.package == b.package).collect();
    groups.sort_by(|a, b| b[0].severity.cmp(&a[0].severity));
    let mut rows: Vec<[String; 6]> = Vec::new();
    for group in groups {
        for (at, finding) in group.iter().enumerate() {
            let package = &inventory.packages[finding.package];
            let layer = package.layer.and_then(|index| inventory.layers.get(index));
            let by = layer.map(|layer| instruction(&layer.created_by)).unwrap_or_default();
            let first = |text: String| if at == 0 { text } else { String::new() };
            let word = match finding.notice.as_str() {
                "" => finding.severity.word(),
                notice => notice,
            };
            let cells = [
                first(package.full_name()),
                first(package.version.clone()),
                finding.fixed.clone().unwrap_or_default(),
                finding.id.clone(),
                word.to_owned(),
                first(ellipsis::fit(&by, INSTRUCTION).into_owned()),
            ];
            rows.push(cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned()));
        }
    }
    table::rows(["PACKAGE", "INSTALLED", "FIXED IN", "VULNERABILITY", "SEVERITY", "BROUGHT BY"], &rows)
}

fn totals(findings: &[Finding], ignored: usize) -> String {
    let mut counts = Vec::new();
    for severity in Severity::ALL.into_iter().rev() {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        if count > 0 {
            counts.push(format!("{count} {}", severity.word()));
        }
    }
    let fixed = findings.iter().filter(|finding| finding.fixed.is_some()).count();
    let mut text = match findings.len() {
        0 => "No known vulnerabilities".to_owned(),
        1 => format!("1 finding: {}, {fixed} with a fix", counts.join(", ")),
        several => format!("{several} findings: {}, {fixed} with a fix", counts.join(", ")),
    };
    if ignored > 0 {
        text.push_str(&format!("; {ignored} ignored"));
    }
    text
}

fn json_text(inventory: &Inventory, findings: &[Finding], ignored: usize) -> serde_json::Result<String> {
    let one = |finding: &Finding| -> serde_json::Result<Value> {
        let package = &inventory.packages[finding.package];
        let mut value = serde_json::to_value(finding)?;
        value["package"] = json!({
            "name": package.full_name(),
            "version": package.version,
            "type": package.kind.word(),
            "path": package.found_in,
            "purl": purl::of(package, inventory.distro.as_ref()),
        });
        if let Some(layer) = package.layer.and_then(|index| inventory.layers.get(index)) {
            value["layer"] = serde_json::to_value(layer)?;
        }
        Ok(value)
    };
    let findings = findings.iter().map(one).collect::<serde_json::Result<Vec<_>>>()?;
    let document = json!({
        "name": inventory.name,
        "id": inventory.id,
        "distro": inventory.distro,
        "packages": inventory.packages.len(),
        "ignored": ignored,
        "findings": findings,
        "warnings": inventory.warnings,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// An entry of CycloneDX's `vulnerabilities`.
fn vulnerability(finding: &Finding) -> Value {
    let severity = match finding.severity {
        Severity::Negligible => "info",
        other => other.word(),
    };
    let mut rating = json!({"severity": severity});
    if let Some(score) = finding.score {
        rating["score"] = score.into();
    }
    let mut value = json!({
        "id": finding.id,
        "source": {"name": "OSV", "url": format!("https://osv.dev/vulnerability/{}", finding.id)},
        "ratings": [rating],
        "affects": [{"ref": sbom::cyclonedx_component(finding.package)}],
    });
    if !finding.summary.is_empty() {
        value["description"] = finding.summary.clone().into();
    }
    if let Some(fixed) = &finding.fixed {
        value["recommendation"] = format!("update to {fixed}").into();
    }
    value
}
