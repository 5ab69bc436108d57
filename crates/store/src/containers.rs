//! Containers and volumes: rows that say what was made from which image, and where its files are.
//!
//! A container's writable directory, its log and its small files lie in `containers/<id>/`; a volume's files in
//! `volumes/<name>/_data`. A container holds its layers by itself, so an image may be removed by force under it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use wharfie_oci::{DiffId, ImageId, Timestamp};

use crate::error::{Error, Result};
use crate::store::Store;
use crate::trash::nanos;

/// A container as it was made, and how it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRow {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The image it was made from; may be gone by now.
    pub image: ImageId,
    /// When it was made.
    pub created: Timestamp,
    /// What it was made with: a document of the engine's.
    pub settings: String,
    /// How it is, as far as was written down.
    pub state: ContainerState,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, never started.
    #[default]
    Created,
    /// Its process lives.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It ended and is about to be started again.
    Restarting,
    /// It ended.
    Exited,
}

/// How a container is. Moments are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ContainerState {
    /// What it is doing.
    pub status: Status,
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// When the kernel started that process, in ticks since boot: tells it from a later one of the same number.
    pub pid_started: u64,
    /// What the runtime needs to handle it while it runs: a document of the runtime's.
    pub target: String,
    /// Its address on the first bridge, while it runs there.
    pub address: String,
    /// Its addresses by the networks' names, and which of its devices has each, while it runs.
    pub addresses: BTreeMap<String, (String, u8)>,
    /// Ports of the host that lead to it, while it runs: a document of the engine's.
    pub ports: String,
    /// The process that looks after it, if one does.
    pub monitor: Option<u32>,
    /// When that process was started, in ticks since boot.
    pub monitor_started: u64,
    /// When it was started last.
    pub started_at: Option<i64>,
    /// When it ended last.
    pub finished_at: Option<i64>,
    /// How it ended last.
    pub exit_code: i32,
    /// True if the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: String,
    /// How often its restart policy started it again.
    pub restarts: u32,
    /// How it says it is: `starting`, `healthy`, `unhealthy`; empty without a health check.
    pub health: String,
    /// True once the user has stopped it: restart policies respect that.
    pub is_stopped_by_user: bool,
}

/// A named place for files that outlive containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    /// Its name; 64 hexadecimal digits for anonymous ones.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Labels, a JSON object.
    pub labels: String,
    /// True if nobody named it.
    pub is_anonymous: bool,
}

/// A container about to be recorded.
#[derive(Debug, Clone)]
pub struct NewContainer<'a> {
    /// Its row.
    pub row: &'a ContainerRow,
    /// The layers it stands on, bottom first.
    pub layers: &'a [DiffId],
    /// Names of volumes it uses.
    pub volumes: &'a [String],
}

const COLUMNS: &str = "id, name, image, created, settings, state";

fn container_row(row: &Row<'_>) -> rusqlite::Result<ContainerRow> {
    let image: String = row.get(2)?;
    let state: String = row.get(5)?;
    Ok(ContainerRow {
        id: row.get(0)?,
        name: row.get(1)?,
        image: image.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
        created: Timestamp::from_nanos(row.get(3)?),
        settings: row.get(4)?,
        state: serde_json::from_str(&state).unwrap_or_default(),
    })
}

impl Store {
    /// Where a container's files are.
    pub fn container_directory(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    /// Where a volume's files are.
    pub fn volume_directory(&self, name: &str) -> PathBuf {
        self.root.join("volumes").join(name).join("_data")
    }

    /// Records a container. Its layers are held from now on.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if another container has the name; [`Error::MissingLayer`] if a layer is gone.
    pub fn record_container(&self, new: &NewContainer<'_>) -> Result<()> {
        let row = new.row;
        let state = serde_json::to_string(&row.state).expect("a plain value can be written");
        self.write(|db| {
            let taken = db.query_row("SELECT id FROM container WHERE name = ?1", [&row.name], |found| found.get(0));
            if let Some(id) = taken.optional().map_err(self.metadata_error())? {
                return Err(Error::NameTaken { name: row.name.clone(), id });
            }
            for layer in new.layers {
                let sql = "SELECT 1 FROM layer WHERE diff_id = ?1";
                let found = db.query_row(sql, [layer.as_str()], |_| Ok(())).optional();
                found.map_err(self.metadata_error())?.ok_or_else(|| Error::MissingLayer(layer.clone()))?;
            }
            let insert = || -> rusqlite::Result<()> {
                db.execute(
                    "INSERT INTO container (id, name, image, created, settings, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![row.id, row.name, row.image.as_str(), nanos(row.created), row.settings, state],
                )?;
                for (position, layer) in new.layers.iter().enumerate() {
                    db.execute(
                        "INSERT INTO container_layer (container, position, diff_id) VALUES (?1, ?2, ?3)",
                        params![row.id, position as i64, layer.as_str()],
                    )?;
                }
                for volume in new.volumes {
                    db.execute(
                        "INSERT OR IGNORE INTO container_volume (container, volume) VALUES (?1, ?2)",
                        params![row.id, volume],
                    )?;
                }
                Ok(())
            };
            insert().map_err(self.metadata_error())
        })
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
    pub fn layers_of_container(&self, id: &str) -> Result<Vec<DiffId>> {
        self.read(|db| {
            db.prepare("SELECT diff_id FROM container_layer WHERE container = ?1 ORDER BY position")?
                .query_map([id], |row| row.get::<_, String>(0)?.parse().map_err(|_| rusqlite::Error::InvalidQuery))?
                .collect()
        })
    }

    /// Changes how a container is, and gives what was written. `None` if there is no such container any more.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn change_container(
        &self,
        id: &str,
        change: impl FnOnce(&mut ContainerState),
    ) -> Result<Option<ContainerState>> {
        self.write(|db| {
            let sql = "SELECT state FROM container WHERE id = ?1";
            let text: Option<String> =
                db.query_row(sql, [id], |row| row.get(0)).optional().map_err(self.metadata_error())?;
            let Some(text) = text else { return Ok(None) };
            let mut state: ContainerState = serde_json::from_str(&text).unwrap_or_default();
            change(&mut state);
            let text = serde_json::to_string(&state).expect("a plain value can be written");
            db.execute("UPDATE container SET state = ?2 WHERE id = ?1", params![id, text])
                .map_err(self.metadata_error())?;
            Ok(Some(state))
        })
    }

    /// Replaces what a container was made with.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn set_container_settings(&self, id: &str, settings: &str) -> Result<()> {
        self.write(|db| {
            db.execute("UPDATE container SET settings = ?2 WHERE id = ?1", params![id, settings])
                .map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if another container has it.
    pub fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        self.write(|db| {
            let taken = db.query_row("SELECT id FROM container WHERE name = ?1", [name], |found| found.get(0));
            if let Some(other) = taken.optional().map_err(self.metadata_error())? {
                return Err(Error::NameTaken { name: name.to_owned(), id: other });
            }
            db.execute("UPDATE container SET name = ?2 WHERE id = ?1", params![id, name])
                .map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Forgets a container and deletes its files. It must not run any more.
    ///
    /// # Errors
    /// When the metadata cannot be changed. Files that cannot be deleted are left for `fsck`.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        self.write(|db| {
            for sql in [
                "DELETE FROM container_layer WHERE container = ?1",
                "DELETE FROM container_volume WHERE container = ?1",
                "DELETE FROM container WHERE id = ?1",
            ] {
                db.execute(sql, [id]).map_err(self.metadata_error())?;
            }
            Ok(())
        })?;
        // A directory without a row is a leftover, which a check of the store removes.
        self.remove_tree(&self.container_directory(id));
        Ok(())
    }

    /// Makes a volume unless it is there.
    ///
    /// # Errors
    /// When its directory or row cannot be made.
    pub fn create_volume(&self, volume: &VolumeRow) -> Result<()> {
        let directory = self.volume_directory(&volume.name);
        std::fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
        self.write(|db| {
            db.execute(
                "INSERT OR IGNORE INTO volume (name, created, labels, is_anonymous) VALUES (?1, ?2, ?3, ?4)",
                params![volume.name, nanos(volume.created), volume.labels, volume.is_anonymous],
            )
            .map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeRow>> {
        self.read(|db| {
            db.prepare("SELECT name, created, labels, is_anonymous FROM volume ORDER BY name")?
                .query_map([], |row| {
                    Ok(VolumeRow {
                        name: row.get(0)?,
                        created: Timestamp::from_nanos(row.get(1)?),
                        labels: row.get(2)?,
                        is_anonymous: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    /// The containers that use a volume.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn users_of_volume(&self, name: &str) -> Result<Vec<String>> {
        self.read(|db| {
            db.prepare("SELECT container FROM container_volume WHERE volume = ?1 ORDER BY container")?
                .query_map([name], |row| row.get(0))?
                .collect()
        })
    }

    /// The volumes of a container.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn volumes_of_container(&self, id: &str) -> Result<Vec<String>> {
        self.read(|db| {
            db.prepare("SELECT volume FROM container_volume WHERE container = ?1 ORDER BY volume")?
                .query_map([id], |row| row.get(0))?
                .collect()
        })
    }

    /// Removes a volume and its files; false if a container uses it or it is not there.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_volume(&self, name: &str) -> Result<bool> {
        let is_gone = self.write(|db| {
            let sql = "DELETE FROM volume WHERE name = ?1
                AND NOT EXISTS (SELECT 1 FROM container_volume WHERE volume = ?1)";
            Ok(db.execute(sql, [name]).map_err(self.metadata_error())? > 0)
        })?;
        if is_gone {
            self.remove_tree(&self.root.join("volumes").join(name));
        }
        Ok(is_gone)
    }
}
