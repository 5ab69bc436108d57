//! The data base as one file: advisories by package, found with two small reads.
//!
//! ```text
//! 0    "WHFADV1\n", then four little-endian 64-bit numbers: place and number of the table's entries, place and length of the facts
//! 40   values: lines of KEY, tab, JSON; deflated
//!      the table: 20 bytes an entry, sorted: hash of the key, place and length of its value
//!      the facts, in JSON
//! ```
//!
//! A key is an ecosystem and a package, `Debian:12/openssl`; several may have one hash, so the value repeats it. A hash stands in the
//! table once, and values follow each other without a gap: nothing can be asked for twice under two names.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use flate2::read::DeflateDecoder;
use serde::{Deserialize, Serialize};

use super::feeds::{EPSS, Epss, Exploited, KEV};
use super::record::Advisory;
use super::severity::Severity;
use crate::content::{Content, Range, Result, Stream, Trouble, bytes_at, read_all, read_up_to};

pub(super) const MAGIC: &[u8; 8] = b"WHFADV1\n";
pub(super) const HEAD: u64 = 40;
pub(super) const ENTRY: usize = 20;
/// Entries that are read at once, and for which one hash is kept: 2.5 KiB.
const GROUP: u64 = 128;
/// 16 MiB of facts and of one package's advisories: Linux has some thousand.
const MAX_VALUE: u64 = 16 << 20;
/// 2 GiB of values in one life of an index: a scan of a large image reads some 100 MiB.
const MAX_READ: u64 = 2 << 30;
/// 32 GiB of all values together: all that OSV knows is a tenth of it.
const MAX_ALL: u64 = 32 << 30;
/// 50,000 advisories of one package: Linux has some 12,000.
const MAX_LINES: usize = 50_000;
const UNSORTED: Trouble = Trouble::Broken("is damaged: its table is not in order");
/// 50 million entries.
const MAX_ENTRIES: u64 = 50_000_000;

/// What is known of a data base as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Meta {
    /// When it was made, RFC 3339.
    pub made: String,
    /// By name; `Debian:12` counts as `Debian`.
    pub ecosystems: BTreeMap<String, EcosystemMeta>,
    /// Names in full, `Debian:12` and `npm`: of what else there is, nothing is known.
    #[serde(default)]
    pub releases: BTreeSet<String>,
    /// Where they came from: path, size in bytes, time of change in seconds since 1970.
    pub sources: Vec<(String, u64, i64)>,
}

/// What is known of one ecosystem's advisories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct EcosystemMeta {
    /// How many pairs of advisory and package.
    pub advisories: u64,
    /// The newest change, RFC 3339; empty if none says.
    pub newest: String,
    /// When a list of it was imported that does not say how new it is, RFC 3339; empty if all say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub imported: String,
}

impl EcosystemMeta {
    /// How new it is, RFC 3339, and whether that is only when it was imported.
    pub fn moment(&self) -> (&str, bool) {
        match self.imported > self.newest {
            true => (&self.imported, true),
            false => (&self.newest, false),
        }
    }
}

/// A data base, open for reading.
pub struct Index<'a> {
    content: &'a dyn Content,
    table: u64,
    count: u64,
    /// The first hash of each group.
    groups: Vec<u64>,
    meta: Meta,
    /// Bytes of values that may still be read.
    left: Cell<u64>,
}

/// What is known of a CVE beside the packages: how bad others find it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub(super) struct Rating {
    #[serde(rename = "s")]
    pub(super) severity: Severity,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<f64>,
}

/// FNV-1a with 64 bits.
pub(super) fn hash(ecosystem: &str, name: &str) -> u64 {
    let bytes = ecosystem.bytes().chain([b'/']).chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The ecosystem under which ratings of CVEs are kept.
pub(super) const RATINGS: &str = "*";

impl<'a> Index<'a> {
    /// Opens a data base.
    ///
    /// # Errors
    /// When it is none, or of another version.
    pub fn open(content: &'a dyn Content) -> Result<Self> {
        const NONE: Trouble = Trouble::Broken("is no data base of advisories that this version reads");
        let head = bytes_at(content, 0, HEAD as usize).map_err(|_| NONE)?;
        if !head.starts_with(MAGIC) {
            return Err(NONE);
        }
        let number = |at: usize| u64::from_le_bytes(*head[8 + at * 8..].first_chunk().expect("the head has 40 bytes"));
        let (table, count, facts, facts_len) = (number(0), number(1), number(2), number(3));
        if count > MAX_ENTRIES || facts_len > MAX_VALUE {
            return Err(NONE);
        }
        let end = table.checked_add(count * ENTRY as u64);
        if end.is_none_or(|end| end > content.size()) {
            return Err(NONE);
        }
        let meta = serde_json::from_slice(&read_all(&Range::new(content, facts, facts_len), MAX_VALUE)?)?;
        let mut groups = Vec::new();
        for group in 0..count.div_ceil(GROUP) {
            let entry = bytes_at(content, table + group * GROUP * ENTRY as u64, 8)?;
            groups.push(u64::from_le_bytes(*entry.first_chunk().expect("8 bytes were read")));
        }
        Ok(Self { content, table, count, groups, meta, left: Cell::new(MAX_READ) })
    }

    /// What is known of it as a whole.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The advisories of a package.
    ///
    /// # Errors
    /// When the data base is damaged.
    pub(super) fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>> {
        self.values(ecosystem, name)
    }

    /// What others find of a CVE.
    ///
    /// # Errors
    /// When the data base is damaged.
    pub(super) fn rating(&self, id: &str) -> Result<Option<Rating>> {
        let all: Vec<Rating> = self.values(RATINGS, id)?;
        Ok(all.into_iter().max_by(|a, b| a.severity.cmp(&b.severity).then(a.score.total_cmp_option(b.score))))
    }

    /// What CISA says of a CVE, if it says anything.
    ///
    /// # Errors
    /// When the data base is damaged.
    pub(super) fn exploited(&self, id: &str) -> Result<Option<Exploited>> {
        self.extra(KEV, id)
    }

    /// What FIRST says of a CVE, as [`Self::exploited`].
    pub(super) fn epss(&self, id: &str) -> Result<Option<Epss>> {
        self.extra(EPSS, id)
    }

    fn extra<T: for<'d> Deserialize<'d>>(&self, kind: &str, id: &str) -> Result<Option<T>> {
        match self.meta.ecosystems.contains_key(kind) {
            true => Ok(self.values(kind, id)?.pop()),
            false => Ok(None),
        }
    }

    fn values<T: for<'d> Deserialize<'d>>(&self, ecosystem: &str, name: &str) -> Result<Vec<T>> {
        let wanted = hash(ecosystem, name);
        let key = format!("{ecosystem}/{name}");
        let mut found = Vec::new();
        let Some(group) = self.groups.partition_point(|hash| *hash <= wanted).checked_sub(1) else { return Ok(found) };
        let bytes = self.entries(group as u64)?;
        let mut entries = bytes.chunks_exact(ENTRY).map(parse);
        let Some((_, offset, len)) = entries.find(|(hash, ..)| *hash == wanted) else { return Ok(found) };
        let text = self.value(offset, len)?;
        let left = self.left.get().checked_sub(text.len() as u64);
        self.left.set(left.ok_or(Trouble::Broken("has more to say of these packages than is looked at"))?);
        for line in text.split(|byte| *byte == b'\n') {
            let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
            if line[..tab] == *key.as_bytes() {
                if found.len() == MAX_LINES {
                    return Err(Trouble::Broken("has more advisories of one package than are looked at"));
                }
                found.push(serde_json::from_slice(&line[tab + 1..])?);
            }
        }
        Ok(found)
    }

    fn entries(&self, group: u64) -> Result<Vec<u8>> {
        let entries = GROUP.min(self.count - group * GROUP);
        bytes_at(self.content, self.table + group * GROUP * ENTRY as u64, entries as usize * ENTRY)
    }

    fn value(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let range = Range::new(self.content, offset, len);
        read_up_to(DeflateDecoder::new(Stream::new(&range)), MAX_VALUE)
    }

    /// Looks through the table: a data base of somebody else's may say of itself what it likes.
    ///
    /// # Errors
    /// When hashes are not in order, one stands there twice, or values are not where they belong.
    pub fn check(&self) -> Result<()> {
        self.each_entry(|_, _| Ok(()))
    }

    /// Calls `take` with the place and the length of every value.
    fn each_entry(&self, mut take: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let (mut before, mut end) = (None, HEAD);
        for group in 0..self.groups.len() as u64 {
            for entry in self.entries(group)?.chunks_exact(ENTRY) {
                let (hash, offset, len) = parse(entry);
                if before.is_some_and(|before| before >= hash) || offset != end {
                    return Err(UNSORTED);
                }
                (before, end) = (Some(hash), offset + len);
                if end > self.table {
                    return Err(UNSORTED);
                }
                take(offset, len)?;
            }
        }
        Ok(())
    }

    /// Calls `take` with every line: its key's two parts and its JSON.
    ///
    /// # Errors
    /// When the data base is damaged, or larger than an honest one.
    pub(super) fn each_line(&self, mut take: impl FnMut(&str, &str, &[u8]) -> Result<()>) -> Result<()> {
        let mut all = 0;
        self.each_entry(|offset, len| {
            let text = self.value(offset, len)?;
            all += text.len() as u64;
            if all > MAX_ALL {
                return Err(Trouble::TooLarge(MAX_ALL >> 20));
            }
            for line in text.split(|byte| *byte == b'\n') {
                let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
                let key = String::from_utf8_lossy(&line[..tab]);
                if let Some((ecosystem, name)) = key.split_once('/') {
                    take(ecosystem, name, &line[tab + 1..])?;
                }
            }
            Ok(())
        })
    }
}

fn parse(entry: &[u8]) -> (u64, u64, u64) {
    let long = |at: usize| u64::from_le_bytes(*entry[at..].first_chunk().expect("entries have 20 bytes"));
    let short = u32::from_le_bytes(*entry[16..].first_chunk().expect("entries have 20 bytes"));
    (long(0), long(8), short.into())
}

/// Orders scores that may be missing.
trait TotalCmp {
    fn total_cmp_option(self, other: Self) -> std::cmp::Ordering;
}

impl TotalCmp for Option<f64> {
    fn total_cmp_option(self, other: Self) -> std::cmp::Ordering {
        self.unwrap_or(-1.0).total_cmp(&other.unwrap_or(-1.0))
    }
}
