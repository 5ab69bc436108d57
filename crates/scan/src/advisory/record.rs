//! One advisory: as OSV writes it, and what is kept of it for one package. Source: OSV schema 1.7.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ecosystem::normal;
use super::severity::{Severity, score};

/// What is kept of an advisory for one package of one ecosystem. Names are short: there are hundreds of thousands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Advisory {
    /// Its id.
    #[serde(rename = "i")]
    pub id: String,
    /// Other ids of the same, and those that it is about.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// One line; may be empty.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// How bad it is.
    #[serde(rename = "s", default)]
    pub severity: Severity,
    /// From its vector.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Ranges of versions, each with its events in order of no promise.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ranges: Vec<Vec<Event>>,
    /// Versions that are affected, one by one.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) versions: Vec<String>,
    /// What there is to know beside vulnerabilities: `unmaintained`, `unsound`; empty for vulnerabilities.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub notice: String,
}

/// Where a range begins or ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    #[serde(rename = "i")]
    Introduced(String),
    #[serde(rename = "f")]
    Fixed(String),
    #[serde(rename = "l")]
    LastAffected(String),
    #[serde(rename = "m")]
    Limit(String),
}

#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(default)]
    id: String,
    #[serde(default)]
    pub(super) modified: String,
    withdrawn: Option<Value>,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    upstream: Option<Vec<String>>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    severity: Option<Vec<Vector>>,
    #[serde(default)]
    affected: Option<Vec<Affected>>,
    #[serde(default)]
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(default)]
    score: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Affected {
    package: Option<Named>,
    #[serde(default)]
    severity: Option<Vec<Vector>>,
    #[serde(default)]
    ranges: Option<Vec<Range>>,
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    ecosystem_specific: Option<Value>,
    #[serde(default)]
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    ecosystem: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

/// 200 letters of a summary.
const MAX_SUMMARY: usize = 200;

impl Record {
    /// Reads a record.
    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// What is kept for each package, with the ecosystem's name and the package's. Nothing of what was withdrawn.
    pub(super) fn entries(self) -> Vec<(String, String, Advisory)> {
        if self.id.is_empty() || self.withdrawn.is_some_and(|when| !when.is_null()) {
            return Vec::new();
        }
        let mut aliases: Vec<String> =
            self.aliases.into_iter().chain(self.upstream).flatten().filter(|alias| *alias != self.id).collect();
        aliases.sort();
        aliases.dedup();
        let own_score = best(self.severity.as_deref());
        let own_word = self.database_specific.as_ref().and_then(word);
        let summary = self.summary.filter(|text| !text.is_empty()).or(self.details).unwrap_or_default();
        let summary = shorten(summary.lines().next().unwrap_or_default());
        let mut found: Vec<(String, String, Advisory)> = Vec::new();
        for affected in self.affected.unwrap_or_default() {
            let Some(package) = affected.package.filter(|package| !package.name.is_empty()) else { continue };
            let score = best(affected.severity.as_deref()).or(own_score);
            let specific = [affected.database_specific.as_ref(), affected.ecosystem_specific.as_ref()];
            let distro_word = specific.into_iter().flatten().find_map(word);
            // The maintainers' "unimportant" counts for more than a number; their other words for less.
            let severity = match (distro_word, score) {
                (Some(Severity::Negligible), _) => Severity::Negligible,
                (_, Some(score)) => Severity::of_score(score),
                (word, None) => own_word.or(word).unwrap_or_default(),
            };
            let informational = affected.database_specific.as_ref().and_then(|own| own.get("informational"));
            let mut ranges = Vec::new();
            for range in affected.ranges.unwrap_or_default() {
                if range.kind != "GIT" {
                    ranges.push(range.events.into_iter().filter_map(event).collect());
                }
            }
            let name = normal(&package.ecosystem, &package.name);
            let advisory = Advisory {
                id: self.id.clone(),
                aliases: aliases.clone(),
                summary: summary.clone(),
                severity,
                score,
                ranges,
                versions: affected.versions.unwrap_or_default(),
                notice: informational.and_then(Value::as_str).unwrap_or_default().to_owned(),
            };
            found.push((package.ecosystem, name, advisory));
        }
        found
    }
}

fn event(raw: RawEvent) -> Option<Event> {
    raw.introduced
        .map(Event::Introduced)
        .or(raw.fixed.map(Event::Fixed))
        .or(raw.last_affected.map(Event::LastAffected))
        .or(raw.limit.map(Event::Limit))
}

/// The score of the newest vector that is understood.
fn best(vectors: Option<&[Vector]>) -> Option<f64> {
    let mut scored: Vec<(&str, f64)> =
        vectors?.iter().filter_map(|vector| Some((vector.kind.as_str(), score(&vector.score)?))).collect();
    scored.sort_by(|a, b| b.0.cmp(a.0));
    scored.first().map(|(_, score)| *score)
}

/// GHSA's `severity`, Debian's `urgency`.
fn word(value: &Value) -> Option<Severity> {
    let word = ["severity", "urgency"].iter().find_map(|key| value.get(*key)?.as_str())?;
    Severity::parse(word)
}

pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SUMMARY) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}
