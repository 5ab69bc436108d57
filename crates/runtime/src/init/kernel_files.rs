//! What may be mounted over the kernel's own files in `/proc` and `/sys`.
//!
//! Who decides what `/proc/self/attr` or `/proc/sys` is, decides where the runtime itself writes and what it hides
//! (CVE-2019-16884, CVE-2019-19921). So a target is judged after it was opened, by the file system that it is in: an
//! image's link may have led there.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::FsWord;
use rustix::io::Errno;

use crate::beneath;
use crate::error::{Error, Result};
use crate::init::rootfs::Root;
use crate::spec::{MountKind, Spec};

/// Refuses a place, opened for `target`, where nothing may be mounted.
pub(super) fn allow(root: &Root, target: &Path, place: &OwnedFd) -> Result<()> {
    let kind = rustix::fs::fstatfs(place).map_err(Error::system("look at a mount's target"))?.f_type;
    if kind != PROC_SUPER_MAGIC && kind != SYSFS_MAGIC {
        return Ok(());
    }
    if ALLOWED.iter().any(|path| target == Path::new(path)) {
        return Ok(());
    }
    // The host's, which the user mounted elsewhere, is the user's.
    let is_inside = kind == PROC_SUPER_MAGIC && without_dots(target).starts_with("/proc");
    let was_led = matches!(beneath::open_plain(root.as_fd(), target), Err(Errno::LOOP));
    if is_inside || was_led { Err(refused(target)) } else { Ok(()) }
}

/// Refuses to replace the whole of `/proc` by anything else than one.
pub(super) fn allow_proc(spec: &Spec) -> Result<()> {
    for mount in spec.mounts.iter().filter(|mount| mount.target == Path::new("/proc")) {
        let is_proc = match &mount.kind {
            MountKind::Bind(bind) => {
                rustix::fs::statfs(&bind.source).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC)
            }
            MountKind::Tmpfs(_) | MountKind::Handed(_) => false,
        };
        if !is_proc {
            return Err(Error::InProc { target: mount.target.clone(), is_root: true });
        }
    }
    Ok(())
}

/// True for a place in a `proc`.
pub(super) fn is_proc(place: &OwnedFd) -> bool {
    rustix::fs::fstatfs(place).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC)
}

/// The path that `..` leads to where there are no links.
fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

fn refused(target: &Path) -> Error {
    Error::InProc { target: target.to_owned(), is_root: false }
}

/// What lxcfs mounts, to show a container its own share of the machine. runc's list.
const ALLOWED: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];
// From the kernel's `magic.h`.
const PROC_SUPER_MAGIC: FsWord = 0x9fa0;
const SYSFS_MAGIC: FsWord = 0x6265_6572;
