//! Seams: what a layer leaves open about the layers below it.
//!
//! A layer is indexed once, whatever it will lie upon, so two things in its tar cannot be decided then: what a directory is
//! like that no entry describes, and which file a hard link names that the layer itself does not have. Both are *loose* in
//! the index. Once the layers below are known, what is missing is made into one more layer that lies right above: the
//! directories as they are below, and the linked files with their contents, as extraction on top of those layers would have
//! made them. A seam is an ordinary layer to everyone who shows files; no image lists it.
//!
//! Directories that the layer makes opaque are its own: nothing of what was there is left to look at.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::entry::{Entry, Kind};
use crate::erofs::{Inodes, Node, NodeNumber, OPAQUE_MARK};
use crate::error::{Error, Result, show};
use crate::tar::Writer;

/// As many symbolic links as the kernel follows in one path.
const MAX_LINKS: u32 = 40;
/// Directories within directories that are looked into.
const MAX_DEPTH: usize = 2048;

/// Writes the seam of the first of `layers`, which lie topmost first, to `out` as a tar. `None`, and nothing written, if
/// it needs none.
///
/// # Errors
/// When a hard link names what is nowhere below, when a layer cannot be read, or `out` not be written.
pub fn sew<W: Write>(layers: &mut [Inodes], out: W) -> Result<Option<W>> {
    let Some((top, below)) = layers.split_first_mut() else { return Ok(None) };
    if !top.has_loose_ends() {
        return Ok(None);
    }
    let mut sewer = Sewer { top, below, writer: Writer::new(out), linked: HashMap::new(), is_empty: true };
    let root = sewer.top.root()?;
    sewer.walk(root)?;
    if sewer.is_empty { Ok(None) } else { sewer.writer.finish().map(Some) }
}

struct Sewer<'a, W: Write> {
    top: &'a mut Inodes,
    below: &'a mut [Inodes],
    writer: Writer<W>,
    /// Under which name a file of the layers below is in the seam already.
    linked: HashMap<(usize, NodeNumber), Vec<u8>>,
    is_empty: bool,
}

/// A directory on the way to where the walk is.
struct Frame {
    path: Vec<u8>,
    node: Node,
    /// Names still to be looked at, last first.
    names: Vec<(Vec<u8>, NodeNumber)>,
    /// It stands in the seam.
    is_written: bool,
}

/// What is below under some path: the layer, counted from the top, and the file.
type Found = (usize, Node);

impl<W: Write> Sewer<'_, W> {
    fn walk(&mut self, root: Node) -> Result<()> {
        let names_of_root = names(self.top, &root)?;
        let mut stack = vec![Frame { path: Vec::new(), node: root, names: names_of_root, is_written: true }];
        while let Some(frame) = stack.last_mut() {
            let Some((name, number)) = frame.names.pop() else {
                stack.pop();
                continue;
            };
            let node = self.top.child(&frame.node, number)?;
            let mut path = frame.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            match node.kind {
                Kind::Directory => {
                    // Beneath an opaque directory there is nothing of the layers below.
                    let is_own = self.top.is_opaque(&node)?;
                    let is_told = node.loose && !is_own && self.differs(&path, &node)?;
                    if stack.len() >= MAX_DEPTH {
                        continue;
                    }
                    let names = names(self.top, &node)?;
                    stack.push(Frame { path, node, names, is_written: false });
                    if is_told {
                        self.directories(&mut stack)?;
                    }
                }
                Kind::Symlink if node.loose => {
                    self.directories(&mut stack)?;
                    self.link(&path, &node)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the directories of the stack that are not written yet, as they are seen.
    fn directories(&mut self, stack: &mut [Frame]) -> Result<()> {
        for frame in stack.iter_mut().filter(|frame| !frame.is_written) {
            let is_open = frame.node.loose && !self.top.is_opaque(&frame.node)?;
            let below = if is_open { self.find(&frame.path)? } else { None };
            match below.filter(|(_, node)| node.kind == Kind::Directory) {
                Some((layer, node)) => self.entry(&frame.path, Some(layer), &node)?,
                None => self.entry(&frame.path, None, &frame.node)?,
            }
            frame.is_written = true;
        }
        Ok(())
    }

    /// True if a directory that nobody described is described otherwise below. A time alone is not worth a seam.
    fn differs(&mut self, path: &[u8], loose: &Node) -> Result<bool> {
        let Some((_, below)) = self.find(path)? else { return Ok(false) };
        let what = |node: &Node| (node.mode, node.uid, node.gid);
        Ok(below.kind == Kind::Directory && (what(loose) != what(&below) || below.has_xattrs()))
    }

    /// Writes what a loose hard link names: a copy, which several links of the layer share. The name below stays what it is.
    fn link(&mut self, path: &[u8], link: &Node) -> Result<()> {
        let target = self.top.target(link)?;
        let target = target.strip_prefix(b"/").unwrap_or(&target).to_vec();
        let missing = || Error::LinkBelow { name: show(path), target: show(&target) };
        let (layer, node) = self.find(&target)?.ok_or_else(missing)?;
        if node.kind == Kind::Directory {
            return Err(Error::entry(path, 0, "is a hard link to a directory"));
        }
        if let Some(known) = self.linked.get(&(layer, node.number)) {
            let entry = Entry { path: path.to_vec(), kind: Kind::Hardlink, link: known.clone(), ..Entry::default() };
            return self.writer.append(&entry, io::empty());
        }
        self.linked.insert((layer, node.number), path.to_vec());
        self.entry(path, Some(layer), &node)
    }

    /// Writes a file of the layer itself, or of one below it.
    fn entry(&mut self, path: &[u8], layer: Option<usize>, node: &Node) -> Result<()> {
        let inodes = match layer {
            Some(layer) => &mut self.below[layer],
            None => &mut *self.top,
        };
        let entry = inodes.entry(path.to_vec(), node, |name| name != OPAQUE_MARK)?;
        self.is_empty = false;
        let mut file = inodes.file();
        file.seek(SeekFrom::Start(node.data_offset)).map_err(Error::io("read the layer file"))?;
        self.writer.append(&entry, file.take(entry.size))
    }

    /// What is seen of the layers below at `path`; symbolic links on the way are followed, one at its end is not.
    fn find(&mut self, path: &[u8]) -> Result<Option<Found>> {
        let mut left: Vec<Vec<u8>> = path.split(|&b| b == b'/').rev().map(<[u8]>::to_vec).collect();
        let mut links = MAX_LINKS;
        let mut trail = vec![self.roots()?];
        while let Some(name) = left.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    if trail.len() > 1 {
                        trail.pop();
                    }
                    continue;
                }
                _ => {}
            }
            let parts = trail.last().cloned().unwrap_or_default();
            let found = self.child(&parts, &name)?;
            let Some(&(layer, node)) = found.first() else { return Ok(None) };
            if left.is_empty() {
                return Ok(Some((layer, node)));
            }
            match node.kind {
                Kind::Directory => trail.push(found),
                Kind::Symlink if links > 0 => {
                    links -= 1;
                    let target = self.below[layer].target(&node)?;
                    if target.first() == Some(&b'/') {
                        trail.truncate(1);
                    }
                    left.extend(target.split(|&b| b == b'/').rev().map(<[u8]>::to_vec));
                }
                _ => return Ok(None),
            }
        }
        Ok(trail.last().and_then(|parts| parts.first().copied()))
    }

    fn roots(&mut self) -> Result<Vec<Found>> {
        self.below.iter_mut().enumerate().map(|(layer, inodes)| Ok((layer, inodes.root()?))).collect()
    }

    /// What overlayfs shows of a name in directories that are seen as one, topmost first: one file, or directories.
    fn child(&mut self, parts: &[Found], name: &[u8]) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for (layer, parent) in parts {
            let inodes = &mut self.below[*layer];
            let mut number = None;
            inodes.names(parent, |other, node| {
                if other == name {
                    number = Some(node);
                }
            })?;
            let Some(number) = number else { continue };
            let node = inodes.child(parent, number)?;
            if node.is_whiteout() || (node.kind != Kind::Directory && !found.is_empty()) {
                break;
            }
            let ends = node.kind != Kind::Directory || inodes.is_opaque(&node)?;
            found.push((*layer, node));
            if ends {
                break;
            }
        }
        Ok(found)
    }
}

/// `FT_DIR` and `FT_SYMLINK`.
const DIRECTORY: u8 = 2;
const LINK: u8 = 7;

/// Names of directories and links in a directory, last first: nothing else is of interest to a seam, and there may be millions.
fn names(inodes: &mut Inodes, directory: &Node) -> Result<Vec<(Vec<u8>, NodeNumber)>> {
    let mut names = Vec::new();
    inodes.names_and_types(directory, |name, number, file_type| {
        if matches!(file_type, DIRECTORY | LINK) {
            names.push((name.to_vec(), number));
        }
    })?;
    names.reverse();
    Ok(names)
}
