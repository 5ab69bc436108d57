//! Files by which programs recognise a container, and the table of mounts where old ones look for it.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat, symlinkat};

use crate::beneath;
use crate::init::rootfs::Root;

/// Makes what the image has not: `/.dockerenv`, and `/etc/mtab` where there is an `/etc`. A root that cannot be written stays
/// without them.
pub(super) fn make(root: &Root) {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let _ = openat(root.as_fd(), ".dockerenv", flags, Mode::from_raw_mode(0o755));
    if let Ok(etc) = beneath::open_plain(root.as_fd(), Path::new("/etc")) {
        let _ = symlinkat("/proc/mounts", &etc, "mtab");
    }
}
