//! All images held against the advisories, and what of it is new.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wharfie_engine::insight::{Beside, Look, Target};
use wharfie_engine::list::List;
use wharfie_engine::maintain::Findings;
use wharfie_scan::advisory::Severity;

use crate::commands::insight::scan as insight;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::Matches;
use crate::render::sanitise::{Layout, sanitise};
use crate::render::table;

/// What a scan of all images came to.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    images: usize,
    findings: usize,
    /// What is new, the worst first.
    pub(super) new: Vec<Row>,
    /// Images that could not be scanned, with why.
    failed: Vec<(String, String)>,
}

/// A finding in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    severity: Severity,
    image: String,
    package: String,
    version: String,
    fixed: Option<String>,
    id: String,
}

impl Row {
    /// What makes it the same finding the next time: another version of the package with the same fault is not new.
    fn key(&self) -> String {
        format!("{} {}", self.id, self.package)
    }
}

/// Scans all images that have names. `None` if there are no advisories and none are needed.
pub(super) fn all(cx: &Context, matches: &Matches, is_kept: bool, is_needed: bool) -> Result<Option<Scanned>> {
    let engine = cx.engine()?;
    let base = insight::base(matches);
    match engine.advisories_meta(&base) {
        Ok(known) => insight::warn_of_age(cx, &known.meta.newest),
        Err(wharfie_engine::Error::NoAdvisories(_)) if !is_needed => return Ok(None),
        Err(why) => return Err(why.into()),
    }
    let exceptions = insight::exceptions(cx, matches)?;
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listed in engine.list(&List::default())? {
        let tags = listed.references.iter().filter(|reference| reference.tag().is_some());
        let tags: Vec<String> = tags.map(|reference| reference.familiar()).collect();
        if !tags.is_empty() {
            names.insert(listed.image.id.as_str().to_owned(), tags);
        }
    }
    let mut scanned = Scanned { images: names.len(), ..Scanned::default() };
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    let mut found = Findings::new();
    for (id, tags) in &names {
        let look = Look { target: Target::Image(id.clone()), platform: None, beside: Beside::Ignored, image: None };
        let inventory = engine.inventory(&look, &mut std::io::empty(), &());
        let matched = inventory.and_then(|inventory| Ok((engine.findings(&inventory, &base)?, inventory)));
        let (matched, inventory) = match matched {
            Ok(both) => both,
            Err(why) => {
                scanned.failed.push((tags[0].clone(), why.to_string()));
                continue;
            }
        };
        let mut keys = BTreeSet::new();
        for finding in &matched.findings {
            let package = &inventory.packages[finding.package];
            let name = package.full_name();
            let is_accepted = exceptions.iter().any(|exception| exception.is_about(finding, &name));
            if is_accepted || (finding.fixed.is_none() && matches.get(&insight::ONLY_FIXED)) {
                continue;
            }
            let row = Row {
                severity: finding.severity,
                image: tags.join(", "),
                package: name,
                version: package.version.clone(),
                fixed: finding.fixed.clone(),
                id: finding.id.clone(),
            };
            keys.insert(row.key());
            rows.insert((tags[0].clone(), row.key()), row);
        }
        scanned.findings += keys.len();
        // By name: a new build of an image is not new in everything.
        found.insert(tags[0].clone(), keys);
    }
    let is_gone = |name: &str| !names.values().any(|tags| tags.iter().any(|tag| tag == name));
    let new = engine.news(&found, &is_gone, is_kept)?;
    let fresh = new.into_iter().flat_map(|(name, keys)| keys.into_iter().map(move |key| (name.clone(), key)));
    scanned.new = fresh.filter_map(|key| rows.remove(&key)).collect();
    scanned.new.sort_by(|a, b| (b.severity, &a.image, &a.id).cmp(&(a.severity, &b.image, &b.id)));
    for (name, why) in &scanned.failed {
        cx.warn(&format!("WARNING: {name} was not scanned: {}", sanitise(why, Layout::OneLine)));
    }
    Ok(Some(scanned))
}

/// One line about it.
pub(super) fn line(scanned: Option<&Scanned>) -> String {
    match scanned {
        None => "Scan:         no data base of advisories: `scan db import DIR` takes one\n".to_owned(),
        Some(scanned) => format!(
            "Scan:         {} images, {} findings, {} of them new\n",
            scanned.images,
            scanned.findings,
            scanned.new.len()
        ),
    }
}

impl Scanned {
    /// The severity of the worst new finding.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.new.iter().map(|row| row.severity).max()
    }

    /// What is new; none if nothing is.
    pub(super) fn table(&self) -> Option<String> {
        let row = |row: &Row| {
            let cells = [
                row.image.clone(),
                row.package.clone(),
                row.version.clone(),
                row.fixed.clone().unwrap_or_default(),
                row.id.clone(),
                row.severity.word().to_owned(),
            ];
            cells.map(|cell| sanitise(&cell, Layout::OneLine).into_owned())
        };
        let rows: Vec<_> = self.new.iter().map(row).collect();
        let header = ["NEW IN", "PACKAGE", "INSTALLED", "FIXED IN", "VULNERABILITY", "SEVERITY"];
        (!rows.is_empty()).then(|| table::rows(header, &rows))
    }

    /// All of it, for programs.
    pub(super) fn document(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "image": row.image, "package": row.package, "version": row.version,
                "fixedIn": row.fixed, "id": row.id, "severity": row.severity.word(),
            })
        };
        let failed = |(name, why): &(String, String)| json!({"image": name, "why": why});
        json!({
            "images": self.images,
            "findings": self.findings,
            "new": self.new.iter().map(row).collect::<Vec<_>>(),
            "failed": self.failed.iter().map(failed).collect::<Vec<_>>(),
        })
    }
}
