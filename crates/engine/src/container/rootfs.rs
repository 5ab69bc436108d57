//! A container's root file system: what it stands on, and looking at it while the container does not run.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, symlinkat};
use rustix::io::Errno;
use wharfie_layer::apply::{Privilege, apply};
use wharfie_layer::erofs::{Inodes, TAR_OFFSET};
use wharfie_layer::pack::{self, pack};
use wharfie_oci::DiffId;
use wharfie_runtime::{Lower, Rootfs};
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;
use wharfie_store::mounts::View;
use wharfie_store::snapshots::Tree;

use super::settings::Settings;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What the runtime makes in every root file system to mount something on.
const MOUNT_POINTS: &[&str] =
    &["dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv"];

/// Those of them that are directories.
const DIRECTORIES: &[&str] = &["dev", "etc", "proc", "sys"];
/// Those that are files, and where links lead.
const FILES: &[(&str, &str)] = &[
    (".dockerenv", ""),
    ("etc/hosts", ""),
    ("etc/hostname", ""),
    ("etc/resolv.conf", ""),
    ("etc/mtab", "/proc/mounts"),
];

impl Engine {
    /// What a container's root is made of, with the mounts of its layers.
    pub(crate) fn rootfs_of(&self, row: &ContainerRow, volatile: bool) -> Result<(Rootfs, Vec<OwnedFd>)> {
        let store = self.writer()?;
        let kind = store.snapshot_kind()?;
        let mut lowers = Vec::new();
        let mut mounts = Vec::new();
        for layer in store.sewn(&store.layers_of_container(&row.id)?)?.iter().rev() {
            match store.tree(layer, kind)? {
                Tree::Mount(mount) => {
                    lowers.push(Lower::Fd(mounts.len()));
                    mounts.push(mount);
                }
                Tree::Directory(path) => lowers.push(Lower::Directory(path)),
            }
        }
        let (upper, work) = directories(store, &row.id);
        Ok((Rootfs { lowers, upper, work, volatile }, mounts))
    }

    /// What the container's image has, read-only, attached nowhere.
    pub(crate) fn image_view(&self, row: &ContainerRow) -> Result<OwnedFd> {
        let store = self.writer()?;
        Ok(store.view(&store.layers_of_container(&row.id)?, &View::Image)?)
    }

    /// The root of a container that does not run, for writing, attached nowhere.
    pub(crate) fn writable_view(&self, row: &ContainerRow) -> Result<OwnedFd> {
        let store = self.writer()?;
        let (upper, work) = directories(store, &row.id);
        let view = View::Writable { upper: &upper, work: &work };
        Ok(store.view(&store.layers_of_container(&row.id)?, &view)?)
    }

    /// Makes in a container what its first start would make: docker's containers have it from the beginning.
    pub(crate) fn make_mount_points(&self, row: &ContainerRow) -> Result<()> {
        let root = self.writable_view(row)?;
        let failed = |path: &str| {
            let path = PathBuf::from(path);
            move |why: Errno| Error::File { doing: "make", path, source: why.into() }
        };
        for (path, kind) in
            DIRECTORIES.iter().map(|path| (path, None)).chain(FILES.iter().map(|(path, to)| (path, Some(to))))
        {
            // Whatever the image has there, also a link that leads elsewhere, is the image's business.
            let above = path.rsplit_once('/').map_or(".", |(above, _)| above);
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let Ok(above) = openat2(&root, above, flags, Mode::empty(), resolve) else { continue };
            let name = path.rsplit_once('/').map_or(*path, |(_, name)| name);
            let made = match kind {
                None => mkdirat(&above, name, Mode::from_raw_mode(0o755)),
                Some(to) if !to.is_empty() => symlinkat(*to, &above, name),
                Some(_) => {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    openat(&above, name, flags, Mode::from_raw_mode(0o755)).map(drop)
                }
            };
            match made {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(why) => return Err(failed(path)(why)),
            }
        }
        Ok(())
    }

    /// Fills a volume that is empty with what a container's image has where it will be mounted.
    pub(crate) fn fill_volume(&self, store: &Store, row: &ContainerRow, target: &str, volume: &str) -> Result<()> {
        let failed = |source: std::io::Error| Error::File { doing: "fill", path: PathBuf::from(volume), source };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let directory = rustix::fs::open(store.volume_directory(volume), flags, Mode::empty());
        let directory = directory.map_err(|why| failed(why.into()))?;
        // One at a time: who comes second finds it filled. The lock is one that no container with the volume can hold.
        let _turn = super::volumes::turn(&store.volume_directory(volume))?;
        if !is_empty(&directory).map_err(|why| failed(why.into()))? {
            return Ok(());
        }
        let layers: Vec<DiffId> = store.layers_of_container(&row.id)?;
        let Ok(root) = store.view(&layers, &View::Image) else { return Ok(()) };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let relative = target.trim_start_matches('/');
        let Ok(source) = openat2(&root, relative, flags, Mode::empty(), ResolveFlags::IN_ROOT) else { return Ok(()) };
        // Through a tar, so that owners, links and attributes arrive by the one road that knows them all.
        let file = tempfile_in(store)?;
        use std::io::{Seek, SeekFrom};
        (&file).seek(SeekFrom::Start(TAR_OFFSET)).map_err(failed)?;
        let options = pack::Options { root_name: Some(b"./".to_vec()), ..pack::Options::default() };
        pack(source.as_fd(), &options, &file).map_err(wharfie_store::Error::Layer)?;
        let len = file.metadata().map_err(failed)?.len().saturating_sub(TAR_OFFSET);
        let privilege = if store.snapshot_kind()?.has_user_marks() { Privilege::Mapped } else { Privilege::Root };
        let layer = Inodes::of_tar(file, len, &store.root().join("tmp"));
        layer.and_then(|layer| apply(layer, directory.as_fd(), privilege)).map_err(wharfie_store::Error::Layer)?;
        Ok(())
    }
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

/// Where a container's changes are, and where overlayfs works.
pub(crate) fn directories(store: &Store, id: &str) -> (PathBuf, PathBuf) {
    let directory = store.container_directory(id);
    (directory.join("upper"), directory.join("work"))
}

/// Paths, without a slash in front, that exist only because something is mounted on them.
pub(crate) fn mount_points(settings: &Settings) -> BTreeSet<Vec<u8>> {
    let targets = settings.mounts.iter().map(|mount| mount.target.trim_matches('/').as_bytes().to_vec());
    MOUNT_POINTS.iter().map(|path| path.as_bytes().to_vec()).chain(targets).collect()
}
