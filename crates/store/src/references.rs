//! Names: what each stands for, and the one transaction that sets them.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use wharfie_oci::{Digest, ImageId};

use crate::error::Result;
use crate::graph::{preferred, variants};
use crate::images::{Name, text};
use crate::store::Store;

/// A name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceRow {
    /// Canonical spelling: `docker.io/library/web:1` or `docker.io/library/web@sha256:…`.
    pub name: String,
    /// What it stands for: an index, a manifest, or the configuration of an image that has no manifest here.
    pub target: Digest,
    /// The image that is meant by it when no platform is asked for: the one that was last pulled under it.
    pub image: ImageId,
    /// True for `repository@digest`.
    pub is_digest: bool,
}

const COLUMNS: &str = "name, target, image, is_digest";

/// A row of [`COLUMNS`].
pub(crate) fn reference_row(row: &Row<'_>) -> rusqlite::Result<ReferenceRow> {
    Ok(ReferenceRow { name: row.get(0)?, target: text(row, 1)?, image: text(row, 2)?, is_digest: row.get(3)? })
}

impl Store {
    /// All names of images, in canonical byte order.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn references(&self) -> Result<Vec<ReferenceRow>> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM reference WHERE image IS NOT NULL ORDER BY name");
            db.prepare(&sql)?.query_map([], reference_row)?.collect()
        })
    }

    /// The names that begin so, in canonical byte order: those of one repository without reading all.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn references_beginning(&self, prefix: &str) -> Result<Vec<ReferenceRow>> {
        self.read(|db| {
            // No name has a byte that comes after this one.
            let end = format!("{prefix}\u{10ffff}");
            let sql = format!(
                "SELECT {COLUMNS} FROM reference WHERE name >= ?1 AND name < ?2 AND image IS NOT NULL ORDER BY name"
            );
            db.prepare_cached(&sql)?.query_map([prefix, end.as_str()], reference_row)?.collect()
        })
    }

    /// The names that mean this image, in canonical byte order.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn references_of(&self, id: &ImageId) -> Result<Vec<ReferenceRow>> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM reference WHERE image = ?1 ORDER BY name");
            db.prepare_cached(&sql)?.query_map([id.as_str()], reference_row)?.collect()
        })
    }

    /// What a canonical reference of an image stands for.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn reference(&self, canonical: &str) -> Result<Option<ReferenceRow>> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM reference WHERE name = ?1 AND image IS NOT NULL");
            db.prepare_cached(&sql)?.query_row([canonical], reference_row).optional()
        })
    }

    /// The image that a canonical reference means.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn resolve(&self, canonical: &str) -> Result<Option<ImageId>> {
        self.read(|db| {
            let sql = "SELECT image FROM reference WHERE name = ?1 AND image IS NOT NULL";
            db.prepare_cached(sql)?.query_row([canonical], |row| text(row, 0)).optional()
        })
    }

    /// Sets a name for what is here. Returns the image it meant before, if another.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn set_reference(&self, name: &Name) -> Result<Option<ImageId>> {
        self.write_durably(|db| {
            let pointed = self.point(db, name)?;
            Ok(pointed.old.filter(|old| Some(old) != pointed.new.as_ref()))
        })
    }

    /// Lets an image count as tagged now: it was asked for, and had its name already. Idempotent.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn touch_image(&self, id: &ImageId) -> Result<()> {
        let now = self.now().to_nanos();
        self.write(|db| {
            let sql = "UPDATE image SET tagged_at = ?2 WHERE id = ?1 AND removed_at IS NULL";
            db.execute(sql, params![id.as_str(), now]).map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// As [`Self::set_reference`], within a transaction.
    pub(crate) fn point(&self, db: &Transaction<'_>, name: &Name) -> Result<Pointed> {
        let Name { reference, target, image } = name;
        let name = reference.canonical();
        let point = || -> rusqlite::Result<Pointed> {
            let old: Option<(String, Option<ImageId>)> = db
                .prepare_cached("SELECT target, image FROM reference WHERE name = ?1")?
                .query_row([&name], |row| Ok((row.get(0)?, crate::images::optional(row, 1)?)))
                .optional()?;
            let is_digest = reference.digest().is_some();
            let variants = variants(db, target)?;
            let chosen = variants.iter().find(|variant| Some(&variant.image) == image.as_ref());
            let new = chosen.or(preferred(&variants, &self.options.platform)).map(|variant| variant.image.clone());
            let id = new.as_ref().map(ImageId::as_str);
            db.prepare_cached(
                "INSERT OR REPLACE INTO reference (name, target, image, is_digest) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![name, target.as_str(), id, is_digest])?;
            db.prepare_cached("DELETE FROM trash WHERE name = ?1 AND image = ?2")?.execute(params![name, id])?;
            let (was, old) = old.map_or((None, None), |(target, image)| (Some(target), image));
            if !is_digest && old != new {
                let nanos = self.now().to_nanos();
                db.prepare_cached("UPDATE image SET tagged_at = ?2 WHERE id = ?1")?.execute(params![id, nanos])?;
            }
            Ok(Pointed { is_changed: was.as_deref() != Some(target.as_str()), old, new })
        };
        point().map_err(self.metadata_error())
    }

    /// Deletes names, within a transaction; keeps them for the grace time if `removed_at` says when that begins.
    pub(crate) fn drop_names(
        db: &Transaction<'_>,
        names: &[String],
        removed_at: Option<i64>,
    ) -> rusqlite::Result<usize> {
        let mut dropped = 0;
        for name in names {
            if let Some(removed_at) = removed_at {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO trash (name, target, image, is_digest, removed_at)
                     SELECT name, target, image, is_digest, ?2 FROM reference WHERE name = ?1 AND image IS NOT NULL",
                )?
                .execute(params![name, removed_at])?;
            }
            dropped += db.prepare_cached("DELETE FROM reference WHERE name = ?1")?.execute([name])?;
        }
        Ok(dropped)
    }
}

/// What became of a name that was set.
pub(crate) struct Pointed {
    /// The image it meant before.
    pub(crate) old: Option<ImageId>,
    /// The image it means now.
    pub(crate) new: Option<ImageId>,
    /// It stands for something else than before.
    pub(crate) is_changed: bool,
}
