//! All images looked into: what is known to be wrong with them, secrets and settings, and what of it is new.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharfie_engine::insight::secrets::Leaked;
use wharfie_engine::insight::{Beside, Examined, Look, Target, Wants};
use wharfie_engine::list::List;
use wharfie_engine::maintain::{Memory, News, Subject};
use wharfie_scan::Inventory;
use wharfie_scan::advisory::{EcosystemMeta, Epss, Exploited, Finding, KEV, Severity, consulted, unchecked};
use wharfie_scan::check::Check;

use crate::commands::insight::age;
use crate::commands::insight::limit::Limit;
use crate::commands::insight::report::{self, LEAK};
use crate::commands::insight::scan as insight;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::Matches;
use crate::render::pieces::Piece;
use crate::render::sanitise::{Layout, sanitise};
use crate::render::table;

/// What a scan of all images came to.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    images: usize,
    /// How many there are: vulnerabilities, leaks, checks.
    counts: [usize; 3],
    /// Whether there are advisories.
    has_advisories: bool,
    /// What is new, the worst first.
    pub(super) new: Vec<Row>,
    /// Images that could not be scanned, with why.
    failed: Vec<(String, String)>,
    /// What could not be read or judged, with the image.
    warnings: Vec<(String, String)>,
    /// How many packages the data base knows nothing of, and how many files that tell of packages could not be read.
    unchecked: usize,
    unread: usize,
}

/// Something that was found in an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    severity: Severity,
    image: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Vulnerability {
        package: String,
        version: String,
        fixed: Option<String>,
        id: String,
        kev: Option<Exploited>,
        epss: Option<Epss>,
    },
    Leak(Leaked),
    Check(Check),
}

impl Row {
    fn of_finding(image: &str, finding: Finding, inventory: &Inventory) -> Self {
        let package = &inventory.packages[finding.package];
        let what = What::Vulnerability {
            package: package.full_name(),
            version: package.version.clone(),
            fixed: finding.fixed,
            id: finding.id,
            kev: finding.kev,
            epss: finding.epss,
        };
        Self { severity: finding.severity, image: image.to_owned(), what }
    }

    /// What makes it the same finding the next time: another version of the package with the same fault is not new, nor is a secret
    /// that has moved within its file.
    fn key(&self) -> String {
        match &self.what {
            What::Vulnerability { package, id, .. } => format!("{id} {package}"),
            What::Leak(leaked) => format!("{LEAKS}{} /{} {}", leaked.leak.kind, leaked.path, leaked.leak.starts),
            What::Check(check) => format!("{CHECKS}{} {}", check.id, check.text),
        }
    }

    fn is_exploited(&self) -> bool {
        matches!(&self.what, What::Vulnerability { kev: Some(_), .. })
    }

    /// In which order they are told, after how bad they are.
    fn order(&self) -> (&str, &str) {
        let word = match &self.what {
            What::Vulnerability { id, .. } => id,
            What::Leak(leaked) => &leaked.path,
            What::Check(check) => &check.id,
        };
        (&self.image, word)
    }

    fn document(&self) -> Value {
        let mut value = match &self.what {
            What::Vulnerability { package, version, fixed, id, kev, epss } => json!({
                "kind": "vulnerability", "package": package, "version": version, "fixedIn": fixed, "id": id,
                "kev": kev, "epss": epss,
            }),
            What::Leak(leaked) => json!({
                "kind": "leak", "id": "leak", "leak": leaked.leak.kind, "path": leaked.path, "line": leaked.leak.line,
                "settings": leaked.settings, "isRemoved": leaked.is_removed,
            }),
            What::Check(check) => json!({"kind": "check", "id": check.id, "text": check.text}),
        };
        value["image"] = self.image.clone().into();
        value["severity"] = self.severity.word().into();
        value
    }
}

/// How keys of secrets and of settings begin; advisories have no such ids.
const LEAKS: &str = "leak ";
const CHECKS: &str = "check ";

/// How images are looked at.
pub(super) struct Manner {
    /// What is new is not remembered, and what retention would remove is not looked at.
    pub(super) is_dry: bool,
    /// Which findings are to be a failure: those of which nobody can say anything must not pass for none.
    pub(super) limit: Option<Limit>,
}

/// Looks into all images that have names. Without advisories only secrets and settings are looked for, unless they are needed.
/// What is new is to be remembered by whoever has told it.
pub(super) fn all(cx: &Context, matches: &Matches, manner: &Manner) -> Result<(Scanned, News)> {
    let engine = cx.engine()?;
    let base = insight::base(matches);
    let mut asked: BTreeMap<String, EcosystemMeta> = BTreeMap::new();
    let has_advisories = match engine.advisories_meta(&base) {
        Ok(known) => {
            if manner.limit.is_some_and(|limit| limit.is_exploited) {
                insight::check_exploited(&known.meta)?;
                asked.extend(
                    known.meta.ecosystems.get_key_value(KEV).map(|(name, known)| (name.clone(), known.clone())),
                );
            }
            true
        }
        Err(wharfie_engine::Error::NoAdvisories(_)) if manner.limit.is_none() => false,
        Err(why) => return Err(why.into()),
    };
    let exceptions = insight::exceptions(cx, matches)?;
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listed in cx.engine_to_remove(matches)?.list(&List::default())? {
        let tags = listed.references.iter().filter(|reference| reference.tag().is_some());
        let tags: Vec<String> = tags.map(|reference| reference.familiar()).collect();
        if !tags.is_empty() {
            names.insert(listed.image.id.as_str().to_owned(), tags);
        }
    }
    let mut scanned = Scanned { images: names.len(), has_advisories, ..Scanned::default() };
    let mut rows: Vec<BTreeMap<String, Row>> = Vec::new();
    let mut found: Vec<Subject> = Vec::new();
    let wants = Wants { packages: has_advisories, leaks: true, checks: true };
    for (id, tags) in &names {
        let look = Look { target: Target::Store(id.clone()), platform: None, beside: Beside::Ignored, image: None };
        let examined = engine.examine(&look, wants, &mut std::io::empty(), &());
        let both = examined.and_then(|examined| {
            let findings = match has_advisories {
                true => {
                    let matched = engine.findings(&examined.inventory, &base)?;
                    let consulted = consulted(&examined.inventory, &matched.meta).into_iter();
                    asked.extend(consulted.map(|(name, known)| (name.to_owned(), known.clone())));
                    scanned.blind(&tags[0], &examined.inventory, &unchecked(&examined.inventory, &matched.meta));
                    matched.findings
                }
                false => Vec::new(),
            };
            Ok((findings, examined))
        });
        let (findings, examined) = match both {
            Ok(both) => both,
            Err(why) => {
                scanned.failed.push((tags[0].clone(), why.to_string()));
                continue;
            }
        };
        let Examined { inventory, leaks, mut checks } = examined;
        checks.extend(insight::end_of_life(cx, &inventory));
        let image = tags.join(", ");
        let is_left = |finding: &Finding| {
            let name = inventory.packages[finding.package].full_name();
            let is_accepted = exceptions.iter().any(|exception| exception.is_about(finding, &name));
            !is_accepted && (finding.fixed.is_some() || !matches.get(&insight::ONLY_FIXED))
        };
        let findings = findings.into_iter().filter(is_left).map(|one| Row::of_finding(&image, one, &inventory));
        let leaks = leaks.into_iter().filter(|leaked| !report::is_accepted_leak(&exceptions, leaked));
        let leaks = leaks.map(|leaked| Row { severity: LEAK, image: image.clone(), what: What::Leak(leaked) });
        let checks = checks.into_iter().filter(|check| !report::is_accepted_check(&exceptions, check));
        let checks =
            checks.map(|check| Row { severity: check.severity, image: image.clone(), what: What::Check(check) });
        let mut by_key = BTreeMap::new();
        for row in findings.chain(leaks).chain(checks) {
            let place = row.what.place();
            if by_key.insert(row.key(), row).is_none() {
                scanned.counts[place] += 1;
            }
        }
        // By name: a new build of an image is not new in everything. By id: another name of it is not, either.
        let names = std::iter::once(id).chain(tags).cloned().collect();
        found.push(Subject { names, findings: by_key.keys().cloned().collect() });
        rows.push(by_key);
    }
    age::warn(cx, asked.iter().map(|(name, known)| (name.as_str(), known)));
    let is_gone = |name: &str| !names.iter().any(|(id, tags)| id == name || tags.iter().any(|tag| tag == name));
    let is_sought = |key: &str| has_advisories || key.starts_with(LEAKS) || key.starts_with(CHECKS);
    let memory = Memory { is_gone: &is_gone, is_sought: &is_sought, is_kept: !manner.is_dry };
    let news = engine.news(&found, &memory)?;
    for (new, mut rows) in news.new.iter().zip(rows) {
        scanned.new.extend(new.iter().filter_map(|key| rows.remove(key)));
    }
    scanned.new.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.order().cmp(&b.order())));
    for (name, why) in &scanned.warnings {
        cx.warn(&format!("WARNING: {name}: {}", sanitise(why, Layout::OneLine)));
    }
    for (name, why) in &scanned.failed {
        cx.warn(&format!("WARNING: {name} was not scanned: {}", sanitise(why, Layout::OneLine)));
    }
    Ok((scanned, news))
}

impl What {
    /// Where its kind is counted.
    fn place(&self) -> usize {
        match self {
            Self::Vulnerability { .. } => 0,
            Self::Leak(_) => 1,
            Self::Check(_) => 2,
        }
    }
}

/// `1 leak`, `2 leaks`.
pub(super) fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

impl Scanned {
    /// Takes note of what of an image could not be read, and not be judged: packages, by where they come from.
    fn blind(&mut self, name: &str, inventory: &Inventory, unchecked: &BTreeMap<String, usize>) {
        self.unread += inventory.unread;
        self.unchecked += unchecked.values().sum::<usize>();
        let texts = unchecked.iter().map(|(origin, number)| insight::unchecked_text(origin, *number));
        self.warnings.extend(inventory.warnings.iter().cloned().chain(texts).map(|text| (name.to_owned(), text)));
    }

    /// One line about it, and one more if something could not be looked for.
    pub(super) fn line(&self, is_dry: bool) -> String {
        let [vulnerabilities, leaks, checks] = self.counts;
        let parts = [
            count(vulnerabilities, "vulnerability", "vulnerabilities"),
            count(leaks, "leak", "leaks"),
            count(checks, "check", "checks"),
        ];
        let remembered = match is_dry {
            true => "\n              nothing is remembered: what is new is new again the next time",
            false => "",
        };
        let mut text = format!(
            "Scan:         {}, {} ({}), {} of them new{remembered}\n",
            count(self.images, "image", "images"),
            count(self.counts.iter().sum(), "finding", "findings"),
            parts.join(", "),
            self.new.len()
        );
        if self.unchecked > 0 {
            text.push_str(&format!(
                "              {} not checked\n",
                count(self.unchecked, "package was", "packages were")
            ));
        }
        if self.unread + self.failed.len() > 0 {
            text.push_str(&format!(
                "              {} of packages and {} could not be read\n",
                count(self.unread, "file", "files"),
                count(self.failed.len(), "image", "images")
            ));
        }
        if !self.has_advisories {
            text.push_str(
                "              vulnerabilities were not looked for, there is no data base of advisories: `scan db \
                 import DIR` takes one\n",
            );
        }
        text
    }

    /// True if something new is a failure, or nobody can say what there is.
    pub(super) fn reaches(&self, limit: Limit) -> bool {
        let is_blind = self.unread > 0 || !self.failed.is_empty();
        is_blind || self.new.iter().any(|row| limit.is_reached(row.severity, row.is_exploited()))
    }

    /// What is new, by kind; empty if nothing is.
    pub(super) fn tables(&self) -> Vec<Piece> {
        let cut = [self.vulnerabilities(), self.leaks()].into_iter().flatten().map(Piece::Table);
        cut.chain(self.checks().map(Piece::Wrapping)).collect()
    }

    fn vulnerabilities(&self) -> Option<String> {
        let has = |is_it: fn(&What) -> bool| self.new.iter().any(|row| is_it(&row.what));
        let has_kev = has(|what| matches!(what, What::Vulnerability { kev: Some(_), .. }));
        let has_epss = has(|what| matches!(what, What::Vulnerability { epss: Some(_), .. }));
        let row = |row: &Row| {
            let What::Vulnerability { package, version, fixed, id, kev, epss } = &row.what else { return None };
            let mut cells = vec![
                row.image.clone(),
                package.clone(),
                version.clone(),
                fixed.clone().unwrap_or_default(),
                id.clone(),
                row.severity.word().to_owned(),
            ];
            cells.extend(has_kev.then(|| kev.as_ref().map(|kev| kev.added.clone()).unwrap_or_default()));
            cells.extend(has_epss.then(|| epss.map(|epss| report::percent(epss.probability)).unwrap_or_default()));
            Some(cells)
        };
        let mut heads = vec!["NEW IN", "PACKAGE", "INSTALLED", "FIXED IN", "VULNERABILITY", "SEVERITY"];
        heads.extend(has_kev.then_some("EXPLOITED SINCE"));
        heads.extend(has_epss.then_some("EPSS"));
        self.listed(&heads, row)
    }

    fn leaks(&self) -> Option<String> {
        self.listed(&["NEW IN", "LEAK", "SEVERITY", "WHERE", "STATE"], |row| {
            let What::Leak(leaked) = &row.what else { return None };
            let severity = row.severity.word().to_owned();
            let state = report::state(leaked);
            Some(vec![row.image.clone(), leaked.leak.kind.clone(), severity, report::place(leaked), state])
        })
    }

    fn checks(&self) -> Option<String> {
        self.listed(&["NEW IN", "CHECK", "SEVERITY", "WHAT"], |row| {
            let What::Check(check) = &row.what else { return None };
            Some(vec![row.image.clone(), check.id.clone(), row.severity.word().to_owned(), check.text.clone()])
        })
    }

    fn listed(&self, heads: &[&str], cells: impl Fn(&Row) -> Option<Vec<String>>) -> Option<String> {
        let safe = |cells: Vec<String>| -> Vec<String> {
            cells.into_iter().map(|cell| sanitise(&cell, Layout::OneLine).into_owned()).collect()
        };
        let rows: Vec<Vec<String>> = self.new.iter().filter_map(cells).map(safe).collect();
        (!rows.is_empty()).then(|| table::listed(heads, &rows))
    }

    /// All of it, for programs.
    pub(super) fn document(&self) -> Value {
        let failed = |(name, why): &(String, String)| json!({"image": name, "why": why});
        let [vulnerabilities, leaks, checks] = self.counts;
        json!({
            "images": self.images,
            "findings": self.counts.iter().sum::<usize>(),
            "vulnerabilities": vulnerabilities,
            "leaks": leaks,
            "checks": checks,
            // Without advisories there are no vulnerabilities, whatever there is.
            "hasAdvisories": self.has_advisories,
            "new": self.new.iter().map(Row::document).collect::<Vec<_>>(),
            "failed": self.failed.iter().map(failed).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(|(name, text)| json!({"image": name, "text": text})).collect::<Vec<_>>(),
            "unchecked": self.unchecked,
            "unread": self.unread,
        })
    }
}
