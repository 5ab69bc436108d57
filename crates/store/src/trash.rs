//! Removing, and taking it back.
//!
//! Removing a reference or an image hides it at once and keeps it for the grace time; `restore` brings it back. What is
//! kept is freed when the time is over, when the kept part grows past its limit or when the disk gets tight, oldest
//! first ([`Store::collect`]).

use rusqlite::{OptionalExtension, Transaction, params};
use wharfie_oci::{ChainId, Digest, ImageId, Timestamp};

use crate::error::Result;
use crate::graph::settle_names;
use crate::images::text;
use crate::references::{ReferenceRow, reference_row};
use crate::store::Store;

/// What becomes of what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Kept for the grace time, if there is one.
    Undoable,
    /// Freed by the next collection.
    Final,
}

/// What an image's removal took with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemovedImage {
    /// Stacks that no other visible image has, top first, each with the bytes of the files in its top layer.
    pub layers: Vec<(ChainId, u64)>,
    /// Canonical names that led to no other image.
    pub names: Vec<String>,
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

/// A removed name that can still be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptName {
    /// Canonical.
    pub name: String,
    /// The image it stood for, which may be here under another name.
    pub image: ImageId,
    /// When it was removed.
    pub removed_at: Timestamp,
    /// Bytes of the image's files.
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
    pub fn remove_reference(&self, name: &str, removal: Removal) -> Result<bool> {
        let removal = self.effective(removal);
        let now = self.now().to_nanos();
        self.write(|db| {
            let dropped = Self::drop_names(db, &[name.to_owned()], (removal == Removal::Undoable).then_some(now));
            Ok(dropped.map_err(self.metadata_error())? > 0)
        })
    }

    /// Removes an image, and the names that lead to no other: a name of several platforms means the others from now on.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_image(&self, id: &ImageId, removal: Removal) -> Result<RemovedImage> {
        let removal = self.effective(removal);
        let now = self.now().to_nanos();
        self.write(|db| {
            let change = || -> rusqlite::Result<RemovedImage> {
                let mut removed = stacks_only_of(db, id)?;
                db.prepare_cached("UPDATE image SET removed_at = ?2 WHERE id = ?1")?
                    .execute(params![id.as_str(), now])?;
                let lost = settle_names(db, id, &self.options.platform)?;
                Self::drop_names(db, &lost, (removal == Removal::Undoable).then_some(now))?;
                removed.names = lost;
                if removal == Removal::Final {
                    forget(db, id.as_str())?;
                }
                Ok(removed)
            };
            change().map_err(self.metadata_error())
        })
    }

    pub(crate) fn effective(&self, removal: Removal) -> Removal {
        if self.options.grace > 0 { removal } else { Removal::Final }
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

    /// Names that were removed and can be brought back, also of images that are here under another one, newest removal first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn kept_names(&self) -> Result<Vec<KeptName>> {
        self.read(|db| {
            let sql = "SELECT trash.name, image.id, trash.removed_at, image.size FROM trash
                JOIN image ON image.id = trash.image ORDER BY trash.removed_at DESC, trash.name";
            let row = |row: &rusqlite::Row<'_>| {
                Ok(KeptName {
                    name: row.get(0)?,
                    image: text(row, 1)?,
                    removed_at: Timestamp::from_nanos(row.get(2)?),
                    size: row.get(3)?,
                })
            };
            db.prepare(sql)?.query_map([], row)?.collect()
        })
    }

    /// References that were removed and whose image can still be named, newest removal first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn kept_references(&self) -> Result<Vec<ReferenceRow>> {
        self.read(|db| {
            let sql = "SELECT name, target, image, is_digest FROM trash WHERE image IN (SELECT id FROM image)
                ORDER BY removed_at DESC, name";
            db.prepare(sql)?.query_map([], reference_row)?.collect()
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
                bring_back(db, id)?;
                let had: Vec<ReferenceRow> = db
                    .prepare("SELECT name, target, image, is_digest FROM trash WHERE image = ?1 ORDER BY name")?
                    .query_map([id.as_str()], reference_row)?
                    .collect::<Result<_, _>>()?;
                for row in had {
                    if !names.is_empty() && !names.contains(&row.name) {
                        continue;
                    }
                    let sql = "SELECT removed_at FROM trash WHERE name = ?1 AND image = ?2";
                    let removed_at: i64 = db.query_row(sql, params![row.name, id.as_str()], |row| row.get(0))?;
                    let is_added = db.execute(
                        "INSERT OR IGNORE INTO reference (name, target, image, is_digest) VALUES (?1, ?2, ?3, ?4)",
                        params![row.name, row.target.as_str(), id.as_str(), row.is_digest],
                    )? > 0;
                    db.execute("DELETE FROM trash WHERE name = ?1 AND image = ?2", params![row.name, id.as_str()])?;
                    if is_added {
                        // What the name led to beside this image went with it, and comes back with it.
                        for other in removed_members(db, &row.target, removed_at)? {
                            bring_back(db, &other)?;
                        }
                        restored.names.push(row.name);
                    } else {
                        restored.taken.push(row.name);
                    }
                }
                Ok(restored)
            };
            change().map_err(self.metadata_error())
        })
    }
}

/// Makes an image visible again.
fn bring_back(db: &Transaction<'_>, id: &ImageId) -> rusqlite::Result<()> {
    db.execute("UPDATE image SET removed_at = NULL WHERE id = ?1", [id.as_str()])?;
    Ok(())
}

/// Images that were removed since that moment, in nanoseconds since 1970, and that the index `target` lists.
fn removed_members(db: &Transaction<'_>, target: &Digest, since: i64) -> rusqlite::Result<Vec<ImageId>> {
    let sql = "SELECT image.id FROM edge JOIN manifest ON manifest.digest = edge.child
        JOIN image ON image.id = manifest.image
        WHERE edge.parent = ?1 AND image.removed_at >= ?2 ORDER BY edge.position";
    db.prepare(sql)?.query_map(params![target.as_str(), since], |row| text(row, 0))?.collect()
}

/// Deletes every row of an image.
pub(crate) fn forget(db: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM reference WHERE image = ?1",
        "DELETE FROM trash WHERE image = ?1",
        "DELETE FROM image_layer WHERE image = ?1",
        "DELETE FROM image WHERE id = ?1",
    ] {
        db.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// The stacks that `id` has and no other visible image has.
pub(crate) fn stacks_only_of(db: &Transaction<'_>, id: &ImageId) -> rusqlite::Result<RemovedImage> {
    let sql = "SELECT mine.chain_id, coalesce(layer.content_size, 0) FROM image_layer AS mine
        LEFT JOIN layer ON layer.diff_id = mine.diff_id
        WHERE mine.image = ?1 AND NOT EXISTS (
            SELECT 1 FROM image_layer AS other JOIN image ON image.id = other.image
            WHERE other.diff_id = mine.diff_id AND other.chain_id = mine.chain_id AND other.image <> ?1
                AND image.removed_at IS NULL)
          AND mine.diff_id NOT IN (SELECT diff_id FROM container_layer)
        ORDER BY mine.position DESC";
    let mut removed = RemovedImage::default();
    let mut statement = db.prepare_cached(sql)?;
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
