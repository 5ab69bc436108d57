//! Filling an empty volume with what an image has where the volume will be mounted.
//!
//! A container may be using the volume already, and whoever fills it may be killed. So the files are written aside, where
//! no container sees them, and moved into the volume when all are there. Two names tell how far it got: a copy that is not
//! whole is deleted by the next who fills, one that is whole is moved as far as it has not been.

use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, renameat};
use rustix::io::Errno;
use wharfie_layer::adopt::adopt;
use wharfie_layer::apply::{Privilege, apply};
use wharfie_layer::erofs::{Inodes, TAR_OFFSET};
use wharfie_layer::pack::{self, pack};
use wharfie_oci::{DiffId, VolumeName};
use wharfie_store::containers::ContainerRow;
use wharfie_store::mounts::View;
use wharfie_store::volumes::is_mount_point;
use wharfie_store::{Store, remove_own_tree};

use super::volumes::turn;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// A copy that may not be whole: a directory that is closed to others, with the files in [`TREE`].
const FILLING: &str = ".wharfie-filling";
/// A copy that was whole; what is left of it is not in the volume yet.
const FILLED: &str = ".wharfie-filled";
/// What becomes the volume: it has the owner and the mode of the image's directory.
const TREE: &str = "tree";

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

impl Engine {
    /// Fills a volume that is empty with what a container's image has where it will be mounted.
    pub(crate) fn fill_volume(
        &self,
        store: &Store,
        row: &ContainerRow,
        target: &str,
        volume: &VolumeName,
    ) -> Result<()> {
        let place = store.volume_directory(volume);
        let failed = |why: Errno| fault(volume, why.into());
        // One at a time: who comes second finds it filled. No container has the directory that is locked.
        let _turn = turn(&place)?;
        let data = rustix::fs::open(&place, DIRECTORY, Mode::empty()).map_err(failed)?;
        // Beside the volume's files, and within only where those are on a file system of their own.
        let is_mounted = is_mount_point(&place).map_err(failed)?;
        let aside = Aside::open(if is_mounted { &place } else { place.parent().unwrap_or(&place) }, volume)?;
        if let Some(tree) = aside.whole()? {
            return aside.finish(&tree, &data);
        }
        aside.clear()?;
        if !is_empty(&data).map_err(failed)? {
            return Ok(());
        }
        let layers: Vec<DiffId> = store.layers_of_container(&row.id)?;
        let Ok(root) = store.view(&layers, &View::Image) else { return Ok(()) };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let relative = target.trim_start_matches('/');
        let Ok(source) = openat2(&root, relative, flags, Mode::empty(), ResolveFlags::IN_ROOT) else { return Ok(()) };
        let filled = aside.begin().and_then(|tree| {
            copy(store, &source, &tree, volume)?;
            aside.declare_whole()?;
            Ok(tree)
        });
        match filled {
            Ok(tree) => aside.finish(&tree, &data),
            Err(why) => {
                // What is left is deleted by the next who fills the volume.
                let _ = aside.clear();
                Err(why)
            }
        }
    }
}

/// Where a volume's copy is made.
struct Aside<'a> {
    path: &'a Path,
    directory: OwnedFd,
    volume: &'a str,
}

impl<'a> Aside<'a> {
    fn open(path: &'a Path, volume: &'a str) -> Result<Self> {
        let directory = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(|why| fault(volume, why.into()))?;
        Ok(Self { path, directory, volume })
    }

    /// What is left of a copy that was whole. Within a volume only a directory of our own, which nobody else could write
    /// to, is believed to be one.
    fn whole(&self) -> Result<Option<OwnedFd>> {
        let found = openat(&self.directory, FILLED, DIRECTORY, Mode::empty()).and_then(|filled| {
            let stat = fstat(&filled)?;
            let is_ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
            if !is_ours {
                return Err(Errno::NOENT);
            }
            openat(&filled, TREE, DIRECTORY, Mode::empty())
        });
        match found {
            Ok(tree) => Ok(Some(tree)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(why) => Err(fault(self.volume, why.into())),
        }
    }

    /// Deletes what is no whole copy.
    fn clear(&self) -> Result<()> {
        let removed = [FILLING, FILLED].iter().try_for_each(|name| remove_own_tree(&self.path.join(name)));
        removed.map_err(|why| fault(self.volume, why))
    }

    /// The empty directory to copy into.
    fn begin(&self) -> Result<OwnedFd> {
        let made = mkdirat(&self.directory, FILLING, Mode::RWXU).and_then(|()| {
            let filling = openat(&self.directory, FILLING, DIRECTORY, Mode::empty())?;
            mkdirat(&filling, TREE, Mode::RWXU)?;
            openat(&filling, TREE, DIRECTORY, Mode::empty())
        });
        made.map_err(|why| fault(self.volume, why.into()))
    }

    fn declare_whole(&self) -> Result<()> {
        let renamed = renameat(&self.directory, FILLING, &self.directory, FILLED);
        renamed.map_err(|why| fault(self.volume, why.into()))
    }

    /// Moves a whole copy into the volume.
    fn finish(&self, tree: &OwnedFd, data: &OwnedFd) -> Result<()> {
        adopt(tree.as_fd(), data.as_fd()).map_err(wharfie_store::Error::Layer)?;
        self.clear()
    }
}

/// Copies a directory through a tar, so that owners, links and attributes arrive by the one road that knows them all.
fn copy(store: &Store, from: &OwnedFd, to: &OwnedFd, volume: &str) -> Result<()> {
    let failed = |source| fault(volume, source);
    let file = tempfile_in(store)?;
    (&file).seek(SeekFrom::Start(TAR_OFFSET)).map_err(failed)?;
    let options = pack::Options { root_name: Some(b"./".to_vec()), ..pack::Options::default() };
    pack(from.as_fd(), &options, &file).map_err(wharfie_store::Error::Layer)?;
    let len = file.metadata().map_err(failed)?.len().saturating_sub(TAR_OFFSET);
    let privilege = if store.snapshot_kind()?.has_user_marks() { Privilege::Mapped } else { Privilege::Root };
    let layer = Inodes::of_tar(file, len, &store.root().join("tmp"));
    layer.and_then(|layer| apply(layer, to.as_fd(), privilege)).map_err(wharfie_store::Error::Layer)?;
    Ok(())
}

fn fault(volume: &str, source: std::io::Error) -> Error {
    Error::File { doing: "fill", path: PathBuf::from(volume), source }
}

fn is_empty(directory: &OwnedFd) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A file without a name on the store's file system.
fn tempfile_in(store: &Store) -> Result<std::fs::File> {
    let place = store.root().join("tmp");
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(&place, flags, Mode::RUSR | Mode::WUSR);
    file.map(Into::into).map_err(|why| Error::File { doing: "create", path: place, source: why.into() })
}
