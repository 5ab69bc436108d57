//! Containers: rows that say what was made from which image, and where its files are.
//!
//! A container's writable directory, its log and its small files lie in `containers/<id>/`. A container holds its layers by
//! itself, so an image may be removed by force under it.

use std::path::PathBuf;
use std::str::FromStr;

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use wharfie_oci::{ContainerId, ContainerName, DiffId, ImageId, Timestamp};

use crate::container_lock::ContainerLock;
pub use crate::container_state::{ContainerState, Health, Phase, ProcessMark, Running, Status};
use crate::error::{Error, Result};
use crate::store::{Store, make_private};
use crate::volumes::VolumeRow;

/// A container as it was made, and how it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRow {
    /// What it is, whatever it is called.
    pub id: ContainerId,
    /// What it is called.
    pub name: ContainerName,
    /// The image it was made from; may be gone by now.
    pub image: ImageId,
    /// When it was made.
    pub created: Timestamp,
    /// What it was made with: a document of the engine's.
    pub settings: String,
    /// How it is, as far as was written down.
    pub state: ContainerState,
}

/// A container about to be recorded.
#[derive(Debug, Clone)]
pub struct NewContainer<'a> {
    /// Its row.
    pub row: &'a ContainerRow,
    /// The volumes it uses; those that are not there yet are made.
    pub volumes: &'a [VolumeRow],
}

const COLUMNS: &str = "id, name, image, created, settings, state";

fn container_row(row: &Row<'_>) -> rusqlite::Result<ContainerRow> {
    let state: String = row.get(5)?;
    Ok(ContainerRow {
        id: parsed(row, 0)?,
        name: parsed(row, 1)?,
        image: parsed(row, 2)?,
        created: Timestamp::from_nanos(row.get(3)?),
        settings: row.get(4)?,
        state: serde_json::from_str(&state).unwrap_or_default(),
    })
}

/// A column that a type of its own stands for.
pub(crate) fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let failed = |why: T::Err| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why));
    row.get::<_, String>(column)?.parse().map_err(failed)
}

impl Store {
    /// Where a container's files are.
    pub fn container_directory(&self, id: &ContainerId) -> PathBuf {
        self.root.join("containers").join(id.as_str())
    }

    /// Records a container on top of its image's layers, which are held from now on, with its volumes and its directory. Its
    /// lock is held before anybody can see it.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if another container has the name; [`Error::MissingImage`] if the image is gone.
    pub fn record_container(&self, new: &NewContainer<'_>) -> Result<ContainerLock> {
        let row = new.row;
        let state = serde_json::to_string(&row.state).expect("a plain value can be written");
        let directory = self.container_directory(&row.id);
        let recorded = self.write(|db| {
            let taken =
                db.query_row("SELECT id FROM container WHERE name = ?1", [row.name.as_str()], |found| parsed(found, 0));
            if let Some(id) = taken.optional().map_err(self.metadata_error())? {
                return Err(Error::NameTaken { name: row.name.clone(), id });
            }
            let sql = "SELECT 1 FROM image WHERE id = ?1 AND removed_at IS NULL";
            let image = db.query_row(sql, [row.image.as_str()], |_| Ok(())).optional();
            image.map_err(self.metadata_error())?.ok_or_else(|| Error::MissingImage(row.image.clone()))?;
            for volume in new.volumes {
                self.make_volume(db, volume)?;
            }
            let insert = || -> rusqlite::Result<()> {
                db.execute(
                    "INSERT INTO container (id, name, image, created, settings, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        row.id.as_str(),
                        row.name.as_str(),
                        row.image.as_str(),
                        row.created.to_nanos(),
                        row.settings,
                        state
                    ],
                )?;
                db.execute(
                    "INSERT INTO container_layer (container, position, diff_id)
                        SELECT ?1, position, diff_id FROM image_layer WHERE image = ?2",
                    params![row.id.as_str(), row.image.as_str()],
                )?;
                for volume in new.volumes {
                    db.execute(
                        "INSERT OR IGNORE INTO container_volume (container, volume) VALUES (?1, ?2)",
                        params![row.id.as_str(), volume.name.as_str()],
                    )?;
                }
                Ok(())
            };
            insert().map_err(self.metadata_error())?;
            // While other writers are kept out: whoever sees the row finds the directory, and finds it locked.
            for name in ["upper", "work"] {
                let path = directory.join(name);
                make_private(&path).map_err(Error::io("create", &path))?;
                // What is at the top of the root file system is for everybody who is inside.
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(&path, mode).map_err(Error::io("create", &path))?;
            }
            let lock = self.try_lock_container(&row.id)?;
            lock.ok_or_else(|| Error::io("lock", &directory)(std::io::ErrorKind::WouldBlock.into()))
        });
        if recorded.is_err() && directory.exists() {
            // What cannot be deleted is a leftover, which a check of the store finds.
            let _ = self.remove_tree(&directory);
        }
        recorded
    }

    /// All containers, newest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn containers(&self) -> Result<Vec<ContainerRow>> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM container ORDER BY created DESC, id");
            db.prepare(&sql)?.query_map([], container_row)?.collect()
        })
    }

    /// The container that `text` names: a whole id, a name, or the unique beginning of an id, in this order.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn find_container(&self, text: &str) -> Result<Option<ContainerRow>> {
        let name = text.strip_prefix('/').unwrap_or(text);
        self.read(|db| {
            let sql =
                format!("SELECT {COLUMNS} FROM container WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1");
            if let Some(found) = db.query_row(&sql, [name], container_row).optional()? {
                return Ok(Some(found));
            }
            if name.is_empty() || !name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Ok(None);
            }
            let sql = format!("SELECT {COLUMNS} FROM container WHERE id >= ?1 AND id < ?2 LIMIT 2");
            let mut found: Vec<ContainerRow> = db
                .prepare(&sql)?
                .query_map([name.to_owned(), format!("{name}g")], container_row)?
                .collect::<Result<_, _>>()?;
            Ok(if found.len() == 1 { found.pop() } else { None })
        })
    }

    /// The layers of a container, bottom first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn layers_of_container(&self, id: &ContainerId) -> Result<Vec<DiffId>> {
        self.read(|db| {
            db.prepare("SELECT diff_id FROM container_layer WHERE container = ?1 ORDER BY position")?
                .query_map([id.as_str()], |row| parsed(row, 0))?
                .collect()
        })
    }

    /// Changes how a container is, and gives what was written. `None` if there is no such container any more. What `change`
    /// decides by the state it is given is decided in the transaction that writes. It is called again if the disk was full.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn change_container(
        &self,
        id: &ContainerId,
        change: impl Fn(&mut ContainerState),
    ) -> Result<Option<ContainerState>> {
        self.write_or_free(|db| {
            let sql = "SELECT state FROM container WHERE id = ?1";
            let text: Option<String> =
                db.query_row(sql, [id.as_str()], |row| row.get(0)).optional().map_err(self.metadata_error())?;
            let Some(text) = text else { return Ok(None) };
            let mut state: ContainerState = serde_json::from_str(&text).unwrap_or_default();
            change(&mut state);
            let text = serde_json::to_string(&state).expect("a plain value can be written");
            db.execute("UPDATE container SET state = ?2 WHERE id = ?1", params![id.as_str(), text])
                .map_err(self.metadata_error())?;
            Ok(Some(state))
        })
    }

    /// Replaces what a container was made with.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn set_container_settings(&self, id: &ContainerId, settings: &str) -> Result<()> {
        self.write(|db| {
            db.execute("UPDATE container SET settings = ?2 WHERE id = ?1", params![id.as_str(), settings])
                .map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if another container has it.
    pub fn rename_container(&self, id: &ContainerId, name: &ContainerName) -> Result<()> {
        self.write(|db| {
            let taken =
                db.query_row("SELECT id FROM container WHERE name = ?1", [name.as_str()], |found| parsed(found, 0));
            if let Some(other) = taken.optional().map_err(self.metadata_error())? {
                return Err(Error::NameTaken { name: name.clone(), id: other });
            }
            db.execute("UPDATE container SET name = ?2 WHERE id = ?1", params![id.as_str(), name.as_str()])
                .map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Forgets a container and deletes its files. It must not run any more, and stays locked meanwhile.
    ///
    /// # Errors
    /// As [`Self::remove_containers`].
    pub fn remove_container(&self, id: &ContainerId, lock: &ContainerLock) -> Result<()> {
        self.remove_containers(&[(id, lock)])
    }

    /// Forgets containers in one transaction and deletes their files. They must not run any more, and stay locked meanwhile.
    ///
    /// # Errors
    /// When the metadata cannot be changed; [`Error::Stuck`] for files that cannot be deleted, which are left for `fsck`: of
    /// several such errors the first.
    pub fn remove_containers(&self, containers: &[(&ContainerId, &ContainerLock)]) -> Result<()> {
        let forget = |db: &Transaction<'_>| {
            for (id, _) in containers {
                for sql in [
                    "DELETE FROM container_layer WHERE container = ?1",
                    "DELETE FROM container_volume WHERE container = ?1",
                    "DELETE FROM container WHERE id = ?1",
                ] {
                    db.execute(sql, [id.as_str()]).map_err(self.metadata_error())?;
                }
            }
            Ok(())
        };
        match self.write_or_free(forget) {
            // What they wrote is most likely what filled the disk: that goes first, and the rows with the room this gives.
            Err(why) if why.is_full() => {
                containers.iter().for_each(|(id, _)| self.empty_container(id));
                self.write(forget)?;
            }
            result => result?,
        }
        let mut removed = Ok(());
        for (id, _) in containers {
            let directory = self.container_directory(id);
            // A directory without a row is a leftover, which a check of the store removes.
            removed = removed.and(self.remove_tree(&directory).map_err(Error::stuck(directory)));
        }
        removed
    }

    /// Deletes what a container wrote, as far as that goes.
    fn empty_container(&self, id: &ContainerId) {
        let directory = self.container_directory(id);
        for name in ["upper", "work"] {
            let _ = self.remove_tree(&directory.join(name));
        }
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
