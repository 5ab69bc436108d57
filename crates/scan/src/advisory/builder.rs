//! Making a data base of advisories. Records stream past; what is kept of each goes to a file for the time being, and only its
//! place stays in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};

use flate2::{Compression, write::DeflateEncoder};
use serde::Serialize;

use super::feeds::{self, EPSS, Feed, KEV};
use super::index::{ENTRY, EcosystemMeta, HEAD, Index, MAGIC, Meta, RATINGS, Rating, hash};
use super::record::{Advisory, Record};
use super::severity::Severity;
use crate::budget::Work;
use crate::content::{Content, Result, Trouble, read_all};
use crate::zip::Zip;

/// A place that records came from: its path, size in bytes, and time of change in seconds since 1970.
pub type Source = (String, u64, i64);

/// 4 MiB: the largest honest record names some ten thousand versions.
const MAX_RECORD: u64 = 4 << 20;
/// 64 KiB at a time to the spool.
const BUFFER: usize = 64 << 10;

/// A line in the spool.
struct Line {
    hash: u64,
    offset: u64,
    len: u32,
}

/// A data base in the making.
pub struct Builder<S> {
    spool: S,
    buffer: Vec<u8>,
    at: u64,
    lines: Vec<Line>,
    ecosystems: BTreeMap<String, EcosystemMeta>,
    /// Ecosystems that the sources are for: what an older data base has of them does not count any more.
    replaced: BTreeSet<String>,
    /// How many advisories of those it had.
    before: BTreeMap<String, u64>,
    releases: BTreeSet<String>,
    sources: Vec<Source>,
    /// What could not be read, for people.
    pub warnings: Vec<String>,
}

impl<S: Read + Write + Seek> Builder<S> {
    /// One that keeps what it reads in `spool`, an empty file, until it is written.
    pub fn new(spool: S) -> Self {
        Self {
            spool,
            buffer: Vec::with_capacity(BUFFER * 2),
            at: 0,
            lines: Vec::new(),
            ecosystems: BTreeMap::new(),
            replaced: BTreeSet::new(),
            before: BTreeMap::new(),
            releases: BTreeSet::new(),
            sources: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes one record. It is for the ecosystem that it names first; it may tell of others, of which what is known stays.
    ///
    /// # Errors
    /// When it is no record of OSV, or the spool cannot be written.
    pub fn add_record(&mut self, bytes: &[u8]) -> Result<()> {
        let families = self.take_record(bytes)?;
        self.replaced.extend(families.into_iter().next());
        Ok(())
    }

    /// As [`Self::add_record`]; gives the ecosystems in its order.
    pub(super) fn take_record(&mut self, bytes: &[u8]) -> Result<Vec<String>> {
        let record = Record::parse(bytes)?;
        let modified = record.modified.clone();
        let entries = record.entries();
        let family = |ecosystem: &str| ecosystem.split(':').next().unwrap_or_default().to_owned();
        let families: Vec<String> =
            entries.iter().map(|(ecosystem, ..)| family(ecosystem)).filter(|family| !family.is_empty()).collect();
        if families.iter().any(|family| family == RATINGS || feeds::is_extra(family)) {
            return Err(Trouble::Broken("names an ecosystem that only lists of CVEs have"));
        }
        let mut rated: Vec<(String, Rating)> = Vec::new();
        for (ecosystem, name, advisory) in entries {
            let family = ecosystem.split(':').next().unwrap_or_default();
            if family.is_empty() {
                continue;
            }
            let meta = self.ecosystems.entry(family.to_owned()).or_default();
            if !self.releases.contains(&ecosystem) {
                self.releases.insert(ecosystem.clone());
            }
            // Go's zero time is no time.
            if modified > meta.newest && !modified.starts_with("0001") {
                meta.newest.clone_from(&modified);
            }
            if advisory.severity > Severity::Negligible {
                let rating = Rating { severity: advisory.severity, score: advisory.score };
                let ids = advisory.aliases.iter().chain([&advisory.id]).filter(|id| id.starts_with("CVE-"));
                rated.extend(ids.map(|id| (id.clone(), rating)));
            }
            let json = serde_json::to_vec(&advisory)?;
            self.line(&ecosystem, &name, &json)?;
        }
        rated.sort_by(|a, b| a.0.cmp(&b.0));
        rated.dedup();
        for (id, rating) in rated {
            self.line(RATINGS, &id, &serde_json::to_vec(&rating)?)?;
        }
        Ok(families)
    }

    /// Takes a file that is no archive: a record of OSV, Debian's tracker, Alpine's secdb, CISA's list of what is exploited, or EPSS;
    /// all but the first also in gzip. `moment` is when it was imported, RFC 3339: not all of them say how new they are.
    ///
    /// # Errors
    /// When it is none of them, or the spool cannot be written.
    pub fn add_file(&mut self, content: &dyn Content, moment: &str) -> Result<()> {
        match feeds::kind(content)? {
            Some(Feed::Record) => self.add_record(&read_all(content, MAX_RECORD)?),
            Some(Feed::Tracker) => feeds::tracker(content, &mut |ecosystem, name, advisory| {
                self.add_advisory(ecosystem, name, &advisory, moment)
            }),
            Some(Feed::Secdb) => feeds::secdb(content, &mut |ecosystem, name, advisory| {
                self.add_advisory(ecosystem, name, &advisory, moment)
            }),
            Some(Feed::Kev) => {
                self.replaced.insert(KEV.to_owned());
                let date = feeds::kev(content, &mut |cve, exploited| self.add_extra(KEV, cve, exploited))?;
                self.date(KEV, &date);
                Ok(())
            }
            Some(Feed::Epss) => {
                self.replaced.insert(EPSS.to_owned());
                let date = feeds::epss(content, &mut |cve, epss| self.add_extra(EPSS, cve, &epss))?;
                self.date(EPSS, &date);
                Ok(())
            }
            None => Err(Trouble::Broken("is neither a record of OSV nor a list that is known here")),
        }
    }

    fn add_advisory(&mut self, ecosystem: &str, name: &str, advisory: &Advisory, moment: &str) -> Result<()> {
        let family = ecosystem.split(':').next().unwrap_or_default();
        self.ecosystems.entry(family.to_owned()).or_default();
        if !self.replaced.contains(family) {
            self.replaced.insert(family.to_owned());
        }
        if let Some(meta) = self.ecosystems.get_mut(family).filter(|meta| meta.imported.as_str() < moment) {
            moment.clone_into(&mut meta.imported);
        }
        if !self.releases.contains(ecosystem) {
            self.releases.insert(ecosystem.to_owned());
        }
        self.line(ecosystem, name, &serde_json::to_vec(advisory)?)
    }

    fn add_extra(&mut self, kind: &str, cve: &str, what: &impl Serialize) -> Result<()> {
        self.ecosystems.entry(kind.to_owned()).or_default();
        self.line(kind, cve, &serde_json::to_vec(what)?)
    }

    /// Takes note of the newest change in an ecosystem.
    fn date(&mut self, family: &str, moment: &str) {
        if let Some(meta) = self.ecosystems.get_mut(family)
            && meta.newest.as_str() < moment
        {
            moment.clone_into(&mut meta.newest);
        }
    }

    /// Takes the records of a zip archive, as OSV publishes them. Those that make no sense are told and passed over. It is for the
    /// ecosystem whose folder it lies in, else for those that its records name first.
    ///
    /// # Errors
    /// When it is no archive, or the spool cannot be written.
    pub fn add_zip(&mut self, name: &str, content: &dyn Content) -> Result<()> {
        let zip = Zip::open(content)?;
        let mut count = 0_u64;
        let (mut first, mut all) = (BTreeSet::new(), BTreeSet::new());
        zip.each(|entry| {
            if entry.name.ends_with(".json") {
                let read = zip.read(&entry, MAX_RECORD, &Work::new(MAX_RECORD + 1));
                let added = read.and_then(|bytes| self.take_record(&bytes));
                match added {
                    Ok(families) => {
                        count += 1;
                        first.extend(families.first().filter(|family| !first.contains(*family)).cloned());
                        all.extend(families);
                    }
                    Err(why @ Trouble::Io(_)) => return Err(why),
                    Err(why) => self.warnings.push(format!("{name}!{} {why}", entry.name)),
                }
            }
            Ok(true)
        })?;
        if count == 0 {
            return Err(Trouble::Broken("has no advisories in it"));
        }
        match name.rsplit('/').nth(1).filter(|folder| all.contains(*folder)) {
            Some(folder) => drop(self.replaced.insert(folder.to_owned())),
            None => self.replaced.extend(first),
        }
        Ok(())
    }

    /// True as long as nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes what another data base has of ecosystems that this one's sources are not for. Where there was much more than there is now,
    /// that is told in the end.
    ///
    /// # Errors
    /// When it is damaged, or the spool cannot be written.
    pub fn keep(&mut self, other: &Index<'_>) -> Result<()> {
        let replaced = std::mem::take(&mut self.replaced);
        let family = |ecosystem: &str| ecosystem.split(':').next().unwrap_or_default().to_owned();
        other.each_line(|ecosystem, name, json| match replaced.contains(&family(ecosystem)) {
            true => Ok(()),
            false => self.line(ecosystem, name, json),
        })?;
        let of_others = other.meta().releases.iter().filter(|release| !replaced.contains(&family(release)));
        self.releases.extend(of_others.cloned());
        for (name, meta) in &other.meta().ecosystems {
            let own = self.ecosystems.entry(name.clone()).or_default();
            if replaced.contains(name) {
                self.before.insert(name.clone(), meta.advisories);
                continue;
            }
            if own.newest < meta.newest {
                own.newest.clone_from(&meta.newest);
            }
            if own.imported < meta.imported {
                own.imported.clone_from(&meta.imported);
            }
        }
        self.replaced = replaced;
        let known: Vec<String> = self.sources.iter().map(|(path, ..)| path.clone()).collect();
        let kept = other.meta().sources.iter().filter(|(path, ..)| !known.contains(path)).cloned();
        self.sources.extend(kept);
        Ok(())
    }

    /// Remembers where records came from.
    pub fn add_source(&mut self, source: Source) {
        self.sources.push(source);
    }

    fn line(&mut self, ecosystem: &str, name: &str, json: &[u8]) -> Result<()> {
        // Names with such letters belong to nothing, and would end a line.
        if ecosystem.contains(['\n', '\t', '/']) || name.contains(['\n', '\t']) {
            return Ok(());
        }
        let from = self.buffer.len();
        self.buffer.extend_from_slice(ecosystem.as_bytes());
        self.buffer.push(b'/');
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.push(b'\t');
        self.buffer.extend_from_slice(json);
        self.buffer.push(b'\n');
        let len = (self.buffer.len() - from) as u32;
        self.lines.push(Line { hash: hash(ecosystem, name), offset: self.at, len });
        self.at += u64::from(len);
        if self.buffer.len() >= BUFFER {
            self.spool.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes the data base to `out`, an empty file; gives what it has, and what could not be read, for people. `made` is now, RFC 3339.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn finish(mut self, mut out: impl Write + Seek, made: &str) -> Result<(Meta, Vec<String>)> {
        self.spool.write_all(&self.buffer)?;
        self.spool.flush()?;
        self.lines.sort_unstable_by_key(|line| (line.hash, line.offset));
        out.write_all(&[0; HEAD as usize])?;
        let mut at = HEAD;
        let mut table = Vec::new();
        let mut text = Vec::new();
        let mut counts = Counts::default();
        let mut lines = self.lines.as_slice();
        while let Some(first) = lines.first() {
            let (same, rest) = lines.split_at(lines.partition_point(|line| line.hash <= first.hash));
            lines = rest;
            text.clear();
            let mut told = HashSet::new();
            for line in same {
                let from = text.len();
                text.resize(from + line.len as usize, 0);
                self.spool.seek(SeekFrom::Start(line.offset))?;
                self.spool.read_exact(&mut text[from..])?;
                // What an older data base had already is not told twice.
                match same.len() > 1 && !told.insert(text[from..].to_vec()) {
                    true => text.truncate(from),
                    false => counts.count(&text[from..]),
                }
            }
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&text)?;
            let value = encoder.finish()?;
            out.write_all(&value)?;
            table.extend_from_slice(&first.hash.to_le_bytes());
            table.extend_from_slice(&at.to_le_bytes());
            table.extend_from_slice(&(value.len() as u32).to_le_bytes());
            at += value.len() as u64;
        }
        for (name, meta) in &mut self.ecosystems {
            meta.advisories = counts.of(name);
            if let Some(before) = self.before.get(name).filter(|before| meta.advisories < **before / 2) {
                self.warnings.push(format!("{name} had {before} advisories, and has {} now", meta.advisories));
            }
        }
        for meta in self.ecosystems.values_mut().filter(|meta| meta.newest.is_empty() && meta.imported.is_empty()) {
            made.clone_into(&mut meta.imported);
        }
        let meta =
            Meta { made: made.to_owned(), ecosystems: self.ecosystems, releases: self.releases, sources: self.sources };
        let facts = serde_json::to_vec(&meta)?;
        let count = (table.len() / ENTRY) as u64;
        out.write_all(&table)?;
        out.write_all(&facts)?;
        out.seek(SeekFrom::Start(0))?;
        out.write_all(MAGIC)?;
        for number in [at, count, at + table.len() as u64, facts.len() as u64] {
            out.write_all(&number.to_le_bytes())?;
        }
        out.flush()?;
        Ok((meta, self.warnings))
    }
}

/// How many advisories each ecosystem has: one may be about many packages, and stands in a line for each.
#[derive(Default)]
struct Counts {
    seen: HashMap<Vec<u8>, HashSet<u64>>,
    hasher: RandomState,
}

impl Counts {
    /// Takes note of a line: `ecosystem[:release]/name<tab>{"i":"id",…}`, or `list/id<tab>…` of lists of others.
    fn count(&mut self, line: &[u8]) {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { return };
        let (head, json) = (&line[..tab], &line[tab + 1..]);
        let family = head.split(|byte| matches!(byte, b':' | b'/')).next().unwrap_or_default();
        let id = json.strip_prefix(br#"{"i":""#).and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let id = self.hasher.hash_one(id.unwrap_or(head));
        match self.seen.get_mut(family) {
            Some(seen) => drop(seen.insert(id)),
            None => drop(self.seen.insert(family.to_vec(), HashSet::from([id]))),
        }
    }

    fn of(&self, family: &str) -> u64 {
        self.seen.get(family.as_bytes()).map_or(0, |seen| seen.len() as u64)
    }
}
