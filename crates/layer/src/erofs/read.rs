//! Reading an index in user space: what a mount would show, without one. Data is then read from the layer's file itself.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::format::{BLOCK, DIRENT, Data, INODE, Inode, SLOT, SUPERBLOCK_OFFSET, Superblock, XATTR_HEADER};
use super::format::{device_numbers, u16_at, u64_at};
use super::{LayerIndex, TAR_OFFSET};
use crate::entry::{Entry, Kind};
use crate::error::{Error, Result};
use crate::tar::{Reader, headers};
use crate::tree::{decode_xattrs, nameless, read_up_to};

/// Where an inode is in its layer.
pub type NodeNumber = u64;

/// One file of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its place; equal for all names of one file.
    pub number: NodeNumber,
    /// What it is; never [`Kind::Hardlink`].
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
    /// Nanoseconds to add to `mtime`.
    pub mtime_nanos: u32,
    /// Bytes in a file, in a link's target, or in a directory's list.
    pub size: u64,
    /// Names that reach it.
    pub links: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Where its bytes start in the layer's file.
    pub data_offset: u64,
    /// A directory that no entry describes, or a symbolic link that stands for a hard link to a file of the layers below:
    /// see [`crate::seam`].
    pub loose: bool,
    xattrs: (u64, u64),
}

impl Node {
    /// True if it has extended attributes, overlayfs's own included.
    pub fn has_xattrs(&self) -> bool {
        self.xattrs.1 > XATTR_HEADER
    }

    /// True for what overlayfs takes for "removed": a character device 0/0.
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::CharDevice && self.device == (0, 0)
    }
}

/// The index of one layer, open for reading.
#[derive(Debug)]
pub struct Inodes {
    file: File,
    /// Where the tar lies, if that is not the layer's file.
    tar: Option<(Arc<File>, u64)>,
    start: u64,
    root: NodeNumber,
    loose: bool,
    pages: Vec<(u64, Vec<u8>)>,
}

/// How overlayfs marks an opaque directory.
pub const OPAQUE_MARK: &[u8] = b"trusted.overlay.opaque";

/// 16 KiB, read at once.
const PAGE: u64 = 16 << 10;
/// Pages kept: half a megabyte for each layer.
const PAGES: u64 = 32;
/// 64 KiB: more than any link or set of attributes has.
const MAX_TEXT: u64 = 64 << 10;

impl Inodes {
    /// Opens the index of a layer file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no index of ours.
    pub fn open(file: File) -> Result<Self> {
        let mut block = [0; BLOCK as usize];
        file.read_exact_at(&mut block, SUPERBLOCK_OFFSET as u64).map_err(Error::io(READ))?;
        let superblock = Superblock::decode(&block).ok_or(Error::Index("it has no valid superblock"))?;
        let start = u64::from(superblock.meta_block) * BLOCK;
        Ok(Self { file, tar: None, start, root: superblock.root.into(), loose: superblock.loose, pages: Vec::new() })
    }

    /// Makes the index of a plain tar of `tar_len` bytes that lies in `file` at [`TAR_OFFSET`], and opens it.
    ///
    /// # Errors
    /// When the bytes are no tar, or reading or writing fails.
    pub fn of_tar(file: File, tar_len: u64, directory: &Path) -> Result<Self> {
        let mut index = LayerIndex::new(directory)?;
        let mut at = &file;
        at.seek(SeekFrom::Start(TAR_OFFSET)).map_err(Error::io(READ))?;
        let mut tar = Reader::new(BufReader::with_capacity(PAGE as usize, at.take(tar_len)));
        while let Some(member) = tar.next_entry()? {
            index.add(member.entry())?;
        }
        index.write(&file, tar_len)?;
        Self::open(file)
    }

    /// Makes the index of a plain tar of `len` bytes that stays where it lies, at `from` in `tar`. The index itself is in a file
    /// without a name in `directory`. `None` if the tar has sparse files: those must be written out to be read.
    ///
    /// # Errors
    /// As [`Self::of_tar`].
    pub fn beside_tar(tar: Arc<File>, from: u64, len: u64, directory: &Path) -> Result<Option<Self>> {
        let mut index = LayerIndex::new(directory)?;
        let mut failed = None;
        let mut is_sparse = false;
        headers(&tar, from, len, &mut |entry| {
            is_sparse |= entry.sparse.is_some();
            failed = if is_sparse { None } else { index.add(entry).err() };
            !is_sparse && failed.is_none()
        })?;
        if let Some(why) = failed {
            return Err(why);
        }
        if is_sparse {
            return Ok(None);
        }
        let file = nameless(directory).map_err(Error::io("create a temporary file"))?;
        // Where the tar would be there is a hole.
        index.write(&file, len)?;
        Ok(Some(Self { tar: Some((tar, from)), ..Self::open(file)? }))
    }

    /// The layer's file; [`Node::data_offset`] counts from its start. The bytes of files are there unless it was made
    /// [beside its tar](Self::beside_tar): see [`Self::data`].
    pub fn file(&self) -> &File {
        &self.file
    }

    /// In which file the bytes of a regular file lie, and from where on, of its [`Node::data_offset`].
    pub fn data(&self, data_offset: u64) -> (&File, u64) {
        match &self.tar {
            Some((tar, from)) => (tar, from.saturating_add(data_offset.saturating_sub(TAR_OFFSET))),
            None => (&self.file, data_offset),
        }
    }

    /// True if some file of the layer is loose.
    pub fn has_loose_ends(&self) -> bool {
        self.loose
    }

    /// The root directory.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense.
    pub fn root(&mut self) -> Result<Node> {
        self.node(self.root)
    }

    /// The file of this number.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense.
    pub fn node(&mut self, number: NodeNumber) -> Result<Node> {
        let at = number.checked_mul(SLOT).and_then(|at| at.checked_add(self.start)).ok_or(OUTSIDE)?;
        let mut bytes = [0; INODE as usize];
        self.read(at, &mut bytes)?;
        let inode = Inode::decode(&bytes).ok_or(Error::Index("an inode is of an unknown kind"))?;
        let kind = match inode.mode & 0o170_000 {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Directory,
            0o120_000 => Kind::Symlink,
            0o020_000 => Kind::CharDevice,
            0o060_000 => Kind::BlockDevice,
            0o010_000 => Kind::Fifo,
            _ => return Err(Error::Index("an inode is of an unknown kind")),
        };
        let (data_offset, device) = match inode.data {
            Data::Plain(block) => (u64::from(block) * BLOCK, 0),
            Data::Inline => (at + INODE + inode.xattr_len, 0),
            Data::Device(device) => (0, device),
        };
        Ok(Node {
            number,
            kind,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            mtime: inode.mtime,
            mtime_nanos: inode.nanos,
            size: inode.size,
            links: inode.links,
            device: device_numbers(device),
            data_offset,
            loose: inode.loose,
            xattrs: (at + INODE, inode.xattr_len),
        })
    }

    /// The file of this number, as found in `parent`. Directories are written before what is in them, so a damaged index
    /// leads nobody round in a circle.
    ///
    /// # Errors
    /// As for [`Self::node`].
    pub fn child(&mut self, parent: &Node, number: NodeNumber) -> Result<Node> {
        let node = self.node(number)?;
        if node.kind == Kind::Directory && node.number <= parent.number {
            return Err(Error::Index("a directory is inside of itself"));
        }
        Ok(node)
    }

    /// True for a directory that hides everything of its name in the layers below.
    ///
    /// # Errors
    /// When its attributes cannot be read.
    pub fn is_opaque(&mut self, directory: &Node) -> Result<bool> {
        Ok(self.xattrs(directory)?.iter().any(|(name, value)| name == OPAQUE_MARK && value == b"y"))
    }

    /// Calls `take` for each name in a directory, in byte order, with the number of its file.
    ///
    /// # Errors
    /// When the directory cannot be read or makes no sense.
    pub fn names(&mut self, directory: &Node, mut take: impl FnMut(&[u8], NodeNumber)) -> Result<()> {
        self.names_and_types(directory, |name, number, _| take(name, number))
    }

    /// As [`Self::names`], with the type of the file, one of `DT_DIR` and its like (`erofs_fs.h`, as in `linux/fs_types.h`).
    ///
    /// # Errors
    /// As [`Self::names`].
    pub(crate) fn names_and_types(
        &mut self,
        directory: &Node,
        mut take: impl FnMut(&[u8], NodeNumber, u8),
    ) -> Result<()> {
        const BROKEN: Error = Error::Index("a directory makes no sense");
        let mut block = [0; BLOCK as usize];
        let mut done = 0;
        while done < directory.size {
            let len = BLOCK.min(directory.size - done) as usize;
            let block = &mut block[..len];
            self.read(directory.data_offset + done, block)?;
            done += len as u64;
            if len < DIRENT as usize {
                return Err(BROKEN);
            }
            // The first name begins where the entries end.
            let count = usize::from(u16_at(block, 8)) / DIRENT as usize;
            let entry = |n: usize| block.get(n * DIRENT as usize..).filter(|rest| rest.len() >= DIRENT as usize);
            for n in 0..count {
                let this = entry(n).ok_or(BROKEN)?;
                let from = usize::from(u16_at(this, 8));
                let to = match n + 1 < count {
                    true => usize::from(u16_at(entry(n + 1).ok_or(BROKEN)?, 8)),
                    false => len,
                };
                let name = block.get(from..to).ok_or(BROKEN)?;
                // What is left of a block is zeros.
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                if name.is_empty() || name.contains(&b'/') {
                    return Err(BROKEN);
                }
                if name != b"." && name != b".." {
                    take(name, u64_at(this, 0), this[10]);
                }
            }
        }
        Ok(())
    }

    /// Target of a symbolic link.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn target(&mut self, link: &Node) -> Result<Vec<u8>> {
        self.text(link.data_offset, link.size)
    }

    /// What a tar says of a file under this path, with those of its attributes that `is_carried` wants, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn entry(&mut self, path: Vec<u8>, node: &Node, is_carried: impl Fn(&[u8]) -> bool) -> Result<Entry> {
        let mut entry = Entry {
            path,
            kind: node.kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            mtime_nanos: node.mtime_nanos,
            xattrs: self.xattrs(node)?,
            ..Entry::default()
        };
        entry.xattrs.retain(|(name, _)| is_carried(name));
        entry.xattrs.sort();
        match node.kind {
            Kind::Directory => entry.path.push(b'/'),
            Kind::Symlink => entry.link = self.target(node)?,
            Kind::CharDevice | Kind::BlockDevice => (entry.major, entry.minor) = node.device,
            Kind::File => entry.size = node.size,
            Kind::Fifo | Kind::Hardlink => {}
        }
        Ok(entry)
    }

    /// Extended attributes, with those of overlayfs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn xattrs(&mut self, node: &Node) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let (at, len) = node.xattrs;
        if len <= XATTR_HEADER {
            return Ok(Vec::new());
        }
        let bytes = self.text(at + XATTR_HEADER, len - XATTR_HEADER)?;
        Ok(decode_xattrs(&bytes).map(|(name, value)| (name, value.to_vec())).collect())
    }

    fn text(&mut self, at: u64, len: u64) -> Result<Vec<u8>> {
        if len > MAX_TEXT * 4 {
            return Err(OUTSIDE);
        }
        let mut bytes = vec![0; len as usize];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads by way of the kept pages: inodes are small, and neighbours are read one after the other.
    fn read(&mut self, mut at: u64, mut out: &mut [u8]) -> Result<()> {
        if self.pages.is_empty() {
            self.pages.resize_with(PAGES as usize, || (u64::MAX, Vec::new()));
        }
        while !out.is_empty() {
            let number = at / PAGE;
            let (kept, page) = &mut self.pages[(number % PAGES) as usize];
            if *kept != number {
                *kept = u64::MAX;
                page.resize(PAGE as usize, 0);
                let len = read_up_to(&self.file, page, number * PAGE).map_err(Error::io(READ))?;
                page.truncate(len);
                *kept = number;
            }
            let rest = page.get((at % PAGE) as usize..).filter(|rest| !rest.is_empty()).ok_or(OUTSIDE)?;
            let len = rest.len().min(out.len());
            out[..len].copy_from_slice(&rest[..len]);
            out = &mut out[len..];
            at += len as u64;
        }
        Ok(())
    }
}

const READ: &str = "read the layer file";
const OUTSIDE: Error = Error::Index("it points outside of its file");
