//! Root file systems that are mounted for looking at: an overlay of an image's layers, read-only, on a directory.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, params};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};
use wharfie_oci::{DiffId, ImageId};

use crate::error::{Error, Result};
use crate::snapshots::Tree;
use crate::store::Store;

/// The kernel's limit (`OVL_MAX_STACK`); one is taken by the empty directory beneath.
pub const MAX_LAYERS: usize = 499;

/// An image mounted on a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRow {
    /// Where.
    pub target: PathBuf,
    /// What.
    pub image: ImageId,
}

/// What is seen of layers.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// The layers alone, read-only: no program in them runs as its owner, and devices are none.
    Image,
    /// A container's changes over them, and further ones go there.
    Writable {
        /// The changes.
        upper: &'a Path,
        /// Where overlayfs works.
        work: &'a Path,
    },
}

impl Store {
    /// Mounts an image's root file system read-only on `target`, an existing directory, and remembers it, so that the
    /// layers stay as long as they are mounted.
    ///
    /// # Errors
    /// When a layer is missing, `target` is no directory, or mounting is not possible here.
    pub fn mount(&self, image: &ImageId, target: &Path) -> Result<()> {
        let target = target.canonicalize().map_err(Error::io("find", target))?;
        let layers: Vec<DiffId> = self.layers_of(image)?.into_iter().map(|layer| layer.diff_id).collect();
        let name = target.to_string_lossy().into_owned();
        self.write(|db| {
            let sql = "INSERT OR REPLACE INTO mount (target, image) VALUES (?1, ?2)";
            db.execute(sql, params![name, image.as_str()]).map_err(self.metadata_error())?;
            Ok(())
        })?;
        let result = self.view(&layers, &View::Image).and_then(|overlay| {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(overlay.as_fd(), "", rustix::fs::CWD, &target, flags).map_err(|why| mount_error(&target, why))
        });
        if result.is_err() {
            self.forget_mount(&name)?;
        }
        result
    }

    /// The overlay over `layers`, bottom first, attached nowhere: it lives as long as its descriptor.
    ///
    /// # Errors
    /// When a layer is missing or mounting is not possible here.
    pub fn view(&self, layers: &[DiffId], view: &View<'_>) -> Result<OwnedFd> {
        let layers = self.sewn(layers)?;
        if layers.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers(layers.len()));
        }
        let kind = self.snapshot_kind()?;
        let trees = layers.iter().map(|layer| self.tree(layer, kind)).collect::<Result<Vec<_>>>()?;
        // Overlayfs wants two directories when it cannot write, and whiteouts want something that hides them.
        let empty = self.root.join("empty");
        std::fs::create_dir_all(&empty).map_err(Error::io("create", &empty))?;
        let configure = || -> rustix::io::Result<OwnedFd> {
            let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
            for tree in trees.iter().rev() {
                match tree {
                    Tree::Mount(mount) => fsconfig_set_fd(&fs, "lowerdir+", mount.as_fd())?,
                    Tree::Directory(path) => fsconfig_set_string(&fs, "lowerdir+", path)?,
                }
            }
            fsconfig_set_string(&fs, "lowerdir+", &empty)?;
            if trees.is_empty() {
                fsconfig_set_string(&fs, "lowerdir+", self.root.join("tmp"))?;
            }
            if kind.has_user_marks() {
                fsconfig_set_flag(&fs, "userxattr")?;
            } else {
                // Without it files of different layers report different devices, and `find -xdev` finds nothing.
                fsconfig_set_string(&fs, "xino", "on")?;
            }
            if let View::Writable { upper, work } = view {
                fsconfig_set_string(&fs, "upperdir", *upper)?;
                fsconfig_set_string(&fs, "workdir", *work)?;
            }
            fsconfig_create(&fs)?;
            let access = match view {
                View::Writable { .. } => MountAttrFlags::empty(),
                // Who looks at an image runs nothing of it with the image's rights.
                View::Image => {
                    MountAttrFlags::MOUNT_ATTR_RDONLY
                        | MountAttrFlags::MOUNT_ATTR_NOSUID
                        | MountAttrFlags::MOUNT_ATTR_NODEV
                }
            };
            fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, access)
        };
        configure().map_err(|why| mount_error(&self.root, why))
    }

    /// Unmounts what was mounted on `target`.
    ///
    /// # Errors
    /// When nothing of this store is mounted there, or it is in use.
    pub fn unmount(&self, target: &Path) -> Result<()> {
        let target = target.canonicalize().map_err(Error::io("find", target))?;
        let name = target.to_string_lossy().into_owned();
        let found =
            self.read(|db| db.query_row("SELECT 1 FROM mount WHERE target = ?1", [&name], |_| Ok(())).optional())?;
        if found.is_none() {
            return Err(Error::NotMounted(target));
        }
        match unmount(&target, UnmountFlags::empty()) {
            // Not mounted any more: the machine was restarted, or somebody used umount(8).
            Ok(()) | Err(rustix::io::Errno::INVAL) => self.forget_mount(&name),
            Err(why) => Err(mount_error(&target, why)),
        }
    }

    fn forget_mount(&self, target: &str) -> Result<()> {
        self.write(|db| {
            db.execute("DELETE FROM mount WHERE target = ?1", [target]).map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Everything that is mounted, as far as the store knows.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn mounts(&self) -> Result<Vec<MountRow>> {
        self.read(|db| {
            db.prepare("SELECT target, image FROM mount ORDER BY target")?
                .query_map([], |row| {
                    let image: String = row.get(1)?;
                    Ok(MountRow {
                        target: PathBuf::from(row.get::<_, String>(0)?),
                        image: image.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                    })
                })?
                .collect()
        })
    }
}

fn mount_error(target: &Path, why: rustix::io::Errno) -> Error {
    Error::Mount { target: target.into(), source: why.into() }
}
