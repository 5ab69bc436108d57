//! Finding a path in somebody's tree as a process in it would: links are followed, and none leads out of the tree.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, readlinkat, statat};
use rustix::io::Errno;

/// Where a path leads.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The path without links, dots and slashes around it; empty is the root itself.
    pub path: Vec<u8>,
    /// What is there, if anything is. It is no link unless the last one was to be kept.
    pub stat: Option<Stat>,
}

impl Resolved {
    /// What kind of file is there.
    pub fn kind(&self) -> Option<FileType> {
        self.stat.as_ref().map(|stat| FileType::from_raw_mode(stat.st_mode))
    }
}

/// Whether a link at the very end is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It is.
    Followed,
    /// It is what was looked for.
    Kept,
}

/// 40 links: the kernel's limit.
const MAX_LINKS: usize = 40;

/// Follows `path` from the directory `root`, which is its own parent. What does not exist has the rest of the path.
///
/// # Errors
/// When there are too many links on the way (`ELOOP`), or something cannot be read.
pub fn resolve(root: BorrowedFd<'_>, path: &[u8], last: Last) -> rustix::io::Result<Resolved> {
    let mut done: Vec<u8> = Vec::new();
    let mut rest: Vec<Vec<u8>> = parts(path).rev().map(<[u8]>::to_vec).collect();
    let mut links = 0;
    let mut is_missing = false;
    let mut stat = Some(statat(root, ".", AtFlags::empty())?);
    while let Some(part) = rest.pop() {
        if part == b".." {
            let end = done.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            done.truncate(end);
            is_missing = false;
            stat = look(root, &done)?;
            continue;
        }
        let before = done.len();
        if !done.is_empty() {
            done.push(b'/');
        }
        done.extend_from_slice(&part);
        if is_missing {
            continue;
        }
        stat = look(root, &done)?;
        let kind = stat.as_ref().map(|stat| FileType::from_raw_mode(stat.st_mode));
        is_missing = kind.is_none();
        if kind == Some(FileType::Symlink) && !(rest.is_empty() && last == Last::Kept) {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP);
            }
            let target = link_at(root, &done)?;
            done.truncate(if target.first() == Some(&b'/') { 0 } else { before });
            rest.extend(parts(&target).rev().map(<[u8]>::to_vec));
            stat = look(root, &done)?;
        }
    }
    Ok(Resolved { path: done, stat: stat.filter(|_| !is_missing) })
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// What is at a path without links.
fn look(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<Option<Stat>> {
    if path.is_empty() {
        return statat(root, ".", AtFlags::empty()).map(Some);
    }
    let found = openat2(root, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), BENEATH);
    match found {
        Ok(found) => rustix::fs::fstat(&found).map(Some),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(why) => Err(why),
    }
}

fn link_at(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<Vec<u8>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link = openat2(root, path, flags, Mode::empty(), BENEATH)?;
    Ok(readlinkat(link.as_fd(), "", Vec::new())?.into_bytes())
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_on_and_never_out() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("usr/lib")).unwrap();
        std::fs::write(at("usr/lib/file"), "").unwrap();
        symlink("usr/lib", at("lib")).unwrap();
        symlink("/usr", at("abs")).unwrap();
        symlink("../../../../etc", at("out")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("file", at("usr/lib/last")).unwrap();
        let root = std::fs::File::open(place.path()).unwrap();
        let check = |path: &str, last, expected: &str, is_there: bool| {
            let found = resolve(root.as_fd(), path.as_bytes(), last).unwrap();
            assert_eq!(
                (String::from_utf8(found.path).unwrap().as_str(), found.stat.is_some()),
                (expected, is_there),
                "{path}"
            );
        };
        check("/", Last::Followed, "", true);
        check("lib/file", Last::Followed, "usr/lib/file", true);
        check("/abs/lib/../lib/new/x", Last::Followed, "usr/lib/new/x", false);
        check("out/passwd", Last::Followed, "etc/passwd", false);
        check("../../x", Last::Followed, "x", false);
        check("lib/last", Last::Followed, "usr/lib/file", true);
        check("lib/last", Last::Kept, "usr/lib/last", true);
        check("lib/file/x", Last::Followed, "usr/lib/file/x", false);
        assert_eq!(resolve(root.as_fd(), b"loop/x", Last::Followed).unwrap_err(), Errno::LOOP);
    }
}
