//! Volumes: named places for files that outlive containers.

use std::collections::BTreeMap;

use wharfie_store::volumes::{VolumeRow, is_volume_name};

use super::random;
use crate::engine::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// Where a volume's files are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn volume_place(&self, name: &str) -> Result<String> {
        Ok(self.reader()?.volume_directory(name).display().to_string())
    }

    /// True if a container uses the volume.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_volume_used(&self, name: &str) -> Result<bool> {
        Ok(!self.reader()?.users_of_volume(name)?.is_empty())
    }

    /// Makes a volume unless it is there; an anonymous one without a name. Gives its name.
    ///
    /// # Errors
    /// When the name is none, or the store cannot be written.
    pub fn create_volume(&self, name: Option<&str>, labels: &BTreeMap<String, String>) -> Result<String> {
        let name = match name {
            Some(name) => {
                check_name(name)?;
                name.to_owned()
            }
            None => random::id()?,
        };
        let store = self.writer()?;
        store.create_volume(&VolumeRow {
            is_anonymous: name.len() == 64,
            name: name.clone(),
            created: store.now(),
            labels: serde_json::to_string(labels).map_err(Error::Document)?,
        })?;
        Ok(name)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn volumes(&self) -> Result<Vec<VolumeRow>> {
        Ok(self.reader()?.volumes()?)
    }

    /// Removes a volume that no container uses.
    ///
    /// # Errors
    /// When there is none of that name, or a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        let store = self.writer()?;
        if !store.volumes()?.iter().any(|volume| volume.name == name) {
            return Err(Error::NoSuchVolume(name.to_owned()));
        }
        if store.remove_volume(name)? {
            return Ok(());
        }
        let users = store.users_of_volume(name)?;
        Err(Error::Container(format!("remove {name}: volume is in use - [{}]", users.join(", "))))
    }

    /// Removes the volumes that no container uses and that fit: anonymous ones, with `all` every one. Gives names and bytes.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn prune_volumes(&self, all: bool, fits: &dyn Fn(&VolumeRow) -> bool) -> Result<Vec<(String, u64)>> {
        let store = self.writer()?;
        let mut gone = Vec::new();
        for volume in store.volumes()? {
            if !(all || volume.is_anonymous) || !fits(&volume) || !store.users_of_volume(&volume.name)?.is_empty() {
                continue;
            }
            let bytes = tree_bytes(&store.volume_directory(&volume.name));
            if store.remove_volume(&volume.name)? {
                gone.push((volume.name, bytes));
            }
        }
        Ok(gone)
    }
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
///
/// # Errors
/// Docker's text for anything else.
pub fn check_name(name: &str) -> Result<()> {
    if name.len() == 1 {
        return Err(Error::Container(
            "create: volume name is too short, names should be at least two alphanumeric characters".to_owned(),
        ));
    }
    if is_volume_name(name) {
        return Ok(());
    }
    Err(Error::Container(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

/// Bytes of the files in a tree.
pub(crate) fn tree_bytes(path: &std::path::Path) -> u64 {
    let mut bytes = 0;
    let mut places = vec![path.to_path_buf()];
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => places.push(entry.path()),
                Ok(found) if found.is_file() => bytes += found.len(),
                _ => {}
            }
        }
    }
    bytes
}
