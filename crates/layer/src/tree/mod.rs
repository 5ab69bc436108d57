//! The tree that a layer's entries make, with the rules of extraction and none of its dangers.
//!
//! Every question that archives answer ambiguously is answered here, once, for the mounted and for the unpacked layer:
//!
//! - Names are cleaned as text: `a/../b` is `b`, a leading `/` or `..` stays beneath the root.
//! - A parent that is a symbolic link is followed inside the layer's own tree, never out of it, at most 40 links.
//!   Parents that are missing, also behind such a link, become directories 0755 root:root with time 0.
//! - A directory over a directory changes its attributes and keeps what is in it. Everything else replaces what was
//!   there, with all that was beneath it.
//! - A hard link needs a target from an earlier entry of the same layer, as with docker; it does not follow a link.
//! - `.wh.NAME` hides NAME of the layers below, not NAME of this layer: if this layer has a directory NAME, before or
//!   after, that becomes opaque (image-spec, layer.md, "Whiteouts").
//! - Extended attributes that overlayfs uses for itself are dropped: an image must not redirect lookups.
//!
//! Memory is about 100 bytes for each file, because the tree of a big layer must fit beside everything else.

mod names;
mod path;
mod xattr;

use crate::entry::{Entry, Extent, Kind};
use crate::error::{Error, Result, show};
use crate::whiteout::{Whiteout, classify};

use names::Slots;
pub(crate) use xattr::decode as decode_xattrs;

/// Index of a file in [`Tree::nodes`].
pub(crate) type NodeId = u32;
/// Index of a name in its directory.
pub(crate) type SlotId = u32;

pub(crate) const ROOT: NodeId = 0;
pub(crate) const NONE: u32 = u32::MAX;

/// As many symbolic links as the kernel follows in one path.
const MAX_LINKS: u32 = 40;
/// 4095 bytes: PATH_MAX without its NUL.
const MAX_PATH: usize = 4095;
/// NAME_MAX.
const MAX_NAME: usize = 255;
/// 4 million files: 400 MB of tree; no layer has so many by honest means.
const MAX_NODES: usize = 1 << 22;
/// 1 million pieces of sparse files: 24 MiB.
const MAX_EXTENTS: usize = 1 << 20;

/// One file, with whatever number of names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) mtime: i64,
    /// Length of a file or of a link's target.
    pub(crate) size: u64,
    pub(crate) nanos: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// File: index into `Tree::sparse` or `NONE`. Symbolic link: where its target starts in the names.
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

/// A sparse file's pieces and where they are in the tar.
#[derive(Debug)]
pub(crate) struct Sparse {
    pub(crate) node: NodeId,
    pub(crate) data_offset: u64,
    pub(crate) extents: Vec<Extent>,
}

/// The files of one layer.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) slots: Slots,
    pub(crate) sparse: Vec<Sparse>,
    xattrs: xattr::Arena,
    extents: usize,
    /// The cleaned path of the current entry.
    clean: Vec<u8>,
    /// The last directory an entry was put in, and its path.
    last: (Vec<u8>, NodeId),
}

impl Tree {
    pub(crate) fn new() -> Self {
        let root =
            Node { first: NONE, second: ROOT, mode: 0o755, kind: NodeKind::Directory, xattrs: NONE, ..Node::default() };
        Self {
            nodes: vec![root],
            slots: Slots::new(),
            sparse: Vec::new(),
            xattrs: xattr::Arena::default(),
            extents: 0,
            clean: Vec::new(),
            last: (Vec::new(), ROOT),
        }
    }

    /// Takes one entry, in the order of the archive.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<()> {
        let bad = |reason| Error::entry(&entry.path, entry.header_offset, reason);
        let mut clean = std::mem::take(&mut self.clean);
        let cleaned = path::clean(&entry.path, &mut clean);
        let added = cleaned.map_err(bad).and_then(|()| self.add_at(entry, &clean));
        self.clean = clean;
        added
    }

    fn add_at(&mut self, entry: &Entry, clean: &[u8]) -> Result<()> {
        let bad = |reason| Error::entry(&entry.path, entry.header_offset, reason);
        if clean.is_empty() {
            if entry.kind != Kind::Directory {
                return Err(bad("would replace the root of the layer"));
            }
            self.describe(ROOT, entry)?;
            return Ok(());
        }
        if clean.split(|&b| b == b'/').any(|part| classify(part) == Some(Whiteout::Metadata)) {
            return Ok(());
        }
        let (directory, name) = path::split(clean);
        let parent = self.parent(directory, entry)?;
        match classify(name) {
            Some(Whiteout::Invalid) => return Err(bad("is a whiteout of nothing")),
            Some(Whiteout::Metadata) => return Ok(()),
            Some(Whiteout::Opaque) => {
                self.nodes[parent as usize].opaque = true;
                return Ok(());
            }
            Some(Whiteout::Remove(name)) => {
                let slot = self.slot(parent, name)?;
                self.slots.set_whiteout(slot);
                return Ok(());
            }
            None => {}
        }
        if entry.kind == Kind::Hardlink {
            return self.link(entry, parent, name);
        }
        let slot = self.slot(parent, name)?;
        let old = self.slots.node(slot);
        let was_directory = old != NONE && self.is_directory(old);
        if entry.kind == Kind::Directory {
            let node = if was_directory { old } else { self.directory(parent)? };
            self.describe(node, entry)?;
            if !was_directory {
                self.replace(slot, node);
            }
            return Ok(());
        }
        let node = self.file(entry)?;
        self.replace(slot, node);
        Ok(())
    }

    fn link(&mut self, entry: &Entry, parent: NodeId, name: &[u8]) -> Result<()> {
        let missing =
            || Error::LinkTarget { name: show(&entry.path), target: show(&entry.link), offset: entry.header_offset };
        let mut target = Vec::new();
        path::clean(&entry.link, &mut target).map_err(|_| missing())?;
        let (directory, target) = path::split(&target);
        let mut links = MAX_LINKS;
        let above = self.walk(ROOT, directory, &mut links, false).map_err(|_| missing())?.ok_or_else(missing)?;
        let target = self.slots.find(above, target).ok_or_else(missing)?;
        let node = self.slots.node(target);
        if node == NONE {
            return Err(missing());
        }
        if self.is_directory(node) {
            return Err(Error::entry(&entry.path, entry.header_offset, "is a hard link to a directory"));
        }
        let slot = self.slot(parent, name)?;
        let old = self.slots.node(slot);
        if old == node {
            return Ok(());
        }
        // Replacing a directory removes what is beneath it, the target included.
        let mut up = above;
        while up != ROOT {
            if up == old {
                return Err(missing());
            }
            up = self.nodes[up as usize].second;
        }
        self.replace(slot, node);
        Ok(())
    }

    /// The directory that `path` names, made if it is missing.
    fn parent(&mut self, path: &[u8], entry: &Entry) -> Result<NodeId> {
        if self.last.0 == path {
            return Ok(self.last.1);
        }
        let mut links = MAX_LINKS;
        let node = self.walk(ROOT, path, &mut links, true);
        let node = match node {
            Ok(node) => node.expect("missing directories are made"),
            Err(Walk::Refused(reason)) => {
                return Err(Error::entry(&entry.path, entry.header_offset, reason));
            }
            Err(Walk::Failed(error)) => return Err(error),
        };
        self.last.0.clear();
        self.last.0.extend_from_slice(path);
        self.last.1 = node;
        Ok(node)
    }

    /// Walks down from `start`, through symbolic links but never above the root. `None` if something is missing and
    /// shall not be made.
    fn walk(&mut self, start: NodeId, path: &[u8], links: &mut u32, make: bool) -> Result<Option<NodeId>, Walk> {
        let mut at = start;
        for name in path.split(|&b| b == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => {
                    at = self.nodes[at as usize].second;
                    continue;
                }
                _ if name.len() > MAX_NAME => return Err(Walk::Refused(path::TOO_LONG)),
                _ => {}
            }
            let found = self.slots.find(at, name).map(|slot| self.slots.node(slot)).filter(|&node| node != NONE);
            let Some(node) = found else {
                if !make {
                    return Ok(None);
                }
                let slot = self.slot(at, name).map_err(Walk::Failed)?;
                let node = self.directory(at).map_err(Walk::Failed)?;
                self.slots.set_node(slot, node);
                at = node;
                continue;
            };
            match self.nodes[node as usize].kind {
                NodeKind::Directory => at = node,
                NodeKind::Symlink => {
                    *links = links.checked_sub(1).ok_or(Walk::Refused("lies behind too many symbolic links"))?;
                    let target = self.target(node).to_vec();
                    let from = if target.first() == Some(&b'/') { ROOT } else { at };
                    match self.walk(from, &target, links, make)? {
                        Some(node) => at = node,
                        None => return Ok(None),
                    }
                }
                _ => {
                    return Err(Walk::Refused("lies beneath something that is not a directory"));
                }
            }
        }
        Ok(Some(at))
    }

    /// The name `name` in `parent`, made without a file if it is new.
    fn slot(&mut self, parent: NodeId, name: &[u8]) -> Result<SlotId> {
        if let Some(slot) = self.slots.find(parent, name) {
            return Ok(slot);
        }
        let next = self.nodes[parent as usize].first;
        let slot = self.slots.insert(parent, name, next)?;
        self.nodes[parent as usize].first = slot;
        Ok(slot)
    }

    fn replace(&mut self, slot: SlotId, node: NodeId) {
        let old = self.slots.node(slot);
        if old != NONE && matches!(self.nodes[old as usize].kind, NodeKind::Directory | NodeKind::Symlink) {
            // The remembered path may have led through it.
            self.last = (Vec::new(), ROOT);
        }
        self.slots.set_node(slot, node);
    }

    fn directory(&mut self, parent: NodeId) -> Result<NodeId> {
        self.push(Node {
            first: NONE,
            second: parent,
            mode: 0o755,
            kind: NodeKind::Directory,
            xattrs: NONE,
            ..Node::default()
        })
    }

    fn file(&mut self, entry: &Entry) -> Result<NodeId> {
        let mut node = Node { first: NONE, xattrs: NONE, ..Node::default() };
        let bad = |reason| Error::entry(&entry.path, entry.header_offset, reason);
        match entry.kind {
            Kind::File => {
                node.size = entry.size;
                let block = u32::try_from(entry.data_offset / 512);
                node.second = block.map_err(|_| Error::Limit { what: "bytes", limit: u64::from(u32::MAX) * 512 })?;
            }
            Kind::Symlink => {
                if entry.link.is_empty() || entry.link.len() > MAX_PATH || entry.link.contains(&0) {
                    return Err(bad("is a symbolic link whose target is empty, too long or has a NUL in it"));
                }
                node.kind = NodeKind::Symlink;
                node.size = entry.link.len() as u64;
                node.first = self.slots.store(&entry.link)?;
            }
            Kind::CharDevice | Kind::BlockDevice => {
                node.kind = if entry.kind == Kind::CharDevice { NodeKind::CharDevice } else { NodeKind::BlockDevice };
                (node.first, node.second) = (entry.major, entry.minor);
            }
            Kind::Fifo => node.kind = NodeKind::Fifo,
            Kind::Directory | Kind::Hardlink => unreachable!("the caller deals with these kinds"),
        }
        let sparse = entry.sparse.as_ref().filter(|_| entry.kind == Kind::File);
        let id = self.push(node)?;
        self.describe(id, entry)?;
        if let Some(extents) = sparse {
            self.extents += extents.len();
            if self.extents > MAX_EXTENTS {
                return Err(Error::Limit { what: "pieces of sparse files", limit: MAX_EXTENTS as u64 });
            }
            self.nodes[id as usize].first = self.sparse.len() as u32;
            self.sparse.push(Sparse { node: id, data_offset: entry.data_offset, extents: extents.clone() });
        }
        Ok(id)
    }

    fn describe(&mut self, id: NodeId, entry: &Entry) -> Result<()> {
        let xattrs = self.xattrs.put(&entry.xattrs);
        let xattrs = xattrs.map_err(|reason| Error::entry(&entry.path, entry.header_offset, reason))?;
        let node = &mut self.nodes[id as usize];
        node.mode = entry.mode;
        (node.uid, node.gid) = (entry.uid, entry.gid);
        (node.mtime, node.nanos) = (entry.mtime, entry.mtime_nanos);
        node.xattrs = xattrs;
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<NodeId> {
        if self.nodes.len() == MAX_NODES {
            return Err(Error::Limit { what: "files", limit: MAX_NODES as u64 });
        }
        self.nodes.push(node);
        Ok(self.nodes.len() as u32 - 1)
    }

    /// Puts a directory into its final form, once no entry follows: names in byte order, names that only hide something
    /// become whiteouts, a directory that took the place of one below becomes opaque, and links are counted. Files that
    /// were not met before, and all directories in it, are appended to `met`.
    pub(crate) fn settle(&mut self, directory: NodeId, met: &mut Vec<NodeId>, scratch: &mut Vec<SlotId>) {
        self.sort(directory, scratch);
        let mut directories = 0;
        for &slot in scratch.iter() {
            let is_whiteout = self.slots.is_whiteout(slot);
            let child = match self.slots.node(slot) {
                NONE => self.make_whiteout(slot),
                child => child,
            };
            let node = &mut self.nodes[child as usize];
            if node.kind == NodeKind::Directory {
                directories += 1;
                // The name below is gone, a new directory has taken its place.
                node.opaque |= is_whiteout;
                met.push(child);
                continue;
            }
            node.links += 1;
            if node.links == 1 {
                met.push(child);
            }
        }
        self.nodes[directory as usize].links = 2 + directories;
    }

    /// Gives a name that only hides something what overlayfs takes for "removed": a character device 0/0.
    fn make_whiteout(&mut self, slot: SlotId) -> NodeId {
        self.nodes.push(Node { kind: NodeKind::CharDevice, xattrs: NONE, ..Node::default() });
        let node = self.nodes.len() as u32 - 1;
        self.slots.set_node(slot, node);
        node
    }

    pub(crate) fn is_directory(&self, node: NodeId) -> bool {
        self.nodes[node as usize].kind == NodeKind::Directory
    }

    /// Target of a symbolic link.
    pub(crate) fn target(&self, node: NodeId) -> &[u8] {
        let node = &self.nodes[node as usize];
        self.slots.text(node.first, node.size as usize)
    }

    /// The encoded extended attributes of a file.
    pub(crate) fn xattrs(&self, node: NodeId) -> &[u8] {
        self.xattrs.at(self.nodes[node as usize].xattrs)
    }

    /// All names in a directory, in no order; among them names without a file, which are whiteouts or nothing at all.
    pub(crate) fn names(&self, directory: NodeId) -> impl Iterator<Item = SlotId> + '_ {
        let first = self.nodes[directory as usize].first;
        std::iter::successors(Some(first).filter(|&slot| slot != NONE), |&slot| self.slots.next(slot))
    }

    /// Puts the names of a directory into byte order and leaves out those that are nothing at all. `scratch` is reused.
    fn sort(&mut self, directory: NodeId, scratch: &mut Vec<SlotId>) {
        scratch.clear();
        scratch.extend(
            self.names(directory).filter(|&slot| self.slots.node(slot) != NONE || self.slots.is_whiteout(slot)),
        );
        scratch.sort_unstable_by(|&a, &b| self.slots.name(a).cmp(self.slots.name(b)));
        let mut next = NONE;
        for &slot in scratch.iter().rev() {
            self.slots.set_next(slot, next);
            next = slot;
        }
        self.nodes[directory as usize].first = next;
    }
}

enum Walk {
    Refused(&'static str),
    Failed(Error),
}
