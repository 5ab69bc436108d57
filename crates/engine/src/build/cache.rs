//! What builds keep for the next ones, looked at and pruned: results of steps, and directories of cache mounts.

use std::collections::BTreeMap;

use wharfie_model::system::CacheRecord;
use wharfie_oci::{DiffId, Digest, Timestamp};
use wharfie_store::Store;
use wharfie_store::gc::Kept;

use crate::container::volumes::tree_bytes;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::Conditions;

/// Which of what builds keep is to go.
#[derive(Debug, Clone, Default)]
pub struct PruneBuildCache {
    /// Also what an image has as well, so that nothing is freed now.
    pub all: bool,
    /// Only what fits.
    pub filters: CacheFilters,
    /// Bytes that may stay: what was used last stays first.
    pub keep_storage: u64,
}

/// What must be true of a record.
#[derive(Debug, Clone, Default)]
pub struct CacheFilters {
    conditions: Conditions,
    /// Last used before.
    until: Option<Timestamp>,
}

/// Names of conditions; those of BuildKit and of docker's own builder.
const FILTERS: &[&str] =
    &["until", "unused-for", "id", "parent", "type", "description", "inuse", "shared", "private", "mutable"];

impl CacheFilters {
    /// Reads `name=value` pairs. `moment` reads times and durations before now.
    ///
    /// # Errors
    /// For a name that is none, or a value that cannot be understood.
    pub fn parse(pairs: &[(String, String)], moment: crate::filter::ParseMoment<'_>) -> Result<Self> {
        let conditions = Conditions::parse(pairs, FILTERS)?;
        let mut until = None;
        for name in ["until", "unused-for"] {
            for value in conditions.values(name) {
                let moment = moment(value).map_err(|_| Error::InvalidFilter(format!("{name}={value}")))?;
                until = Some(until.map_or(moment, |known: Timestamp| known.min(moment)));
            }
        }
        for name in ["inuse", "shared", "private", "mutable"] {
            for value in conditions.values(name) {
                truth(value).ok_or_else(|| Error::InvalidFilter(format!("{name}={value}")))?;
            }
        }
        Ok(Self { conditions, until })
    }

    /// Whether there is such a condition.
    pub fn is_known(name: &str) -> bool {
        FILTERS.contains(&name)
    }

    fn accept(&self, kept: &Record) -> bool {
        let Record { document, used, .. } = kept;
        let is = |name: &str, actual: bool| {
            self.conditions.values(name).all(|value| truth(value).is_none_or(|wanted| wanted == actual))
        };
        self.until.is_none_or(|until| *used < until)
            && self.conditions.any("id", |id| document.id.starts_with(id))
            && self.conditions.any("parent", |id| document.parents.iter().any(|parent| parent.starts_with(id)))
            && self.conditions.any("type", |kind| document.kind == kind)
            && self.conditions.any("description", |text| document.description == text)
            && is("inuse", document.in_use)
            && is("shared", document.shared)
            && is("private", !document.shared)
            && is("mutable", document.kind == CACHE_MOUNT)
    }
}

/// A truth value; a bare name is a word for it.
fn truth(value: &str) -> Option<bool> {
    match value {
        "" | "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// What BuildKit calls the directory of a cache mount.
const CACHE_MOUNT: &str = "exec.cachemount";

/// A record with what leads to it.
struct Record {
    document: CacheRecord,
    used: Timestamp,
    of: Of,
}

enum Of {
    Step(Digest),
    Mount(String),
}

impl Engine {
    /// What builds keep, least recently used first. The directories of cache mounts are looked at file by file.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn build_cache(&self, filters: &CacheFilters) -> Result<Vec<CacheRecord>> {
        let records = records(self.reader()?)?;
        Ok(records.into_iter().filter(|record| filters.accept(record)).map(|record| record.document).collect())
    }

    /// Forgets what builds keep, and frees its space. Gives what is gone.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn prune_build_cache(&self, prune: &PruneBuildCache) -> Result<Vec<CacheRecord>> {
        let store = self.freeing_writer()?;
        let mut records = records(store)?;
        let mut total: u64 = records.iter().map(|record| record.document.size).sum();
        records.retain(|record| {
            let document = &record.document;
            !document.in_use && (prune.all || !document.shared) && prune.filters.accept(record)
        });
        let (mut gone, mut steps) = (Vec::new(), Vec::new());
        for Record { document, of, .. } in records {
            if prune.keep_storage > 0 && total <= prune.keep_storage {
                break;
            }
            total -= document.size;
            match of {
                Of::Step(key) => steps.push(key),
                // A step has begun to use it meanwhile.
                Of::Mount(directory) if !store.remove_cache_mount(&directory)? => continue,
                Of::Mount(_) => {}
            }
            gone.push(document);
        }
        store.forget_steps(&steps)?;
        if prune.all {
            // What steps were made of says nothing when they are gone.
            store.forget_build_notes(store.now())?;
        }
        store.collect(Kept::Expired)?;
        Ok(gone)
    }
}

fn records(store: &Store) -> Result<Vec<Record>> {
    let uses: BTreeMap<DiffId, (u64, u64)> = store.layer_uses()?;
    let mut records = Vec::new();
    for step in store.steps()? {
        let document = CacheRecord {
            id: short(&step.key),
            kind: step.kind,
            description: step.text,
            // A step that is done now has no record yet.
            in_use: false,
            shared: step.layer.as_ref().is_some_and(|layer| uses.contains_key(layer)),
            size: step.size,
            created_at: step.created.to_string(),
            last_used_at: Some(step.used.to_string()),
            usage_count: step.uses,
            parents: Vec::new(),
        };
        records.push(Record { document, used: step.used, of: Of::Step(step.key) });
    }
    for mount in store.cache_mounts()? {
        let place = store.cache_mount_directory(&mount.directory);
        let document = CacheRecord {
            id: short(&Digest::of(mount.directory.as_bytes())),
            kind: CACHE_MOUNT.to_owned(),
            description: format!("cached mount {}", mount.id.trim_start_matches('/')),
            in_use: store.is_cache_mount_in_use(&mount.directory),
            shared: false,
            size: tree_bytes(&place),
            created_at: mount.created.to_string(),
            last_used_at: Some(mount.used.to_string()),
            usage_count: mount.uses,
            parents: Vec::new(),
        };
        records.push(Record { document, used: mount.used, of: Of::Mount(mount.directory) });
    }
    records.sort_by_key(|record| record.used);
    Ok(records)
}

/// 25 digits, as long as BuildKit's names.
fn short(key: &Digest) -> String {
    key.hex()[..25].to_owned()
}
