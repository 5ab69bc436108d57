//! Containers: made from images, run without a daemon, and turned into images again.

pub mod attach;
pub mod changes;
pub mod connect;
pub mod copy;
pub mod create;
mod error;
pub mod exec;
mod files;
mod fill;
pub mod freeze;
pub mod health;
pub mod inspect;
mod judge;
pub mod lifecycle;
pub mod links;
pub mod list;
pub mod log;
pub mod monitor;
mod neighbours;
pub mod network;
pub mod prune;
pub(crate) mod random;
pub mod remove;
pub mod rootfs;
pub mod settings;
mod settle;
pub mod signal;
pub(crate) mod spec;
pub mod start;
pub mod stats;
pub mod streams;
mod summary;
pub mod top;
pub mod update;
pub mod volumes;
pub mod words;

pub use create::Create;
pub use error::ContainerError;
pub use settings::Settings;
pub(crate) use settle::is_alive;

use wharfie_store::containers::ContainerRow;

use crate::engine::Engine;
use crate::error::Result;

/// What a container was made with, for who starts it, changes it or runs one more process in it: nothing may be missing.
///
/// # Errors
/// When this version does not understand all of it.
pub fn settings_of(row: &ContainerRow) -> Result<Settings> {
    let unreadable = |why: serde_json::Error| ContainerError::Settings { id: row.id.clone(), why: why.to_string() };
    serde_json::from_str(&row.settings).map_err(|why| unreadable(why).into())
}

/// What a container was made with as far as this version understands it, for who shows, ends or removes it: a container that
/// cannot be started any more is not in the way of all others.
pub fn readable_settings(row: &ContainerRow) -> Settings {
    settings_of(row).unwrap_or_else(|_| Settings::readable_part(&row.settings))
}

impl Engine {
    /// Where a container's files are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn container_place(&self, row: &ContainerRow) -> Result<std::path::PathBuf> {
        Ok(self.reader()?.container_directory(&row.id))
    }

    /// Where a container's log is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn log_path(&self, row: &ContainerRow) -> Result<std::path::PathBuf> {
        Ok(spec::log_path(self.reader()?, &row.id))
    }

    /// Bytes of a container's own changes, and of its whole root file system.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn container_sizes(&self, row: &ContainerRow) -> Result<(u64, u64)> {
        let store = self.reader()?;
        let upper = store.scratch_of_container(&row.id)?.upper;
        let own = volumes::tree_bytes(&upper).saturating_sub(rootfs::bytes_of_ours(&upper));
        Ok((own, own + store.image(&row.image)?.map_or(0, |image| image.size)))
    }

    /// The container that `name` names: a whole id, a name, or the unique beginning of an id.
    ///
    /// # Errors
    /// When there is none.
    pub fn container(&self, name: &str) -> Result<ContainerRow> {
        let row = self.reader()?.find_container(name)?;
        row.and_then(|row| self.settled(row)).ok_or_else(|| ContainerError::NoSuch(name.to_owned()).into())
    }

    /// First processes of the containers that run, those that `names` name first: whose namespaces a command of an
    /// ordinary user had best be in.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn living(&self, names: &[String]) -> Result<Vec<u32>> {
        let mut living = self.containers()?;
        living.retain(is_alive);
        let is_named = |row: &ContainerRow| {
            names.iter().any(|name| row.name == *name || (name.len() > 2 && row.id.starts_with(name.as_str())))
        };
        living.sort_by_key(|row| !is_named(row));
        Ok(living.iter().filter_map(|row| row.state.process().map(|process| process.pid)).collect())
    }

    /// Every container as it really is, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn containers(&self) -> Result<Vec<ContainerRow>> {
        let store = self.reader()?;
        Ok(store.containers()?.into_iter().filter_map(|row| self.settled(row)).collect())
    }
}
