//! What docker hides of `/proc` and `/sys`, and what it lets nobody write: these files speak of the whole machine.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, major, minor};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::beneath;
use crate::error::{Error, Result};
use crate::init::mounts::{attach, failed, filesystem};
use crate::init::rootfs::{Root, copy_of_device};
use crate::sys::{self, Reach};

/// What covers the files that are hidden: the machine's own null device. The one in the container may be anything.
pub(super) struct Null(OwnedFd);

impl Null {
    /// Takes a copy of the host's, while its tree is there.
    pub(super) fn of_host() -> Result<Self> {
        let path = Path::new("/dev/null");
        let copy = copy_of_device(path).map_err(failed("null", path))?;
        if !is_null(&copy).map_err(failed("null", path))? {
            return Err(Error::invalid("null device", "/dev/null", "it is not the character device 1:3"));
        }
        Ok(Self(copy))
    }
}

/// Opens the container's null device, if it is one: a link is not followed, and no other device is used.
pub(super) fn open_null() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Judged before it is opened, which may be enough to set a device off.
    let place = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if !is_null(&place)? {
        return Err(Errno::NODEV);
    }
    let file = rustix::fs::open("/dev/null", flags, Mode::empty())?;
    if is_null(&file)? { Ok(file) } else { Err(Errno::NODEV) }
}

fn is_null(file: &OwnedFd) -> Result<bool, Errno> {
    let stat = rustix::fs::fstat(file)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    Ok(is_device && (major(stat.st_rdev), minor(stat.st_rdev)) == NULL)
}

/// What hides: each is attached once and copied from then on, since only what is attached can be.
struct Covers {
    null: OwnedFd,
    null_is_attached: bool,
    empty: Option<OwnedFd>,
}

/// Protects and hides, in this order: nothing that is attached here can be written through a place that comes later.
/// What this kernel does not have needs neither.
pub(super) fn apply(root: &Root, null: Null) -> Result<()> {
    for path in READ_ONLY_PATHS {
        let Some(place) = open(root, path)? else { continue };
        let failed = |why| failed(path, path)(why);
        let copy = copy(&place, true).map_err(failed)?;
        sys::set_mount_attributes(&copy, Reach::Tree, MountAttrFlags::MOUNT_ATTR_RDONLY, 0)
            .map_err(Error::system(format!("protect {path}")))?;
        attach(&copy, &place).map_err(failed)?;
    }
    let mut covers = Covers { null: null.0, null_is_attached: false, empty: None };
    for path in HIDDEN_PATHS {
        hide(root, path, &mut covers)?;
    }
    for cpu in 0..MAX_CPUS {
        match hide(root, &format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"), &mut covers)? {
            Found::Hidden => {}
            Found::Nothing => break,
        }
    }
    Ok(())
}

enum Found {
    Nothing,
    Hidden,
}

fn hide(root: &Root, path: &str, covers: &mut Covers) -> Result<Found> {
    let Some(place) = open(root, path)? else { return Ok(Found::Nothing) };
    let failed = |why| failed(path, path)(why);
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&place).map_err(failed)?.st_mode);
    if kind == FileType::Directory {
        let cover = match &covers.empty {
            Some(empty) => copy(empty, false),
            None => filesystem("tmpfs", &[("size", "0")], MountAttrFlags::MOUNT_ATTR_RDONLY),
        };
        let cover = cover.map_err(failed)?;
        attach(&cover, &place).map_err(failed)?;
        covers.empty.get_or_insert(cover);
    } else if covers.null_is_attached {
        attach(&copy(&covers.null, false).map_err(failed)?, &place).map_err(failed)?;
    } else {
        attach(&covers.null, &place).map_err(failed)?;
        covers.null_is_attached = true;
    }
    Ok(Found::Hidden)
}

fn copy(mount: &OwnedFd, recursive: bool) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(mount, "", if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags })
}

/// None of these paths is a link where the kernel made it: who finds one has been led away.
fn open(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match beneath::open_plain(root.as_fd(), Path::new(path)) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(Errno::LOOP) => Err(Error::HostileTarget(path.into())),
        Err(why) => Err(failed(path, path)(why)),
    }
}

/// Major and minor number of the null device.
const NULL: (u32, u32) = (1, 3);
/// What containers do not see of `/proc` and `/sys`: docker's masked paths.
pub const HIDDEN_PATHS: &[&str] = &[
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
/// What containers cannot write of `/proc`: docker's read-only paths.
pub const READ_ONLY_PATHS: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// More than any machine has; the first one that is missing ends the search.
const MAX_CPUS: usize = 8192;
