//! Finding and making paths beneath a container's root, whatever symbolic links its image has.
//!
//! Every step opens one name in one directory without following links; links are followed by hand, with the
//! container's root as `/` and as the top that `..` cannot leave.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What to make when it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A directory.
    Directory,
    /// An empty file, and directories above it.
    File,
}

/// Opens `path` beneath `root` as the container would see it (`O_PATH`).
pub(crate) fn open(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    openat2(root, path, OFlags::PATH, ResolveFlags::IN_ROOT)
}

/// Opens `path` beneath `root` for reading, without waiting for whoever may be at the other end of it.
pub(crate) fn open_to_read(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    openat2(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, ResolveFlags::IN_ROOT)
}

/// As [`open`], but any symbolic link on the way is an error (`ELOOP`).
pub(crate) fn open_plain(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let found =
        openat2(root, path, OFlags::PATH | OFlags::NOFOLLOW, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)?;
    // The kernel opens a link in the last place as itself.
    match rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
        rustix::fs::FileType::Symlink => Err(Errno::LOOP),
        _ => Ok(found),
    }
}

/// As [`open_plain`], for writing to what is there.
pub(crate) fn open_plain_to_write(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat2(root, path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
}

/// Opens `path` beneath `root`, and makes what is missing of it.
pub(crate) fn open_or_create(root: BorrowedFd<'_>, path: &Path, missing: Missing) -> Result<OwnedFd, Errno> {
    match open(root, path) {
        Err(Errno::NOENT) => create(root, path, missing),
        other => other,
    }
}

fn create(root: BorrowedFd<'_>, path: &Path, missing: Missing) -> Result<OwnedFd, Errno> {
    let mut above: Vec<OwnedFd> = vec![root.try_clone_to_owned().map_err(|_| Errno::MFILE)?];
    let mut names = names_of(path);
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        // The root itself is never popped.
        let here = above.last().expect("the root stays").as_fd();
        if name == ".." {
            if above.len() > 1 {
                above.pop();
            }
            continue;
        }
        let name = Path::new(&name);
        let found =
            match rustix::fs::openat(here, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                Err(Errno::NOENT) => {
                    let is_file = names.is_empty() && missing == Missing::File;
                    match is_file {
                        true => drop(rustix::fs::openat(here, name, NEW_FILE, Mode::from_raw_mode(0o755))?),
                        false => rustix::fs::mkdirat(here, name, Mode::from_raw_mode(0o755))?,
                    }
                    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    rustix::fs::openat(here, name, flags, Mode::empty())?
                }
                other => other?,
            };
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
        if kind != rustix::fs::FileType::Symlink {
            above.push(found);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = rustix::fs::readlinkat(here, name, Vec::new())?.into_bytes();
        if target.first() == Some(&b'/') {
            above.truncate(1);
        }
        for name in names_of(Path::new(&OsString::from_vec(target))).into_iter().rev() {
            names.push_front(name);
        }
    }
    above.pop().ok_or(Errno::NOENT)
}

fn names_of(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

fn openat2(root: BorrowedFd<'_>, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new("/") } else { path };
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    loop {
        // EAGAIN: something was renamed meanwhile and the kernel cannot tell whether the root was left.
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
}

const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// The kernel's own limit.
const MAX_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes `path` in a root with `links`, then expects a directory at `expected` and nothing outside.
    #[track_caller]
    fn check(links: &[(&str, &str)], path: &str, expected: &str) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir(&root).unwrap();
        for (name, target) in links {
            symlink(target, root.join(name)).unwrap();
        }
        let fd: OwnedFd = std::fs::File::open(&root).unwrap().into();
        open_or_create(fd.as_fd(), Path::new(path), Missing::Directory).unwrap();
        assert!(root.join(expected).is_dir(), "{path}");
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1, "{path} escaped");
    }

    #[test]
    fn what_is_missing_is_made() {
        check(&[], "/a/b/c", "a/b/c");
        check(&[], "/", "");
    }

    #[test]
    fn links_and_dots_stay_beneath_the_root() {
        check(&[], "/../../x", "x");
        check(&[("out", "../../../..")], "/out/x", "x");
        check(&[("absolute", "/nowhere/there")], "/absolute/x", "nowhere/there/x");
        check(&[("a", "b"), ("b", "missing/../up")], "/a/x", "up/x");
    }

    #[test]
    fn endless_links_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let fd: OwnedFd = std::fs::File::open(root.path()).unwrap().into();
        assert_eq!(open_or_create(fd.as_fd(), Path::new("/loop/x"), Missing::Directory).err(), Some(Errno::LOOP));
    }

    #[test]
    fn a_missing_file_is_made_as_a_file() {
        let root = tempfile::tempdir().unwrap();
        let fd: OwnedFd = std::fs::File::open(root.path()).unwrap().into();
        open_or_create(fd.as_fd(), Path::new("/etc/hosts"), Missing::File).unwrap();
        assert!(root.path().join("etc/hosts").is_file());
        open_plain(fd.as_fd(), Path::new("/etc/hosts")).unwrap();
        symlink("hosts", root.path().join("etc/link")).unwrap();
        symlink("etc", root.path().join("also")).unwrap();
        for path in ["/etc/link", "/also/hosts"] {
            assert_eq!(open_plain(fd.as_fd(), Path::new(path)).err(), Some(Errno::LOOP), "{path}");
        }
    }
}
