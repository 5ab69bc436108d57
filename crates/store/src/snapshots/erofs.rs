//! The EROFS kind: a layer file is an image that embeds its tar, and is mounted without ever being unpacked.

use std::io;
use std::os::fd::AsFd;

use wharfie_layer::erofs::{MountError, mount_detached};
use wharfie_oci::DiffId;

use super::Tree;
use crate::error::{Error, Result};
use crate::store::Store;

/// Mounts a layer, attached nowhere.
pub(super) fn tree(store: &Store, diff_id: &DiffId) -> Result<Tree> {
    let file = store.open_layer(diff_id)?;
    let mount = mount_detached(file.as_fd()).map_err(|why| {
        let kind = match why {
            MountError::NotPermitted => io::ErrorKind::PermissionDenied,
            MountError::NotBackable | MountError::NoErofs => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        Error::Mount { target: store.layer_path(diff_id), source: io::Error::new(kind, why) }
    })?;
    Ok(Tree::Mount(mount))
}
