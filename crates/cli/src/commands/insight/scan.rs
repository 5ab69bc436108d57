//! `scan`: what is known to be wrong with the packages in an image.

use std::path::Path;

use wharfie_engine::insight::advisories::{Base, read_file};
use wharfie_engine::insight::{Examined, Look, Wants};
use wharfie_oci::Timestamp;
use wharfie_scan::advisory::{KEV, Severity, consulted, unchecked};
use wharfie_scan::check::Check;
use wharfie_scan::{Inventory, exceptions, lifetime, sarif, sbom, vex};

pub(crate) use super::limit::check_exploited;
use super::limit::{LIMITS, Limit};
use super::report::{self, LEAK, Report};
use super::{
    ARGUMENTS, IMAGE, NO_ATTACHED, OUTPUT, PLATFORM, USAGE, age, base_image, beside, db, deliver, deliver_pieces,
    examined, form, look,
};
use crate::commands::{PROGRESS, Run};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Matches, Switch, Text, Texts};
use crate::render::sanitise::{Layout, sanitise};

const FORMATS: &[&str] = &["table", "json", "sarif", "cyclonedx-json", "spdx-json"];
const WORDS: &[&str] = &["table", "json", "sarif", "cyclonedx", "cyclonedx-json", "spdx", "spdx-json"];
const PARTS: &[&str] = &["vulnerabilities", "leaks", "checks"];
const SEVERITIES: &[&str] = &["unknown", "negligible", "low", "medium", "high", "critical"];

const FORMAT: Text = Text::new(
    "format",
    "Form of the output: \"table\", \"json\", \"sarif\" (2.1.0), \"cyclonedx\" or \"cyclonedx-json\" (1.6), \"spdx\" or \"spdx-json\" (2.3)",
)
.complete(Complete::Words(WORDS))
.default("table");
const SEVERITY: Texts = Texts::of_commas("severity", "Show and count only findings of these severities")
    .complete(Complete::Words(SEVERITIES))
    .value_name("severity");
const FAIL_ON: Texts = Texts::of_commas(
    "fail-on",
    "Leave with exit code 2 if there is a finding of this severity or a worse one, or one that is known to be exploited (\"kev\")",
)
.complete(Complete::Words(LIMITS))
.value_name("severity");
pub(crate) const ONLY_FIXED: Switch =
    Switch::new("only-fixed", "Show and count only findings that a newer version mends");
pub(crate) const IGNORE_FILE: Text = Text::new(
    "ignore-file",
    "File with findings to leave out: \"ID [package=NAME] [until=YYYY-MM-DD] # reason\" a line",
);
const IGNORE_BASE: Switch =
    Switch::new("ignore-base", "Leave out what the base image has: in its layers, its variables and its settings");
const CHECK_BASE: Switch =
    Switch::new("check-base", "Ask the base image's registry whether its tag means another image by now");
const ONLY: Texts = Texts::of_commas("only", "Look only for these (\"vulnerabilities\", \"leaks\", \"checks\")")
    .complete(Complete::Words(PARTS))
    .value_name("what");
const VEX: Texts =
    Texts::new("vex", "OpenVEX document: what it says is not affected or fixed is left out; may be repeated")
        .value_name("FILE");
const ONLY_KEV: Switch = Switch::new("kev", "Show and count only vulnerabilities that CISA knows to be exploited");
pub(crate) const DB: Text = Text::new("db", "Directory of OSV's zips to use, instead of what `scan db import` took");

/// `PROG scan`.
pub static COMMAND: Command<Run> = Command {
    about: "Find known vulnerabilities, leaked secrets and bad settings of an image",
    usage: USAGE,
    arity: Arity::Exact(1),
    arguments: ARGUMENTS,
    flags: &[
        CHECK_BASE.flag(),
        DB.flag(),
        FAIL_ON.flag(),
        FORMAT.flag(),
        IGNORE_BASE.flag(),
        IGNORE_FILE.flag(),
        IMAGE.flag(),
        ONLY_KEV.flag(),
        NO_ATTACHED.flag(),
        ONLY.flag(),
        ONLY_FIXED.flag(),
        OUTPUT.flag(),
        PLATFORM.flag(),
        PROGRESS.flag(),
        SEVERITY.flag(),
        VEX.flag(),
    ],
    subcommands: &[Entry::new("db", &db::COMMAND)],
    examples: &[
        Example { text: "Scan an image with OSV's zips in a directory", command: "scan --db ./osv web:1" },
        Example { text: "Let a pipeline fail", command: "scan --fail-on high --only-fixed web:1" },
        Example { text: "Let it fail on what is exploited, too", command: "scan --fail-on critical,kev web:1" },
        Example { text: "Judge what was added to the base image", command: "scan --ignore-base web:1" },
        Example { text: "Hear whether it should be rebuilt on a newer base", command: "scan --check-base web:1" },
        Example {
            text: "Leave out what the vendor has looked at, and tell what is exploited",
            command: "scan --vex web.openvex.json --kev web:1",
        },
        Example { text: "Look for secrets in all layers, without a data base", command: "scan --only leaks web:1" },
        Example {
            text: "Scan an image of an archive that nobody has loaded",
            command: "scan oci-archive:all.tar:web:1",
        },
        Example { text: "Scan a document that another tool wrote", command: "scan ./web.cdx.json" },
        Example { text: "The same from standard input", command: "scan - < web.cdx.json" },
    ],
    complete: Complete::Places,
    run: Some(run),
    ..Command::BASE
};

/// The word for VEX documents that lie with the image.
const ATTACHED: &str = "attached";
/// What the threshold of `--fail-on` gives.
const FOUND: u8 = 2;

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = form(matches.get(&FORMAT).unwrap_or_default(), FORMATS)?;
    let wanted = matches.get(&SEVERITY).iter().map(|word| severity(word)).collect::<Result<Vec<_>>>()?;
    let limit = Limit::of_flag(matches, &FAIL_ON)?;
    let exceptions = exceptions(cx, matches)?;
    let files = matches.get(&VEX).iter().filter(|word| *word != ATTACHED);
    let mut documents = files.map(|path| document(cx, Path::new(path))).collect::<Result<Vec<_>>>()?;
    let advisories = base(matches);
    let parts = matches.get(&ONLY);
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        let help = format!("it can be {}", PARTS.join(", "));
        return Err(Failure::new(format!("cannot look for {unknown:?}")).help(Some(help)));
    }
    let look = look(cx, matches, beside(matches))?;
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|asked| asked == part);
    let wants_vulnerabilities = wants("vulnerabilities");
    if wants_vulnerabilities {
        // Nobody should wait for an image to hear that there is nothing to hold against it.
        let known = cx.engine()?.advisories_meta(&advisories)?;
        if matches.get(&ONLY_KEV) || limit.is_some_and(|limit| limit.is_exploited) {
            check_exploited(&known.meta)?;
        }
        for warning in &known.warnings {
            cx.warn(&format!("WARNING: {}", sanitise(warning, Layout::OneLine)));
        }
    }
    if matches.get(&VEX).iter().any(|word| word == ATTACHED) {
        documents.extend(attached(cx, &look)?);
    }
    // Some documents list the packages, whatever else was looked for.
    let packages = wants_vulnerabilities || matches!(format, "cyclonedx-json" | "spdx-json");
    let sought = Wants { packages, leaks: wants("leaks"), checks: wants("checks") };
    let Examined { inventory, leaks, checks } = examined(cx, matches, &look, sought)?;
    let mut found = Report { inventory, ..Report::default() };
    if wants_vulnerabilities {
        let matched = cx.engine()?.findings(&found.inventory, &advisories)?;
        let is_of_cves = matches.get(&ONLY_KEV) || limit.is_some_and(|limit| limit.is_exploited);
        let exploited = matched.meta.ecosystems.get_key_value(KEV).filter(|_| is_of_cves);
        let consulted = consulted(&found.inventory, &matched.meta).into_iter();
        age::warn(cx, consulted.chain(exploited.map(|(name, known)| (name.as_str(), known))));
        for (origin, count) in unchecked(&found.inventory, &matched.meta) {
            let text = unchecked_text(&origin, count);
            cx.warn(&format!("WARNING: {text}"));
            found.inventory.warnings.push(text);
            found.unchecked += count;
        }
        found.findings = matched.findings;
    }
    if wants("leaks") {
        found.leaks = leaks;
    }
    if wants("checks") {
        found.checks = checks;
        found.checks.extend(end_of_life(cx, &found.inventory));
    }
    if matches.get(&IGNORE_BASE) {
        match found.inventory.base {
            Some(_) => found.ignore_base(),
            None => cx.warn("WARNING: it is not known what the image was made from: nothing is left out for it"),
        }
    }
    let is_wanted = |severity: Severity| wanted.is_empty() || wanted.contains(&severity);
    found.ignore(&exceptions);
    found.settle(&documents);
    let (only_fixed, only_kev) = (matches.get(&ONLY_FIXED), matches.get(&ONLY_KEV));
    let all = found.findings.len();
    found.findings.retain(|finding| {
        is_wanted(finding.severity) && (finding.fixed.is_some() || !only_fixed) && (finding.kev.is_some() || !only_kev)
    });
    found.unasked = all - found.findings.len();
    found.leaks.retain(|_| is_wanted(LEAK));
    found.checks.retain(|check| is_wanted(check.severity));
    found.advice = base_image::newer(cx, &found, &advisories)?;
    if matches.get(&CHECK_BASE) {
        found.today = base_image::today(cx, &found.inventory);
        // Forms that others have made have no room for it.
        if let Some(today) = found.today.as_ref().filter(|today| today.has_moved && !matches!(format, "table" | "json"))
        {
            cx.warn(&report::told_today(today));
        }
    }
    let unwritten = |why: serde_json::Error| wharfie_engine::Error::Document(why);
    let stamp = cx.engine()?.stamp(&found.inventory, env!("CARGO_PKG_VERSION"));
    match format {
        "json" => deliver(cx, matches, &found.json().map_err(unwritten)?)?,
        "sarif" => {
            let text = sarif::write(&found.inventory, &found.findings, &found.others(), &stamp);
            deliver(cx, matches, &text.map_err(unwritten)?)?;
        }
        "cyclonedx-json" => {
            let told = found.findings.iter().map(report::vulnerability).collect::<Vec<_>>();
            deliver(cx, matches, &sbom::cyclonedx_with(&found.inventory, &stamp, &told).map_err(unwritten)?)?;
        }
        "spdx-json" => {
            let told = found.findings.iter().map(|finding| (finding.package, finding.id.clone())).collect();
            deliver(cx, matches, &sbom::spdx_with(&found.inventory, &stamp, &told).map_err(unwritten)?)?;
        }
        _ => deliver_pieces(cx, matches, &found.pieces(wants_vulnerabilities))?,
    }
    let unrated = found.findings.iter().filter(|finding| finding.severity == Severity::Unknown).count();
    if limit.is_some_and(|limit| limit.severity.is_some_and(|limit| limit > Severity::Unknown)) && unrated > 0 {
        let findings = if unrated == 1 { "finding has" } else { "findings have" };
        cx.warn(&format!(
            "WARNING: {unrated} {findings} a severity that nobody knows: --fail-on counts them with \"unknown\" only"
        ));
    }
    let is_blind = wants_vulnerabilities && found.inventory.unread > 0;
    if is_blind && limit.is_some() {
        cx.warn("WARNING: not all that tells of packages could be read: --fail-on counts that as found");
    }
    match limit {
        Some(limit) if is_blind || found.reaches(limit) => Err(Failure::silent().code(FOUND)),
        _ => Ok(()),
    }
}

/// What is to be said of packages that could not be judged.
pub(crate) fn unchecked_text(origin: &str, count: usize) -> String {
    let (packages, were) = if count == 1 { ("package", "was") } else { ("packages", "were") };
    let origin = sanitise(origin, Layout::OneLine);
    format!("the data base knows nothing of {origin}: {count} {packages} {were} not checked")
}

/// What is to be said of a system that gets no updates any more.
pub(crate) fn end_of_life(cx: &Context, inventory: &Inventory) -> Option<Check> {
    let distro = inventory.distro.as_ref()?;
    let is_of_base = inventory.is_of_base(distro.layer);
    lifetime::check(distro, &today(cx)).map(|check| Check { is_of_base, ..check })
}

/// The documents that lie with the image.
fn attached(cx: &Context, look: &Look) -> Result<Vec<vex::Document>> {
    let mut documents = Vec::new();
    let left_out = cx.engine()?.attached_vex(look, &mut |digest, text| match vex::Document::parse(text, cx.now())
        .map(vex::Document::found)
    {
        Ok(document) => {
            cx.warn(&format!("A VEX document with the image counts, {digest}"));
            documents.push(document);
        }
        Err(why) => cx.warn(&format!("WARNING: {digest} {}", sanitise(&why.to_string(), Layout::OneLine))),
    })?;
    if left_out > 0 {
        let documents = if left_out == 1 { "document does" } else { "documents do" };
        cx.warn(&format!(
            "WARNING: {left_out} VEX {documents} not count: together those with the image are more than is read of one"
        ));
    }
    if documents.is_empty() {
        cx.warn("WARNING: there is no VEX document with the image that could count");
    }
    Ok(documents)
}

fn document(cx: &Context, path: &Path) -> Result<vex::Document> {
    let text = read_file(path)?;
    vex::Document::parse(text.as_bytes(), cx.now()).map_err(|why| Failure::new(format!("{} {why}", path.display())))
}

/// Which data base a command was told to use.
pub(crate) fn base(matches: &Matches) -> Base {
    matches.get(&DB).map_or(Base::Own, |path| Base::At(path.into()))
}

/// A severity, as we call it.
pub(super) fn known_severity(word: &str) -> Option<Severity> {
    Severity::parse(word).filter(|_| SEVERITIES.contains(&word.to_ascii_lowercase().as_str()))
}

/// Reads a severity.
fn severity(word: &str) -> Result<Severity> {
    known_severity(word).ok_or_else(|| {
        let help = format!("severities are {}", SEVERITIES.join(", "));
        Failure::new(format!("invalid severity {word:?}")).help(Some(help))
    })
}

/// What `--ignore-file` accepts today.
pub(crate) fn exceptions(cx: &Context, matches: &Matches) -> Result<Vec<exceptions::Exception>> {
    match matches.get(&IGNORE_FILE) {
        Some(path) => read_exceptions(cx, Path::new(path), &today(cx)),
        None => Ok(Vec::new()),
    }
}

/// `YYYY-MM-DD`.
fn today(cx: &Context) -> String {
    Timestamp { nanos: 0, ..cx.now() }.to_string()[..10].to_owned()
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
