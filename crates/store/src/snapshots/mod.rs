//! Snapshots: layers made visible as trees.
//!
//! One contract, two ways. [`erofs`] mounts the layer file itself: nothing is unpacked. [`unpacked`] makes real files on
//! first need, for machines and users that cannot mount EROFS. Both show the same tree, with whiteouts in overlayfs's
//! form; `tests/it/snapshots.rs` holds them to it.

mod erofs;
mod unpacked;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rusqlite::{OptionalExtension, params};
use wharfie_layer::erofs::{Inodes, LayerIndex, mount_detached};
use wharfie_oci::DiffId;

use crate::error::{Error, Result};
use crate::store::Store;
use crate::temp::TempFile;

/// How layers become trees here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Layer files are mounted as they are.
    Erofs,
    /// Layers are unpacked; opaque directories are marked with `trusted.*` attributes.
    Unpacked,
    /// Layers are unpacked without privileges; opaque directories are marked with `user.*` attributes.
    UnpackedRootless,
    /// As [`Self::UnpackedRootless`], in a user namespace of many ids: files belong to whom the layer says. Never chosen or
    /// remembered: it is what the other is called where it can do more.
    UnpackedMapped,
}

impl Kind {
    /// The word that the metadata and the configuration file use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erofs => "erofs",
            Self::Unpacked => "unpacked",
            Self::UnpackedRootless => "unpacked-rootless",
            Self::UnpackedMapped => "unpacked-mapped",
        }
    }

    /// True if overlayfs finds its marks in `user.*` attributes.
    pub fn has_user_marks(self) -> bool {
        matches!(self, Self::UnpackedRootless | Self::UnpackedMapped)
    }

    /// What it is in this process.
    fn here(self) -> Self {
        if self == Self::UnpackedRootless && has_many_ids() { Self::UnpackedMapped } else { self }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Erofs, Self::Unpacked, Self::UnpackedRootless].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A layer's tree, ready to be stacked.
#[derive(Debug)]
pub enum Tree {
    /// A mount that is attached nowhere; lives as long as the descriptor or the overlay over it.
    Mount(OwnedFd),
    /// A directory.
    Directory(PathBuf),
}

/// The kinds that keep trees, each in the folder that is called like it.
pub(crate) const UNPACKED: [Kind; 3] = [Kind::Unpacked, Kind::UnpackedRootless, Kind::UnpackedMapped];

const SETTING: &str = "snapshots";

impl Store {
    /// Which kind this store uses. Found out by really mounting something, once, and remembered.
    ///
    /// # Errors
    /// When the probe cannot be written or the answer not be recorded.
    pub fn snapshot_kind(&self) -> Result<Kind> {
        if let Some(kind) = self.known_snapshot_kind()? {
            return Ok(kind.here());
        }
        let kind = self.probe()?;
        self.write(|db| {
            db.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)", params![SETTING, kind.as_str()])
                .map_err(self.metadata_error())?;
            Ok(kind.here())
        })
    }

    /// The kind this store uses, if that was found out already.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn known_snapshot_kind(&self) -> Result<Option<Kind>> {
        if self.options.snapshots.is_some() {
            return Ok(self.options.snapshots);
        }
        let known: Option<String> = self.read(|db| {
            db.query_row("SELECT value FROM setting WHERE key = ?1", [SETTING], |row| row.get(0)).optional()
        })?;
        Ok(known.as_deref().and_then(Kind::from_name))
    }

    fn probe(&self) -> Result<Kind> {
        use std::os::fd::AsFd;
        let file = TempFile::create(&self.layer_directory(), &self.staging())?;
        LayerIndex::new(&self.staging()).and_then(|index| index.write(file.file(), 0)).map_err(Error::Layer)?;
        if mount_detached(file.file().as_fd()).is_ok() {
            return Ok(Kind::Erofs);
        }
        Ok(if unpacked::can_set_trusted_attributes(self) { Kind::Unpacked } else { Kind::UnpackedRootless })
    }

    /// The tree of a layer that is in the store. The caller keeps the layer from being collected.
    ///
    /// # Errors
    /// When the layer is missing or cannot be mounted or unpacked.
    pub fn tree(&self, diff_id: &DiffId, kind: Kind) -> Result<Tree> {
        match kind {
            Kind::Erofs => erofs::tree(self, diff_id),
            Kind::Unpacked | Kind::UnpackedRootless | Kind::UnpackedMapped => unpacked::tree(self, diff_id, kind),
        }
    }

    /// Frees what unpacking a layer has made.
    pub(crate) fn remove_unpacked(&self, diff_id: &DiffId) {
        unpacked::remove(self, diff_id);
    }

    /// A layer's plain tar: a file, the offset at which it begins there, and its length.
    ///
    /// # Errors
    /// When the layer is not here.
    pub fn open_tar(&self, diff_id: &DiffId) -> Result<(std::fs::File, u64, u64)> {
        let sql = "SELECT tar_size FROM layer WHERE diff_id = ?1";
        let size = self.read(|db| db.query_row(sql, [diff_id.as_str()], |row| row.get(0)).optional())?;
        let size = size.ok_or_else(|| Error::MissingLayer(diff_id.clone()))?;
        Ok((self.open_layer(diff_id)?, wharfie_layer::erofs::TAR_OFFSET, size))
    }

    /// A layer's index, for looking into the layer without mounting it.
    ///
    /// # Errors
    /// When the layer is not here or its index is damaged.
    pub fn open_inodes(&self, diff_id: &DiffId) -> Result<Inodes> {
        Inodes::open(self.open_layer(diff_id)?).map_err(Error::Layer)
    }

    /// Opens a layer's file.
    pub(crate) fn open_layer(&self, diff_id: &DiffId) -> Result<std::fs::File> {
        let path = self.layer_path(diff_id);
        std::fs::File::open(&path).map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => Error::MissingLayer(diff_id.clone()),
            _ => Error::io("read", path)(why),
        })
    }
}

/// True for the root of a user namespace in which there is somebody else.
fn has_many_ids() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let ids = map.lines().filter_map(|line| line.split_ascii_whitespace().next_back()?.parse::<u64>().ok());
    // All of them: no namespace at all.
    rustix::process::geteuid().is_root() && (2..u64::from(u32::MAX)).contains(&ids.sum())
}
