//! A terminal of the container's own.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::beneath;
use crate::error::{Error, Result};
use crate::init::devices;
use crate::init::mounts::failed;
use crate::init::rootfs::Root;
use crate::spec::Size;

/// Opens one in the container's `/dev/pts` and mounts it on `/dev/console`. Returns the starter's end and the
/// container's.
pub(super) fn open(root: &Root, size: Size) -> Result<(OwnedFd, OwnedFd)> {
    let pts = beneath::open_plain(root.as_fd(), Path::new("/dev/pts")).map_err(failed("devpts", "/dev/pts"))?;
    let (master, slave) = open_in(&pts, size)?;
    let number = rustix::pty::ptsname(&master, Vec::new()).map_err(Error::system("name the terminal"))?;
    let name = Path::new(std::ffi::OsStr::new(number.to_str().unwrap_or("0"))).file_name().unwrap_or_default();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = open_tree(&pts, Path::new(name), flags).map_err(failed("console", "/dev/console"))?;
    devices::mount_console(root, &copy)?;
    Ok((master, slave))
}

/// Opens one in a `devpts`.
pub(super) fn open_in(pts: &OwnedFd, size: Size) -> Result<(OwnedFd, OwnedFd)> {
    let doing = "open a terminal";
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat(pts, "ptmx", flags, Mode::empty()).map_err(Error::system(doing))?;
    rustix::pty::unlockpt(&master).map_err(Error::system(doing))?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(Error::system(doing))?;
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).map_err(Error::system("size the terminal"))?;
    Ok((master, slave))
}

/// Makes it standard input, output and error, and the one whose keys send signals.
pub(super) fn take(slave: &OwnedFd) -> Result<()> {
    let doing = "use the terminal";
    rustix::process::ioctl_tiocsctty(slave.as_fd()).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stdin(slave).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stdout(slave).map_err(Error::system(doing))?;
    rustix::stdio::dup2_stderr(slave).map_err(Error::system(doing))
}
