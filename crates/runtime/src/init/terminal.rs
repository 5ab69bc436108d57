//! A terminal of the container's own.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::error::{Error, Result};
use crate::init::devices;
use crate::init::mounts::failed;
use crate::init::rootfs::Root;
use crate::spec::Size;

/// Opens one in `pts`, the container's, and mounts it on `/dev/console`. Returns the starter's end and the container's.
pub(super) fn open(root: &Root, pts: &OwnedFd, size: Size) -> Result<(OwnedFd, OwnedFd)> {
    let (master, slave) = open_in(pts, size)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    // The very terminal that was opened: whatever has its name by now may be something else.
    let copy = open_tree(&slave, "", flags).map_err(failed("console", "/dev/console"))?;
    devices::mount_console(root, &copy)?;
    Ok((master, slave))
}

/// Opens one in what has to be a `devpts`: nobody can put a link or a file there, only the kernel makes names in it.
pub(super) fn open_in(pts: &OwnedFd, size: Size) -> Result<(OwnedFd, OwnedFd)> {
    let doing = "open a terminal";
    if !is_terminals(pts)? {
        return Err(Error::HostileTarget("/dev/pts".into()));
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // What is mounted on it is not it.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let master = rustix::fs::openat2(pts, "ptmx", flags, Mode::empty(), resolve).map_err(Error::system(doing))?;
    rustix::pty::unlockpt(&master).map_err(Error::system(doing))?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(Error::system(doing))?;
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).map_err(Error::system("size the terminal"))?;
    Ok((master, slave))
}

/// True for a place in a `devpts`.
pub(super) fn is_terminals(place: &OwnedFd) -> Result<bool> {
    let found = rustix::fs::fstatfs(place).map_err(Error::system("look at /dev/pts"))?;
    Ok(found.f_type == DEVPTS_SUPER_MAGIC)
}

/// Makes it standard input, output and error, and the one whose keys send signals.
pub(super) fn take(slave: &OwnedFd) -> Result<()> {
    let doing = "use the terminal";
    rustix::process::ioctl_tiocsctty(slave.as_fd()).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stdin(slave).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stdout(slave).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stderr(slave).map_err(Error::system(doing))
}

/// From the kernel's `magic.h`.
const DEVPTS_SUPER_MAGIC: rustix::fs::FsWord = 0x1cd1;
