//! Findings in SARIF 2.1.0, as code scanning services take them. Source: OASIS, "Static Analysis Results Interchange Format".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::advisory::{Finding, Severity};
use crate::package::Inventory;
use crate::purl;
use crate::sbom::{Stamp, pretty};

/// A result that is no vulnerability of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The rule that it breaks.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// For people.
    pub text: String,
    /// The file, from the root without a leading slash; empty if it is in none.
    pub path: String,
    /// From 1.
    pub line: usize,
}

/// The document.
///
/// # Errors
/// Never, unless memory ends.
pub fn write(
    inventory: &Inventory,
    findings: &[Finding],
    others: &[Other],
    stamp: &Stamp,
) -> serde_json::Result<String> {
    // One rule may be broken by several packages, and is as bad as the worst of it.
    let mut worst: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in findings {
        let known = worst.entry(&finding.id).or_insert(finding);
        if security(finding.severity, finding.score) > security(known.severity, known.score) {
            *known = finding;
        }
    }
    let mut seen = BTreeSet::new();
    let firsts = findings.iter().filter(|finding| seen.insert(&finding.id));
    let mut rules: Vec<Value> = firsts.map(|first| rule(worst[first.id.as_str()])).collect();
    let mut results: Vec<Value> = findings.iter().map(|finding| result(finding, inventory)).collect();
    for other in others {
        if seen.insert(&other.id) {
            let mut rule = json!({
                "id": other.id,
                "shortDescription": {"text": other.id},
                "defaultConfiguration": {"level": level(other.severity)},
                "properties": {"tags": ["security", other.severity.word()]},
            });
            rate(&mut rule, other.severity, None);
            rules.push(rule);
        }
        // Every result needs a place; what is in no file is of the image.
        let uri = if other.path.is_empty() { "image" } else { &other.path };
        results.push(json!({
            "ruleId": other.id,
            "level": level(other.severity),
            "message": {"text": other.text},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": uri.replace(' ', "%20")},
                "region": {"startLine": other.line},
            }}],
        }));
    }
    let mut document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "wharfie",
                "version": stamp.version,
                "informationUri": "https://osv.dev/",
                "rules": rules,
            }},
            "results": results,
        }],
    });
    if let Some(attached) = &inventory.attached {
        // Whose word the packages are has to be told to whoever reads no standard error.
        document["runs"][0]["properties"] = json!({"attached": attached});
    }
    pretty(&document)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        _ => "note",
    }
}

/// By which code scanning services sort: CVSS, if it is what the severity is from, else a score in the middle of what has the word
/// (critical above 9, high from 7, medium from 4). What nobody rates has none.
fn security(severity: Severity, score: Option<f64>) -> Option<f64> {
    let of_word = match severity {
        Severity::Unknown => None,
        Severity::Negligible => Some(0.1),
        Severity::Low => Some(2.0),
        Severity::Medium => Some(5.5),
        Severity::High => Some(8.0),
        Severity::Critical => Some(9.5),
    };
    score.filter(|score| Severity::of_score(*score) == severity && *score > 0.0).or(of_word)
}

fn rate(rule: &mut Value, severity: Severity, score: Option<f64>) {
    if let Some(score) = security(severity, score) {
        rule["properties"]["security-severity"] = format!("{score:.1}").into();
    }
}

fn rule(finding: &Finding) -> Value {
    let summary = if finding.summary.is_empty() { &finding.id } else { &finding.summary };
    let mut rule = json!({
        "id": finding.id,
        "shortDescription": {"text": summary},
        "helpUri": format!("https://osv.dev/vulnerability/{}", finding.id),
        "defaultConfiguration": {"level": level(finding.severity)},
        "properties": {"tags": ["security", finding.severity.word()]},
    });
    rate(&mut rule, finding.severity, finding.score);
    if finding.kev.is_some() {
        rule["properties"]["tags"] = json!(["security", finding.severity.word(), "kev"]);
    }
    if let Some(epss) = finding.epss {
        rule["properties"]["epss"] = json!(epss);
    }
    rule
}

fn result(finding: &Finding, inventory: &Inventory) -> Value {
    let package = &inventory.packages[finding.package];
    let mended = match &finding.fixed {
        Some(fixed) => format!("mended in {fixed}"),
        None => "not mended yet".to_owned(),
    };
    json!({
        "ruleId": finding.id,
        "level": level(finding.severity),
        "message": {"text": format!("{} {}: {}, {mended}", package.full_name(), package.version, finding.id)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": package.found_in.split('!').next().unwrap_or_default().replace(' ', "%20")},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"fullyQualifiedName": purl::of(package, inventory.distro.as_ref())}],
        }],
        "partialFingerprints": {"package/v1": format!("{}/{}/{}", finding.id, package.full_name(), package.found_in)},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_the_severity_that_services_sort_by() {
        for (severity, score, expected) in [
            (Severity::High, Some(7.5), Some(7.5)),
            (Severity::Critical, None, Some(9.5)),
            (Severity::Medium, None, Some(5.5)),
            (Severity::Low, Some(0.1), Some(0.1)),
            // What the maintainers call it counts.
            (Severity::Negligible, Some(9.8), Some(0.1)),
            (Severity::Negligible, Some(0.0), Some(0.1)),
            (Severity::Unknown, None, None),
        ] {
            assert_eq!(security(severity, score), expected, "{severity:?} {score:?}");
        }
    }
}
