//! What a container has changed: its writable directory held against the image below it.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::error::{Error, Result, show};
use crate::pack::{is_opaque, names_in};
use crate::trail::Trail;

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
    let mut walk = Walk { skip, found: Vec::new(), path: Vec::new() };
    let open = |directory| openat(directory, ".", DIRECTORY, Mode::empty());
    let upper = open(upper).map_err(|why| walk.failed("open", why))?;
    let lower = open(lower).map_err(|why| walk.failed("open", why))?;
    walk.tree(upper, lower)?;
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

struct Walk<'a> {
    skip: &'a BTreeSet<Vec<u8>>,
    found: Vec<Changed>,
    path: Vec<u8>,
}

/// A directory of the upper tree being walked.
struct Frame {
    names: Vec<Vec<u8>>,
    /// Length of the path before its name was added.
    path_len: usize,
    attributes: Attributes,
    /// Those of what the image has in its place.
    below: Option<Attributes>,
    is_top: bool,
    /// The way through the image ends in this directory.
    is_in_image: bool,
    /// Something in it changed.
    any: bool,
}

/// What a name of the upper tree is.
enum One {
    /// Nothing to go down into; true if it changed.
    Done(bool),
    /// An open directory; its attributes, and those of what the image has in its place.
    Directory(OwnedFd, Attributes, Option<Attributes>),
}

impl Walk<'_> {
    /// Walks the upper tree, and the image beside it as far as that has the same directories.
    fn tree(&mut self, upper: OwnedFd, lower: OwnedFd) -> Result<()> {
        let attributes = Attributes::of(&fstat(&upper).map_err(|why| self.failed("read", why))?);
        let names = self.names(upper.as_fd())?;
        let mut stack =
            vec![Frame { names, path_len: 0, attributes, below: None, is_top: true, is_in_image: true, any: false }];
        let (mut upper, mut lower) = (Trail::new(upper), Trail::new(lower));
        while let Some(frame) = stack.last_mut() {
            let image = frame.is_in_image.then(|| lower.here());
            let Some(name) = frame.names.pop() else {
                // The root is no change of its own.
                let any = !frame.is_top && self.finish(frame, upper.here(), image)?;
                upper.leave().map_err(|why| self.failed("leave", why))?;
                if frame.is_in_image {
                    lower.leave().map_err(|why| self.failed("leave", why))?;
                }
                self.path.truncate(frame.path_len);
                stack.pop();
                if let Some(above) = stack.last_mut() {
                    above.any |= any;
                }
                continue;
            };
            let path_len = self.path.len();
            if path_len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            // A program can make directories that no path reaches; to name each would fill the memory.
            if self.path.len() > MAX_PATH {
                return Err(self.failed("name", Errno::NAMETOOLONG));
            }
            match self.one(upper.here(), image, &name)? {
                One::Done(any) => {
                    frame.any |= any;
                    self.path.truncate(path_len);
                }
                One::Directory(directory, attributes, below) => {
                    let names = self.names(directory.as_fd())?;
                    upper.enter(directory).map_err(|why| self.failed("open", why))?;
                    let image = match image {
                        Some(image) if below.is_some_and(|below| below.is_directory()) => {
                            Some(openat(image, name, DIRECTORY, Mode::empty()))
                        }
                        _ => None,
                    };
                    let is_in_image = image.is_some();
                    if let Some(image) = image {
                        let entered = image.and_then(|image| lower.enter(image));
                        entered.map_err(|why| self.failed("open", why))?;
                    }
                    stack.push(Frame { names, path_len, attributes, below, is_top: false, is_in_image, any: false });
                }
            }
        }
        Ok(())
    }

    fn names(&self, directory: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
        names_in(directory).map_err(|why| self.failed("read", why))
    }

    /// Judges one name of the directory `parent` by what the image's directory in its place has.
    fn one(&mut self, parent: BorrowedFd<'_>, image: Option<BorrowedFd<'_>>, name: &[u8]) -> Result<One> {
        if self.skip.contains(&self.path) {
            return Ok(One::Done(false));
        }
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(One::Done(false)),
            Err(why) => return Err(self.failed("read", why)),
        };
        let below = image.and_then(|image| statat(image, name, AtFlags::SYMLINK_NOFOLLOW).ok());
        let below = below.as_ref().map(Attributes::of);
        if FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0 {
            if below.is_some() {
                self.push(Change::Deleted);
            }
            return Ok(One::Done(below.is_some()));
        }
        let attributes = Attributes::of(&stat);
        if !attributes.is_directory() {
            self.push(if below.is_some() { Change::Changed } else { Change::Added });
            return Ok(One::Done(true));
        }
        let directory = openat(parent, name, DIRECTORY, Mode::empty()).map_err(|why| self.failed("open", why))?;
        Ok(One::Directory(directory, attributes, below))
    }

    /// Judges a directory whose names have been judged; true if something is different.
    fn finish(&mut self, frame: &Frame, directory: BorrowedFd<'_>, image: Option<BorrowedFd<'_>>) -> Result<bool> {
        let mut any = frame.any;
        if let Some(image) = image.filter(|_| is_opaque(directory)) {
            any |= self.hidden(directory, image)?;
        }
        // A directory is copied up for whatever happens in it; by itself it counts only if it really differs.
        let is_same = frame.below == Some(frame.attributes);
        if !any && is_same && self.has_mount_points() {
            return Ok(false);
        }
        self.push(if frame.below.is_some() { Change::Changed } else { Change::Added });
        Ok(true)
    }

    /// Names of the lower directory that an opaque one hides.
    fn hidden(&mut self, directory: BorrowedFd<'_>, image: BorrowedFd<'_>) -> Result<bool> {
        let mut any = false;
        for name in self.names(image)? {
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

    fn push(&mut self, change: Change) {
        let path = [&b"/"[..], &self.path].concat();
        self.found.push(Changed { change, path });
    }

    fn failed(&self, action: &'static str, why: Errno) -> Error {
        Error::Unpack { action, path: show(&self.path), source: why.into() }
    }
}

/// 4095 bytes: PATH_MAX without its NUL, the longest path of a layer.
const MAX_PATH: usize = 4095;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// What a directory must have in common with the image's to be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Attributes {
    fn of(stat: &Stat) -> Self {
        Self { mode: stat.st_mode, uid: stat.st_uid, gid: stat.st_gid }
    }

    fn is_directory(self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }
}
