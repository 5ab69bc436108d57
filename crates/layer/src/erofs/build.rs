//! Lays a tree out as EROFS inodes and directories and streams them behind the tar.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::TAR_OFFSET;
use super::format::{BLOCK, DIRENT, Data, INODE, Inode, OPAQUE, SLOT, Superblock, XATTR_HEADER, device};
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::tar::EntrySink;
use crate::tree::{Node, NodeId, NodeKind, Paged, ROOT, Tree};

/// The first two slots stay empty, because the number of an inode must not be 0: `readdir` skips such files.
const FIRST_INODE: u64 = 64;
/// 64 KiB written at once.
const BUFFER: usize = 64 << 10;

/// Collects the entries of a layer, then writes its index. Memory is bounded; what does not fit is in temporary files,
/// about 130 bytes for each entry.
#[derive(Debug)]
pub struct LayerIndex {
    tree: Tree,
    has_marks: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Files in the layer, directories and whiteouts included; a file with several names counts once.
    pub inodes: u64,
    /// Where the index starts in the layer file.
    pub metadata_offset: u64,
    /// Length of the index.
    pub metadata_len: u64,
    /// Length of the layer file.
    pub file_len: u64,
}

impl EntrySink for LayerIndex {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.add(entry)
    }
}

impl LayerIndex {
    /// An index of nothing but a root directory. Temporary files go to `directory`, and have no names there.
    ///
    /// # Errors
    /// If such a file was needed already and cannot be made.
    pub fn new(directory: &Path) -> Result<Self> {
        Ok(Self { tree: Tree::new(directory.into())?, has_marks: true })
    }

    /// Leaves out what marks loose ends, as layer files before format 2 did: for comparing with them.
    #[must_use]
    pub fn without_marks(self) -> Self {
        Self { has_marks: false, ..self }
    }

    /// Takes one entry, in the order of the archive. The rules are those of extraction beneath a root.
    ///
    /// # Errors
    /// If no extraction could do what the entry says.
    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        self.tree.add(entry)
    }

    /// Completes a layer file in which the whole tar already lies at [`TAR_OFFSET`]: expands sparse files, appends
    /// the index, cuts the file to its length and, last, writes the superblock.
    ///
    /// # Errors
    /// If the layer is too large for the format, or reading or writing fails.
    pub fn write(mut self, file: &File, tar_len: u64) -> Result<Summary> {
        let end = TAR_OFFSET.checked_add(tar_len).ok_or_else(too_large)?;
        let end = expand_sparse(&self.tree, file, end)?;
        let metadata_offset = end.next_multiple_of(BLOCK);
        let mut layout = Layout::new(&mut self.tree)?;
        layout.loose &= self.has_marks;
        let data_offset = metadata_offset + layout.inodes_len;
        let file_len = data_offset + layout.blocks * BLOCK;
        let blocks = u32::try_from(file_len / BLOCK).map_err(|_| too_large())?;

        let mut out = Out { file, at: metadata_offset, buffer: Vec::with_capacity(BUFFER) };
        layout.write_inodes(&self.tree, (data_offset / BLOCK) as u32, &mut out)?;
        layout.write_blocks(&self.tree, &mut out)?;
        out.flush()?;
        file.set_len(file_len).map_err(Error::io(WRITE))?;
        let inodes = layout.order.len() as u64;
        let meta_block = (metadata_offset / BLOCK) as u32;
        // First of all inodes, but not always in the first block: names that lie behind it must not cross into the next one.
        let root = u16::try_from(self.tree.node(ROOT)?.mark).expect("the root is in one of the first two blocks");
        let superblock = Superblock { root, inodes, blocks, meta_block, loose: layout.loose };
        file.write_all_at(&superblock.encode(), 0).map_err(Error::io(WRITE))?;
        Ok(Summary { inodes, metadata_offset, metadata_len: file_len - metadata_offset, file_len })
    }
}

/// Gives every sparse file a region of its own behind the tar, with holes where it has none; flat inodes cannot do it.
/// Returns where the file ends now.
fn expand_sparse(tree: &Tree, file: &File, mut end: u64) -> Result<u64> {
    let mut buffer = Vec::new();
    for index in 0..tree.sparse.len() {
        let sparse = tree.sparse.get(index)?;
        let start = end.checked_next_multiple_of(TAR_OFFSET).ok_or_else(too_large)?;
        end = start.checked_add(tree.node(sparse.node)?.size).ok_or_else(too_large)?;
        // Block numbers in the image count from its start, those in the tree from the start of the tar.
        let block = u32::try_from((start - TAR_OFFSET) / BLOCK).map_err(|_| too_large())?;
        tree.update(sparse.node, |node| node.second = block)?;
        if end / BLOCK > u64::from(u32::MAX) {
            return Err(too_large());
        }
        buffer.resize(BUFFER, 0);
        let mut from = TAR_OFFSET + sparse.data_offset;
        for piece in sparse.first..sparse.first + sparse.count {
            let piece = tree.pieces.get(piece as usize)?;
            let (mut to, mut left) = (start + piece.offset, piece.len);
            while left > 0 {
                let len = left.min(BUFFER as u64) as usize;
                file.read_exact_at(&mut buffer[..len], from).map_err(Error::io("read the tar in the layer file"))?;
                file.write_all_at(&buffer[..len], to).map_err(Error::io(WRITE))?;
                from += len as u64;
                to += len as u64;
                left -= len as u64;
            }
        }
    }
    Ok(end)
}

/// Where everything goes. The inodes' places are in the nodes' marks.
struct Layout {
    /// Inodes in the order in which they are written: a directory's children lie together.
    order: Paged<NodeId>,
    inodes_len: u64,
    /// Blocks behind the inodes.
    blocks: u64,
    /// Some inode is loose.
    loose: bool,
}

impl Layout {
    fn new(tree: &mut Tree) -> Result<Self> {
        let order = tree.list();
        order.push(ROOT)?;
        let (mut at, mut blocks, mut loose) = (FIRST_INODE, 0, false);
        let mut next = 0;
        while next < order.len() {
            let id = order.get(next)?;
            next += 1;
            if tree.is_directory(id)? {
                tree.settle(id, &order)?;
                let len = directory_len(tree, id)?;
                tree.update(id, |node| node.size = len)?;
            }
            let node = tree.node(id)?;
            loose |= node.loose;
            let head = INODE + xattr_len(tree, &node)?;
            let inline = inline_len(&node, head);
            // What is inline must not cross into the next block.
            if inline > 0 && (at + head) / BLOCK != (at + head + inline - 1) / BLOCK {
                at = at.next_multiple_of(BLOCK);
            }
            tree.update(id, |node| node.mark = (at / SLOT) as u32)?;
            at = (at + head + inline).next_multiple_of(SLOT);
            blocks += plain_blocks(&node, head);
        }
        Ok(Self { order, inodes_len: at.next_multiple_of(BLOCK), blocks, loose })
    }

    /// `block` is the first block behind the inodes.
    fn write_inodes(&self, tree: &Tree, mut block: u32, out: &mut Out<'_>) -> Result<()> {
        let start = out.position();
        for index in 0..self.order.len() {
            let id = self.order.get(index)?;
            let node = tree.node(id)?;
            out.pad_to(start + u64::from(node.mark) * SLOT)?;
            let xattr_len = xattr_len(tree, &node)?;
            let inline = inline_len(&node, INODE + xattr_len) > 0;
            let data = match node.kind {
                NodeKind::CharDevice | NodeKind::BlockDevice => Data::Device(device(node.first, node.second)),
                NodeKind::Fifo => Data::Device(0),
                _ if inline => Data::Inline,
                NodeKind::File if node.size == 0 => Data::Plain(0),
                NodeKind::File => Data::Plain(node.second + (TAR_OFFSET / BLOCK) as u32),
                NodeKind::Directory | NodeKind::Symlink => Data::Plain(block),
            };
            block += plain_blocks(&node, INODE + xattr_len) as u32;
            let inode = Inode {
                mode: node.mode | file_type(node.kind),
                xattr_len,
                size: node.size,
                data,
                number: index as u32 + 1,
                uid: node.uid,
                gid: node.gid,
                mtime: node.mtime,
                nanos: node.nanos,
                links: node.links,
                loose: node.loose && self.loose,
            };
            out.put(&inode.encode())?;
            if xattr_len > 0 {
                out.put(&[0; XATTR_HEADER as usize])?;
                out.put(&tree.xattrs(&node)?)?;
                if node.opaque {
                    out.put(&OPAQUE)?;
                }
            }
            if inline {
                match node.kind {
                    NodeKind::Directory => write_directory(tree, id, out)?,
                    _ => out.put(&tree.target(id)?)?,
                }
            }
        }
        out.pad_to(start + self.inodes_len)
    }

    fn write_blocks(&self, tree: &Tree, out: &mut Out<'_>) -> Result<()> {
        for index in 0..self.order.len() {
            let id = self.order.get(index)?;
            let node = tree.node(id)?;
            if !matches!(node.kind, NodeKind::Directory | NodeKind::Symlink)
                || plain_blocks(&node, INODE + xattr_len(tree, &node)?) == 0
            {
                continue;
            }
            match node.kind {
                NodeKind::Directory => write_directory(tree, id, out)?,
                _ => out.put(&tree.target(id)?)?,
            }
            out.pad_to(out.position().next_multiple_of(BLOCK))?;
        }
        Ok(())
    }
}

/// Each block has its entries first, then their names; no entry crosses into the next block.
fn write_directory(tree: &Tree, id: NodeId, out: &mut Out<'_>) -> Result<()> {
    let own = tree.node(id)?;
    let parent = tree.node(own.second)?;
    let mut block = Dirents::default();
    each_entry(tree, id, |name, child| {
        let node = match child {
            Child::Own => own,
            Child::Parent => parent,
            Child::Other(id) => tree.node(id)?,
        };
        if block.len() + DIRENT + name.len() as u64 > BLOCK {
            let len = block.len();
            block.write(out)?;
            out.zeros(BLOCK - len)?;
        }
        block.entries.push((block.names.len(), node.mark, dirent_type(node.kind)));
        block.names.extend_from_slice(name);
        Ok(())
    })?;
    block.write(out)
}

/// The entries of one block: where each name starts, the number of its inode, what that is.
#[derive(Default)]
struct Dirents {
    entries: Vec<(usize, u32, u8)>,
    names: Vec<u8>,
}

impl Dirents {
    fn len(&self) -> u64 {
        self.entries.len() as u64 * DIRENT + self.names.len() as u64
    }

    /// Writes them, and is empty again.
    fn write(&mut self, out: &mut Out<'_>) -> Result<()> {
        let names_at = self.entries.len() * DIRENT as usize;
        for (start, number, kind) in self.entries.drain(..) {
            let mut dirent = [0; DIRENT as usize];
            dirent[..8].copy_from_slice(&u64::from(number).to_le_bytes());
            dirent[8..10].copy_from_slice(&((names_at + start) as u16).to_le_bytes());
            dirent[10] = kind;
            out.put(&dirent)?;
        }
        out.put(&self.names)?;
        self.names.clear();
        Ok(())
    }
}

enum Child {
    Own,
    Parent,
    Other(NodeId),
}

/// Calls `take` for each name of a settled directory, with "." and ".." in their places.
fn each_entry(tree: &Tree, id: NodeId, mut take: impl FnMut(&[u8], Child) -> Result<()>) -> Result<()> {
    let mut own = [(&b"."[..], Child::Own), (b"..", Child::Parent)].into_iter().peekable();
    let mut name = Vec::new();
    tree.each_name(id, |_, slot| {
        name.clear();
        tree.slots.name(&slot, &mut name)?;
        while let Some((text, child)) = own.next_if(|(text, _)| *text < name.as_slice()) {
            take(text, child)?;
        }
        take(&name, Child::Other(slot.node))
    })?;
    own.try_for_each(|(text, child)| take(text, child))
}

/// Length of a directory's entries: whole blocks and the used part of the last one.
fn directory_len(tree: &Tree, id: NodeId) -> Result<u64> {
    let (mut blocks, mut used) = (0, 0);
    each_entry(tree, id, |name, _| {
        let len = DIRENT + name.len() as u64;
        if used + len > BLOCK {
            blocks += 1;
            used = 0;
        }
        used += len;
        Ok(())
    })?;
    Ok(blocks * BLOCK + used)
}

fn xattr_len(tree: &Tree, node: &Node) -> Result<u64> {
    let own = tree.xattrs_len(node)?;
    Ok(match node.opaque {
        true => XATTR_HEADER + own + OPAQUE.len() as u64,
        false if own > 0 => XATTR_HEADER + own,
        false => 0,
    })
}

/// How much lies behind the inode, whose head has `head` bytes: directories and links that fit into one block with it.
fn inline_len(node: &Node, head: u64) -> u64 {
    let len = match node.kind {
        // One more byte, a NUL that ends the last name.
        NodeKind::Directory => node.size + 1,
        NodeKind::Symlink => node.size,
        _ => return 0,
    };
    if head + len <= BLOCK { len } else { 0 }
}

/// How many blocks behind the inodes a directory or link takes.
fn plain_blocks(node: &Node, head: u64) -> u64 {
    let len = match node.kind {
        _ if inline_len(node, head) > 0 => 0,
        NodeKind::Directory | NodeKind::Symlink => node.size,
        _ => 0,
    };
    len.div_ceil(BLOCK)
}

fn file_type(kind: NodeKind) -> u16 {
    match kind {
        NodeKind::File => 0o100_000,
        NodeKind::Directory => 0o040_000,
        NodeKind::Symlink => 0o120_000,
        NodeKind::CharDevice => 0o020_000,
        NodeKind::BlockDevice => 0o060_000,
        NodeKind::Fifo => 0o010_000,
    }
}

const DIRECTORY_TYPE: u8 = 2;

fn dirent_type(kind: NodeKind) -> u8 {
    match kind {
        NodeKind::File => 1,
        NodeKind::Directory => DIRECTORY_TYPE,
        NodeKind::CharDevice => 3,
        NodeKind::BlockDevice => 4,
        NodeKind::Fifo => 5,
        NodeKind::Symlink => 7,
    }
}

/// A buffered writer at a position of a file, which leaves the file's own position alone.
struct Out<'a> {
    file: &'a File,
    /// Where the buffer goes.
    at: u64,
    buffer: Vec<u8>,
}

impl Out<'_> {
    fn position(&self) -> u64 {
        self.at + self.buffer.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> Result<()> {
        self.put(&[0; BLOCK as usize][..len as usize])
    }

    fn pad_to(&mut self, position: u64) -> Result<()> {
        let mut left = position - self.position();
        while left > 0 {
            let len = left.min(BLOCK);
            self.zeros(len)?;
            left -= len;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let written: io::Result<()> = self.file.write_all_at(&self.buffer, self.at);
        written.map_err(Error::io(WRITE))?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

const WRITE: &str = "write the layer file";

fn too_large() -> Error {
    Error::Limit { what: "bytes", limit: u64::from(u32::MAX) * BLOCK }
}
