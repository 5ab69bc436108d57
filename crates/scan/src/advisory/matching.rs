//! Which advisories hold for which packages. Source: OSV schema 1.7, "Evaluation".

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ecosystem::{Name, is_covered, names, scheme, uncovered};
use super::feeds::{Epss, Exploited};
use super::index::{EcosystemMeta, Index, Meta};
use super::record::{Advisory, Event};
use super::severity::Severity;
use crate::content::{Result, Trouble};
use crate::package::{Inventory, NOWHERE, Package};
use crate::version::Scheme;

/// Something that is wrong with a package.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The CVE, else the advisory's own id.
    pub id: String,
    /// The advisories that tell of it, and their other names.
    pub ids: Vec<String>,
    /// One line; may be empty.
    pub summary: String,
    /// How bad it is.
    pub severity: Severity,
    /// CVSS, if anybody gave it one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The lowest version above the one that is there in which it is mended.
    #[serde(rename = "fixedIn", skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// `unmaintained` and the like, if it is no vulnerability; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notice: String,
    /// Since when it is known to be exploited, by CISA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<Exploited>,
    /// How probable it is that it will be, by FIRST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    /// Where the package is in the inventory's list.
    pub package: usize,
}

/// What is wrong with the packages of an inventory, by package, worst first. Packages that a package of a known system brought are
/// passed over: that package's advisories count for them.
///
/// # Errors
/// When the data base is damaged.
pub fn find(inventory: &Inventory, index: &Index<'_>) -> Result<Vec<Finding>> {
    let distro = inventory.distro.as_ref();
    let has_system = distro.is_some_and(|distro| is_covered(distro, index.meta()));
    let mut found = Vec::new();
    let mut asked: BTreeMap<(String, String), Vec<Advisory>> = BTreeMap::new();
    for (at, package) in inventory.packages.iter().enumerate() {
        if (package.owner.is_some() && has_system) || package.version.is_empty() {
            continue;
        }
        // The same package in another place has the same faults.
        let is_again =
            |other: &Package| other.is_same(package) && other.layer == package.layer && other.owner == package.owner;
        if at > 0 && is_again(&inventory.packages[at - 1]) {
            continue;
        }
        let mut rows: BTreeMap<String, Finding> = BTreeMap::new();
        for Name { ecosystem, name, version } in names(package, distro) {
            let scheme = scheme(&ecosystem);
            let key = (ecosystem, name);
            if !asked.contains_key(&key) {
                if asked.len() > MAX_ASKED {
                    asked.clear();
                }
                asked.insert(key.clone(), index.advisories(&key.0, &key.1)?);
            }
            for advisory in &asked[&key] {
                if let Some(fixed) = advisory.holds_for(scheme, &version) {
                    add(&mut rows, advisory, fixed, scheme, at);
                }
            }
        }
        for row in rows.values_mut().filter(|row| row.severity == Severity::Unknown) {
            if let Some(rating) = index.rating(&row.id)? {
                (row.severity, row.score) = (rating.severity, rating.score);
            }
        }
        for row in rows.values_mut() {
            (row.kev, row.epss) = (index.exploited(&row.id)?, index.epss(&row.id)?);
        }
        let mut rows: Vec<Finding> = rows.into_values().collect();
        rows.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        found.extend(rows);
        if found.len() > MAX_FINDINGS {
            return Err(Trouble::Broken("has more to say of these packages than is looked at"));
        }
    }
    Ok(found)
}

/// What of an inventory cannot be judged: where packages come from of which the data base knows nothing, and how many they
/// are. Those without a version come from [`NOWHERE`].
pub fn unchecked(inventory: &Inventory, meta: &Meta) -> BTreeMap<String, usize> {
    let distro = inventory.distro.as_ref();
    let has_system = distro.is_some_and(|distro| is_covered(distro, meta));
    let mut found = BTreeMap::new();
    for package in inventory.packages.iter().filter(|package| package.owner.is_none() || !has_system) {
        let origin = match package.version.is_empty() {
            true => Some(NOWHERE.to_owned()),
            false => uncovered(package, distro, meta),
        };
        if let Some(origin) = origin {
            *found.entry(origin).or_default() += 1;
        }
    }
    for (origin, count) in &inventory.unknown {
        *found.entry(origin.clone()).or_default() += count;
    }
    found
}

/// Whose advisories the packages of an inventory are held against: ecosystems that `meta` knows, with what it knows of them.
pub fn consulted<'m>(inventory: &Inventory, meta: &'m Meta) -> BTreeMap<&'m str, &'m EcosystemMeta> {
    let distro = inventory.distro.as_ref();
    let has_system = distro.is_some_and(|distro| is_covered(distro, meta));
    let mut found = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    for package in inventory.packages.iter().filter(|package| package.owner.is_none() || !has_system) {
        // Which they are follows from the kind alone.
        if !kinds.insert(package.kind) {
            continue;
        }
        for name in names(package, distro) {
            let family = name.ecosystem.split(':').next().unwrap_or_default();
            if let Some((family, known)) = meta.ecosystems.get_key_value(family) {
                found.insert(family.as_str(), known);
            }
        }
    }
    found
}

/// A million: the worst of honest images have some thousand.
const MAX_FINDINGS: usize = 1_000_000;
/// 64 ids of an advisory and 256 of a finding: honest ones have a handful.
const MAX_OTHERS: usize = 64;
const MAX_IDS: usize = 256;
/// 256 packages' advisories are kept: equal ones stand near each other.
const MAX_ASKED: usize = 256;

/// Adds an advisory to the rows of its CVEs, or to one of its own.
fn add(rows: &mut BTreeMap<String, Finding>, advisory: &Advisory, fixed: Option<String>, scheme: Scheme, at: usize) {
    let all: BTreeSet<&String> = advisory.aliases.iter().chain([&advisory.id]).collect();
    let mut cves: Vec<&String> = all.iter().filter(|id| id.starts_with("CVE-")).copied().collect();
    // An advisory without a CVE may be an alias of one that is here already.
    if cves.is_empty() {
        let known = rows.values().find(|row| row.ids.iter().any(|id| all.contains(id)));
        let id = known.map_or_else(|| advisory.id.clone(), |row| row.id.clone());
        return merge(rows, id, &all, advisory, fixed, scheme, at);
    }
    cves.sort();
    let others = all.iter().filter(|id| !id.starts_with("CVE-")).take(MAX_OTHERS).copied();
    let others: BTreeSet<&String> = others.collect();
    for id in cves {
        let mut ids = others.clone();
        ids.insert(id);
        merge(rows, id.clone(), &ids, advisory, fixed.clone(), scheme, at);
    }
}

fn merge(
    rows: &mut BTreeMap<String, Finding>,
    id: String,
    ids: &BTreeSet<&String>,
    advisory: &Advisory,
    fixed: Option<String>,
    scheme: Scheme,
    at: usize,
) {
    let row = rows.entry(id.clone()).or_insert_with(|| Finding {
        id,
        ids: Vec::new(),
        summary: advisory.summary.clone(),
        severity: Severity::Unknown,
        score: None,
        fixed: None,
        notice: advisory.notice.clone(),
        kev: None,
        epss: None,
        package: at,
    });
    if !advisory.notice.is_empty() && row.notice != advisory.notice {
        row.notice.clear();
    }
    if row.ids.len() < MAX_IDS {
        row.ids = row.ids.iter().chain(ids.iter().copied()).cloned().collect::<BTreeSet<_>>().into_iter().collect();
    }
    if advisory.severity > row.severity {
        row.severity = advisory.severity;
    }
    if advisory.score > row.score {
        row.score = advisory.score;
    }
    row.fixed = match (row.fixed.take(), fixed) {
        (Some(a), Some(b)) => Some(if scheme.compare(&b, &a) == Some(Ordering::Less) { b } else { a }),
        (a, b) => a.or(b),
    };
}

impl Advisory {
    /// If it holds for this version: the lowest version above it in which it does not, if there is one.
    fn holds_for(&self, scheme: Scheme, version: &str) -> Option<Option<String>> {
        let is_above = |other: &str| scheme.compare(other, version) == Some(Ordering::Greater);
        let mut holds =
            self.versions.iter().any(|one| one == version || scheme.compare(one, version) == Some(Ordering::Equal));
        let mut fixes: Vec<&str> = Vec::new();
        for events in &self.ranges {
            if Self::is_within(events, scheme, version) {
                holds = true;
                fixes.extend(events.iter().filter_map(|event| match event {
                    Event::Fixed(fixed) if is_above(fixed) => Some(fixed.as_str()),
                    _ => None,
                }));
            }
        }
        if !holds {
            return None;
        }
        if fixes.is_empty() {
            // It is in the list of versions alone; the ranges may still say where it ends.
            let all = self.ranges.iter().flatten().filter_map(|event| match event {
                Event::Fixed(fixed) if is_above(fixed) => Some(fixed.as_str()),
                _ => None,
            });
            fixes.extend(all);
        }
        let lowest = fixes.into_iter().reduce(|a, b| if scheme.compare(b, a) == Some(Ordering::Less) { b } else { a });
        Some(lowest.map(str::to_owned))
    }

    fn is_within(events: &[Event], scheme: Scheme, version: &str) -> bool {
        let is_at_most = |bound: &str| match bound {
            "0" => true,
            bound => scheme.compare(bound, version).is_some_and(Ordering::is_le),
        };
        let limits: Vec<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::Limit(limit) => Some(limit.as_str()),
                _ => None,
            })
            .collect();
        if !limits.is_empty() && !limits.iter().any(|limit| *limit == "*" || !is_at_most(limit)) {
            return false;
        }
        // The last event at or below the version decides; at one place a beginning comes before an end.
        let mut last: Option<(&str, bool)> = None;
        for event in events {
            let (bound, holds, counts) = match event {
                Event::Introduced(bound) => (bound.as_str(), true, is_at_most(bound)),
                Event::Fixed(bound) => (bound.as_str(), false, is_at_most(bound)),
                Event::LastAffected(bound) => {
                    (bound.as_str(), false, scheme.compare(bound, version) == Some(Ordering::Less))
                }
                Event::Limit(_) => continue,
            };
            if !counts {
                continue;
            }
            let is_later = match last {
                None => true,
                // `0` stands for the lowest version of all, in any scheme.
                Some(("0", was)) => bound != "0" || (was && !holds),
                Some(_) if bound == "0" => false,
                Some((other, was)) => match scheme.compare(bound, other) {
                    Some(Ordering::Greater) => true,
                    Some(Ordering::Equal) => was && !holds,
                    _ => false,
                },
            };
            if is_later {
                last = Some((bound, holds));
            }
        }
        // A version that cannot be compared is in no range.
        last.is_some_and(|(_, holds)| holds) && scheme.compare(version, version).is_some()
    }
}
