//! The tree that a layer's entries make, with the rules of extraction and none of its dangers.
//!
//! Every question that archives answer ambiguously is answered here, once, for the mounted and for the unpacked layer:
//!
//! - Names are cleaned as text: `a/../b` is `b`, a leading `/` or `..` stays beneath the root.
//! - A parent that is a symbolic link is followed inside the layer's own tree, never out of it, at most 40 links.
//!   Parents that are missing, also behind such a link, become directories 0755 root:root with time 0: loose ends, since
//!   the layers below may know better.
//! - A directory over a directory changes its attributes and keeps what is in it. Everything else replaces what was
//!   there, with all that was beneath it.
//! - A hard link's target is from an earlier entry of the same layer, and is not followed if it is a link; one that is not
//!   there can only be a file of the layers below. That is a loose end too: a symbolic link to the place for the time being.
//!   What loose ends hang on is found by [`crate::seam`], once it is known what lies below.
//! - Whiteouts in a directory that this layer has replaced with a link are left out: they mean what was there before.
//! - `.wh.NAME` hides NAME of the layers below, not NAME of this layer: if this layer has a directory NAME, before or
//!   after, that becomes opaque (image-spec, layer.md, "Whiteouts").
//! - Extended attributes that overlayfs uses for itself are dropped: an image must not redirect lookups.
//!
//! Memory is bounded whatever the layer has: see [`paged`].

mod names;
mod node;
mod paged;
mod path;
mod sort;
mod xattr;

use std::sync::Arc;

use crate::entry::{Entry, Extent, Kind};
use crate::error::{Error, Result, show};
use crate::whiteout::{Whiteout, classify};

use names::{Slot, Slots};
pub(crate) use node::{Node, NodeKind, Sparse};
pub(crate) use paged::{Paged, Spill, nameless, read_up_to};
use sort::Sorter;
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
/// 4 million files: 500 MB of temporary files; no layer has so many by honest means.
const MAX_NODES: usize = 1 << 22;
/// 1 million pieces of sparse files.
const MAX_EXTENTS: usize = 1 << 20;

/// The files of one layer.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Paged<Node>,
    pub(crate) slots: Slots,
    pub(crate) sparse: Paged<Sparse>,
    pub(crate) pieces: Paged<Extent>,
    xattrs: xattr::Arena,
    sorter: Sorter,
    spill: Spill,
    /// The cleaned path of the current entry.
    clean: Vec<u8>,
    /// The encoded attributes of the current entry.
    encoded: Vec<u8>,
    /// The last directory an entry was put in, and its path.
    last: (Vec<u8>, NodeId),
}

impl Tree {
    /// A tree of nothing but the root. What does not fit into memory goes to nameless files in `directory`.
    pub(crate) fn new(directory: Arc<std::path::Path>) -> Result<Self> {
        let spill = Spill(directory);
        let nodes = Paged::new(&spill);
        nodes.push(Node {
            first: NONE,
            second: ROOT,
            mode: 0o755,
            kind: NodeKind::Directory,
            xattrs: NONE,
            ..Node::default()
        })?;
        Ok(Self {
            nodes,
            slots: Slots::new(&spill),
            sparse: Paged::new(&spill),
            pieces: Paged::new(&spill),
            xattrs: xattr::Arena::new(&spill),
            sorter: Sorter::new(&spill),
            spill,
            clean: Vec::new(),
            encoded: Vec::new(),
            last: (Vec::new(), ROOT),
        })
    }

    /// An empty list that spills where the tree does.
    pub(crate) fn list(&self) -> Paged<NodeId> {
        Paged::new(&self.spill)
    }

    pub(crate) fn node(&self, id: NodeId) -> Result<Node> {
        self.nodes.get(id as usize)
    }

    pub(crate) fn update<T>(&self, id: NodeId, change: impl FnOnce(&mut Node) -> T) -> Result<T> {
        self.nodes.update(id as usize, change)
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
        // A directory that a link has replaced is hidden as a whole: what was to be hidden in it is no matter any more, and
        // nothing is where the link leads.
        if classify(name).is_some() && self.lies_behind_link(directory)? {
            return Ok(());
        }
        let parent = self.parent(directory, entry)?;
        match classify(name) {
            Some(Whiteout::Invalid) => return Err(bad("is a whiteout of nothing")),
            Some(Whiteout::Metadata) => return Ok(()),
            Some(Whiteout::Opaque) => {
                return self.update(parent, |node| node.opaque = true);
            }
            Some(Whiteout::Remove(name)) => {
                let slot = self.slot(parent, name)?;
                return self.slots.update(slot, |slot| slot.is_whiteout = true);
            }
            None => {}
        }
        if entry.kind == Kind::Hardlink {
            return self.link(entry, parent, name);
        }
        let slot = self.slot(parent, name)?;
        let old = self.slots.get(slot)?.node;
        let was_directory = old != NONE && self.is_directory(old)?;
        if entry.kind == Kind::Directory {
            let node = if was_directory { old } else { self.directory(parent)? };
            self.describe(node, entry)?;
            if !was_directory {
                self.replace(slot, node)?;
            }
            return Ok(());
        }
        let node = self.file(entry)?;
        self.replace(slot, node)
    }

    fn link(&mut self, entry: &Entry, parent: NodeId, name: &[u8]) -> Result<()> {
        let missing =
            || Error::LinkTarget { name: show(&entry.path), target: show(&entry.link), offset: entry.header_offset };
        let mut target = Vec::new();
        path::clean(&entry.link, &mut target).map_err(|_| missing())?;
        let (directory, target) = path::split(&target);
        let mut links = MAX_LINKS;
        let above = match self.walk(ROOT, directory, &mut links, false) {
            Ok(above) => above,
            Err(Walk::Refused(_)) => return Err(missing()),
            Err(Walk::Failed(error)) => return Err(error),
        };
        let slot = match above {
            Some(above) => self.slots.find(above, target)?,
            None => None,
        };
        let node = match slot {
            Some(slot) => self.slots.get(slot)?.node,
            None => NONE,
        };
        let Some(above) = above.filter(|_| node != NONE) else { return self.loose_link(entry, parent, name) };
        if self.is_directory(node)? {
            return Err(Error::entry(&entry.path, entry.header_offset, "is a hard link to a directory"));
        }
        let slot = self.slot(parent, name)?;
        let old = self.slots.get(slot)?.node;
        if old == node {
            return Ok(());
        }
        // Replacing a directory removes what is beneath it, the target included.
        let mut up = above;
        while up != ROOT {
            if up == old {
                return Err(missing());
            }
            up = self.node(up)?.second;
        }
        self.replace(slot, node)
    }

    /// A hard link to what this layer does not have.
    fn loose_link(&mut self, entry: &Entry, parent: NodeId, name: &[u8]) -> Result<()> {
        let mut target = vec![b'/'];
        let mut clean = Vec::new();
        path::clean(&entry.link, &mut clean)
            .map_err(|reason| Error::entry(&entry.path, entry.header_offset, reason))?;
        if clean.is_empty() || clean.len() >= MAX_PATH {
            let (name, target) = (show(&entry.path), show(&entry.link));
            return Err(Error::LinkTarget { name, target, offset: entry.header_offset });
        }
        target.append(&mut clean);
        let first = self.slots.store(&target)?;
        let node = self.push(Node {
            first,
            size: target.len() as u64,
            mode: 0o777,
            kind: NodeKind::Symlink,
            loose: true,
            xattrs: NONE,
            ..Node::default()
        })?;
        let slot = self.slot(parent, name)?;
        self.replace(slot, node)
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
                    at = self.node(at)?.second;
                    continue;
                }
                _ if name.len() > MAX_NAME => return Err(Walk::Refused(path::TOO_LONG)),
                _ => {}
            }
            let found = match self.slots.find(at, name)? {
                Some(slot) => self.slots.get(slot)?.node,
                None => NONE,
            };
            if found == NONE {
                if !make {
                    return Ok(None);
                }
                let slot = self.slot(at, name)?;
                let node = self.directory(at)?;
                self.slots.update(slot, |slot| slot.node = node)?;
                at = node;
                continue;
            }
            let node = found;
            match self.node(node)?.kind {
                NodeKind::Directory => at = node,
                // Whatever it will be linked to, a directory it cannot be.
                NodeKind::Symlink if self.node(node)?.loose => {
                    return Err(Walk::Refused("lies beneath something that is not a directory"));
                }
                NodeKind::Symlink => {
                    *links = links.checked_sub(1).ok_or(Walk::Refused("lies behind too many symbolic links"))?;
                    let target = self.target(node)?;
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

    /// True if a name on the way to `path` is a symbolic link of this layer.
    fn lies_behind_link(&self, path: &[u8]) -> Result<bool> {
        let mut at = ROOT;
        for name in path.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
            let Some(slot) = self.slots.find(at, name)? else { return Ok(false) };
            let node = self.slots.get(slot)?.node;
            if node == NONE {
                return Ok(false);
            }
            match self.node(node)?.kind {
                NodeKind::Symlink => return Ok(true),
                NodeKind::Directory => at = node,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The name `name` in `parent`, made without a file if it is new.
    fn slot(&mut self, parent: NodeId, name: &[u8]) -> Result<SlotId> {
        if let Some(slot) = self.slots.find(parent, name)? {
            return Ok(slot);
        }
        let next = self.node(parent)?.first;
        let slot = self.slots.insert(parent, name, next)?;
        self.update(parent, |node| node.first = slot)?;
        Ok(slot)
    }

    fn replace(&mut self, slot: SlotId, node: NodeId) -> Result<()> {
        let old = self.slots.get(slot)?.node;
        if old != NONE && matches!(self.node(old)?.kind, NodeKind::Directory | NodeKind::Symlink) {
            // The remembered path may have led through it.
            self.last = (Vec::new(), ROOT);
        }
        self.slots.update(slot, |slot| slot.node = node)
    }

    fn directory(&mut self, parent: NodeId) -> Result<NodeId> {
        self.push(Node {
            first: NONE,
            second: parent,
            mode: 0o755,
            kind: NodeKind::Directory,
            loose: true,
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
            let first = self.pieces.len();
            if first + extents.len() > MAX_EXTENTS {
                return Err(Error::Limit { what: "pieces of sparse files", limit: MAX_EXTENTS as u64 });
            }
            for extent in extents {
                self.pieces.push(*extent)?;
            }
            let (first, count) = (first as u32, extents.len() as u32);
            self.sparse.push(Sparse { node: id, first, count, data_offset: entry.data_offset })?;
        }
        Ok(id)
    }

    fn describe(&mut self, id: NodeId, entry: &Entry) -> Result<()> {
        let bad = |reason| Error::entry(&entry.path, entry.header_offset, reason);
        self.encoded.clear();
        xattr::encode(&entry.xattrs, &mut self.encoded).map_err(bad)?;
        let xattrs = self.xattrs.put(&self.encoded)?;
        let xattrs = xattrs.ok_or_else(|| bad("brings more extended attributes than one layer can hold"))?;
        self.update(id, |node| {
            node.mode = entry.mode;
            (node.uid, node.gid) = (entry.uid, entry.gid);
            (node.mtime, node.nanos) = (entry.mtime, entry.mtime_nanos);
            node.xattrs = xattrs;
            node.loose = false;
        })
    }

    fn push(&mut self, node: Node) -> Result<NodeId> {
        if self.nodes.len() == MAX_NODES {
            return Err(Error::Limit { what: "files", limit: MAX_NODES as u64 });
        }
        Ok(self.nodes.push(node)? as u32)
    }

    /// Puts a directory into its final form, once no entry follows: names in byte order, names that only hide something
    /// become whiteouts, a directory that took the place of one below becomes opaque, and links are counted. Files that
    /// were not met before, and all directories in it, are appended to `met`.
    pub(crate) fn settle(&mut self, directory: NodeId, met: &Paged<NodeId>) -> Result<()> {
        let mut sorter = std::mem::replace(&mut self.sorter, Sorter::new(&self.spill));
        self.each_name(directory, |id, slot| {
            // What has neither file nor whiteout is nothing at all.
            if slot.node == NONE && !slot.is_whiteout {
                return Ok(());
            }
            sorter.push(id, |out| self.slots.name(&slot, out))
        })?;
        let (mut directories, mut first, mut last) = (0, NONE, NONE);
        sorter.drain(|id| {
            match last {
                NONE => first = id,
                _ => self.slots.update(last, |slot| slot.next = id)?,
            }
            last = id;
            directories += u32::from(self.settle_name(id, met)?);
            Ok(())
        })?;
        self.sorter = sorter;
        if last != NONE {
            self.slots.update(last, |slot| slot.next = NONE)?;
        }
        self.update(directory, |node| {
            node.first = first;
            node.links = 2 + directories;
        })
    }

    /// True if the name is a directory's.
    fn settle_name(&self, id: SlotId, met: &Paged<NodeId>) -> Result<bool> {
        let slot = self.slots.get(id)?;
        let child = match slot.node {
            NONE => self.make_whiteout(id)?,
            child => child,
        };
        let (is_directory, is_new) = self.update(child, |node| {
            if node.kind == NodeKind::Directory {
                // The name below is gone, a new directory has taken its place.
                node.opaque |= slot.is_whiteout;
                return (true, true);
            }
            node.links += 1;
            (false, node.links == 1)
        })?;
        if is_new {
            met.push(child)?;
        }
        Ok(is_directory)
    }

    /// Gives a name that only hides something what overlayfs takes for "removed": a character device 0/0.
    fn make_whiteout(&self, slot: SlotId) -> Result<NodeId> {
        let node = self.nodes.push(Node { kind: NodeKind::CharDevice, xattrs: NONE, ..Node::default() })? as u32;
        self.slots.update(slot, |slot| slot.node = node)?;
        Ok(node)
    }

    pub(crate) fn is_directory(&self, node: NodeId) -> Result<bool> {
        Ok(self.node(node)?.kind == NodeKind::Directory)
    }

    /// Target of a symbolic link.
    pub(crate) fn target(&self, node: NodeId) -> Result<Vec<u8>> {
        let node = self.node(node)?;
        let mut target = Vec::with_capacity(node.size as usize);
        self.slots.text(node.first, node.size as usize, &mut target)?;
        Ok(target)
    }

    /// The encoded extended attributes of a file.
    pub(crate) fn xattrs(&self, node: &Node) -> Result<Vec<u8>> {
        self.xattrs.get(node.xattrs)
    }

    /// Their length.
    pub(crate) fn xattrs_len(&self, node: &Node) -> Result<u64> {
        Ok(self.xattrs.len(node.xattrs)? as u64)
    }

    /// Calls `take` for each name in a directory: in no order, and with names that stand for nothing, until it is settled.
    pub(crate) fn each_name(&self, directory: NodeId, mut take: impl FnMut(SlotId, Slot) -> Result<()>) -> Result<()> {
        let mut at = self.node(directory)?.first;
        while at != NONE {
            let slot = self.slots.get(at)?;
            take(at, slot)?;
            at = slot.next;
        }
        Ok(())
    }
}

enum Walk {
    Refused(&'static str),
    Failed(Error),
}

impl From<Error> for Walk {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
