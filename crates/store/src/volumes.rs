//! Volumes: named places for files that outlive containers. A volume's files are in `volumes/<name>/_data`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Row, Transaction, params};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::mount::UnmountFlags;
use wharfie_oci::{ContainerId, Timestamp, VolumeName};

use crate::containers::parsed;
use crate::error::{Error, Result};
use crate::journal::{Kind, Note};
use crate::store::{Store, make_private};

/// A named place for files that outlive containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    /// Its name; a random one if it is anonymous.
    pub name: VolumeName,
    /// When it was made.
    pub created: Timestamp,
    /// Labels, a JSON object.
    pub labels: String,
    /// True if nobody named it.
    pub is_anonymous: bool,
    /// What is mounted in it when it is used, as the user said it; empty for a plain directory.
    pub options: BTreeMap<String, String>,
}

impl Store {
    /// Where a volume's files are.
    pub fn volume_directory(&self, name: &VolumeName) -> PathBuf {
        self.volume_place(name).join("_data")
    }

    /// Makes a volume unless it is there.
    ///
    /// # Errors
    /// When its directory or row cannot be made.
    pub fn create_volume(&self, volume: &VolumeRow) -> Result<()> {
        self.write(|db| self.make_volume(db, volume))
    }

    /// As [`Self::create_volume`], within a change that has begun: nobody removes the volume before it is done.
    pub(crate) fn make_volume(&self, db: &Transaction<'_>, volume: &VolumeRow) -> Result<()> {
        let place = self.volume_place(&volume.name);
        let sql = "INSERT OR IGNORE INTO volume (name, created, labels, is_anonymous) VALUES (?1, ?2, ?3, ?4)";
        let row = params![volume.name.as_str(), volume.created.to_nanos(), volume.labels, volume.is_anonymous];
        let is_new = db.execute(sql, row).map_err(self.metadata_error())? > 0;
        if is_new && !volume.options.is_empty() {
            let text = serde_json::to_string(&volume.options).expect("a plain value can be written");
            db.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)", params![key(&volume.name), text])
                .map_err(self.metadata_error())?;
        }
        if is_new {
            self.write_event(db, &event("create", &volume.name)).map_err(self.metadata_error())?;
        }
        let data = place.join("_data");
        if !data.is_dir() {
            make_private(&place).map_err(Error::io("create", &place))?;
            std::fs::create_dir(&data).map_err(Error::io("create", &data))?;
            // Its own directory keeps the host's other users out; in containers every user may look into it.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&data, mode).map_err(Error::io("create", &data))?;
        }
        Ok(())
    }

    /// A volume's own directory.
    fn volume_place(&self, name: &VolumeName) -> PathBuf {
        self.root.join("volumes").join(name.as_str())
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeRow>> {
        self.read(|db| {
            let sql = format!("{VOLUMES} ORDER BY name");
            db.prepare(&sql)?.query_map([], volume_row)?.collect()
        })
    }

    /// A volume; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn volume(&self, name: &VolumeName) -> Result<Option<VolumeRow>> {
        self.read(|db| db.query_row(&format!("{VOLUMES} WHERE name = ?1"), [name.as_str()], volume_row).optional())
    }

    /// The containers that use a volume.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn users_of_volume(&self, name: &VolumeName) -> Result<Vec<ContainerId>> {
        self.read(|db| {
            db.prepare("SELECT container FROM container_volume WHERE volume = ?1 ORDER BY container")?
                .query_map([name.as_str()], |row| parsed(row, 0))?
                .collect()
        })
    }

    /// The volumes of a container.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn volumes_of_container(&self, id: &ContainerId) -> Result<Vec<VolumeName>> {
        self.read(|db| {
            db.prepare("SELECT volume FROM container_volume WHERE container = ?1 ORDER BY volume")?
                .query_map([id.as_str()], |row| parsed(row, 0))?
                .collect()
        })
    }

    /// Removes a volume and its files; false if a container uses it or it is not there.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_volume(&self, name: &VolumeName) -> Result<bool> {
        let place = self.volume_place(name);
        let aside = self.staging().join(format!("volume-{name}-{}", std::process::id()));
        let is_gone = self.write_or_free(|db| {
            let sql = "DELETE FROM volume WHERE name = ?1
                AND NOT EXISTS (SELECT 1 FROM container_volume WHERE volume = ?1)";
            let is_gone = db.execute(sql, [name.as_str()]).map_err(self.metadata_error())? > 0;
            if is_gone && self.is_rehearsal() {
                return Ok(true);
            }
            if is_gone {
                // What is mounted in it is not its own.
                release(&place.join("_data"))?;
                db.execute("DELETE FROM setting WHERE key = ?1", [key(name)]).map_err(self.metadata_error())?;
                self.write_event(db, &event("destroy", name)).map_err(self.metadata_error())?;
            }
            // While other writers are kept out: a new volume of this name gets a directory of its own.
            if is_gone && let Err(why) = std::fs::rename(&place, &aside) {
                match why.kind() {
                    std::io::ErrorKind::NotFound => {}
                    _ => return Err(Error::io("remove", &place)(why)),
                }
            }
            Ok(is_gone)
        })?;
        if is_gone {
            self.remove_tree(&aside).map_err(Error::stuck(aside))?;
        }
        Ok(is_gone)
    }
}

fn event(action: &str, name: &VolumeName) -> Note {
    let attributes = [("driver".to_owned(), "local".to_owned())].into();
    Note { kind: Kind::Volume, action: action.to_owned(), object: name.to_string(), attributes }
}

const VOLUMES: &str = "SELECT name, created, labels, is_anonymous, value FROM volume
    LEFT JOIN setting ON key = 'volume:' || name";

fn volume_row(row: &Row<'_>) -> rusqlite::Result<VolumeRow> {
    let options: Option<String> = row.get(4)?;
    Ok(VolumeRow {
        name: parsed(row, 0)?,
        created: Timestamp::from_nanos(row.get(1)?),
        labels: row.get(2)?,
        is_anonymous: row.get(3)?,
        options: options.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
    })
}

/// Where a volume's options are: settings have a table of keys and values.
fn key(name: &VolumeName) -> String {
    format!("volume:{name}")
}

/// Takes away what is mounted on a directory, however often, and insists that nothing is left: who deletes the directory must
/// not delete what is mounted.
pub fn release(directory: &Path) -> Result<()> {
    let failed = |why: rustix::io::Errno| Error::Mount { target: directory.into(), source: why.into() };
    while is_mount_point(directory).map_err(failed)? {
        let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(directory, flags).map_err(failed)?;
    }
    Ok(())
}

/// True if something is mounted on the directory; false also if there is none.
///
/// # Errors
/// The kernel's.
pub fn is_mount_point(directory: &Path) -> rustix::io::Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    match statx(CWD, directory, flags, StatxFlags::TYPE) {
        Ok(found) => Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(why) => Err(why),
    }
}
