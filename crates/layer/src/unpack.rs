//! Unpacks a tar over files that are there already: what `cp` into a container does.
//!
//! Every directory is opened beneath the target with links resolved inside it, so no name and no link, old or new, leads
//! out. Whiteouts mean nothing here: the names are as they stand.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fchown, futimens, linkat,
    makedev, mkdirat, mknodat, openat, openat2, symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::entry::{Entry, Kind};
use crate::error::{Error, Result, show};
use crate::node::Node;
use crate::tar::Reader;

/// Unpacks `tar` into the open directory `root`, over what is there.
///
/// # Errors
/// When the stream is no tar, or something cannot be made.
pub fn unpack(tar: &mut dyn Read, root: BorrowedFd<'_>) -> Result<()> {
    each(tar, &mut |entry, data| one(root, &entry, data))
}

/// As [`unpack`], but everything becomes root's, and what belonged to somebody else loses its set-id bits: files for
/// whoever asked for them, and not for the users of an image.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_for_caller(tar: &mut dyn Read, root: BorrowedFd<'_>) -> Result<()> {
    each(tar, &mut |mut entry, data| {
        if (entry.uid, entry.gid) != (0, 0) {
            (entry.uid, entry.gid) = (0, 0);
            entry.mode &= !SET_ID;
        }
        one(root, &entry, data)
    })
}

/// Set-user-ID and set-group-ID.
const SET_ID: u16 = 0o6000;

fn each(tar: &mut dyn Read, take: &mut dyn FnMut(Entry, &mut dyn Read) -> Result<()>) -> Result<()> {
    let mut reader = Reader::new(tar);
    while let Some(mut member) = reader.next_entry()? {
        let entry = member.entry().clone();
        take(entry, &mut member)?;
    }
    Ok(())
}

fn one(root: BorrowedFd<'_>, entry: &Entry, data: &mut dyn Read) -> Result<()> {
    let failed =
        |action: &'static str| move |why: Errno| Error::Unpack { action, path: show(&entry.path), source: why.into() };
    let parts: Vec<&[u8]> =
        entry.path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    let Some((name, above)) = parts.split_last() else { return Ok(()) };
    if parts.contains(&&b".."[..]) {
        return Err(Error::entry(&entry.path, entry.header_offset, "leads upwards"));
    }
    let parent = directory(root, above).map_err(failed("create"))?;
    let parent = parent.as_fd();
    match entry.kind {
        Kind::Directory => {
            match mkdirat(parent, *name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(why) => return Err(failed("create")(why)),
            }
            let made = openat2(parent, *name, DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS);
            describe(made.map_err(failed("open"))?.as_fd(), entry).map_err(failed("describe"))
        }
        Kind::File => {
            remove(parent, name).map_err(failed("replace"))?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = openat(parent, *name, flags, Mode::RUSR | Mode::WUSR).map_err(failed("create"))?;
            let mut file = File::from(file);
            write(entry, data, &mut file).map_err(|source| Error::Unpack {
                action: "write",
                path: show(&entry.path),
                source,
            })?;
            describe(file.as_fd(), entry).map_err(failed("describe"))
        }
        Kind::Symlink => {
            remove(parent, name).map_err(failed("replace"))?;
            symlinkat(entry.link.as_slice(), parent, *name).map_err(failed("create"))?;
            describe_at(parent, name, entry).map_err(failed("describe"))
        }
        Kind::Hardlink => {
            let target: Vec<&[u8]> =
                entry.link.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
            let Some((last, above)) = target.split_last() else { return Ok(()) };
            let from = directory(root, above).map_err(failed("open"))?;
            remove(parent, name).map_err(failed("replace"))?;
            linkat(&from, *last, parent, *name, AtFlags::empty()).map_err(failed("link"))
        }
        Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
            remove(parent, name).map_err(failed("replace"))?;
            let kind = match entry.kind {
                Kind::CharDevice => FileType::CharacterDevice,
                Kind::BlockDevice => FileType::BlockDevice,
                _ => FileType::Fifo,
            };
            let mode = Mode::from_raw_mode(u32::from(entry.mode));
            mknodat(parent, *name, kind, mode, makedev(entry.major, entry.minor)).map_err(failed("create"))?;
            describe_at(parent, name, entry).map_err(failed("describe"))
        }
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// A directory beneath `root`, made if it is missing; links lead where they would inside a root of its own.
fn directory(root: BorrowedFd<'_>, path: &[&[u8]]) -> rustix::io::Result<OwnedFd> {
    // Nearly always it is there: a step for each part of each path would take the square of the depth.
    if !path.is_empty() {
        match openat2(root, path.join(&b'/'), DIRECTORY, Mode::empty(), ResolveFlags::IN_ROOT) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
    }
    let mut at = openat(root, ".", DIRECTORY, Mode::empty())?;
    let mut whole: Vec<u8> = Vec::new();
    for part in path {
        whole.extend_from_slice(part);
        at = match openat2(root, whole.as_slice(), DIRECTORY, Mode::empty(), ResolveFlags::IN_ROOT) {
            Err(Errno::NOENT) => {
                mkdirat(&at, *part, Mode::from_raw_mode(0o755))?;
                openat2(root, whole.as_slice(), DIRECTORY, Mode::empty(), ResolveFlags::IN_ROOT)?
            }
            result => result?,
        };
        whole.push(b'/');
    }
    Ok(at)
}

/// Makes room for something that is no directory. A directory is not replaced by a file.
fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(why) => Err(why),
    }
}

fn write(entry: &Entry, data: &mut dyn Read, file: &mut File) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let Some(extents) = &entry.sparse else {
        return io::copy(data, file).map(drop);
    };
    file.set_len(entry.size)?;
    for extent in extents {
        file.seek(SeekFrom::Start(extent.offset))?;
        io::copy(&mut (&mut *data).take(extent.len), file)?;
    }
    Ok(())
}

fn describe(file: BorrowedFd<'_>, entry: &Entry) -> rustix::io::Result<()> {
    ignore_permission(fchown(file, Some(uid(entry)), Some(gid(entry))))?;
    fchmod(file, Mode::from_raw_mode(u32::from(entry.mode)))?;
    futimens(file, &times(entry))
}

/// For what must not be opened: links, devices, pipes. Each change goes to the one file that `node` is, whatever a
/// program inside puts in its place meanwhile.
fn describe_at(parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> rustix::io::Result<()> {
    let kind = match entry.kind {
        Kind::Symlink => FileType::Symlink,
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        _ => FileType::Fifo,
    };
    let node = Node::open_made(parent, name, kind)?;
    ignore_permission(node.chown(Some(uid(entry)), Some(gid(entry))))?;
    if entry.kind != Kind::Symlink {
        node.chmod(Mode::from_raw_mode(u32::from(entry.mode)))?;
    }
    node.set_times(&times(entry))
}

/// Owners that cannot be given stay who they are.
fn ignore_permission(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::PERM | Errno::INVAL) => Ok(()),
        result => result,
    }
}

fn uid(entry: &Entry) -> rustix::fs::Uid {
    rustix::fs::Uid::from_raw(entry.uid)
}

fn gid(entry: &Entry) -> rustix::fs::Gid {
    rustix::fs::Gid::from_raw(entry.gid)
}

fn times(entry: &Entry) -> Timestamps {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let modified = Timespec { tv_sec: entry.mtime, tv_nsec: entry.mtime_nanos.into() };
    Timestamps { last_access: omitted, last_modification: modified }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::tar::Writer;

    #[test]
    fn files_for_the_caller_keep_set_id_bits_only_if_they_were_roots() {
        let mut tar = Writer::new(Vec::new());
        for (name, uid) in [("own", 0), ("other", 7)] {
            let entry = Entry { path: name.into(), mode: 0o4755, uid, gid: uid, ..Entry::default() };
            tar.append(&entry, io::empty()).unwrap();
        }
        let tar = tar.finish().unwrap();
        let place = tempfile::tempdir().unwrap();
        let root = File::open(place.path()).unwrap();
        let made = unpack_for_caller(&mut tar.as_slice(), root.as_fd());
        if !rustix::process::geteuid().is_root() {
            // Others cannot give files away, not even to themselves as root.
            assert!(made.is_err() || place.path().join("own").exists());
            return;
        }
        made.unwrap();
        let found = |name| {
            let found = place.path().join(name).metadata().unwrap();
            (found.mode() & 0o7777, found.uid(), found.gid())
        };
        assert_eq!((found("own"), found("other")), ((0o4755, 0, 0), (0o755, 0, 0)));
    }
}
