//! The unpacked kinds: a layer's entries as real files under `unpacked/`, `unpacked-rootless/` or `unpacked-mapped/`, made
//! on first need. They mark opaque directories differently or have other owners, so they never use each other's trees.
//!
//! A tree is made aside and renamed into place, so it is there whole or not at all. One with mapped owners has a directory
//! around it: its own top may belong to somebody else, and only the other can be renamed by the store's owner. It is
//! called after the mapping, since with another one its files would have other owners.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, XattrFlags};
use wharfie_layer::apply::{Privilege, apply};
use wharfie_layer::erofs::Inodes;
use wharfie_oci::{DiffId, Digest};

use super::{Kind, Tree, UNPACKED};
use crate::error::{Error, Result};
use crate::store::Store;

/// The layer's directory, unpacked now if it was not before.
pub(super) fn tree(store: &Store, diff_id: &DiffId, kind: Kind) -> Result<Tree> {
    let place = within(place(store, diff_id, kind), kind)?;
    if place.is_dir() {
        return Ok(Tree::Directory(place));
    }
    let layer = store.open_inodes(diff_id)?;

    let parent = place.parent().expect("it is a name beneath the root");
    std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let aside = store.staging().join(format!("{}-{}", std::process::id(), diff_id.digest().hex()));
    let _ = store.remove_tree(&aside);
    std::fs::create_dir(&aside).map_err(Error::io("create", &aside))?;
    let result = unpack(&aside, layer, kind).and_then(|()| {
        // Directories have many files to sync: one sync of the file system is cheaper than all of theirs.
        let sync = || rustix::fs::syncfs(File::open(&aside)?).map_err(std::io::Error::from);
        sync().map_err(Error::io("sync", &aside))?;
        match std::fs::rename(&aside, &place) {
            Ok(()) => Ok(()),
            // Somebody else was quicker.
            Err(_) if place.is_dir() => Ok(()),
            Err(why) => Err(Error::io("create", &place)(why)),
        }
    });
    let _ = store.remove_tree(&aside);
    result.map(|()| Tree::Directory(place))
}

fn unpack(directory: &Path, layer: Inodes, kind: Kind) -> Result<()> {
    let root = rustix::fs::open(directory, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|why| Error::io("open", directory)(why.into()))?;
    let privilege = match kind {
        Kind::UnpackedRootless if rustix::process::geteuid().is_root() => Privilege::Mapped,
        Kind::UnpackedRootless => Privilege::User,
        Kind::UnpackedMapped => Privilege::Mapped,
        _ => Privilege::Root,
    };
    apply(layer, root.as_fd(), privilege).map_err(Error::Layer)
}

/// Deletes an unpacked tree, if there is one. It is moved aside first, so that nobody sees half of it.
pub(super) fn remove(store: &Store, diff_id: &DiffId) {
    let aside = store.staging().join(format!("{}-removed-{}", std::process::id(), diff_id.digest().hex()));
    for kind in UNPACKED {
        if std::fs::rename(place(store, diff_id, kind), &aside).is_ok() {
            let _ = store.remove_tree(&aside);
        }
    }
}

/// True where overlayfs's own attributes may be set: by root of the machine, not of a user namespace.
pub(super) fn can_set_trusted_attributes(store: &Store) -> bool {
    let path = store.staging();
    let name = "trusted.overlay.wharfie";
    let can = rustix::fs::setxattr(&path, name, b"y", XattrFlags::empty()).is_ok();
    if can {
        let _ = rustix::fs::removexattr(&path, name);
    }
    can
}

fn place(store: &Store, diff_id: &DiffId, kind: Kind) -> PathBuf {
    store.root.join(kind.as_str()).join(diff_id.digest().hex())
}

/// Where in `place` the tree itself is.
fn within(place: PathBuf, kind: Kind) -> Result<PathBuf> {
    if kind != Kind::UnpackedMapped {
        return Ok(place);
    }
    let mut mapping = Vec::new();
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        mapping.extend(std::fs::read(file).map_err(Error::io("read", file))?);
    }
    Ok(place.join(Digest::of(&mapping).short()))
}
