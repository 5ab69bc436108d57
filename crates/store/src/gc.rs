//! Collection: freeing what no image, kept image, mount or living lease reaches.
//!
//! Rows go first, in one transaction that no other writer can overlap; once that is on disk the files go, while the same
//! lock is held. A process
//! that is about to use something holds it first (`Lease::hold_*`), under the same lock, so it either finds it protected
//! or finds it gone and fetches it again. Killed in between, files without rows remain, which `fsck` sweeps.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction, params};
use wharfie_oci::{DiffId, Digest};

use crate::error::Result;
use crate::graph::LIVE;
use crate::store::Store;
use crate::trash::forget;

/// What a collection freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Removed images that are no longer kept.
    pub images: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes of the files in the layers that went: what docker calls reclaimed.
    pub content: u64,
}

/// How much of what is being kept goes too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// What is over its time or over the limits.
    Expired,
    /// What was removed before this moment, in nanoseconds since 1970, and what is over its time or over the limits.
    Before(i64),
    /// Everything.
    All,
}

impl Store {
    /// Frees what nothing needs.
    ///
    /// # Errors
    /// When the metadata cannot be changed. Files that cannot be deleted are left for `fsck`.
    pub fn collect(&self, kept: Kept) -> Result<Collected> {
        let rows = |db: &Transaction<'_>| {
            let change = || -> rusqlite::Result<(Collected, Vec<String>, Vec<String>)> {
                let mut collected = Collected { images: self.expire(db, kept)?, ..Collected::default() };
                self.bury_dead_leases(db)?;
                let (layers, blobs) = dead(db)?;
                let mut delete_layer = db.prepare("DELETE FROM layer WHERE diff_id = ?1 RETURNING content_size")?;
                let mut is_seam = db.prepare("SELECT EXISTS (SELECT 1 FROM seam WHERE diff_id = ?1)")?;
                for layer in &layers {
                    let content: Option<u64> = delete_layer.query_row([layer], |row| row.get(0)).optional()?;
                    if !is_seam.query_row([layer], |row| row.get::<_, bool>(0))? {
                        collected.content += content.unwrap_or_default();
                    }
                }
                crate::seams::forget_dead(db)?;
                forget_blobs(db, &blobs)?;
                Ok((collected, layers, blobs))
            };
            change().map_err(self.metadata_error())
        };
        let collected = self.write_durably_then(rows, |(mut collected, layers, blobs)| {
            if self.is_rehearsal() {
                return collected;
            }
            for layer in layers.iter().filter_map(|text| text.parse::<DiffId>().ok()) {
                collected.bytes += remove_file(&self.layer_path(&layer));
                self.remove_unpacked(&layer);
            }
            for blob in blobs.iter().filter_map(|text| text.parse::<Digest>().ok()) {
                collected.bytes += remove_file(&self.blob_path(&blob));
            }
            collected
        })?;
        if kept == Kept::All && !self.is_rehearsal() {
            self.sweep_partial(i64::MAX);
        }
        self.keep_reserve();
        Ok(collected)
    }

    /// Frees removed images whose time is over or that are too many; does nothing, quickly, when there are none.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn collect_expired(&self) -> Result<Collected> {
        if self.read(|db| self.to_expire(db, Kept::Expired))?.is_empty() && self.options.grace > 0 {
            return Ok(Collected::default());
        }
        self.collect(Kept::Expired)
    }

    /// Bytes on disk that only removed images hold.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn kept_bytes(&self) -> Result<u64> {
        self.read(kept_bytes)
    }

    /// Bytes of files in layers that only removed images have.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn kept_content_bytes(&self) -> Result<u64> {
        let sql = format!("SELECT coalesce(sum(content_size), 0) FROM layer WHERE diff_id IN ({HIDDEN_LAYERS})");
        self.read(|db| db.query_row(&sql, [], |row| row.get(0)))
    }

    fn expire(&self, db: &Transaction<'_>, kept: Kept) -> rusqlite::Result<u64> {
        let mut expired = 0;
        loop {
            let ids = self.to_expire(db, kept)?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                forget(db, &id)?;
                expired += 1;
            }
        }
        db.execute("DELETE FROM trash WHERE removed_at <= ?1", [self.expiry(kept)])?;
        Ok(expired)
    }

    /// The removed images that go next: all that are over their time, or the oldest one while there is too much.
    fn to_expire(&self, db: &rusqlite::Connection, kept: Kept) -> rusqlite::Result<Vec<String>> {
        let until = self.expiry(kept);
        let over: Vec<String> = db
            .prepare("SELECT id FROM image WHERE removed_at <= ?1")?
            .query_map([until], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if !over.is_empty() {
            return Ok(over);
        }
        let oldest: Vec<String> = db
            .prepare("SELECT id FROM image WHERE removed_at IS NOT NULL ORDER BY removed_at, id LIMIT 1")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if oldest.is_empty() || !(self.is_disk_tight() || kept_bytes(db)? > self.options.keep_limit) {
            return Ok(Vec::new());
        }
        // A tight disk empties the whole shelf: bytes come free only after the transaction, so counting would not help.
        if self.is_disk_tight() {
            return db
                .prepare("SELECT id FROM image WHERE removed_at IS NOT NULL")?
                .query_map([], |row| row.get(0))?
                .collect();
        }
        Ok(oldest)
    }

    /// What was removed until then goes, in nanoseconds since 1970.
    fn expiry(&self, kept: Kept) -> i64 {
        let over = self.now().to_nanos().saturating_sub(self.options.grace.saturating_mul(1_000_000_000));
        match kept {
            Kept::All => i64::MAX,
            Kept::Before(moment) => over.max(moment.saturating_sub(1)),
            Kept::Expired => over,
        }
    }

    fn is_disk_tight(&self) -> bool {
        rustix::fs::statvfs(&self.root).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < self.options.keep_free)
    }

    fn bury_dead_leases(&self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let ids: Vec<String> =
            db.prepare("SELECT id FROM lease")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for id in ids.iter().filter(|id| self.is_dead_lease(id)) {
            db.execute("DELETE FROM hold WHERE owner = ?1", params![id])?;
            db.execute("DELETE FROM lease WHERE id = ?1", params![id])?;
            if !self.is_rehearsal() {
                let _ = std::fs::remove_file(self.root.join("leases").join(id));
                let _ = self.remove_tree(&self.scratch_directory(id));
            }
        }
        Ok(())
    }
}

fn remove_file(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let bytes = path.symlink_metadata().map_or(0, |found| found.blocks() * 512);
    if std::fs::remove_file(path).is_ok() { bytes } else { 0 }
}

/// Diff ids of layers that no visible image has.
const HIDDEN_LAYERS: &str =
    "SELECT diff_id FROM image_layer JOIN image ON image.id = image_layer.image WHERE removed_at IS NOT NULL
     EXCEPT SELECT diff_id FROM image_layer JOIN image ON image.id = image_layer.image WHERE removed_at IS NULL";

fn kept_bytes(db: &rusqlite::Connection) -> rusqlite::Result<u64> {
    let sql = format!(
        "SELECT (SELECT coalesce(sum(file_size), 0) FROM layer WHERE diff_id IN ({HIDDEN_LAYERS}))
              + (SELECT coalesce(sum(blob.size), 0) FROM layer_blob JOIN blob USING (digest)
                 WHERE diff_id IN ({HIDDEN_LAYERS}))"
    );
    db.query_row(&sql, [], |row| row.get(0))
}

/// The layers and blobs that nothing leads to.
fn dead(db: &Transaction<'_>) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
    let mut live: HashSet<String> = HashSet::new();
    for digest in db.prepare(&format!("{LIVE} SELECT digest FROM live"))?.query_map([], |row| row.get(0))? {
        live.insert(digest?);
    }
    let query = |table: &str, column: &str| -> rusqlite::Result<Vec<String>> {
        let mut dead = Vec::new();
        for digest in db.prepare(&format!("SELECT {column} FROM {table}"))?.query_map([], |row| row.get(0))? {
            let digest: String = digest?;
            dead.extend(Some(digest).filter(|digest| !live.contains(digest)));
        }
        Ok(dead)
    };
    Ok((query("layer", "diff_id")?, query("blob", "digest")?))
}

/// Deletes the rows of blobs, and what they say.
fn forget_blobs(db: &Transaction<'_>, blobs: &[String]) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM blob WHERE digest = ?1",
        "DELETE FROM layer_blob WHERE digest = ?1",
        "DELETE FROM blob_origin WHERE digest = ?1",
        "DELETE FROM manifest WHERE digest = ?1",
        "DELETE FROM edge WHERE parent = ?1",
    ] {
        let mut delete = db.prepare(sql)?;
        for blob in blobs {
            delete.execute([blob])?;
        }
    }
    Ok(())
}
