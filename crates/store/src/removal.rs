//! Deleting trees, of any depth, also those that an ordinary user may not delete as they are.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, chmodat, fchmod, fstat, openat, openat2, unlinkat,
};
use rustix::io::Errno;
use wharfie_layer::trail::Trail;

use crate::store::Store;

impl Store {
    /// Deletes a directory, or a file, with everything in it. An ordinary user may not enter all of it as it is: overlayfs
    /// closes its own directory, and containers close some of theirs. What belongs to a container's other users goes by
    /// [`crate::Options::remove`]. In a rehearsal everything stays.
    ///
    /// # Errors
    /// The first that kept something from being deleted. All else is gone.
    pub(crate) fn remove_tree(&self, directory: &Path) -> io::Result<()> {
        if self.is_rehearsal() {
            return Ok(());
        }
        remove_own_tree(directory).or_else(|why| if (self.options.remove)(directory) { Ok(()) } else { Err(why) })
    }
}

/// Deletes a tree as far as its owner may. Nothing that is mounted in it is entered.
///
/// # Errors
/// The first that kept something from being deleted. All else is gone.
pub fn remove_own_tree(directory: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match openat(CWD, parent, flags, Mode::empty()) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(why) => return Err(why.into()),
    };
    let mut remover = Remover { trail: Trail::new(parent), stack: Vec::new(), why: None };
    remover.run(CString::new(name.as_bytes())?)?;
    remover.why.map_or(Ok(()), |why| Err(why.into()))
}

/// What is being deleted: neither a descriptor nor a frame of the stack is needed for each level.
struct Remover {
    /// The way to the directory that is being emptied.
    trail: Trail,
    stack: Vec<Frame>,
    /// What went wrong first.
    why: Option<Errno>,
}

/// A directory that is being emptied.
struct Frame {
    name: CString,
    /// What is left in it, as far as was seen.
    directories: Vec<CString>,
    /// How often it was read again because there was something left that nobody had seen.
    again: u32,
}

/// How often a directory is read again that is not empty although everything in it was deleted.
const PATIENCE: u32 = 3;

impl Remover {
    fn run(&mut self, top: CString) -> rustix::io::Result<()> {
        self.enter(top, 0)?;
        while let Some(frame) = self.stack.last_mut() {
            if let Some(name) = frame.directories.pop() {
                self.enter(name, 0)?;
                continue;
            }
            self.trail.leave()?;
            let Some(frame) = self.stack.pop() else { break };
            match unlinkat(self.trail.here(), &frame.name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Some file systems skip names when others are deleted while they are read.
                Err(Errno::NOTEMPTY | Errno::EXIST) if self.why.is_none() && frame.again < PATIENCE => {
                    self.enter(frame.name, frame.again + 1)?;
                }
                Err(why) => self.failed(why),
            }
        }
        Ok(())
    }

    /// Goes down into a directory and deletes what is none in it. Anything else of that name is deleted at once.
    fn enter(&mut self, name: CString, again: u32) -> rustix::io::Result<()> {
        let entered = open_up(self.trail.here(), &name).and_then(|directory| {
            let directories = self.clear(directory.as_fd())?;
            self.trail.enter(directory)?;
            Ok(directories)
        });
        match entered {
            Ok(directories) => self.stack.push(Frame { name, directories, again }),
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR | Errno::LOOP) => match unlinkat(self.trail.here(), &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(why) => self.failed(why),
            },
            // It may be empty.
            Err(why) => match unlinkat(self.trail.here(), &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => self.failed(why),
            },
        }
        Ok(())
    }

    /// Deletes everything in a directory but directories, whose names it gives.
    fn clear(&mut self, directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
        let mut directories = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if entry.file_type() == FileType::Directory {
                directories.push(name.to_owned());
                continue;
            }
            match unlinkat(directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Its kind was not known, or it is another one by now.
                Err(Errno::ISDIR) => directories.push(name.to_owned()),
                Err(why) => self.failed(why),
            }
        }
        Ok(directories)
    }

    fn failed(&mut self, why: Errno) {
        self.why.get_or_insert(why);
    }
}

/// Opens a directory so that everything in it can be deleted, as far as that is its owner's to say.
fn open_up(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let open = |flags| openat2(parent, name, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve);
    let directory = match open(OFlags::RDONLY) {
        Err(Errno::ACCESS) => {
            // The descriptor means this very directory, and its link in /proc leads to it whatever has its name.
            let closed = open(OFlags::PATH)?;
            let path = format!("/proc/self/fd/{}", closed.as_raw_fd());
            chmodat(CWD, path, Mode::RWXU, AtFlags::empty()).map_err(|_| Errno::ACCESS)?;
            open(OFlags::RDONLY)?
        }
        result => result?,
    };
    if !Mode::from_raw_mode(fstat(&directory)?.st_mode).contains(Mode::RWXU) {
        // If it is somebody else's, what is in it cannot be deleted, which will be said.
        let _ = fchmod(&directory, Mode::RWXU);
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::mkdirat;

    use super::*;

    /// A tree in which each of `depth` directories has the next and a file.
    fn deep(top: &Path, depth: usize) {
        let open = |at: BorrowedFd<'_>| openat(at, "d", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        std::fs::create_dir(top).unwrap();
        let mut at: OwnedFd = std::fs::File::open(top).unwrap().into();
        for _ in 0..depth {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            drop(openat(&at, "f", flags, Mode::RUSR).unwrap());
            mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = open(at.as_fd());
        }
    }

    #[test]
    fn no_depth_keeps_a_tree_from_being_deleted() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        deep(&top, 20_000);
        remove_own_tree(&top).unwrap();
        assert!(!top.exists());
        remove_own_tree(&top).unwrap();
    }

    #[test]
    fn links_are_deleted_and_not_what_they_name() {
        let place = tempfile::tempdir().unwrap();
        let (top, other) = (place.path().join("top"), place.path().join("other"));
        deep(&other, 2);
        deep(&top, 2);
        symlink(&other, top.join("d/link")).unwrap();
        remove_own_tree(&top).unwrap();
        symlink(&other, &top).unwrap();
        remove_own_tree(&top).unwrap();
        assert!(top.symlink_metadata().is_err() && other.join("d/f").exists());
    }
}
