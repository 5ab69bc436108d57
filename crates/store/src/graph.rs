//! The graph of content: manifests and indexes, the edges between them, what a name's target leads to, and what is alive.
//!
//! An edge is what a document says, whether or not its child is here. What is collected is what no root leads to; roots are
//! names, images, and whatever somebody holds (see [`LIVE`]).

use rusqlite::{Connection, OptionalExtension, Row, params};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageId, MediaType, Platform, index};

use crate::error::Result;
use crate::images::text;
use crate::store::Store;

/// A manifest or index whose bytes are in the store, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewManifest {
    /// Its type.
    pub media_type: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// The image it describes, if it is the manifest of one.
    pub image: Option<ImageId>,
    /// The manifest it is about: it is kept as long as that one. What has an image is about nothing else, whatever it says: a name
    /// that leads to it would let a stranger speak of another image.
    pub subject: Option<Digest>,
    /// What kind of artifact it is, if not an image.
    pub artifact_type: Option<String>,
    /// What it names, in its order: the members of an index; the configuration and the layers of a manifest.
    pub children: Vec<Descriptor>,
}

impl NewManifest {
    /// What `document` says.
    pub fn of(media_type: MediaType, digest: Digest, document: &AnyManifest) -> Self {
        match document {
            AnyManifest::Index(index) => Self {
                media_type,
                digest,
                image: None,
                subject: None,
                artifact_type: None,
                children: index.manifests.clone(),
            },
            AnyManifest::Manifest(manifest) => {
                let mut children = vec![manifest.config.clone()];
                children.extend(manifest.layers.iter().cloned());
                Self {
                    media_type,
                    digest,
                    image: manifest.is_image().then(|| ImageId::new(manifest.config.digest.clone())),
                    subject: manifest.subject.as_ref().map(|subject| subject.digest.clone()),
                    artifact_type: manifest.artifact_type.clone(),
                    children,
                }
            }
        }
    }
}

/// An image that a name's target leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The image.
    pub image: ImageId,
    /// What it runs on, as the index says, or else its configuration.
    pub platform: Platform,
    /// The manifest it is reached by; `None` if the target is the image itself.
    pub manifest: Option<Digest>,
}

/// A manifest or index that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Its type.
    pub media_type: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// The image it describes, if it is the manifest of one.
    pub image: Option<ImageId>,
    /// What kind of artifact it is, if not an image.
    pub artifact_type: Option<String>,
}

/// Everything that is alive, as digests: a query's beginning, to be followed by one over `live`. A layer and its plain tar's
/// blob have the same digest, and live together.
///
/// From an index no edge leads to the manifest of an image that was removed: the others that it lists do not keep it.
pub(crate) const LIVE: &str = "WITH RECURSIVE live (digest) AS (
    SELECT target FROM reference
    UNION SELECT target FROM trash
    UNION SELECT id FROM image
    UNION SELECT digest FROM hold
    UNION SELECT diff_id FROM container_layer
    UNION SELECT diff_id FROM build_step WHERE diff_id IS NOT NULL
    UNION SELECT image FROM mount
    UNION SELECT edge.child FROM live JOIN edge ON edge.parent = live.digest
        LEFT JOIN manifest ON manifest.digest = edge.child
        WHERE manifest.image IS NULL OR EXISTS (SELECT 1 FROM image WHERE image.id = manifest.image)
    UNION SELECT manifest.digest FROM live JOIN manifest ON manifest.image = live.digest
    UNION SELECT manifest.digest FROM live JOIN manifest ON manifest.subject = live.digest WHERE manifest.image IS NULL
    UNION SELECT image_layer.diff_id FROM live JOIN image_layer ON image_layer.image = live.digest
    UNION SELECT layer_blob.digest FROM live JOIN layer_blob ON layer_blob.diff_id = live.digest
    UNION SELECT seam.diff_id FROM live JOIN seam ON seam.layer = live.digest
)";

impl Store {
    /// What the canonical reference `name` stands for: the digest of an index or manifest, or of the configuration of an image
    /// that has no manifest here.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn target(&self, name: &str) -> Result<Option<Digest>> {
        self.read(|db| {
            db.query_row("SELECT target FROM reference WHERE name = ?1", [name], |row| text(row, 0)).optional()
        })
    }

    /// The images that `target` leads to and that are here, in the order of its index.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn variants(&self, target: &Digest) -> Result<Vec<Variant>> {
        self.read(|db| variants(db, target))
    }

    /// The manifests that describe an image.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn manifests_of(&self, id: &ImageId) -> Result<Vec<ManifestRow>> {
        self.read(|db| {
            let sql = format!("SELECT {MANIFEST_COLUMNS} FROM manifest WHERE image = ?1 ORDER BY digest");
            db.prepare_cached(&sql)?.query_map([id.as_str()], manifest_row)?.collect()
        })
    }

    /// A manifest or index, if it is here.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<ManifestRow>> {
        self.read(|db| {
            let sql = format!("SELECT {MANIFEST_COLUMNS} FROM manifest WHERE digest = ?1");
            db.query_row(&sql, [digest.as_str()], manifest_row).optional()
        })
    }

    /// The manifests that are about `subject` and are here, by digest. None of an image is.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<ManifestRow>> {
        self.read(|db| {
            let sql =
                format!("SELECT {MANIFEST_COLUMNS} FROM manifest WHERE subject = ?1 AND image IS NULL ORDER BY digest");
            db.prepare_cached(&sql)?.query_map([subject.as_str()], manifest_row)?.collect()
        })
    }

    /// Forgets documents that are about something and nothing else leads to: what they name goes with the next collection.
    /// Idempotent.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn forget_referrers(&self, digests: &[Digest]) -> Result<()> {
        self.write_durably(|db| {
            let forget = || -> rusqlite::Result<()> {
                for digest in digests {
                    let sql = "DELETE FROM manifest WHERE digest = ?1 AND subject IS NOT NULL AND image IS NULL";
                    if db.prepare_cached(sql)?.execute([digest.as_str()])? > 0 {
                        db.prepare_cached("DELETE FROM edge WHERE parent = ?1")?.execute([digest.as_str()])?;
                    }
                }
                Ok(())
            };
            forget().map_err(self.metadata_error())
        })
    }

    /// The canonical names that lead to an image, directly or through an index, in byte order.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn names_leading_to(&self, id: &ImageId) -> Result<Vec<String>> {
        self.read(|db| {
            let sql =
                format!("{ABOVE} SELECT name FROM reference WHERE target IN (SELECT digest FROM above) ORDER BY name");
            db.prepare_cached(&sql)?.query_map([id.as_str()], |row| row.get(0))?.collect()
        })
    }
}

const MANIFEST_COLUMNS: &str = "media_type, digest, image, artifact_type";

fn manifest_row(row: &Row<'_>) -> rusqlite::Result<ManifestRow> {
    Ok(ManifestRow {
        media_type: MediaType::new(row.get_ref(0)?.as_str()?),
        digest: text(row, 1)?,
        image: row.get_ref(2)?.as_str_or_null()?.and_then(|text| text.parse().ok()),
        artifact_type: row.get(3)?,
    })
}

/// What leads to the image `?1`: itself, its manifests, and the indexes that list them.
const ABOVE: &str = "WITH RECURSIVE above (digest) AS (
    SELECT ?1
    UNION SELECT manifest.digest FROM manifest WHERE manifest.image = ?1
    UNION SELECT edge.parent FROM above JOIN edge ON edge.child = above.digest
)";

/// See [`Store::variants`].
pub(crate) fn variants(db: &Connection, target: &Digest) -> rusqlite::Result<Vec<Variant>> {
    let mut found = Vec::new();
    descend(db, target.as_str(), None, index::MAX_DEPTH, &mut found)?;
    Ok(found)
}

fn descend(
    db: &Connection,
    digest: &str,
    said: Option<String>,
    depth: usize,
    found: &mut Vec<Variant>,
) -> rusqlite::Result<()> {
    let sql = "SELECT image FROM manifest WHERE digest = ?1";
    let manifest: Option<Option<String>> = db.prepare_cached(sql)?.query_row([digest], |row| row.get(0)).optional()?;
    // What is no document may be the configuration of an image.
    let image = match &manifest {
        Some(image) => image.as_deref(),
        None => Some(digest),
    };
    if let Some(image) = image {
        let sql = "SELECT id, platform FROM image WHERE id = ?1 AND removed_at IS NULL";
        let read = |row: &Row<'_>| -> rusqlite::Result<(ImageId, String)> { Ok((text(row, 0)?, row.get(1)?)) };
        if let Some((image, platform)) = db.prepare_cached(sql)?.query_row([image], read).optional()?
            && !found.iter().any(|known| known.image == image)
        {
            let platform = said.unwrap_or(platform).parse().unwrap_or_default();
            let manifest = manifest.and_then(|_| digest.parse().ok());
            found.push(Variant { image, platform, manifest });
        }
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let sql = "SELECT child, platform FROM edge JOIN manifest ON manifest.digest = edge.child
        WHERE parent = ?1 ORDER BY position";
    let members: Vec<(String, Option<String>)> =
        db.prepare_cached(sql)?.query_map([digest], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (member, platform) in members {
        descend(db, &member, platform, depth, found)?;
    }
    Ok(())
}

/// The one that runs best on `wanted`; the first if none does.
pub(crate) fn preferred<'a>(variants: &'a [Variant], wanted: &Platform) -> Option<&'a Variant> {
    let closest = variants.iter().filter_map(|variant| Some((wanted.distance(&variant.platform)?, variant)));
    closest.min_by_key(|(distance, _)| *distance).map(|(_, variant)| variant).or(variants.first())
}

/// True if the bytes of `digest` are recorded as a manifest or index.
pub(crate) fn is_manifest(db: &Connection, digest: &Digest) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM manifest WHERE digest = ?1)", [digest.as_str()], |row| row.get(0))
}

/// Writes a manifest's rows. Idempotent: what a document says never changes. One that came as a document about something and turns out
/// to be the manifest of an image is that from then on.
pub(crate) fn insert_manifest(db: &Connection, manifest: &NewManifest) -> rusqlite::Result<()> {
    let NewManifest { media_type, digest, image, subject, artifact_type, children } = manifest;
    db.prepare_cached(
        "INSERT INTO manifest (digest, media_type, image, subject, artifact_type) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (digest) DO UPDATE SET image = excluded.image, subject = NULL
             WHERE excluded.image IS NOT NULL AND manifest.image IS NULL",
    )?
    .execute(params![
        digest.as_str(),
        media_type.as_str(),
        image.as_ref().map(ImageId::as_str),
        subject.as_ref().filter(|_| image.is_none()).map(Digest::as_str),
        artifact_type
    ])?;
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO edge (parent, child, position, platform) VALUES (?1, ?2, ?3, ?4)")?;
    for (position, child) in children.iter().enumerate() {
        let platform = child.platform.as_ref().map(Platform::to_string);
        insert.execute(params![digest.as_str(), child.digest.as_str(), position as i64, platform])?;
    }
    Ok(())
}

/// Lets every name that meant `id`, which is gone, mean the best image that it still leads to. Returns the names that lead to
/// none any more: what becomes of them is the caller's business.
pub(crate) fn settle_names(db: &Connection, id: &ImageId, wanted: &Platform) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT target FROM reference WHERE image = ?1";
    let targets: Vec<Digest> =
        db.prepare_cached(sql)?.query_map([id.as_str()], |row| text(row, 0))?.collect::<Result<_, _>>()?;
    let mut lost = Vec::new();
    for target in targets {
        let variants = variants(db, &target)?;
        if let Some(best) = preferred(&variants, wanted) {
            db.prepare_cached("UPDATE reference SET image = ?3 WHERE target = ?1 AND image = ?2")?.execute(params![
                target.as_str(),
                id.as_str(),
                best.image.as_str()
            ])?;
            continue;
        }
        let sql = "SELECT name FROM reference WHERE target = ?1 AND image = ?2";
        let mut names = db.prepare_cached(sql)?;
        for name in names.query_map([target.as_str(), id.as_str()], |row| row.get(0))? {
            lost.push(name?);
        }
    }
    lost.sort();
    Ok(lost)
}
