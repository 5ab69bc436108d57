//! Removing many images at once: what one transaction each would spend seconds on.

use rusqlite::{OptionalExtension, Transaction, params};
use wharfie_oci::ImageId;

use crate::error::Result;
use crate::graph::variants;
use crate::journal::Note;
use crate::store::Store;
use crate::trash::{Removal, RemovedImage, forget, stacks_only_of};

/// What tells of a removed image and the names that went with it.
pub type Telling<'a> = &'a dyn Fn(&ImageId, &[String]) -> Vec<Note>;

/// Which of the images that nothing uses are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All, with their names.
    All,
    /// Those without a tag: somebody may have given one meanwhile.
    Untagged,
}

/// Images that are removed within one transaction: others wait for no longer than this takes, some 50 ms.
const AT_ONCE: usize = 500;

impl Store {
    /// Removes those of `ids` that nothing uses, with their names, and then the nameless images that they were made from here,
    /// as far as nothing else was. Passes over what a container, a mount or another image needs, and what shares a name
    /// with other platforms: their names are not theirs alone. Looks and acts within the same transactions.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_unused(
        &self,
        ids: &[ImageId],
        which: Which,
        removal: Removal,
        telling: Telling<'_>,
    ) -> Result<Vec<(ImageId, RemovedImage)>> {
        let removal = self.effective(removal);
        let now = self.now().to_nanos();
        let mut removed = Vec::new();
        for ids in ids.chunks(AT_ONCE) {
            removed.extend(self.write(|db| {
                let change = || -> rusqlite::Result<Vec<(ImageId, RemovedImage)>> {
                    let mut removed = Vec::new();
                    for id in ids {
                        let mut next = Some(id.clone());
                        let mut names = if which == Which::All { Names::Any } else { Names::Digests };
                        while let Some(id) = next.take() {
                            let Some(parent) = self.removable(db, &id, names)? else { break };
                            let gone = remove_alone(db, &id, removal, now)?;
                            for note in telling(&id, &gone.names) {
                                self.write_event(db, &note)?;
                            }
                            removed.push((id, gone));
                            (next, names) = (parent, Names::None);
                        }
                    }
                    Ok(removed)
                };
                change().map_err(self.metadata_error())
            })?);
        }
        Ok(removed)
    }
}

/// Names that are to go, and the images that they meant when that was decided.
pub type Doomed = [(String, ImageId)];

/// What became of [`Doomed`] names.
#[derive(Debug, Default)]
pub struct Gone {
    /// Names that went, with the images they led to.
    pub names: Vec<(String, ImageId)>,
    /// Images that went with their last names.
    pub images: Vec<(ImageId, RemovedImage)>,
    /// Names that stay: they mean something else by now, or a container, a mount or a command at work needs the image.
    pub spared: Vec<String>,
}

impl Store {
    /// Removes names, as long as they mean what they meant, and nothing uses the images; and then the images that have no tag
    /// left. Looks and acts within the same transactions.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_names(&self, doomed: &Doomed, removal: Removal, telling: Telling<'_>) -> Result<Gone> {
        let removal = self.effective(removal);
        let now = self.now().to_nanos();
        let mut gone = Gone::default();
        for doomed in doomed.chunks(AT_ONCE) {
            let part = self.write(|db| {
                let change = || -> rusqlite::Result<Gone> {
                    let mut gone = Gone::default();
                    let mut images: Vec<ImageId> = Vec::new();
                    for (name, id) in doomed {
                        let Some(meant) = self.unused_images_of(db, name, id)? else {
                            gone.spared.push(name.clone());
                            continue;
                        };
                        Self::drop_names(
                            db,
                            std::slice::from_ref(name),
                            (removal == Removal::Undoable).then_some(now),
                        )?;
                        // The last note of an image that goes is its own.
                        for note in telling(id, std::slice::from_ref(name)).into_iter().take(1) {
                            self.write_event(db, &note)?;
                        }
                        gone.names.push((name.clone(), id.clone()));
                        images.extend(meant);
                    }
                    images.sort();
                    images.dedup();
                    for id in images {
                        let Some(_) = self.removable(db, &id, Names::Digests)? else { continue };
                        let removed = remove_alone(db, &id, removal, now)?;
                        for note in telling(&id, &removed.names) {
                            self.write_event(db, &note)?;
                        }
                        gone.images.push((id, removed));
                    }
                    Ok(gone)
                };
                change().map_err(self.metadata_error())
            })?;
            gone.names.extend(part.names);
            gone.images.extend(part.images);
            gone.spared.extend(part.spared);
        }
        Ok(gone)
    }
}

impl Store {
    /// The images that a name leads to, on all platforms. `None` if it does not lead to `id`, or one of them is used.
    fn unused_images_of(
        &self,
        db: &Transaction<'_>,
        name: &str,
        id: &ImageId,
    ) -> rusqlite::Result<Option<Vec<ImageId>>> {
        let sql = "SELECT target FROM reference WHERE name = ?1 AND image = ?2";
        let target: Option<String> =
            db.prepare_cached(sql)?.query_row(params![name, id.as_str()], |row| row.get(0)).optional()?;
        let Some(target) = target else { return Ok(None) };
        let mut images: Vec<ImageId> = match target.parse() {
            Ok(target) => variants(db, &target)?.into_iter().map(|variant| variant.image).collect(),
            Err(_) => Vec::new(),
        };
        images.push(id.clone());
        let sql =
            "SELECT EXISTS (SELECT 1 FROM container WHERE image = ?1) OR EXISTS (SELECT 1 FROM mount WHERE image = ?1)";
        for image in &images {
            if db.prepare_cached(sql)?.query_row([image.as_str()], |row| row.get(0))? {
                return Ok(None);
            }
            if self.is_at_work_with(db, image)? {
                return Ok(None);
            }
        }
        Ok(Some(images))
    }

    /// `Some` with the image's parent if nothing keeps the image from being removed.
    fn removable(&self, db: &Transaction<'_>, id: &ImageId, names: Names) -> rusqlite::Result<Option<Option<ImageId>>> {
        let sql = "SELECT parent FROM image WHERE id = ?1 AND removed_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM container WHERE container.image = ?1)
            AND NOT EXISTS (SELECT 1 FROM mount WHERE mount.image = ?1)
            AND NOT EXISTS (SELECT 1 FROM image AS child WHERE child.parent = ?1 AND child.removed_at IS NULL)
            AND NOT EXISTS (
                SELECT 1 FROM manifest JOIN edge ON edge.child = manifest.digest
                JOIN reference ON reference.target = edge.parent WHERE manifest.image = ?1
                    AND 1 < (SELECT count(*) FROM edge AS beside JOIN manifest AS other ON other.digest = beside.child
                        JOIN image AS variant ON variant.id = other.image AND variant.removed_at IS NULL
                        WHERE beside.parent = edge.parent))";
        let parent: Option<Option<String>> =
            db.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0)).optional()?;
        let Some(parent) = parent else { return Ok(None) };
        if self.is_at_work_with(db, id)? {
            return Ok(None);
        }
        if names != Names::Any {
            let sql = "SELECT EXISTS (SELECT 1 FROM reference WHERE image = ?1 AND (?2 OR NOT is_digest))";
            if db.prepare_cached(sql)?.query_row(params![id.as_str(), names == Names::None], |row| row.get(0))? {
                return Ok(None);
            }
        }
        Ok(Some(parent.and_then(|parent| parent.parse().ok())))
    }

    /// True if a command that has not ended holds an image: one that was pulled for a container that is about to be made.
    fn is_at_work_with(&self, db: &Transaction<'_>, id: &ImageId) -> rusqlite::Result<bool> {
        let mut leases = db.prepare_cached("SELECT owner FROM hold WHERE digest = ?1")?;
        let leases: Vec<String> = leases.query_map([id.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(leases.iter().any(|lease| !self.is_dead_lease(lease)))
    }
}

/// The names that an image may have and be removed all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Any,
    Digests,
    None,
}

/// Removes an image that is the only one its names lead to.
fn remove_alone(db: &Transaction<'_>, id: &ImageId, removal: Removal, now: i64) -> rusqlite::Result<RemovedImage> {
    let mut removed = stacks_only_of(db, id)?;
    let mut names = db.prepare_cached("SELECT name FROM reference WHERE image = ?1 ORDER BY name")?;
    removed.names = names.query_map([id.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Store::drop_names(db, &removed.names, (removal == Removal::Undoable).then_some(now))?;
    match removal {
        Removal::Undoable => {
            db.prepare_cached("UPDATE image SET removed_at = ?2 WHERE id = ?1")?.execute(params![id.as_str(), now])?;
        }
        Removal::Final => forget(db, id.as_str())?,
    }
    Ok(removed)
}
