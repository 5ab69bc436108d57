//! Unpacks a layer file into a directory: for machines and users that cannot mount it.
//!
//! What is made is what a mount would show, because it is read from the same index, top down. Nothing outside the
//! directory can be reached, also if somebody changes the tree meanwhile: names are single components in open directories,
//! and what gets a second name is the very file that was made, by its number.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::SeekFrom as SeekHere;
use rustix::fs::{
    FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, XattrFlags, fchmod, fsetxattr, ftruncate, makedev,
    mkdirat, mknodat, openat, seek, symlinkat,
};
use rustix::io::Errno;

use crate::entry::Kind;
use crate::erofs::{Inodes, Node, NodeNumber, OPAQUE_MARK};
use crate::error::{Error, Result, show};
use crate::node;
use crate::trail::Trail;

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

/// Unpacks a layer beneath `root`, an open, empty directory. Whiteouts become character devices 0/0, as overlayfs wants
/// them.
///
/// # Errors
/// If the layer cannot be read, or the kernel refuses to make a file.
pub fn apply(layer: Inodes, root: BorrowedFd<'_>, privilege: Privilege) -> Result<()> {
    let root = root.try_clone_to_owned().map_err(Error::io("open the directory"))?;
    Unpacker { layer, privilege, path: PathBuf::new(), first_names: HashMap::new() }.walk(root)
}

struct Unpacker {
    layer: Inodes,
    privilege: Privilege,
    /// Where the walk is, beneath the root; for messages and for hard links.
    path: PathBuf,
    /// Files that have several names, and where they got the first.
    first_names: HashMap<NodeNumber, First>,
}

/// A file that has several names.
struct First {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// A directory that the walk is in.
struct Frame {
    node: Node,
    /// Names still to be made, last first.
    names: Vec<(Vec<u8>, NodeNumber)>,
}

impl Unpacker {
    fn walk(&mut self, root: OwnedFd) -> Result<()> {
        let top = root.try_clone().map_err(Error::io("open the directory"))?;
        let mut trail = Trail::new(root);
        let node = self.layer.root()?;
        let mut stack = vec![self.frame(node)?];
        while let Some(frame) = stack.last_mut() {
            let Some((name, number)) = frame.names.pop() else {
                self.finish_directory(trail.here(), &frame.node)?;
                trail.leave().map_err(|why| self.failed("leave", why))?;
                self.path.pop();
                stack.pop();
                continue;
            };
            self.path.push(as_path(&name));
            let node = self.layer.child(&frame.node, number)?;
            if node.kind == Kind::Directory {
                let made = make_directory(trail.here(), &name).and_then(|made| trail.enter(made));
                made.map_err(|why| self.failed("create", why))?;
                stack.push(self.frame(node)?);
            } else {
                self.make(top.as_fd(), trail.here(), &name, &node)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    fn frame(&mut self, node: Node) -> Result<Frame> {
        let mut names = Vec::new();
        self.layer.names(&node, |name, number| names.push((name.to_vec(), number)))?;
        names.reverse();
        Ok(Frame { node, names })
    }

    /// Makes everything but a directory.
    fn make(&mut self, root: BorrowedFd<'_>, directory: BorrowedFd<'_>, name: &[u8], node: &Node) -> Result<()> {
        if node.links > 1
            && let Some(first) = self.first_names.get(&node.number)
        {
            return link(root, first, directory, name).map_err(|why| self.failed("link", why));
        }
        let kind = match node.kind {
            Kind::Symlink => {
                let target = self.layer.target(node)?;
                symlinkat(target, directory, name).map_err(|why| self.failed("create", why))?;
                return self.describe_made(directory, name, node, FileType::Symlink);
            }
            Kind::File => {
                let file = self.make_file(directory, name, node)?;
                self.remember(node, || rustix::fs::fstat(&file))?;
                return self.describe(file.as_fd(), node);
            }
            Kind::CharDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            Kind::Fifo => FileType::Fifo,
            Kind::Directory | Kind::Hardlink => unreachable!("the walk makes directories, and inodes are no links"),
        };
        let (major, minor) = node.device;
        let (device, is_device) = match node.kind {
            Kind::Fifo => (0, false),
            _ => (makedev(major, minor), major != 0 || minor != 0),
        };
        match mknodat(directory, name, kind, Mode::from_raw_mode(u32::from(node.mode)), device) {
            // Only the machine's root makes devices. A whiteout is none and must be there.
            Err(Errno::PERM) if is_device && self.privilege != Privilege::Root => return Ok(()),
            result => result.map_err(|why| self.failed("create", why))?,
        }
        self.describe_made(directory, name, node, kind)
    }

    /// Remembers where a file that has several names got the first, and which file it is.
    fn remember(&mut self, node: &Node, stat: impl FnOnce() -> rustix::io::Result<Stat>) -> Result<()> {
        if node.links > 1 {
            let stat = stat().map_err(|why| self.failed("read", why))?;
            let first = First { path: self.path.clone(), device: stat.st_dev, inode: stat.st_ino };
            self.first_names.insert(node.number, first);
        }
        Ok(())
    }

    fn make_file(&self, directory: BorrowedFd<'_>, name: &[u8], node: &Node) -> Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map_err(|why| self.failed("create", why))?;
        let mut file = File::from(file);
        let filled = fill(self.layer.file(), node.data_offset, node.size, &mut file);
        filled.map_err(|source| self.unpack_error("write", source))?;
        Ok(file)
    }

    fn finish_directory(&mut self, directory: BorrowedFd<'_>, node: &Node) -> Result<()> {
        if self.layer.is_opaque(node)? {
            let name = if self.privilege == Privilege::Root { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
            fsetxattr(directory, name, b"y", XattrFlags::empty()).map_err(|why| self.failed("mark", why))?;
        }
        self.describe(directory, node)
    }

    /// Gives an open file or directory its owner, attributes, mode and time: in this order, since a change of owner
    /// takes set-id bits and capabilities away.
    fn describe(&mut self, file: BorrowedFd<'_>, node: &Node) -> Result<()> {
        if self.privilege != Privilege::User {
            let (uid, gid) = owner(node.uid, node.gid);
            let result = rustix::fs::fchown(file, uid, gid);
            self.permitted(result).map_err(|why| self.failed("change the owner of", why))?;
        }
        for (name, value) in self.layer.xattrs(node)?.iter().filter(|(name, _)| !is_mark(name)) {
            let result = fsetxattr(file, name.as_slice(), value, XattrFlags::empty());
            self.permitted(result).map_err(|why| self.failed("set attributes of", why))?;
        }
        fchmod(file, Mode::from_raw_mode(u32::from(node.mode)))
            .map_err(|why| self.failed("change the mode of", why))?;
        rustix::fs::futimens(file, &times(node.mtime, node.mtime_nanos))
            .map_err(|why| self.failed("set the time of", why))
    }

    /// As [`Self::describe`], for what must not be opened: links, devices, pipes. A volume may be in use already: each
    /// change goes to the one file that is there now, whatever takes its name meanwhile.
    fn describe_made(&mut self, directory: BorrowedFd<'_>, name: &[u8], node: &Node, kind: FileType) -> Result<()> {
        let found = node::Node::open_made(directory, name, kind).map_err(|why| self.failed("open", why))?;
        self.remember(node, || found.stat())?;
        if self.privilege != Privilege::User {
            let (uid, gid) = owner(node.uid, node.gid);
            self.permitted(found.chown(uid, gid)).map_err(|why| self.failed("change the owner of", why))?;
        }
        for (key, value) in self.layer.xattrs(node)?.iter().filter(|(name, _)| !is_mark(name)) {
            let result = found.set_xattr(key, value);
            self.permitted(result).map_err(|why| self.failed("set attributes of", why))?;
        }
        if node.kind != Kind::Symlink {
            let mode = Mode::from_raw_mode(u32::from(node.mode));
            found.chmod(mode).map_err(|why| self.failed("change the mode of", why))?;
        }
        found.set_times(&times(node.mtime, node.mtime_nanos)).map_err(|why| self.failed("set the time of", why))
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

/// Overlayfs's own attribute, which is written in the form that fits the privilege.
fn is_mark(name: &[u8]) -> bool {
    name == OPAQUE_MARK
}

/// Gives a file that was made before a further name in `directory`. Who swaps its first name for another file, or a
/// directory on the way there for a link, makes that an error.
fn link(root: BorrowedFd<'_>, first: &First, directory: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let found = node::Node::open_beneath(root, first.path.as_os_str().as_bytes())?;
    let stat = found.stat()?;
    if (stat.st_dev, stat.st_ino) != (first.device, first.inode) {
        return Err(Errno::STALE);
    }
    found.link(directory, name)
}

fn make_directory(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    mkdirat(parent, name, Mode::RWXU)?;
    openat(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
}

/// Fills the empty file `to` with `len` bytes of `from`; holes stay holes.
fn fill(from: &File, offset: u64, len: u64, to: &mut File) -> io::Result<()> {
    if len <= SMALL {
        let mut buffer = [0; SMALL as usize];
        let buffer = &mut buffer[..len as usize];
        from.read_exact_at(buffer, offset)?;
        return io::Write::write_all(to, buffer);
    }
    ftruncate(&*to, len)?;
    let end = offset + len;
    let mut at = offset;
    while at < end {
        let data = match seek(from, SeekHere::Data(at)) {
            Ok(data) => data.min(end),
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            Err(why) => return Err(why.into()),
        };
        let hole = if data < end { seek(from, SeekHere::Hole(data))?.min(end) } else { end };
        to.seek(SeekFrom::Start(data - offset))?;
        copy(from, data, hole - data, to)?;
        at = hole;
    }
    Ok(())
}

/// Copies bytes of `from` to where `to` is; the kernel does it where it can.
fn copy(mut from: &File, offset: u64, len: u64, to: &mut File) -> io::Result<()> {
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

/// 16 KiB: less is cheaper to copy here than to ask the kernel for.
const SMALL: u64 = 16 << 10;
