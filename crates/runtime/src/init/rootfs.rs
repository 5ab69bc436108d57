//! The container's root: one overlay over the layers, and the change of roots.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use crate::beneath;
use crate::error::{Error, Result};
use crate::spec::{Lower, Rootfs};
use crate::sys::{self, Reach};

/// The mounted root of the container.
pub(crate) struct Root(OwnedFd);

impl Root {
    /// Mounts it over the directory that takes the changes, which nobody needs to see in this mount namespace.
    pub(super) fn mount(
        rootfs: &Rootfs,
        lowers: &[OwnedFd],
        has_user_namespace: bool,
        filters_devices: bool,
    ) -> Result<Self> {
        let failed = |why: Errno| Error::Mount { what: "overlay".to_owned(), target: "/".into(), source: why.into() };
        let place = rustix::fs::open(&rootfs.upper, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(Error::system(format!("open {}", rootfs.upper.display())))?;
        let mount = if rootfs.lowers.is_empty() {
            let flags =
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
            open_tree(&place, "", flags).map_err(failed)?
        } else {
            overlay(rootfs, lowers, has_user_namespace).map_err(|why| match is_on_overlay(&place) {
                true => Error::OverlayOnOverlay,
                false => failed(why),
            })?
        };
        // Without a cgroup that filters, a node made inside must not open the host's disk.
        if !filters_devices {
            sys::set_mount_attributes(&mount, Reach::One, MountAttrFlags::MOUNT_ATTR_NODEV, 0)
                .map_err(Error::system("forbid device nodes"))?;
        }
        let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&mount, "", &place, "", both).map_err(failed)?;
        Ok(Self(mount))
    }

    /// Makes it `/` and lets go of everything else.
    pub(super) fn enter(&self) -> Result<()> {
        let failed = "change the root";
        rustix::process::fchdir(&self.0).map_err(Error::system(failed))?;
        // The old root ends up on top of the new one, and is the one that "." means: no directory is needed for it.
        rustix::process::pivot_root(".", ".").map_err(Error::system(failed))?;
        unmount(".", UnmountFlags::DETACH).map_err(Error::system("let go of the host's mounts"))?;
        rustix::process::chdir("/").map_err(Error::system(failed))
    }
}

/// The root attached on `place`, for a runtime that wants to find it there. The caller unmounts it.
pub(crate) fn mount_on(rootfs: &Rootfs, lowers: &[OwnedFd], has_user_namespace: bool, place: &Path) -> Result<OwnedFd> {
    let failed = |why: Errno| Error::Mount { what: "overlay".to_owned(), target: place.to_owned(), source: why.into() };
    let mount = match rootfs.lowers.is_empty() {
        true => copy_of_mount(&rootfs.upper, false).map_err(failed)?,
        false => overlay(rootfs, lowers, has_user_namespace).map_err(failed)?,
    };
    move_mount(&mount, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(failed)?;
    Ok(mount)
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn overlay(rootfs: &Rootfs, lowers: &[OwnedFd], has_user_namespace: bool) -> Result<OwnedFd, Errno> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "source", "overlay")?;
    for lower in &rootfs.lowers {
        match lower {
            Lower::Fd(index) => fsconfig_set_fd(&fs, "lowerdir+", lowers.get(*index).ok_or(Errno::BADF)?)?,
            Lower::Directory(path) => fsconfig_set_string(&fs, "lowerdir+", path)?,
        }
    }
    fsconfig_set_string(&fs, "upperdir", &rootfs.upper)?;
    fsconfig_set_string(&fs, "workdir", &rootfs.work)?;
    if rootfs.volatile {
        // The mark of an earlier run, by which overlayfs wants to be told that the changes may be damaged: whoever
        // asks for this throws them away after a crash.
        let mark = rootfs.work.join("work/incompat/volatile");
        if std::fs::remove_file(mark.join("dirty")).is_ok() {
            let _ = std::fs::remove_dir(mark);
        }
        fsconfig_set_flag(&fs, "volatile")?;
    }
    if has_user_namespace {
        fsconfig_set_flag(&fs, "userxattr")?;
    } else {
        // Without it files of different layers report different devices, and `find -xdev` finds nothing.
        fsconfig_set_string(&fs, "xino", "on")?;
        // Some kernels are built to record renames and bare attributes in the changes; then these are not the whole truth
        // any more, and neither a layer nor an export could be made of them.
        for feature in ["redirect_dir", "metacopy", "index"] {
            fsconfig_set_string(&fs, feature, "off")?;
        }
    }
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// What programs look for: that they are in a container, and what is mounted. Whatever the image has there, also a link,
/// is the image's business; and nothing depends on it.
pub(super) fn mark(root: &Root) -> Result<()> {
    let tolerate = |result: Result<(), Errno>| match result {
        Ok(()) | Err(Errno::EXIST | Errno::ROFS | Errno::LOOP | Errno::NOTDIR | Errno::PERM | Errno::ACCESS) => Ok(()),
        Err(why) => Err(Error::system("mark the root as a container's")(why)),
    };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    tolerate(rustix::fs::openat(root, ".dockerenv", flags, Mode::from_raw_mode(0o755)).map(drop))?;
    tolerate(rustix::fs::mkdirat(root, "etc", Mode::from_raw_mode(0o755)))?;
    let etc = match beneath::open_plain(root.as_fd(), Path::new("/etc")) {
        Ok(etc) => etc,
        Err(why) => return tolerate(Err(why)),
    };
    tolerate(rustix::fs::symlinkat("/proc/mounts", &etc, "mtab"))
}

fn is_on_overlay(place: &OwnedFd) -> bool {
    rustix::fs::fstatfs(place).is_ok_and(|found| found.f_type == OVERLAYFS_MAGIC)
}

/// From the kernel's `magic.h`.
const OVERLAYFS_MAGIC: rustix::fs::FsWord = 0x794c_7630;

/// The root alone, not what is mounted on it.
pub(super) fn make_read_only(root: &Root) -> Result<()> {
    sys::set_mount_attributes(root, Reach::One, MountAttrFlags::MOUNT_ATTR_RDONLY, 0)
        .map_err(Error::system("make the root read-only"))
}

/// A copy of one of the host's device nodes, attached nowhere yet. It is still the host's file: who is root inside must not
/// change its mode, its owner or its times. What is written to a device is written all the same.
pub(super) fn copy_of_device(path: &Path) -> Result<OwnedFd, Errno> {
    let copy = copy_of_mount(path, false)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
    sys::set_mount_attributes(&copy, Reach::One, attributes, libc::MS_PRIVATE)
        .map_err(|why| Errno::from_io_error(&why).unwrap_or(Errno::IO))?;
    Ok(copy)
}

/// A copy of the mount at `path`, attached nowhere yet.
pub(super) fn copy_of_mount(path: &Path, recursive: bool) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags })
}
