//! Trees to tars: a container's changes as a layer, or a whole root file system for export.
//!
//! Equal trees give equal bytes: names come in byte order, only what a layer can carry is written. Overlayfs's own marks
//! become a layer's whiteouts: a character device 0/0 is `.wh.NAME`, an opaque directory has `.wh..wh..opq` first.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fgetxattr, flistxattr, fstat, fstatfs, major, minor,
    openat, openat2, statat,
};
use rustix::io::Errno;

use crate::entry::{Entry, Kind};
use crate::error::{Error, Result, show};
use crate::node::Node;
use crate::tar::Writer;
use crate::trail::Trail;

/// What is written of a tree.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Paths, without a slash in front, that are left out with everything beneath them.
    pub skip: BTreeSet<Vec<u8>>,
    /// Put in front of every name; ends in a slash or is empty.
    pub prefix: Vec<u8>,
    /// Write an entry for the root itself, of this name.
    pub root_name: Option<Vec<u8>>,
    /// What the tree was made over. With it, directories that are there only to hold what is skipped are left out, too: those
    /// with nothing else in them that are as they were, or were not there before.
    pub below: Option<Arc<OwnedFd>>,
    /// No time is later than this, in seconds since 1970.
    pub latest: Option<i64>,
}

/// Writes the tree in the open directory `root` to `out` as a tar, with its end.
///
/// # Errors
/// When the tree cannot be read or `out` not be written.
pub fn pack<W: Write>(root: BorrowedFd<'_>, options: &Options, out: W) -> Result<W> {
    let mut packer = Packer::new(options, out);
    let root = open_again(root).map_err(|why| packer.failed("open", why))?;
    if let Some(name) = &options.root_name {
        let stat = fstat(&root).map_err(|why| packer.failed("read", why))?;
        let mut entry = packer.entry(&stat, Kind::Directory);
        entry.path.clone_from(name);
        entry.xattrs = xattrs_of(root.as_fd()).map_err(|why| packer.failed("read attributes of", why))?;
        packer.writer.append(&entry, io::empty())?;
    }
    packer.directory(root)?;
    packer.writer.finish()
}

/// Writes one file, link or device of the open directory `parent` to `out` as a tar, with its end, under the name `shown`.
///
/// # Errors
/// When it cannot be read or `out` not be written.
pub fn pack_one<W: Write>(parent: BorrowedFd<'_>, name: &[u8], shown: &[u8], out: W) -> Result<W> {
    let options = Options::default();
    let mut packer = Packer::new(&options, out);
    packer.path.extend_from_slice(shown);
    packer.is_single = true;
    packer.leaf(parent, name)?;
    packer.writer.finish()
}

pub(crate) struct Packer<'a, W: Write> {
    pub(crate) writer: Writer<W>,
    options: &'a Options,
    /// First names of files with several: by file system, or what stands for one, and number there.
    links: HashMap<(u64, u64), Vec<u8>>,
    pub(crate) path: Vec<u8>,
    /// Directories that are written once something in them is.
    hollow: Vec<Entry>,
    /// One file was asked for: that it is missing is an error.
    is_single: bool,
}

/// A directory being walked.
struct Frame {
    names: Vec<Vec<u8>>,
    /// Length of the path before its name was added.
    path_len: usize,
}

impl<'a, W: Write> Packer<'a, W> {
    pub(crate) fn new(options: &'a Options, out: W) -> Self {
        Self {
            writer: Writer::new(out),
            options,
            links: HashMap::new(),
            path: Vec::new(),
            hollow: Vec::new(),
            is_single: false,
        }
    }

    fn directory(&mut self, root: OwnedFd) -> Result<()> {
        let mut stack = vec![self.frame(root.as_fd(), 0)?];
        let mut trail = Trail::new(root);
        while let Some(frame) = stack.last_mut() {
            let Some(name) = frame.names.pop() else {
                trail.leave().map_err(|why| self.failed("leave", why))?;
                // Nothing in it was written, so it is not, either.
                self.hollow.pop_if(|entry| entry.path.strip_suffix(b"/") == Some(&self.path[..]));
                self.path.truncate(frame.path_len);
                stack.pop();
                continue;
            };
            let path_len = self.path.len();
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            let below = if self.options.skip.contains(&self.path) { None } else { self.one(trail.here(), &name)? };
            match below {
                Some(directory) => {
                    stack.push(self.frame(directory.as_fd(), path_len)?);
                    trail.enter(directory).map_err(|why| self.failed("open", why))?;
                }
                None => self.path.truncate(path_len),
            }
        }
        Ok(())
    }

    fn frame(&self, directory: BorrowedFd<'_>, path_len: usize) -> Result<Frame> {
        let mut names = names_in(directory).map_err(|why| self.failed("read", why))?;
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Frame { names, path_len })
    }

    /// Writes one entry; gives the directory to go down into.
    fn one(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>> {
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // A running container may remove what was listed a moment ago.
            Err(Errno::NOENT) => return Ok(None),
            Err(why) => return Err(self.failed("read", why)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let directory = self.open_directory(parent, name)?;
                let entry = self.directory_entry(directory.as_fd(), &stat)?;
                let is_opaque = is_opaque(directory.as_fd());
                if self.is_hollow(&entry, is_opaque) {
                    self.hollow.push(entry);
                    return Ok(Some(directory));
                }
                self.put(&entry, io::empty())?;
                if is_opaque {
                    let mark = Entry { path: [&entry.path[..], b".wh..wh..opq"].concat(), ..Entry::default() };
                    self.put(&mark, io::empty())?;
                }
                return Ok(Some(directory));
            }
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                let at = self.path.len() - name.len();
                let path = [&self.options.prefix[..], &self.path[..at], b".wh.", name].concat();
                self.put(&Entry { path, ..Entry::default() }, io::empty())?;
                return Ok(None);
            }
            FileType::Socket => return Ok(None),
            _ => {}
        }
        self.file(parent, name, &stat)?;
        Ok(None)
    }

    pub(crate) fn open_directory(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
        openat(parent, name, DIRECTORY, Mode::empty()).map_err(|why| self.failed("open", why))
    }

    /// The entry of an open directory at the current path.
    pub(crate) fn directory_entry(&self, directory: BorrowedFd<'_>, stat: &Stat) -> Result<Entry> {
        let mut entry = self.entry(stat, Kind::Directory);
        entry.path.push(b'/');
        entry.xattrs = xattrs_of(directory).map_err(|why| self.failed("read attributes of", why))?;
        Ok(entry)
    }

    /// Writes anything but a directory, or another name for what was written before.
    pub(crate) fn file(&mut self, parent: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> Result<()> {
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1
            && let Some(link) = self.known_as(key)
        {
            let entry = Entry { link, ..self.entry(stat, Kind::Hardlink) };
            return self.put(&entry, io::empty());
        }
        self.leaf(parent, name)
    }

    /// What a file with several names was called when it was met first; the current path is remembered if that is now.
    pub(crate) fn known_as(&mut self, key: (u64, u64)) -> Option<Vec<u8>> {
        if let Some(first) = self.links.get(&key) {
            return Some(first.clone());
        }
        self.links.insert(key, self.full_path());
        None
    }

    /// The name of the current path in the tar.
    pub(crate) fn full_path(&self) -> Vec<u8> {
        [&self.options.prefix[..], &self.path].concat()
    }

    /// Writes what `name` is now, which in a running container need not be what it was when it was listed. It is held
    /// fast before it is judged, so that no device and no pipe can slip in between and be read by who may open it.
    fn leaf(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        let node = match Node::open(parent, name) {
            Ok(node) => node,
            // A running container may remove what was listed a moment ago.
            Err(Errno::NOENT) if !self.is_single => return Ok(()),
            Err(why) => return Err(self.failed("read", why)),
        };
        let stat = node.stat().map_err(|why| self.failed("read", why))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = node.open_file().map_err(|why| self.failed("open", why))?;
                let mut entry = self.entry(&stat, Kind::File);
                entry.size = u64::try_from(stat.st_size).unwrap_or_default();
                entry.xattrs = xattrs_of(file.as_fd()).map_err(|why| self.failed("read attributes of", why))?;
                // A file that shrinks while it is read is filled up, as tar does; one that grows is cut.
                let data = io::Read::chain(File::from(file), io::repeat(0));
                return self.put(&entry, data);
            }
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            _ => return Ok(()),
        };
        let mut entry = self.entry(&stat, kind);
        if kind == Kind::Symlink {
            entry.link = node.target().map_err(|why| self.failed("read", why))?;
        }
        if matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
            (entry.major, entry.minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        }
        let xattrs = collect(|buffer| node.list_xattrs(buffer), |name, buffer| node.xattr(name, buffer));
        entry.xattrs = xattrs.map_err(|why| self.failed("read attributes of", why))?;
        self.put(&entry, io::empty())
    }

    /// Writes an entry, after the directories that waited for one.
    fn put(&mut self, entry: &Entry, data: impl io::Read) -> Result<()> {
        for directory in self.hollow.drain(..) {
            self.writer.append(&directory, io::empty())?;
        }
        self.writer.append(entry, data)
    }

    /// True for a directory that may be there only for what is skipped. Overlayfs calls new directories opaque, too; those hide
    /// nothing.
    fn is_hollow(&self, entry: &Entry, is_opaque: bool) -> bool {
        let Some(below) = &self.options.below else { return false };
        let holds = |path: &Vec<u8>| {
            path.len() > self.path.len() && path.starts_with(&self.path) && path[self.path.len()] == b'/'
        };
        if !self.options.skip.iter().any(holds) {
            return false;
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(below, &self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(_) => true,
            Ok(before) => fstat(&before).is_ok_and(|before| {
                let mode = before.st_mode & 0o7777;
                !is_opaque
                    && FileType::from_raw_mode(before.st_mode) == FileType::Directory
                    && (mode, before.st_uid, before.st_gid) == (entry.mode.into(), entry.uid, entry.gid)
            }),
        }
    }

    fn entry(&self, stat: &Stat, kind: Kind) -> Entry {
        let (mtime, mtime_nanos) = match self.options.latest {
            Some(latest) if stat.st_mtime >= latest => (latest, 0),
            _ => (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default()),
        };
        Entry {
            path: self.full_path(),
            kind,
            mode: (stat.st_mode & 0o7777) as u16,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime,
            mtime_nanos,
            ..Entry::default()
        }
    }

    pub(crate) fn failed(&self, action: &'static str, why: Errno) -> Error {
        Error::Unpack { action, path: show(&self.path), source: why.into() }
    }
}

pub(crate) const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// The names in a directory, in no order.
pub(crate) fn names_in(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// True if a directory hides everything of the same name below it.
pub(crate) fn is_opaque(directory: BorrowedFd<'_>) -> bool {
    let mut value = [0; 1];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| fgetxattr(directory, *name, &mut value[..]).is_ok_and(|len| value[..len] == *b"y"))
}

/// True for a mount of what only a running kernel has: it is in no image, whatever a running system's root shows.
pub(crate) fn is_of_kernel(directory: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    /// proc, sysfs, both cgroups, debugfs, tracefs, securityfs, devpts, mqueue, pstore, bpf, efivarfs, configfs, fusectl, hugetlbfs.
    /// Source: Linux, include/uapi/linux/magic.h.
    const KERNEL: [u32; 15] = [
        0x9fa0,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0x1cd1,
        0x1980_0202,
        0x6165_676c,
        0xcafe_4a11,
        0xde5e_81e4,
        0x6265_6570,
        0x6573_5543,
        0x9584_58f6,
    ];
    // Of the number only 32 bits mean something, and some have the highest set.
    Ok(KERNEL.contains(&(fstatfs(directory)?.f_type as u32)))
}

pub(crate) fn open_again(directory: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    openat(directory, ".", OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
}

/// Extended attributes: full name and value, sorted.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn xattrs_of(file: BorrowedFd<'_>) -> rustix::io::Result<Xattrs> {
    collect(|buffer| flistxattr(file, buffer), |name, buffer| fgetxattr(file, name, buffer))
}

/// What a layer carries of extended attributes: neither overlayfs's marks nor security labels of this machine. Sorted.
fn collect(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Xattrs> {
    let mut names = vec![0; 1024];
    let len = match list(&mut names) {
        Ok(len) => len,
        Err(Errno::RANGE) => {
            names.resize(MAX_XATTRS, 0);
            list(&mut names)?
        }
        Err(Errno::OPNOTSUPP) => 0,
        Err(why) => return Err(why),
    };
    let mut found = Vec::new();
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if !is_carried(name) {
            continue;
        }
        let mut value = vec![0; MAX_XATTRS];
        match get(name, &mut value) {
            Ok(len) => value.truncate(len),
            Err(Errno::NODATA) => continue,
            Err(why) => return Err(why),
        }
        found.push((name.to_vec(), value));
    }
    found.sort();
    Ok(found)
}

/// True for an extended attribute that is written.
pub(crate) fn is_carried(name: &[u8]) -> bool {
    (name.starts_with(b"user.") || name == b"security.capability") && !name.starts_with(b"user.overlay.")
}

/// 64 KiB: the kernel's limit for a list of names and for one value.
const MAX_XATTRS: usize = 64 << 10;
