//! A container's root file system: what it stands on, and looking at it while the container does not run.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, symlinkat};
use rustix::io::Errno;
use wharfie_runtime::{Lower, Rootfs};
use wharfie_store::Scratch;
use wharfie_store::containers::ContainerRow;
use wharfie_store::mounts::View;
use wharfie_store::snapshots::Tree;

use super::settings::Settings;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What the runtime makes in every root file system to mount something on.
pub(crate) const MOUNT_POINTS: &[&str] =
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

/// Bytes in a container's own files that are none of its doing: of the links among them.
pub(crate) fn bytes_of_ours(upper: &Path) -> u64 {
    let is_ours = |(name, target): &&(&str, &str)| {
        let path = upper.join(name);
        // A link in place of the directory would lead out of the container.
        let is_within = path.parent().is_some_and(|above| above.symlink_metadata().is_ok_and(|above| above.is_dir()));
        !target.is_empty() && is_within && std::fs::read_link(path).is_ok_and(|found| found == Path::new(target))
    };
    FILES.iter().filter(is_ours).map(|(_, target)| target.len() as u64).sum()
}

impl Engine {
    /// What a root file system is made of, with the mounts of its layers.
    pub(crate) fn rootfs_of(&self, scratch: &Scratch, volatile: bool) -> Result<(Rootfs, Vec<OwnedFd>)> {
        let store = self.writer()?;
        let kind = store.snapshot_kind()?;
        let mut lowers = Vec::new();
        let mut mounts = Vec::new();
        for layer in store.sewn(&scratch.layers)?.iter().rev() {
            match store.tree(layer, kind)? {
                Tree::Mount(mount) => {
                    lowers.push(Lower::Fd(mounts.len()));
                    mounts.push(mount);
                }
                Tree::Directory(path) => lowers.push(Lower::Directory(path)),
            }
        }
        let (upper, work) = (scratch.upper.clone(), scratch.work.clone());
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
        Ok(store.scratch_of_container(&row.id)?.view(store)?)
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
}

/// Paths, without a slash in front, that exist only because something is mounted on them.
pub(crate) fn mount_points(settings: &Settings) -> BTreeSet<Vec<u8>> {
    let targets = settings.mounts.iter().map(|mount| mount.target.trim_matches('/').as_bytes().to_vec());
    MOUNT_POINTS.iter().map(|path| path.as_bytes().to_vec()).chain(targets).collect()
}
