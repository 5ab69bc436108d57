//! Lays a tree out as EROFS inodes and directories and streams them behind the tar.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::TAR_OFFSET;
use super::format::{BLOCK, DIRENT, Data, INODE, Inode, OPAQUE, SLOT, Superblock, XATTR_HEADER, device};
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::tar::EntrySink;
use crate::tree::{NodeId, NodeKind, ROOT, SlotId, Tree};

/// The first two slots stay empty, because the number of an inode must not be 0: `readdir` skips such files.
const FIRST_INODE: u64 = 64;
/// 64 KiB written at once.
const BUFFER: usize = 64 << 10;

/// Collects the entries of a layer, then writes its index. It takes about 100 bytes of memory for each entry.
#[derive(Debug)]
pub struct LayerIndex {
    tree: Tree,
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

impl Default for LayerIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl EntrySink for LayerIndex {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.add(entry)
    }
}

impl LayerIndex {
    /// An index of nothing but a root directory.
    pub fn new() -> Self {
        Self { tree: Tree::new() }
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
        let end = expand_sparse(&mut self.tree, file, end)?;
        let metadata_offset = end.next_multiple_of(BLOCK);
        let layout = Layout::new(&mut self.tree);
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
        let root =
            u16::try_from(self.tree.nodes[ROOT as usize].mark).expect("the root is in one of the first two blocks");
        let superblock = Superblock { root, inodes, blocks, meta_block };
        file.write_all_at(&superblock.encode(), 0).map_err(Error::io(WRITE))?;
        Ok(Summary { inodes, metadata_offset, metadata_len: file_len - metadata_offset, file_len })
    }
}

/// Gives every sparse file a region of its own behind the tar, with holes where it has none; flat inodes cannot do it.
/// Returns where the file ends now.
fn expand_sparse(tree: &mut Tree, file: &File, mut end: u64) -> Result<u64> {
    let mut buffer = Vec::new();
    for sparse in &tree.sparse {
        let node = &mut tree.nodes[sparse.node as usize];
        let start = end.checked_next_multiple_of(TAR_OFFSET).ok_or_else(too_large)?;
        end = start.checked_add(node.size).ok_or_else(too_large)?;
        // Block numbers in the image count from its start, those in the tree from the start of the tar.
        node.second = u32::try_from((start - TAR_OFFSET) / BLOCK).map_err(|_| too_large())?;
        if end / BLOCK > u64::from(u32::MAX) {
            return Err(too_large());
        }
        buffer.resize(BUFFER, 0);
        let mut from = TAR_OFFSET + sparse.data_offset;
        for extent in &sparse.extents {
            let (mut to, mut left) = (start + extent.offset, extent.len);
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
    order: Vec<NodeId>,
    inodes_len: u64,
    /// Blocks behind the inodes.
    blocks: u64,
}

impl Layout {
    fn new(tree: &mut Tree) -> Self {
        let mut order = Vec::with_capacity(tree.nodes.len());
        order.push(ROOT);
        let mut scratch = Vec::new();
        let (mut at, mut blocks) = (FIRST_INODE, 0);
        let mut next = 0;
        while let Some(&id) = order.get(next) {
            next += 1;
            if tree.is_directory(id) {
                tree.settle(id, &mut order, &mut scratch);
                tree.nodes[id as usize].size = directory_len(tree, id);
            }
            let head = INODE + xattr_len(tree, id);
            let inline = inline_len(tree, id);
            // What is inline must not cross into the next block.
            if inline > 0 && (at + head) / BLOCK != (at + head + inline - 1) / BLOCK {
                at = at.next_multiple_of(BLOCK);
            }
            tree.nodes[id as usize].mark = (at / SLOT) as u32;
            at = (at + head + inline).next_multiple_of(SLOT);
            blocks += plain_blocks(tree, id);
        }
        Self { order, inodes_len: at.next_multiple_of(BLOCK), blocks }
    }

    /// `block` is the first block behind the inodes.
    fn write_inodes(&self, tree: &Tree, mut block: u32, out: &mut Out<'_>) -> Result<()> {
        let start = out.position();
        for (number, &id) in (1..).zip(&self.order) {
            let node = &tree.nodes[id as usize];
            out.pad_to(start + u64::from(node.mark) * SLOT)?;
            let inline = inline_len(tree, id) > 0;
            let blocks = plain_blocks(tree, id);
            let data = match node.kind {
                NodeKind::CharDevice | NodeKind::BlockDevice => Data::Device(device(node.first, node.second)),
                NodeKind::Fifo => Data::Device(0),
                _ if inline => Data::Inline,
                NodeKind::File if node.size == 0 => Data::Plain(0),
                NodeKind::File => Data::Plain(node.second + (TAR_OFFSET / BLOCK) as u32),
                NodeKind::Directory | NodeKind::Symlink => Data::Plain(block),
            };
            block += blocks as u32;
            let xattr_len = xattr_len(tree, id);
            let inode = Inode {
                mode: node.mode | file_type(node.kind),
                xattr_len,
                size: node.size,
                data,
                number,
                uid: node.uid,
                gid: node.gid,
                mtime: node.mtime,
                nanos: node.nanos,
                links: node.links,
            };
            out.put(&inode.encode())?;
            if xattr_len > 0 {
                out.put(&[0; XATTR_HEADER as usize])?;
                out.put(tree.xattrs(id))?;
                if node.opaque {
                    out.put(&OPAQUE)?;
                }
            }
            if inline {
                match node.kind {
                    NodeKind::Directory => write_directory(tree, id, out)?,
                    _ => out.put(tree.target(id))?,
                }
            }
        }
        out.pad_to(start + self.inodes_len)
    }

    fn write_blocks(&self, tree: &Tree, out: &mut Out<'_>) -> Result<()> {
        for &id in &self.order {
            if plain_blocks(tree, id) == 0 {
                continue;
            }
            match tree.nodes[id as usize].kind {
                NodeKind::Directory => write_directory(tree, id, out)?,
                _ => out.put(tree.target(id))?,
            }
            out.pad_to(out.position().next_multiple_of(BLOCK))?;
        }
        Ok(())
    }
}

/// Each block has its entries first, then their names; no entry crosses into the next block.
fn write_directory(tree: &Tree, id: NodeId, out: &mut Out<'_>) -> Result<()> {
    let own = &tree.nodes[id as usize];
    let mut block: Vec<(&[u8], u32, u8)> = Vec::new();
    let mut used = 0;
    for name in names(tree, id) {
        let (text, node) = match name {
            Name::Own => (&b"."[..], own),
            Name::Parent => (&b".."[..], &tree.nodes[own.second as usize]),
            Name::Child(slot) => (tree.slots.name(slot), &tree.nodes[tree.slots.node(slot) as usize]),
        };
        let len = DIRENT + text.len() as u64;
        if used + len > BLOCK {
            write_dirents(&block, out)?;
            out.zeros(BLOCK - used)?;
            block.clear();
            used = 0;
        }
        used += len;
        block.push((text, node.mark, dirent_type(node.kind)));
    }
    write_dirents(&block, out)
}

enum Name {
    Own,
    Parent,
    Child(SlotId),
}

/// The names of a sorted directory with "." and ".." in their places.
fn names(tree: &Tree, id: NodeId) -> impl Iterator<Item = Name> + '_ {
    let mut children = tree.names(id).peekable();
    let mut own = [(&b"."[..], Name::Own), (b"..", Name::Parent)].into_iter().peekable();
    std::iter::from_fn(move || {
        let dot = own.peek().map(|(text, _)| *text);
        match (dot, children.peek()) {
            (Some(dot), Some(&slot)) if tree.slots.name(slot) < dot => children.next().map(Name::Child),
            (Some(_), _) => own.next().map(|(_, name)| name),
            (None, _) => children.next().map(Name::Child),
        }
    })
}

/// Length of a directory's entries: whole blocks and the used part of the last one.
fn directory_len(tree: &Tree, id: NodeId) -> u64 {
    let (mut blocks, mut used) = (0, 0);
    for name in names(tree, id) {
        let len = DIRENT
            + match name {
                Name::Own => 1,
                Name::Parent => 2,
                Name::Child(slot) => tree.slots.name(slot).len() as u64,
            };
        if used + len > BLOCK {
            blocks += 1;
            used = 0;
        }
        used += len;
    }
    blocks * BLOCK + used
}

fn xattr_len(tree: &Tree, id: NodeId) -> u64 {
    let own = tree.xattrs(id).len() as u64;
    match tree.nodes[id as usize].opaque {
        true => XATTR_HEADER + own + OPAQUE.len() as u64,
        false if own > 0 => XATTR_HEADER + own,
        false => 0,
    }
}

/// How much lies behind the inode: directories and links that fit into one block together with it.
fn inline_len(tree: &Tree, id: NodeId) -> u64 {
    let len = match tree.nodes[id as usize].kind {
        // One more byte, a NUL that ends the last name.
        NodeKind::Directory => tree.nodes[id as usize].size + 1,
        NodeKind::Symlink => tree.nodes[id as usize].size,
        _ => return 0,
    };
    if INODE + xattr_len(tree, id) + len <= BLOCK { len } else { 0 }
}

/// How many blocks behind the inodes a directory or link takes.
fn plain_blocks(tree: &Tree, id: NodeId) -> u64 {
    let len = match tree.nodes[id as usize].kind {
        _ if inline_len(tree, id) > 0 => 0,
        NodeKind::Directory | NodeKind::Symlink => tree.nodes[id as usize].size,
        _ => 0,
    };
    len.div_ceil(BLOCK)
}

fn write_dirents(block: &[(&[u8], u32, u8)], out: &mut Out<'_>) -> Result<()> {
    let mut name_at = block.len() as u64 * DIRENT;
    for (text, number, kind) in block {
        let mut dirent = [0; DIRENT as usize];
        dirent[..8].copy_from_slice(&u64::from(*number).to_le_bytes());
        dirent[8..10].copy_from_slice(&(name_at as u16).to_le_bytes());
        dirent[10] = *kind;
        out.put(&dirent)?;
        name_at += text.len() as u64;
    }
    block.iter().try_for_each(|(text, ..)| out.put(text))
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
