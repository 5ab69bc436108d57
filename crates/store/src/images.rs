//! Images: rows that say what the blobs mean, and the transaction that makes them visible.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use wharfie_oci::{ChainId, Descriptor, DiffId, Digest, ImageId, MediaType, Platform, Reference, Timestamp};

use crate::error::{Error, Result};
use crate::graph::{NewManifest, insert_manifest};
use crate::lease::Lease;
use crate::store::Store;

/// An image as listings need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Digest of its configuration.
    pub id: ImageId,
    /// When it was made, in seconds since 1970; `None` if it does not say.
    pub created: Option<i64>,
    /// Sum of its layers' file contents in bytes.
    pub size: u64,
    /// The image it was made from here, if that was recorded.
    pub parent: Option<ImageId>,
    /// When one of its tags was last set.
    pub tagged_at: Option<Timestamp>,
}

/// A layer of an image, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// Digest of its tar.
    pub diff_id: DiffId,
    /// The stack up to and including it.
    pub chain_id: ChainId,
    /// Bytes of the files in it.
    pub content_size: u64,
}

/// An image about to be recorded. Its configuration and layers are in the store and held by the lease.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Digest of its configuration.
    pub id: ImageId,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// What it runs on, as its configuration says.
    pub platform: Platform,
    /// Bottom first.
    pub layers: Vec<DiffId>,
    /// The image it was made from here.
    pub parent: Option<ImageId>,
}

/// What becomes visible at once: images, the documents that lead to them, and names.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Images.
    pub images: Vec<NewImage>,
    /// Manifests and indexes, whose bytes are here.
    pub manifests: Vec<NewManifest>,
    /// Names.
    pub names: Vec<Name>,
}

/// A name that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub reference: Reference,
    /// What it is to stand for: a document or image that is recorded with it, or was here before.
    pub target: Digest,
    /// The image that it is to mean among those that the target leads to; if none is given, the one that runs best here.
    pub image: Option<ImageId>,
}

impl Name {
    /// A name for what needs no choice.
    pub fn new(reference: Reference, target: Digest) -> Self {
        Self { reference, target, image: None }
    }
}

/// What recording did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Images that were not visible before.
    pub new: Vec<ImageId>,
    /// Tags that meant another image until now, with that image.
    pub moved: Vec<(String, ImageId)>,
    /// True if at least one name is new or stands for something else than before.
    pub is_changed: bool,
}

pub(crate) fn text<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse()
        .map_err(|why| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(why)))
}

pub(crate) fn optional<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.and_then(|text| text.parse().ok()))
}

fn image_row(row: &Row<'_>) -> rusqlite::Result<ImageRow> {
    Ok(ImageRow {
        id: text(row, 0)?,
        created: row.get(1)?,
        size: row.get(2)?,
        parent: optional(row, 3)?,
        tagged_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_nanos),
    })
}

const IMAGE_COLUMNS: &str = "id, created, size, parent, tagged_at";

impl Store {
    /// Every image that was not removed, newest first, equals by id.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn images(&self) -> Result<Vec<ImageRow>> {
        self.read(|db| {
            let sql = format!("SELECT {IMAGE_COLUMNS} FROM image WHERE removed_at IS NULL");
            let mut images: Vec<ImageRow> = db.prepare(&sql)?.query_map([], image_row)?.collect::<Result<_, _>>()?;
            // Rows come in the order of ids, and a stable sort keeps that among equals.
            images.sort_by_key(|image| std::cmp::Reverse(image.created));
            Ok(images)
        })
    }

    /// As [`Self::images`], each with the canonical names that mean it, in byte order.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn named_images(&self) -> Result<Vec<(ImageRow, Vec<String>)>> {
        self.read(|db| {
            // Both come in the order of ids, from their indexes: they are walked side by side.
            let sql = format!("SELECT {IMAGE_COLUMNS} FROM image WHERE removed_at IS NULL ORDER BY id");
            let mut images = db.prepare(&sql)?;
            let mut images = images.query([])?;
            let mut names =
                db.prepare("SELECT image, name FROM reference WHERE image IS NOT NULL ORDER BY image, name")?;
            let mut names = names.query([])?;
            let mut named: Vec<(ImageRow, Vec<String>)> = Vec::new();
            let mut next = names.next()?;
            while let Some(row) = images.next()? {
                let image = image_row(row)?;
                let mut own = Vec::new();
                while let Some(row) = next {
                    match row.get_ref(0)?.as_str()?.cmp(image.id.as_str()) {
                        Ordering::Greater => {
                            next = Some(row);
                            break;
                        }
                        Ordering::Equal => own.push(row.get(1)?),
                        Ordering::Less => {}
                    }
                    next = names.next()?;
                }
                named.push((image, own));
            }
            named.sort_by_key(|(image, _)| std::cmp::Reverse(image.created));
            Ok(named)
        })
    }

    /// One image, if it is here and not removed.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn image(&self, id: &ImageId) -> Result<Option<ImageRow>> {
        self.read(|db| {
            let sql = format!("SELECT {IMAGE_COLUMNS} FROM image WHERE removed_at IS NULL AND id = ?1");
            db.query_row(&sql, [id.as_str()], image_row).optional()
        })
    }

    /// The images whose id starts with these hexadecimal digits; two are enough to know that there are several.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn images_with_prefix(&self, hex: &str) -> Result<Vec<ImageId>> {
        self.read(|db| {
            let sql = "SELECT id FROM image WHERE removed_at IS NULL AND id >= ?1 AND id < ?2 LIMIT 2";
            let low = format!("sha256:{hex}");
            let high = format!("{low}g");
            db.prepare(sql)?.query_map([low, high], |row| text(row, 0))?.collect()
        })
    }

    /// Images made from `parent` here.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn children(&self, parent: &ImageId) -> Result<Vec<ImageId>> {
        self.read(|db| {
            let sql = "SELECT id FROM image WHERE removed_at IS NULL AND parent = ?1 ORDER BY id";
            db.prepare(sql)?.query_map([parent.as_str()], |row| text(row, 0))?.collect()
        })
    }

    /// The layers of an image, bottom first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn layers_of(&self, id: &ImageId) -> Result<Vec<ImageLayer>> {
        self.read(|db| {
            let sql = "SELECT image_layer.diff_id, chain_id, coalesce(content_size, 0) FROM image_layer
                LEFT JOIN layer ON layer.diff_id = image_layer.diff_id WHERE image = ?1 ORDER BY position";
            db.prepare(sql)?
                .query_map([id.as_str()], |row| {
                    Ok(ImageLayer { diff_id: text(row, 0)?, chain_id: text(row, 1)?, content_size: row.get(2)? })
                })?
                .collect()
        })
    }

    /// For every layer in use: its diff id, its content size and how many visible images have it.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn layer_uses(&self) -> Result<BTreeMap<DiffId, (u64, u64)>> {
        self.read(|db| {
            let sql = "SELECT layer.diff_id, content_size, count(DISTINCT image.id) FROM layer
                JOIN image_layer ON image_layer.diff_id = layer.diff_id
                JOIN image ON image.id = image_layer.image AND image.removed_at IS NULL
                GROUP BY layer.diff_id";
            db.prepare(sql)?.query_map([], |row| Ok((text(row, 0)?, (row.get(1)?, row.get(2)?))))?.collect()
        })
    }

    /// True if everything is here that running or saving an image needs. Nothing is read: damage is for
    /// [`Self::fsck`] to find.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn is_whole(&self, id: &ImageId) -> Result<bool> {
        let is_recorded = self.read(|db| {
            let sql = "SELECT EXISTS (SELECT 1 FROM blob WHERE digest = ?1) AND NOT EXISTS (
                SELECT 1 FROM image_layer WHERE image = ?1 AND diff_id NOT IN (SELECT diff_id FROM layer))";
            db.query_row(sql, [id.as_str()], |row| row.get::<_, bool>(0))
        })?;
        Ok(is_recorded
            && self.blob_path(id.digest()).exists()
            && self.layers_of(id)?.iter().all(|layer| self.layer_path(&layer.diff_id).exists()))
    }

    /// The compressed forms of a layer that are here.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn blobs_of_layer(&self, diff_id: &DiffId) -> Result<Vec<Descriptor>> {
        self.read(|db| {
            let sql = "SELECT media_type, digest, size FROM layer_blob WHERE diff_id = ?1
                AND digest IN (SELECT digest FROM blob) ORDER BY digest";
            db.prepare(sql)?
                .query_map([diff_id.as_str()], |row| {
                    Ok(Descriptor::new(MediaType::new(&row.get::<_, String>(0)?), text(row, 1)?, row.get(2)?))
                })?
                .collect()
        })
    }

    /// Repositories of the registry `host` that are known to have a blob.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn origins_of_blob(&self, digest: &Digest, host: &str) -> Result<Vec<String>> {
        self.read(|db| {
            db.prepare("SELECT path FROM blob_origin WHERE digest = ?1 AND host = ?2 ORDER BY path")?
                .query_map([digest.as_str(), host], |row| row.get(0))?
                .collect()
        })
    }

    /// Remembers that a repository has these blobs, for mounting them elsewhere on the same registry later.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn record_origins(&self, repository: &wharfie_oci::Repository, blobs: &[Digest]) -> Result<()> {
        self.write(|db| {
            let sql = "INSERT OR IGNORE INTO blob_origin (digest, host, path) VALUES (?1, ?2, ?3)";
            let mut insert = db.prepare(sql).map_err(self.metadata_error())?;
            for blob in blobs {
                insert
                    .execute(params![blob.as_str(), repository.host(), repository.path()])
                    .map_err(self.metadata_error())?;
            }
            Ok(())
        })
    }
}

impl Lease<'_> {
    /// Records what the lease holds, and points names at it, durably and at once: all of it becomes visible, or nothing.
    /// Idempotent: an image that is known already gains what is new about it.
    ///
    /// # Errors
    /// When a layer is not here, there are more than can be mounted, one has a hard link to what none below it has, or the
    /// metadata cannot be changed.
    pub fn record(&self, recording: &Recording) -> Result<Recorded> {
        let store = self.store();
        let mut seams = Vec::new();
        for image in &recording.images {
            if image.layers.len() > crate::mounts::MAX_LAYERS {
                return Err(Error::MaxDepth);
            }
            seams.extend(self.sew(&image.layers)?);
        }
        self.finish(|db| {
            crate::seams::record(db, &seams).map_err(store.metadata_error())?;
            let mut recorded = Recorded::default();
            for manifest in &recording.manifests {
                insert_manifest(db, manifest).map_err(store.metadata_error())?;
            }
            for image in &recording.images {
                if insert(store, db, image)? {
                    recorded.new.push(image.id.clone());
                }
            }
            for name in &recording.names {
                let pointed = store.point(db, name)?;
                recorded.is_changed |= pointed.is_changed;
                let moved = pointed.old.filter(|old| Some(old) != pointed.new.as_ref());
                recorded.moved.extend(moved.map(|old| (name.reference.canonical(), old)));
            }
            Ok(recorded)
        })
    }

    /// Remembers a manifest that was made here and whose bytes are held.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn record_manifest(&self, manifest: &NewManifest) -> Result<()> {
        let store = self.store();
        store.write(|db| insert_manifest(db, manifest).map_err(store.metadata_error()))
    }
}

/// Writes an image's rows; true if it was not visible before.
fn insert(store: &Store, db: &Transaction<'_>, image: &NewImage) -> Result<bool> {
    let mut size = 0;
    for diff_id in &image.layers {
        let found: Option<u64> = db
            .prepare_cached("SELECT content_size FROM layer WHERE diff_id = ?1")
            .and_then(|mut query| query.query_row([diff_id.as_str()], |row| row.get(0)).optional())
            .map_err(store.metadata_error())?;
        size += found.ok_or_else(|| Error::MissingLayer(diff_id.clone()))?;
    }
    insert_rows(db, image, size).map_err(store.metadata_error())
}

fn insert_rows(db: &Connection, image: &NewImage, size: u64) -> rusqlite::Result<bool> {
    let id = image.id.as_str();
    let was_visible: bool = db
        .prepare_cached("SELECT removed_at IS NULL FROM image WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    let parent = image.parent.as_ref().map(ImageId::as_str);
    db.prepare_cached(
        "INSERT INTO image (id, created, size, parent, platform) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET parent = coalesce(excluded.parent, parent), removed_at = NULL,
             tagged_at = CASE WHEN removed_at IS NULL THEN tagged_at END",
    )?
    .execute(params![id, image.created, size, parent, image.platform.to_string()])?;
    if !was_visible {
        // What was removed with its names is not brought back with them: somebody has just made or pulled it anew.
        db.prepare_cached("DELETE FROM trash WHERE image = ?1")?.execute([id])?;
    }
    let chain = ChainId::stack(&image.layers);
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO image_layer (image, position, diff_id, chain_id) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (position, (diff_id, chain_id)) in image.layers.iter().zip(&chain).enumerate() {
        insert.execute(params![id, position as i64, diff_id.as_str(), chain_id.as_str()])?;
    }
    Ok(!was_visible)
}
