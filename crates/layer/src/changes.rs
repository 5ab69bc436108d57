//! What a container has changed: its writable directory held against the image below it.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;

use crate::error::{Error, Result, show};
use crate::pack::{is_opaque, names_in};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is another file, or its content or attributes are.
    Changed,
    /// It is gone.
    Deleted,
}

/// One changed path, absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What happened.
    pub change: Change,
    /// Where, with a slash in front.
    pub path: Vec<u8>,
}

/// Compares the writable directory `upper` with the tree `lower` below it, sorted by path. `skip` holds paths, without a
/// slash in front, that were only made to mount something on; directories that changed for no other reason are left out.
///
/// # Errors
/// When one of them cannot be read.
pub fn changes(upper: BorrowedFd<'_>, lower: BorrowedFd<'_>, skip: &BTreeSet<Vec<u8>>) -> Result<Vec<Changed>> {
    let mut walk = Walk { lower, skip, found: Vec::new(), path: Vec::new() };
    let root = openat(upper, ".", DIRECTORY, Mode::empty()).map_err(|why| walk.failed("open", why))?;
    walk.directory(&root)?;
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

struct Walk<'a> {
    lower: BorrowedFd<'a>,
    skip: &'a BTreeSet<Vec<u8>>,
    found: Vec<Changed>,
    path: Vec<u8>,
}

impl Walk<'_> {
    /// Walks one directory of the upper tree; true if something in it changed.
    fn directory(&mut self, directory: &OwnedFd) -> Result<bool> {
        let mut any = false;
        for name in names_in(directory.as_fd()).map_err(|why| self.failed("read", why))? {
            let len = self.path.len();
            if len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            let result = self.one(directory, &name);
            self.path.truncate(len);
            any |= result?;
        }
        Ok(any)
    }

    fn one(&mut self, parent: &OwnedFd, name: &[u8]) -> Result<bool> {
        if self.skip.contains(&self.path) {
            return Ok(false);
        }
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(why) => return Err(self.failed("read", why)),
        };
        let below = self.below();
        if FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0 {
            if below.is_some() {
                self.push(Change::Deleted);
            }
            return Ok(below.is_some());
        }
        let change = if below.is_some() { Change::Changed } else { Change::Added };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            self.push(change);
            return Ok(true);
        }
        let directory = openat(parent, name, DIRECTORY, Mode::empty()).map_err(|why| self.failed("open", why))?;
        let was_directory =
            below.as_ref().is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let mut any = self.directory(&directory)?;
        if was_directory && is_opaque(directory.as_fd()) {
            any |= self.hidden(&directory)?;
        }
        // A directory is copied up for whatever happens in it; by itself it counts only if it really differs.
        let is_same = below.is_some_and(|stat_below| same_attributes(&stat, &stat_below));
        if !any && is_same && self.has_mount_points() {
            return Ok(false);
        }
        self.push(change);
        Ok(true)
    }

    /// Names of the lower directory that an opaque one hides.
    fn hidden(&mut self, directory: &OwnedFd) -> Result<bool> {
        let Ok(lower) = self.open_below() else { return Ok(false) };
        let mut any = false;
        for name in names_in(lower.as_fd()).map_err(|why| self.failed("read", why))? {
            if statat(directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW).is_err() {
                let path = [&b"/"[..], &self.path, b"/", &name].concat();
                self.found.push(Changed { change: Change::Deleted, path });
                any = true;
            }
        }
        Ok(any)
    }

    fn has_mount_points(&self) -> bool {
        self.skip.iter().any(|path| path.strip_prefix(&self.path[..]).is_some_and(|rest| rest.starts_with(b"/")))
    }

    /// What the image has at the current path.
    fn below(&self) -> Option<Stat> {
        let (directory, name) = match self.path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&self.path[..at], &self.path[at + 1..]),
            None => (&b"."[..], &self.path[..]),
        };
        let parent = openat2(self.lower, directory, DIRECTORY, Mode::empty(), BENEATH).ok()?;
        statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    fn open_below(&self) -> rustix::io::Result<OwnedFd> {
        openat2(self.lower, &self.path[..], DIRECTORY, Mode::empty(), BENEATH)
    }

    fn push(&mut self, change: Change) {
        let path = [&b"/"[..], &self.path].concat();
        self.found.push(Changed { change, path });
    }

    fn failed(&self, action: &'static str, why: Errno) -> Error {
        Error::Unpack { action, path: show(&self.path), source: why.into() }
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

fn same_attributes(a: &Stat, b: &Stat) -> bool {
    a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid
}
