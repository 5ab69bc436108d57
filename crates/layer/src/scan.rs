//! Walking a part of a tree: what of it counts is somebody's to judge, and directories count when something in them does.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::error::{Error, Result, show};
use crate::pack::{DIRECTORY, Xattrs, xattrs_of};
use crate::trail::Trail;

/// Whether something belongs to what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does; of a directory, what is in it is judged one by one.
    Take,
    /// It does not, and nothing beneath it does.
    Skip,
    /// It does not, but something beneath it may; then it does, too.
    Look,
}

/// Who is shown what was found, in byte order of the names in each directory.
pub trait Visitor {
    /// A directory, before what is in it. `path` begins below the top.
    ///
    /// # Errors
    /// The visitor's own; the walk ends.
    fn directory(&mut self, path: &[u8], stat: &Stat, xattrs: Xattrs) -> Result<()>;

    /// Whether it wants to know the attributes of directories.
    fn wants_xattrs(&self) -> bool {
        true
    }

    /// Anything else.
    ///
    /// # Errors
    /// The visitor's own; the walk ends.
    fn leaf(&mut self, path: &[u8], leaf: &Leaf<'_>) -> Result<()>;
}

/// Something in a directory that is no directory. It may be gone by now, or something else.
pub struct Leaf<'a> {
    /// The directory, open.
    pub parent: BorrowedFd<'a>,
    /// What it is called there.
    pub name: &'a [u8],
}

impl Leaf<'_> {
    /// What it looks like; `None` if it is gone.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn stat(&self) -> Result<Option<Stat>> {
        match statat(self.parent, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(why) => Err(failed("read", self.name, why)),
        }
    }
}

/// A directory being walked.
struct Frame {
    /// What is in it and is still to be looked at, the next one last.
    names: Vec<(Vec<u8>, FileType)>,
    /// Length of the path before its name was added.
    path_len: usize,
    /// What is still to be told of it, if something in it is found.
    untold: Option<(Stat, Xattrs)>,
}

/// Shows `visitor` what `judge` takes of the directory `top`, whose own entry is not shown. No link is followed; sockets are
/// nothing that can be copied, and are passed over.
///
/// # Errors
/// When the tree cannot be read, or the visitor ends the walk.
pub fn scan(top: OwnedFd, judge: &mut dyn FnMut(&[u8], FileType) -> Verdict, visitor: &mut dyn Visitor) -> Result<()> {
    let mut path: Vec<u8> = Vec::new();
    let mut stack = vec![Frame { names: sorted(top.as_fd(), &path)?, path_len: 0, untold: None }];
    let mut trail = Trail::new(top);
    while let Some(frame) = stack.last_mut() {
        let Some((name, kind)) = frame.names.pop() else {
            trail.leave().map_err(|why| failed("leave", &path, why))?;
            path.truncate(frame.path_len);
            stack.pop();
            continue;
        };
        let path_len = path.len();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let leaf = Leaf { parent: trail.here(), name: &name };
        let kind = match kind {
            // Not every file system says it beside the name.
            FileType::Unknown => leaf.stat()?.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            known => known,
        };
        let verdict = match kind {
            FileType::Unknown | FileType::Socket => Verdict::Skip,
            kind => judge(&path, kind),
        };
        if kind != FileType::Directory || verdict == Verdict::Skip {
            if verdict == Verdict::Take {
                tell(&mut stack, &path, visitor)?;
                visitor.leaf(&path, &leaf)?;
            }
            path.truncate(path_len);
            continue;
        }
        let directory = match openat(trail.here(), &name, DIRECTORY, Mode::empty()) {
            Ok(directory) => directory,
            // Somebody removes files while they are copied.
            Err(Errno::NOENT) => {
                path.truncate(path_len);
                continue;
            }
            Err(why) => return Err(failed("open", &path, why)),
        };
        let stat = fstat(&directory).map_err(|why| failed("read", &path, why))?;
        let xattrs = match visitor.wants_xattrs() {
            true => xattrs_of(directory.as_fd()).map_err(|why| failed("read attributes of", &path, why))?,
            false => Xattrs::default(),
        };
        let untold = if verdict == Verdict::Take {
            tell(&mut stack, &path, visitor)?;
            visitor.directory(&path, &stat, xattrs)?;
            None
        } else {
            Some((stat, xattrs))
        };
        let names = sorted(directory.as_fd(), &path)?;
        trail.enter(directory).map_err(|why| failed("open", &path, why))?;
        stack.push(Frame { names, path_len, untold });
    }
    Ok(())
}

/// Shows the directories above `path` that have not been shown.
fn tell(stack: &mut [Frame], path: &[u8], visitor: &mut dyn Visitor) -> Result<()> {
    // A frame's own path ends where its child's name begins.
    for frame in stack {
        if let Some((stat, xattrs)) = frame.untold.take() {
            let start = frame.path_len;
            let skip = usize::from(start > 0);
            let name_len = path[start + skip..].iter().position(|byte| *byte == b'/').unwrap_or(0);
            visitor.directory(&path[..start + skip + name_len], &stat, xattrs)?;
        }
    }
    Ok(())
}

/// The names in a directory, last one first, with what they are as far as the directory says.
fn sorted(directory: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<(Vec<u8>, FileType)>> {
    let read = || -> rustix::io::Result<Vec<(Vec<u8>, FileType)>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((name.to_vec(), entry.file_type()));
            }
        }
        Ok(names)
    };
    let mut names = read().map_err(|why| failed("read", path, why))?;
    names.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    Ok(names)
}

fn failed(action: &'static str, path: &[u8], why: Errno) -> Error {
    Error::Unpack { action, path: show(path), source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(Vec<String>);

    impl Visitor for Names {
        fn directory(&mut self, path: &[u8], _: &Stat, _: Xattrs) -> Result<()> {
            self.0.push(format!("{}/", String::from_utf8_lossy(path)));
            Ok(())
        }

        fn leaf(&mut self, path: &[u8], _: &Leaf<'_>) -> Result<()> {
            self.0.push(String::from_utf8_lossy(path).into_owned());
            Ok(())
        }
    }

    fn check(judge: &mut dyn FnMut(&[u8], FileType) -> Verdict, expected: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        for path in ["a/b/c/one", "a/b/two", "a/x", "d/e/three", "z"] {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut names = Names(Vec::new());
        scan(std::fs::File::open(place.path()).unwrap().into(), judge, &mut names).unwrap();
        assert_eq!(names.0, expected);
    }

    #[test]
    fn a_directory_that_is_only_looked_into_counts_when_something_in_it_does() {
        let all = ["a/", "a/b/", "a/b/c/", "a/b/c/one", "a/b/two", "a/x", "d/", "d/e/", "d/e/three", "z"];
        check(&mut |_, _| Verdict::Take, &all);
        let one = |path: &[u8], kind| match kind {
            FileType::Directory => Verdict::Look,
            _ if path.ends_with(b"one") || path.ends_with(b"two") => Verdict::Take,
            _ => Verdict::Skip,
        };
        check(&mut { one }, &["a/", "a/b/", "a/b/c/", "a/b/c/one", "a/b/two"]);
        check(
            &mut |path, _| if path == b"a" { Verdict::Skip } else { Verdict::Take },
            &["d/", "d/e/", "d/e/three", "z"],
        );
    }
}
