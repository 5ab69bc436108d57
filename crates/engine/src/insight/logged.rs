//! rpm's data bases in SQLite with the logs beside them: both may come from different layers, and what is seen is both together.

use wharfie_layer::view::{Files, Standing, Version, View};
use wharfie_scan::inventory::Logged;
use wharfie_scan::{Content, Found, Reader};

use super::take::{HeldVersion, Lying, hold, trace};

/// How a log's name ends, after the data base's.
pub(super) const LOG: &str = "-wal";
/// 64 data bases: there is one.
const MAX_DATABASES: usize = 64;

/// Data bases that are read when their logs are known.
#[derive(Default)]
pub(super) struct Databases(Vec<Database>);

struct Database {
    alias: String,
    path: String,
    versions: Vec<HeldVersion>,
    log: Vec<HeldVersion>,
}

/// How a data base was in a layer.
type State<'a> = (usize, &'a HeldVersion, Option<&'a HeldVersion>);

impl Databases {
    /// Takes note of a data base that is read as `alias`.
    pub(super) fn hold(&mut self, alias: &str, path: &str, versions: Vec<HeldVersion>) {
        if self.0.len() < MAX_DATABASES && !versions.is_empty() {
            self.0.push(Database { alias: alias.to_owned(), path: path.to_owned(), versions, log: Vec::new() });
        }
    }

    /// Takes note of a file if it is the log of a data base. Those have shorter names, so they were met before.
    pub(super) fn log(&mut self, files: &Files<'_>, (raw, path): (&[u8], &str), versions: &[Version]) {
        let Some(stem) = path.strip_suffix(LOG) else { return };
        if let Some(database) = self.0.iter_mut().find(|database| database.path == stem && database.log.is_empty()) {
            database.log = hold(files, raw, versions);
        }
    }

    /// Reads what was held.
    pub(super) fn read(&self, view: &View, layers: usize, found: &mut Found) {
        for database in &self.0 {
            let index = |part: usize| layers.checked_sub(part + 1);
            let mut states = database.states().into_iter();
            let Some(first) = states.next() else { continue };
            let read = |(part, base, log): State<'_>, found: &mut Found| {
                let before = found.packages.len();
                with(view, base, log, &mut |content| Reader::RpmSqlite.read(&database.alias, content, found));
                (index(part), found.packages.split_off(before))
            };
            let (layer, mut new) = read(first, found);
            for package in &mut new {
                package.layer = layer;
                database.path.clone_into(&mut package.found_in);
            }
            let budget = found.budget.clone();
            trace(states.map(|state| read(state, &mut Found::within(&budget))), &mut new);
            found.packages.append(&mut new);
        }
    }

    /// Has `take` read the data base at `path` as it was in each layer that changed it: with the layer, counted from the top, and
    /// whether that is how it is seen. False if it is not known.
    pub(super) fn each_state(&self, view: &View, path: &str, take: &mut dyn FnMut(usize, bool, &dyn Content)) -> bool {
        let database = self.0.iter().find(|database| database.path == path);
        let states = database.map(Database::states).unwrap_or_default();
        for (index, (part, base, log)) in states.iter().enumerate() {
            with(view, base, *log, &mut |content| take(*part, index == 0, content));
        }
        !states.is_empty()
    }
}

impl Database {
    /// How it was, the newest first: with each layer that changed the data base or its log.
    fn states(&self) -> Vec<State<'_>> {
        let is_there = |version: &&HeldVersion| version.standing != Standing::Removed;
        let Some(base) = self.versions.first().filter(|base| base.standing == Standing::Shown) else {
            return Vec::new();
        };
        let log = self.log.first().filter(|log| log.standing == Standing::Shown);
        let first = log.map_or(base.part, |log| log.part.min(base.part));
        let mut states = vec![(first, base, log)];
        let mut parts: Vec<usize> = self.versions.iter().chain(&self.log).map(|version| version.part).collect();
        parts.sort_unstable();
        parts.dedup();
        for part in parts.into_iter().filter(|part| *part > first) {
            let Some(base) = self.versions.iter().find(|version| version.part >= part).filter(is_there) else { break };
            let log = self.log.iter().find(|version| version.part >= part);
            // One that was removed later was there in its own layer; whether it still was in those between is not known.
            states.push((part, base, log.filter(|log| is_there(log) || log.part == part)));
        }
        states
    }
}

fn with(view: &View, base: &HeldVersion, log: Option<&HeldVersion>, take: &mut dyn FnMut(&dyn Content)) {
    let Some(base) = view.bytes(&base.held).map(Lying) else { return };
    let log = log.and_then(|log| view.bytes(&log.held)).map(Lying);
    match log.as_ref().and_then(|log| Logged::open(&base, log).ok()) {
        Some(logged) => take(&logged),
        None => take(&base),
    }
}
