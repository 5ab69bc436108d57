//! Removing, and taking it back.
//!
//! Removing a reference or an image hides it at once and keeps it for the grace time; `restore` brings it back. What is
//! kept is freed when the time is over, when the kept part grows past its limit or when the disk gets tight, oldest
//! first ([`Store::collect`]).

use rusqlite::{OptionalExtension, Transaction, params};
use wharfie_oci::{ChainId, ImageId, Timestamp};

use crate::error::Result;
use crate::images::ReferenceRow;
use crate::store::Store;

/// What becomes of what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Kept for the grace time, if there is one.
    Kept,
    /// Freed by the next collection.
    Freed,
}

/// What an image's removal took with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemovedImage {
    /// Stacks that no other visible image has, top first, each with the bytes of the files in its top layer.
    pub layers: Vec<(ChainId, u64)>,
}

/// An image that was removed and can be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptImage {
    /// Which.
    pub id: ImageId,
    /// The names it had, canonical.
    pub names: Vec<String>,
    /// When it was removed.
    pub removed_at: Timestamp,
    /// Bytes of its files.
    pub size: u64,
}

/// What `restore` did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// Names that came back.
    pub names: Vec<String>,
    /// Names that stand for another image by now and were left alone.
    pub taken: Vec<String>,
}

impl Store {
    /// Removes a reference by its canonical name; false if it was not there.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_reference(&self, name: &str, fate: Fate) -> Result<bool> {
        let fate = self.effective(fate);
        let now = self.now().to_nanos();
        self.write(|db| {
            let change = || -> rusqlite::Result<bool> {
                if fate == Fate::Kept {
                    db.execute(
                        "INSERT OR REPLACE INTO trash (name, image, is_digest, removed_at)
                         SELECT name, image, is_digest, ?2 FROM reference WHERE name = ?1",
                        params![name, now],
                    )?;
                }
                Ok(db.execute("DELETE FROM reference WHERE name = ?1", [name])? > 0)
            };
            change().map_err(self.metadata_error())
        })
    }

    /// Removes an image and the references it still has.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_image(&self, id: &ImageId, fate: Fate) -> Result<RemovedImage> {
        let fate = self.effective(fate);
        let now = self.now().to_nanos();
        self.write(|db| {
            let change = || -> rusqlite::Result<RemovedImage> {
                let removed = stacks_only_of(db, id)?;
                if fate == Fate::Kept {
                    db.execute(
                        "INSERT OR REPLACE INTO trash (name, image, is_digest, removed_at)
                         SELECT name, image, is_digest, ?2 FROM reference WHERE image = ?1",
                        params![id.as_str(), now],
                    )?;
                    db.execute("UPDATE image SET removed_at = ?2 WHERE id = ?1", params![id.as_str(), now])?;
                    db.execute("DELETE FROM reference WHERE image = ?1", [id.as_str()])?;
                } else {
                    forget(db, id.as_str())?;
                }
                Ok(removed)
            };
            change().map_err(self.metadata_error())
        })
    }

    fn effective(&self, fate: Fate) -> Fate {
        if self.options.grace > 0 { fate } else { Fate::Freed }
    }

    /// Removed images that can still be brought back, newest removal first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn kept_images(&self) -> Result<Vec<KeptImage>> {
        self.read(|db| {
            let mut names = db.prepare("SELECT name FROM trash WHERE image = ?1 ORDER BY name")?;
            let mut images = db.prepare(
                "SELECT id, removed_at, size FROM image WHERE removed_at IS NOT NULL ORDER BY removed_at DESC, id",
            )?;
            let mut kept = Vec::new();
            let mut rows = images.query([])?;
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                kept.push(KeptImage {
                    names: names.query_map([&id], |row| row.get(0))?.collect::<Result<_, _>>()?,
                    id: id.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                    removed_at: Timestamp::from_nanos(row.get(1)?),
                    size: row.get(2)?,
                });
            }
            Ok(kept)
        })
    }

    /// References that were removed and whose image can still be named, newest removal first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn kept_references(&self) -> Result<Vec<ReferenceRow>> {
        self.read(|db| {
            let sql = "SELECT name, image, is_digest FROM trash WHERE image IN (SELECT id FROM image)
                ORDER BY removed_at DESC, name";
            db.prepare(sql)?
                .query_map([], |row| {
                    let image: String = row.get(1)?;
                    Ok(ReferenceRow {
                        name: row.get(0)?,
                        image: image.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                        is_digest: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Brings a removed image back, with those of `names` (canonical; all it had if empty) that are still free.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn restore(&self, id: &ImageId, names: &[String]) -> Result<Restored> {
        self.write_durably(|db| {
            let change = || -> rusqlite::Result<Restored> {
                let mut restored = Restored::default();
                db.execute("UPDATE image SET removed_at = NULL WHERE id = ?1", [id.as_str()])?;
                let had: Vec<(String, bool)> = db
                    .prepare("SELECT name, is_digest FROM trash WHERE image = ?1 ORDER BY name")?
                    .query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<Result<_, _>>()?;
                for (name, is_digest) in had {
                    if !names.is_empty() && !names.contains(&name) {
                        continue;
                    }
                    let is_added = db.execute(
                        "INSERT OR IGNORE INTO reference (name, image, is_digest) VALUES (?1, ?2, ?3)",
                        params![name, id.as_str(), is_digest],
                    )? > 0;
                    db.execute("DELETE FROM trash WHERE name = ?1 AND image = ?2", params![name, id.as_str()])?;
                    if is_added { restored.names.push(name) } else { restored.taken.push(name) }
                }
                Ok(restored)
            };
            change().map_err(self.metadata_error())
        })
    }
}

/// Deletes every row of an image.
pub(crate) fn forget(db: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM reference WHERE image = ?1",
        "DELETE FROM trash WHERE image = ?1",
        "DELETE FROM image_layer WHERE image = ?1",
        "DELETE FROM image_manifest WHERE image = ?1",
        "DELETE FROM image WHERE id = ?1",
    ] {
        db.execute(sql, [id])?;
    }
    Ok(())
}

/// The stacks that `id` has and no other visible image has.
fn stacks_only_of(db: &Transaction<'_>, id: &ImageId) -> rusqlite::Result<RemovedImage> {
    let sql = "SELECT mine.chain_id, coalesce(layer.content_size, 0) FROM image_layer AS mine
        LEFT JOIN layer ON layer.diff_id = mine.diff_id
        WHERE mine.image = ?1 AND NOT EXISTS (
            SELECT 1 FROM image_layer AS other JOIN image ON image.id = other.image
            WHERE other.diff_id = mine.diff_id AND other.chain_id = mine.chain_id AND other.image <> ?1
                AND image.removed_at IS NULL)
          AND mine.diff_id NOT IN (SELECT diff_id FROM container_layer)
        ORDER BY mine.position DESC";
    let mut removed = RemovedImage::default();
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([id.as_str()])?;
    while let Some(row) = rows.next()? {
        let chain_id: Option<ChainId> = row.get_ref(0)?.as_str()?.parse().ok();
        removed.layers.extend(chain_id.zip(row.get(1)?));
    }
    Ok(removed)
}

impl Store {
    /// True if the image is being kept after its removal.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn is_kept(&self, id: &ImageId) -> Result<bool> {
        self.read(|db| {
            db.query_row("SELECT 1 FROM image WHERE id = ?1 AND removed_at IS NOT NULL", [id.as_str()], |_| Ok(()))
                .optional()
        })
        .map(|found| found.is_some())
    }
}
