//! Moving what is in one directory into another one: how a tree that was made aside comes to where it is seen.

use std::os::fd::BorrowedFd;

use rustix::fs::{
    Mode, OFlags, RenameFlags, Timespec, Timestamps, XattrFlags, fchmod, fchown, fsetxattr, fstat, futimens, openat,
    renameat_with,
};
use rustix::io::Errno;

use crate::error::{Error, Result, show};
use crate::pack::{names_in, xattrs_of};

/// Moves everything in the open directory `from` into the open directory `to` on the same file system, and gives `to` the
/// owner, mode, attributes and times that `from` has. What `to` has already of the same name stays. Whoever was killed at
/// it, or failed, begins again with what is left in `from`.
///
/// # Errors
/// When something cannot be moved or described.
pub fn adopt(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let failed = |action: &'static str, name: &[u8]| {
        let path = show(name);
        move |why: Errno| Error::Unpack { action, path, source: why.into() }
    };
    let stat = fstat(from).map_err(failed("read", b"."))?;
    for name in names_in(from).map_err(failed("read", b"."))? {
        match move_one(from, to, &name) {
            Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY) => {}
            Err(why) => return Err(failed("move", &name)(why)),
        }
    }
    let now = fstat(to).map_err(failed("read", b"."))?;
    if (now.st_uid, now.st_gid) != (stat.st_uid, stat.st_gid) {
        let (uid, gid) = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
        fchown(to, Some(uid), Some(gid)).map_err(failed("change the owner of", b"."))?;
    }
    for (name, value) in xattrs_of(from).map_err(failed("read attributes of", b"."))? {
        match fsetxattr(to, name.as_slice(), &value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(why) => return Err(failed("set attributes of", b".")(why)),
        }
    }
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed("change the mode of", b"."))?;
    let nanos = stat.st_mtime_nsec.try_into().unwrap_or_default();
    let modified = Timespec { tv_sec: stat.st_mtime, tv_nsec: nanos };
    let omitted = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    futimens(to, &Timestamps { last_access: omitted, last_modification: modified })
        .map_err(failed("set the time of", b"."))
}

fn move_one(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    match renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
        // Some file systems cannot refuse to replace: then it is looked at first.
        Err(Errno::INVAL) => match openat(to, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => renameat_with(from, name, to, name, RenameFlags::empty()),
            Ok(_) => Err(Errno::EXIST),
            Err(why) => Err(why),
        },
        result => result,
    }
}
