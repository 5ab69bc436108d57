//! What docker hides of `/proc` and `/sys`, and what it lets nobody write: these files speak of the whole machine.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::beneath;
use crate::error::{Error, Result};
use crate::init::mounts::{attach, failed, filesystem};
use crate::init::rootfs::Root;
use crate::sys::{self, Reach};

/// Hides and protects. What this kernel does not have needs neither.
pub(super) fn apply(root: &Root) -> Result<()> {
    let mut empty: Option<OwnedFd> = None;
    for path in HIDDEN {
        hide(root, path, &mut empty)?;
    }
    for cpu in 0..MAX_CPUS {
        match hide(root, &format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"), &mut empty)? {
            Found::Hidden => {}
            Found::Nothing => break,
        }
    }
    for path in READ_ONLY {
        let Some(place) = open(root, path)? else { continue };
        let failed = |why| failed(path, path)(why);
        let copy = copy(&place, true).map_err(failed)?;
        sys::set_mount_attributes(&copy, Reach::Tree, MountAttrFlags::MOUNT_ATTR_RDONLY, 0)
            .map_err(Error::system(format!("protect {path}")))?;
        attach(&copy, &place).map_err(failed)?;
    }
    Ok(())
}

enum Found {
    Nothing,
    Hidden,
}

fn hide(root: &Root, path: &str, empty: &mut Option<OwnedFd>) -> Result<Found> {
    let Some(place) = open(root, path)? else { return Ok(Found::Nothing) };
    let failed = |why| failed(path, path)(why);
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&place).map_err(failed)?.st_mode);
    let cover = match (kind, &*empty) {
        (FileType::Directory, Some(empty)) => copy(empty, false),
        (FileType::Directory, None) => filesystem("tmpfs", &[("size", "0")], MountAttrFlags::MOUNT_ATTR_RDONLY),
        _ => {
            let null = open(root, "/dev/null")?.ok_or(Errno::NOENT).map_err(failed)?;
            copy(&null, false)
        }
    };
    let cover = cover.map_err(failed)?;
    attach(&cover, &place).map_err(failed)?;
    if kind == FileType::Directory && empty.is_none() {
        *empty = Some(cover);
    }
    Ok(Found::Hidden)
}

fn copy(mount: &OwnedFd, recursive: bool) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(mount, "", if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags })
}

fn open(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match beneath::open(root.as_fd(), Path::new(path)) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(why) => Err(failed(path, path)(why)),
    }
}

/// Docker's masked paths.
pub(crate) const HIDDEN: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// Docker's read-only paths.
pub(crate) const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// More than any machine has; the first one that is missing ends the search.
const MAX_CPUS: usize = 8192;
