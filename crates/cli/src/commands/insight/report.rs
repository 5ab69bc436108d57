//! What a scan found, as people and programs read it.

use serde_json::{Value, json};
use wharfie_engine::insight::base::BaseToday;
use wharfie_engine::insight::secrets::Leaked;
use wharfie_scan::advisory::{Finding, Severity};
use wharfie_scan::check::Check;
use wharfie_scan::exceptions::Exception;
use wharfie_scan::sarif::Other;
use wharfie_scan::{Base, Inventory, KnownBy, purl, sbom, vex};

use super::limit::Limit;
use super::sbom::instruction;
use crate::render::pieces::{Piece, spaced};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::{ellipsis, table};

/// How bad a secret in an image is.
pub(crate) const LEAK: Severity = Severity::High;
/// Columns of a layer's instruction.
pub(super) const INSTRUCTION: usize = 40;

/// As much of a digest as people compare: `sha256:` and 12 digits.
const DIGEST: usize = 19;

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) inventory: Inventory,
    pub(super) findings: Vec<Finding>,
    pub(super) leaks: Vec<Leaked>,
    pub(super) checks: Vec<Check>,
    /// How many were accepted.
    pub(super) ignored: usize,
    /// How many packages the data base knows nothing of.
    pub(super) unchecked: usize,
    /// How many vulnerabilities were not asked for: of another severity, without a fix, not exploited.
    pub(super) unasked: usize,
    /// What to do about those of the base.
    pub(super) advice: Option<String>,
    /// What its registry has under its tag, if it was asked.
    pub(super) today: Option<BaseToday>,
    /// The vulnerabilities among them, with why.
    pub(super) suppressed: Vec<Suppressed>,
}

/// A vulnerability that somebody has looked at.
#[derive(Debug)]
pub(super) struct Suppressed {
    finding: Finding,
    /// What says so, as JSON: `vex` or `ignoreFile`.
    by: (&'static str, Value),
}

impl Report {
    /// Leaves out what was accepted. A secret is named by `leak` with its file as the package, a check by its word.
    pub(super) fn ignore(&mut self, exceptions: &[Exception]) {
        let count = |report: &Self| report.findings.len() + report.leaks.len() + report.checks.len();
        let all = count(self);
        let Self { inventory, findings, leaks, checks, suppressed, .. } = self;
        findings.retain(|finding| {
            let name = inventory.packages[finding.package].full_name();
            let Some(exception) = exceptions.iter().find(|exception| exception.is_about(finding, &name)) else {
                return true;
            };
            let by = ("ignoreFile", json!({"reason": exception.reason, "until": exception.until}));
            suppressed.push(Suppressed { finding: finding.clone(), by });
            false
        });
        leaks.retain(|leaked| !is_accepted_leak(exceptions, leaked));
        checks.retain(|check| !is_accepted_check(exceptions, check));
        self.ignored += all - count(self);
    }

    /// Leaves out vulnerabilities of which a VEX document says that nothing is left to do.
    pub(super) fn settle(&mut self, documents: &[vex::Document]) {
        let Self { inventory, findings, suppressed, ignored, .. } = self;
        findings.retain(|finding| {
            let verdict = vex::verdict(documents, finding, inventory).filter(|verdict| verdict.status.is_settled());
            let Some(verdict) = verdict else { return true };
            *ignored += 1;
            let by = ("vex", serde_json::to_value(verdict).unwrap_or_default());
            suppressed.push(Suppressed { finding: finding.clone(), by });
            false
        });
    }

    /// Leaves out what the image has that this one was made from: in its layers and in its configuration.
    pub(super) fn ignore_base(&mut self) {
        let Self { inventory, findings, leaks, checks, .. } = self;
        findings.retain(|finding| !inventory.is_of_base(inventory.packages[finding.package].layer));
        leaks.retain(|leaked| !leaked.is_of_base);
        checks.retain(|check| !check.is_of_base);
    }

    /// True if something of it is a failure.
    pub(super) fn reaches(&self, limit: Limit) -> bool {
        let findings = self.findings.iter().map(|finding| (finding.severity, finding.kev.is_some()));
        let leaks = self.leaks.iter().map(|_| (LEAK, false));
        let checks = self.checks.iter().map(|check| (check.severity, false));
        findings.chain(leaks).chain(checks).any(|(severity, is_exploited)| limit.is_reached(severity, is_exploited))
    }

    /// What is no vulnerability of a package, for documents.
    pub(super) fn others(&self) -> Vec<Other> {
        let leaks = self.leaks.iter().map(|leaked| Other {
            id: "leak".to_owned(),
            severity: LEAK,
            text: format!("{} in {}", leaked.leak.kind, place(leaked)),
            path: leaked.path.clone(),
            line: leaked.leak.line,
        });
        let checks = self.checks.iter().map(|check| Other {
            id: check.id.clone(),
            severity: check.severity,
            text: check.text.clone(),
            path: String::new(),
            line: 1,
        });
        leaks.chain(checks).collect()
    }

    fn by(&self, layer: Option<usize>) -> String {
        let layer = layer.and_then(|index| self.inventory.layers.get(index));
        let text = layer.map(|layer| instruction(&layer.created_by)).unwrap_or_default();
        ellipsis::fit(&text, INSTRUCTION).into_owned()
    }

    /// Tables of all that there is, and a line that counts the vulnerabilities if they were looked for.
    pub(super) fn pieces(&self, has_vulnerabilities: bool) -> Vec<Piece> {
        let mut parts = Vec::new();
        if !self.leaks.is_empty() {
            let row = |leaked: &Leaked| {
                let (word, state) = (LEAK.word().to_owned(), state(leaked));
                let cells = [leaked.leak.kind.clone(), word, place(leaked), state, self.by(leaked.layer)];
                cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned())
            };
            let rows: Vec<_> = self.leaks.iter().map(row).collect();
            parts.push(vec![Piece::Table(table::rows(["LEAK", "SEVERITY", "WHERE", "STATE", "BROUGHT BY"], &rows))]);
        }
        if !self.checks.is_empty() {
            let row = |check: &Check| {
                let text = format!("{}{}", check.text, as_base(check.is_of_base));
                let cells = [check.id.clone(), check.severity.word().to_owned(), text];
                cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned())
            };
            let rows: Vec<_> = self.checks.iter().map(row).collect();
            parts.push(vec![Piece::Wrapping(table::rows(["CHECK", "SEVERITY", "WHAT"], &rows))]);
        }
        let of_base = |finding: &&Finding| self.inventory.is_of_base(self.inventory.packages[finding.package].layer);
        let (base, own): (Vec<&Finding>, Vec<&Finding>) = self.findings.iter().partition(of_base);
        if !own.is_empty() {
            parts.push(vec![Piece::Table(vulnerabilities(&self.inventory, &own))]);
        }
        if let (false, Some(known)) = (base.is_empty(), &self.inventory.base) {
            let head = format!("{}:\n", sanitise(&base_name(known), Layout::OneLine));
            parts.push(vec![Piece::Text(head), Piece::Table(vulnerabilities(&self.inventory, &base))]);
        }
        let today = self.today.as_ref().map(told_today);
        let advice = self.advice.iter().chain(&today).map(|text| sanitise(text, Layout::OneLine).into_owned() + "\n");
        let advice: String = advice.collect();
        if !advice.is_empty() {
            parts.push(vec![Piece::Text(advice)]);
        }
        if has_vulnerabilities {
            parts.push(vec![Piece::Text(self.totals() + "\n")]);
        } else if parts.is_empty() {
            parts.push(vec![Piece::Text("Nothing was found\n".to_owned())]);
        }
        spaced(parts)
    }

    /// The last line: how many there are, and how many of what else.
    fn totals(&self) -> String {
        let Self { findings, ignored, unasked, unchecked, .. } = self;
        let (ignored, unasked, unchecked, unread) = (*ignored, *unasked, *unchecked, self.inventory.unread);
        let mut counts = Vec::new();
        for severity in Severity::ALL.into_iter().rev() {
            let count = findings.iter().filter(|finding| finding.severity == severity).count();
            if count > 0 {
                counts.push(format!("{count} {}", severity.word()));
            }
        }
        let fixed = findings.iter().filter(|finding| finding.fixed.is_some()).count();
        let mut text = match findings.len() {
            0 if unasked > 0 => "No known vulnerabilities of those asked for".to_owned(),
            0 => "No known vulnerabilities".to_owned(),
            1 => format!("1 finding: {}, {fixed} with a fix", counts.join(", ")),
            several => format!("{several} findings: {}, {fixed} with a fix", counts.join(", ")),
        };
        if ignored > 0 {
            text.push_str(&format!("; {ignored} ignored"));
        }
        if unasked > 0 {
            text.push_str(&format!("; {unasked} not asked for"));
        }
        if unchecked > 0 {
            text.push_str(&format!("; {unchecked} not checked"));
        }
        if unread > 0 {
            let files = if unread == 1 { "file" } else { "files" };
            text.push_str(&format!("; the packages of {unread} {files} not checked"));
        }
        text
    }

    /// All of it as JSON.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let layer = |index: Option<usize>| index.and_then(|index| self.inventory.layers.get(index));
        let finding = |finding: &Finding| -> serde_json::Result<Value> {
            let package = &self.inventory.packages[finding.package];
            let mut value = serde_json::to_value(finding)?;
            value["package"] = json!({
                "name": package.full_name(),
                "version": package.version,
                "type": package.kind.word(),
                "path": package.found_in,
                "purl": purl::of(package, self.inventory.distro.as_ref()),
            });
            if self.inventory.is_of_base(package.layer) {
                value["isOfBase"] = true.into();
            }
            if let Some(layer) = layer(package.layer) {
                value["layer"] = serde_json::to_value(layer)?;
            }
            Ok(value)
        };
        let leak = |leaked: &Leaked| -> serde_json::Result<Value> {
            let mut value = serde_json::to_value(leaked)?;
            value["severity"] = LEAK.word().into();
            if let Some(layer) = layer(leaked.layer) {
                value["layer"] = serde_json::to_value(layer)?;
            }
            Ok(value)
        };
        let document = json!({
            "name": self.inventory.name,
            "id": self.inventory.id,
            "distro": self.inventory.distro,
            "base": self.inventory.base,
            // Whose word the packages are; null if the layers were looked into.
            "attached": self.inventory.attached,
            "advice": self.advice,
            "baseToday": self.today,
            "packages": self.inventory.packages.len(),
            "unasked": self.unasked,
            "unchecked": self.unchecked,
            "unread": self.inventory.unread,
            "ignored": self.ignored,
            "suppressed": self.suppressed.iter().map(|one| {
                let mut value = finding(&one.finding)?;
                value[one.by.0] = one.by.1.clone();
                Ok(value)
            }).collect::<serde_json::Result<Vec<_>>>()?,
            "findings": self.findings.iter().map(finding).collect::<serde_json::Result<Vec<_>>>()?,
            "leaks": self.leaks.iter().map(leak).collect::<serde_json::Result<Vec<_>>>()?,
            "checks": self.checks,
            "warnings": self.inventory.warnings,
        });
        sbom::pretty(&document)
    }
}

/// Whether the tag of a base means another image by now, for people.
pub(super) fn told_today(today: &BaseToday) -> String {
    let short = |digest: &str| digest.chars().take(DIGEST).collect::<String>();
    match today.has_moved {
        false => format!("The base {} is what its registry has today", today.name),
        true => format!(
            "The base {} has moved from {} to {}: rebuild with --pull",
            today.name,
            short(&today.was),
            short(&today.now)
        ),
    }
}

/// What an image was made from, for people.
fn base_name(base: &Base) -> String {
    let layers = if base.layers == 1 { "1 layer".to_owned() } else { format!("{} layers", base.layers) };
    let guessed = if base.known_by == KnownBy::History { ", as its history looks" } else { "" };
    match base.name.as_str() {
        "" => format!("In the base image ({layers}{guessed})"),
        name => format!("In the base image {name} ({layers}{guessed})"),
    }
}

/// True for a secret that an ignore file accepts.
pub(crate) fn is_accepted_leak(exceptions: &[Exception], leaked: &Leaked) -> bool {
    let is_place = |path: &str| path.trim_start_matches('/') == leaked.path;
    exceptions.iter().any(|one| one.id == "leak" && one.package.as_deref().is_none_or(is_place))
}

/// True for a setting that an ignore file accepts.
pub(crate) fn is_accepted_check(exceptions: &[Exception], check: &Check) -> bool {
    exceptions.iter().any(|exception| exception.id == check.id)
}

/// Whether a container sees a secret, and whether its base has it as well.
pub(crate) fn state(leaked: &Leaked) -> String {
    let state = if leaked.is_removed { "removed later, still in the layer" } else { "there" };
    format!("{state}{}", as_base(leaked.is_of_base))
}

/// What is said of what the base has as well.
fn as_base(is_of_base: bool) -> &'static str {
    if is_of_base { " (as its base)" } else { "" }
}

/// Where a secret is.
pub(crate) fn place(leaked: &Leaked) -> String {
    match leaked.path.as_str() {
        "" => leaked.settings.join(", "),
        path => format!("/{path}:{}", leaked.leak.line),
    }
}

/// By package, the worst first; one line for each finding.
fn vulnerabilities(inventory: &Inventory, findings: &[&Finding]) -> String {
    let mut groups: Vec<&[&Finding]> = findings.chunk_by(|a, b| a.package == b.package).collect();
    // What is known to be exploited is worse than any word for how bad it might be.
    let badness = |group: &[&Finding]| (group.iter().any(|finding| finding.kev.is_some()), group[0].severity);
    groups.sort_by_key(|group| std::cmp::Reverse(badness(group)));
    let has_kev = findings.iter().any(|finding| finding.kev.is_some());
    let has_epss = findings.iter().any(|finding| finding.epss.is_some());
    let mut rows: Vec<Vec<String>> = Vec::new();
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
            let mut cells = vec![
                first(package.full_name()),
                first(package.version.clone()),
                finding.fixed.clone().unwrap_or_default(),
                finding.id.clone(),
                word.to_owned(),
            ];
            if has_kev {
                cells.push(finding.kev.as_ref().map(|kev| kev.added.clone()).unwrap_or_default());
            }
            if has_epss {
                cells.push(finding.epss.map(|epss| percent(epss.probability)).unwrap_or_default());
            }
            cells.push(first(ellipsis::fit(&by, INSTRUCTION).into_owned()));
            rows.push(cells.into_iter().map(|cell| sanitise(&cell, Layout::OneLine).into_owned()).collect());
        }
    }
    let mut heads = vec!["PACKAGE", "INSTALLED", "FIXED IN", "VULNERABILITY", "SEVERITY"];
    heads.extend(has_kev.then_some("EXPLOITED SINCE"));
    heads.extend(has_epss.then_some("EPSS"));
    heads.push("BROUGHT BY");
    table::listed(&heads, &rows)
}

/// A probability as people read it.
pub(crate) fn percent(probability: f64) -> String {
    format!("{:.1}%", probability * 100.0)
}

/// An entry of CycloneDX's `vulnerabilities`.
pub(super) fn vulnerability(finding: &Finding) -> Value {
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
    let kev = finding.kev.as_ref().map(|kev| json!({"name": "wharfie:kev", "value": kev.added}));
    let epss = finding.epss.map(|epss| json!({"name": "wharfie:epss", "value": epss.probability.to_string()}));
    let properties: Vec<Value> = kev.into_iter().chain(epss).collect();
    if !properties.is_empty() {
        value["properties"] = properties.into();
    }
    if let Some(fixed) = &finding.fixed {
        value["recommendation"] = format!("update to {fixed}").into();
    }
    value
}
