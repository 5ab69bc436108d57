//! What a tree is made of, in the form that pages hold: files, and the pieces of sparse ones.

use super::NodeId;
use super::paged::{Fields, Record, put_fields};
use crate::entry::Extent;

/// One file, with whatever number of names.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Node {
    pub(crate) mtime: i64,
    /// Length of a file or of a link's target.
    pub(crate) size: u64,
    pub(crate) nanos: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Symbolic link: where its target starts in the names.
    /// Directory: its first slot. Device: major number.
    pub(crate) first: u32,
    /// File: first 512-byte block in the tar. Directory: parent. Device: minor number.
    pub(crate) second: u32,
    /// Offset of the encoded extended attributes, `NONE` if there are none.
    pub(crate) xattrs: u32,
    /// For whoever walks the tree: names that reach this file.
    pub(crate) links: u32,
    /// For whoever walks the tree: where the file was put.
    pub(crate) mark: u32,
    pub(crate) mode: u16,
    pub(crate) kind: NodeKind,
    pub(crate) opaque: bool,
    /// Directory: no entry describes it. Symbolic link: it stands for a hard link to a file of the layers below.
    pub(crate) loose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum NodeKind {
    #[default]
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
}

impl Record for Node {
    const LEN: usize = 52;
    const PAGE: usize = 1 << 5;
    const PAGES: usize = 1 << 11;

    fn write(&self, out: &mut [u8]) {
        let (kind, flags) = (self.kind as u8, u8::from(self.opaque) | u8::from(self.loose) << 1);
        let numbers = [self.nanos, self.uid, self.gid, self.first, self.second, self.xattrs, self.links, self.mark];
        put_fields(
            out,
            &[
                &self.mtime.to_le_bytes(),
                &self.size.to_le_bytes(),
                numbers.map(u32::to_le_bytes).as_flattened(),
                &self.mode.to_le_bytes(),
                &[kind, flags],
            ],
        );
    }

    fn read(bytes: &[u8]) -> Self {
        let mut fields = Fields(bytes);
        let mtime = i64::from_le_bytes(fields.next());
        let size = fields.u64();
        let [nanos, uid, gid, first, second, xattrs, links, mark] = std::array::from_fn(|_| fields.u32());
        let mode = u16::from_le_bytes(fields.next());
        let [kind, flags] = fields.next();
        let kind = NodeKind::ALL[usize::from(kind) % NodeKind::ALL.len()];
        let (opaque, loose) = (flags & 1 != 0, flags & 2 != 0);
        Self { mtime, size, nanos, uid, gid, first, second, xattrs, links, mark, mode, kind, opaque, loose }
    }
}

impl NodeKind {
    /// In the order of their declaration.
    const ALL: [Self; 6] =
        [Self::File, Self::Directory, Self::Symlink, Self::CharDevice, Self::BlockDevice, Self::Fifo];
}

/// A sparse file: where its bytes are in the tar, and which of the pieces are its.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sparse {
    pub(crate) node: NodeId,
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) data_offset: u64,
}

impl Record for Sparse {
    const LEN: usize = 20;
    const PAGE: usize = 1 << 8;
    const PAGES: usize = 1 << 5;

    fn write(&self, out: &mut [u8]) {
        let numbers = [self.node, self.first, self.count].map(u32::to_le_bytes);
        put_fields(out, &[numbers.as_flattened(), &self.data_offset.to_le_bytes()]);
    }

    fn read(bytes: &[u8]) -> Self {
        let mut fields = Fields(bytes);
        let [node, first, count] = std::array::from_fn(|_| fields.u32());
        Self { node, first, count, data_offset: fields.u64() }
    }
}

impl Record for Extent {
    const LEN: usize = 16;
    const PAGE: usize = 1 << 8;
    const PAGES: usize = 1 << 6;

    fn write(&self, out: &mut [u8]) {
        put_fields(out, &[&self.offset.to_le_bytes(), &self.len.to_le_bytes()]);
    }

    fn read(bytes: &[u8]) -> Self {
        let mut fields = Fields(bytes);
        Self { offset: fields.u64(), len: fields.u64() }
    }
}
