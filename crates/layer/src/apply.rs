//! Unpacks a layer file into a directory: for machines and users that cannot mount it.
//!
//! The tree that the index shows is the tree that is made, because both come from [`crate::tree`]: first all entries are
//! read, then what remains of them is created, top down. Nothing outside the directory can be reached: names are single
//! components, and every directory was made here a moment ago.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, fchmod, fsetxattr, ftruncate,
    linkat, lsetxattr, makedev, mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;

use crate::entry::Entry;
use crate::erofs::TAR_OFFSET;
use crate::error::{Error, Result, show};
use crate::tar::Reader;
use crate::tree::{NodeId, NodeKind, ROOT, SlotId, Tree, decode_xattrs};

/// Who may own unpacked files, and what stands for an opaque directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// The machine's root: owners, devices and attributes are kept, opaque directories are marked `trusted.*`.
    Root,
    /// The root of a user namespace: owners are kept as far as they are mapped, devices and attributes that are not
    /// permitted are left out, opaque directories are marked `user.*`.
    Mapped,
    /// An ordinary user: as [`Self::Mapped`], and everything belongs to the user.
    User,
}

/// Unpacks the layer whose plain tar of `tar_len` bytes lies in `file` at [`TAR_OFFSET`] beneath `root`, an open, empty
/// directory. Whiteouts become character devices 0/0, as overlayfs wants them.
///
/// # Errors
/// If the tar says something no extraction could do, or the kernel refuses to make a file.
pub fn apply(mut file: &File, tar_len: u64, root: BorrowedFd<'_>, privilege: Privilege) -> Result<()> {
    let mut tree = Tree::new();
    file.seek(SeekFrom::Start(TAR_OFFSET)).map_err(Error::io(READ))?;
    let mut tar = Reader::seekable(Window { file, end: TAR_OFFSET + tar_len });
    while let Some(member) = tar.next_entry()? {
        let entry: &Entry = member.entry();
        tree.add(entry)?;
    }
    let root = root.try_clone_to_owned().map_err(Error::io("open the directory"))?;
    let mut unpacker = Unpacker { file, tree, privilege, path: PathBuf::new(), first_names: HashMap::new() };
    unpacker.settle_all();
    unpacker.walk(root)
}

struct Unpacker<'a> {
    file: &'a File,
    tree: Tree,
    privilege: Privilege,
    /// Where the walk is, beneath the root; for messages and for hard links.
    path: PathBuf,
    /// The first names of files that have several.
    first_names: HashMap<NodeId, PathBuf>,
}

/// A directory that the walk is in.
struct Frame {
    directory: OwnedFd,
    node: NodeId,
    /// Names still to be made, last first.
    names: Vec<SlotId>,
}

impl Unpacker<'_> {
    fn settle_all(&mut self) {
        let (mut met, mut scratch, mut next) = (vec![ROOT], Vec::new(), 0);
        while let Some(&id) = met.get(next) {
            next += 1;
            if self.tree.is_directory(id) {
                self.tree.settle(id, &mut met, &mut scratch);
            }
        }
    }

    fn walk(&mut self, root: OwnedFd) -> Result<()> {
        let top = root.try_clone().map_err(Error::io("open the directory"))?;
        let mut stack = vec![self.frame(root, ROOT)];
        while let Some(frame) = stack.last_mut() {
            let Some(slot) = frame.names.pop() else {
                self.finish_directory(frame.directory.as_fd(), frame.node)?;
                self.path.pop();
                stack.pop();
                continue;
            };
            let (name, node) = (self.tree.slots.name(slot).to_vec(), self.tree.slots.node(slot));
            self.path.push(as_path(&name));
            if self.tree.is_directory(node) {
                let made = make_directory(frame.directory.as_fd(), &name).map_err(|why| self.failed("create", why))?;
                let frame = self.frame(made, node);
                stack.push(frame);
            } else {
                self.make(top.as_fd(), frame.directory.as_fd(), &name, node)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    fn frame(&self, directory: OwnedFd, node: NodeId) -> Frame {
        let mut names: Vec<SlotId> = self.tree.names(node).collect();
        names.reverse();
        Frame { directory, node, names }
    }

    /// Makes everything but a directory.
    fn make(&mut self, root: BorrowedFd<'_>, directory: BorrowedFd<'_>, name: &[u8], id: NodeId) -> Result<()> {
        let node = self.tree.nodes[id as usize].clone();
        if node.links > 1 {
            if let Some(first) = self.first_names.get(&id) {
                return linkat(root, first, directory, name, AtFlags::empty()).map_err(|why| self.failed("link", why));
            }
            self.first_names.insert(id, self.path.clone());
        }
        let kind = match node.kind {
            NodeKind::Symlink => {
                symlinkat(self.tree.target(id), directory, name).map_err(|why| self.failed("create", why))?;
                return self.describe_link(directory, name, id);
            }
            NodeKind::File => {
                let file = self.make_file(directory, name, id)?;
                return self.describe(file.as_fd(), id);
            }
            NodeKind::CharDevice => FileType::CharacterDevice,
            NodeKind::BlockDevice => FileType::BlockDevice,
            NodeKind::Fifo => FileType::Fifo,
            NodeKind::Directory => unreachable!("the walk makes directories"),
        };
        let (device, is_device) = match node.kind {
            NodeKind::Fifo => (0, false),
            _ => (makedev(node.first, node.second), node.first != 0 || node.second != 0),
        };
        match mknodat(directory, name, kind, Mode::from_raw_mode(u32::from(node.mode)), device) {
            // Only the machine's root makes devices. A whiteout is none and must be there.
            Err(Errno::PERM) if is_device && self.privilege != Privilege::Root => return Ok(()),
            result => result.map_err(|why| self.failed("create", why))?,
        }
        self.describe_link(directory, name, id)
    }

    fn make_file(&self, directory: BorrowedFd<'_>, name: &[u8], id: NodeId) -> Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map_err(|why| self.failed("create", why))?;
        let mut file = File::from(file);
        let node = &self.tree.nodes[id as usize];
        let result = match self.tree.sparse.get(node.first as usize) {
            Some(sparse) => {
                let mut from = TAR_OFFSET + sparse.data_offset;
                let mut fill = || -> io::Result<()> {
                    ftruncate(&file, node.size)?;
                    for extent in &sparse.extents {
                        (&file).seek(SeekFrom::Start(extent.offset))?;
                        copy(self.file, from, extent.len, &mut file)?;
                        from += extent.len;
                    }
                    Ok(())
                };
                fill()
            }
            None => copy(self.file, TAR_OFFSET + u64::from(node.second) * BLOCK, node.size, &mut file),
        };
        result.map_err(|source| self.unpack_error("write", source))?;
        Ok(file)
    }

    fn finish_directory(&self, directory: BorrowedFd<'_>, id: NodeId) -> Result<()> {
        if self.tree.nodes[id as usize].opaque {
            let name = if self.privilege == Privilege::Root { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
            fsetxattr(directory, name, b"y", XattrFlags::empty()).map_err(|why| self.failed("mark", why))?;
        }
        self.describe(directory, id)
    }

    /// Gives an open file or directory its owner, attributes, mode and time: in this order, since a change of owner
    /// takes set-id bits and capabilities away.
    fn describe(&self, file: BorrowedFd<'_>, id: NodeId) -> Result<()> {
        let node = &self.tree.nodes[id as usize];
        if self.privilege != Privilege::User {
            let (uid, gid) = owner(node.uid, node.gid);
            let result = rustix::fs::fchown(file, uid, gid);
            self.permitted(result).map_err(|why| self.failed("change the owner of", why))?;
        }
        for (name, value) in decode_xattrs(self.tree.xattrs(id)) {
            let result = fsetxattr(file, name.as_slice(), value, XattrFlags::empty());
            self.permitted(result).map_err(|why| self.failed("set attributes of", why))?;
        }
        fchmod(file, Mode::from_raw_mode(u32::from(node.mode)))
            .map_err(|why| self.failed("change the mode of", why))?;
        rustix::fs::futimens(file, &times(node.mtime, node.nanos)).map_err(|why| self.failed("set the time of", why))
    }

    /// As [`Self::describe`], for what cannot be opened: links, devices, pipes.
    fn describe_link(&self, directory: BorrowedFd<'_>, name: &[u8], id: NodeId) -> Result<()> {
        let node = &self.tree.nodes[id as usize];
        if self.privilege != Privilege::User {
            let (uid, gid) = owner(node.uid, node.gid);
            let result = rustix::fs::chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
            self.permitted(result).map_err(|why| self.failed("change the owner of", why))?;
        }
        for (key, value) in decode_xattrs(self.tree.xattrs(id)) {
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
            let path = PathBuf::from(path).join(as_path(name));
            let result = lsetxattr(&path, key.as_slice(), value, XattrFlags::empty());
            self.permitted(result).map_err(|why| self.failed("set attributes of", why))?;
        }
        if node.kind != NodeKind::Symlink {
            let mode = Mode::from_raw_mode(u32::from(node.mode));
            rustix::fs::chmodat(directory, name, mode, AtFlags::empty())
                .map_err(|why| self.failed("change the mode of", why))?;
        }
        utimensat(directory, name, &times(node.mtime, node.nanos), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|why| self.failed("set the time of", why))
    }

    /// What only the machine's root may do is left out by everybody else.
    fn permitted(&self, result: rustix::io::Result<()>) -> rustix::io::Result<()> {
        match result {
            Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) if self.privilege != Privilege::Root => Ok(()),
            result => result,
        }
    }

    fn failed(&self, action: &'static str, why: Errno) -> Error {
        self.unpack_error(action, why.into())
    }

    fn unpack_error(&self, action: &'static str, source: io::Error) -> Error {
        use std::os::unix::ffi::OsStrExt;
        Error::Unpack { action, path: show(self.path.as_os_str().as_bytes()), source }
    }
}

/// A part of a file, from its position to `end`.
struct Window<'a> {
    file: &'a File,
    end: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.file.stream_position()?);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        self.file.read(&mut out[..len])
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::End(by) => self.file.seek(SeekFrom::Start(self.end.saturating_add_signed(by))),
            to => self.file.seek(to),
        }
    }
}

fn make_directory(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    mkdirat(parent, name, Mode::RWXU)?;
    openat(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
}

/// Copies bytes of `from` to where `to` is; the kernel does it where it can.
fn copy(mut from: &File, offset: u64, len: u64, to: &mut File) -> io::Result<()> {
    if len <= SMALL {
        let mut buffer = [0; SMALL as usize];
        let buffer = &mut buffer[..len as usize];
        from.read_exact_at(buffer, offset)?;
        return io::Write::write_all(to, buffer);
    }
    from.seek(SeekFrom::Start(offset))?;
    let copied = io::copy(&mut from.take(len), to)?;
    if copied < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn owner(uid: u32, gid: u32) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
    (Some(rustix::fs::Uid::from_raw(uid)), Some(rustix::fs::Gid::from_raw(gid)))
}

fn times(mtime: i64, nanos: u32) -> Timestamps {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: omitted, last_modification: Timespec { tv_sec: mtime, tv_nsec: nanos.into() } }
}

fn as_path(name: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt;
    std::path::Path::new(std::ffi::OsStr::from_bytes(name))
}

const READ: &str = "read the layer file";
const BLOCK: u64 = 512;
/// 16 KiB: less is cheaper to copy here than to ask the kernel for.
const SMALL: u64 = 16 << 10;
