//! A container's whole tree as a tar, made of its layers' files and the directory of its changes. Nothing is mounted, and
//! data goes from the layer's file into the tar without a detour through a mount's cache.
//!
//! What is seen is what overlayfs shows (kernel, Documentation/filesystems/overlayfs.rst): of each name the topmost
//! version counts, a directory is joined with the directories of that name below it until something else, a whiteout, or
//! an opaque directory ends that. `tests/it/merged.rs` of the store holds it against the kernel.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::entry::{Entry, Kind};
use crate::erofs::{Inodes, Node, NodeNumber};
use crate::error::{Error, Result};
use crate::pack::{self, Packer, is_carried, is_opaque, names_in, open_again};
use crate::trail::Trail;

/// Writes what is seen of `layers`, topmost first, under the changes in the open directory `upper` to `out` as a tar,
/// with its end. The bytes are those that [`pack::pack`] writes of a mount of the same.
///
/// # Errors
/// When something cannot be read or `out` not be written.
pub fn pack_merged<W: Write>(upper: BorrowedFd<'_>, layers: Vec<Inodes>, out: W) -> Result<W> {
    let options = pack::Options::default();
    let packer = Packer::new(&options, out);
    let upper = open_again(upper).map_err(|why| packer.failed("open", why))?;
    let mut merger = Merger { packer, layers, changes: Trail::new(upper), buffer: Vec::new() };
    let mut parts = vec![Part::Changes];
    for layer in 0..merger.layers.len() {
        let root = merger.layers[layer].root()?;
        parts.push(Part::Layer(layer, root));
    }
    merger.walk(parts)?;
    merger.packer.writer.finish()
}

struct Merger<'a, W: Write> {
    packer: Packer<'a, W>,
    layers: Vec<Inodes>,
    /// The way to the lowest directory of the changes that the walk is in or beneath.
    changes: Trail,
    buffer: Vec<u8>,
}

/// One of the directories that are seen as one.
enum Part {
    /// Of the changes: where their way ends. A directory has this part only if the one above it does.
    Changes,
    /// Of the layer of this index.
    Layer(usize, Node),
}

/// A directory being walked.
struct Frame {
    /// Topmost first.
    parts: Vec<Part>,
    /// Last name first; of equal names the topmost last. The number means nothing for changes.
    names: Vec<(Vec<u8>, usize, NodeNumber)>,
    /// Length of the path before its name was added.
    path_len: usize,
}

/// One version of a name.
enum Version {
    Hidden,
    File,
    Directory(Part),
}

/// Files from here on, 64 KiB, are copied from file to file by the kernel.
const LARGE: u64 = 64 << 10;

impl<W: Write> Merger<'_, W> {
    fn walk(&mut self, parts: Vec<Part>) -> Result<()> {
        let mut stack = vec![self.frame(parts, 0)?];
        while let Some(frame) = stack.last_mut() {
            let Some((name, part, number)) = frame.names.pop() else {
                if matches!(frame.parts.first(), Some(Part::Changes)) {
                    self.changes.leave().map_err(|why| self.packer.failed("leave", why))?;
                }
                self.packer.path.truncate(frame.path_len);
                stack.pop();
                continue;
            };
            let path_len = self.packer.path.len();
            if path_len > 0 {
                self.packer.path.push(b'/');
            }
            self.packer.path.extend_from_slice(&name);
            match self.name(frame, &name, (part, number))? {
                Some(parts) => {
                    let frame = self.frame(parts, path_len)?;
                    stack.push(frame);
                }
                None => self.packer.path.truncate(path_len),
            }
        }
        Ok(())
    }

    fn frame(&mut self, parts: Vec<Part>, path_len: usize) -> Result<Frame> {
        let mut names = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Changes => {
                    let found = names_in(self.changes.here()).map_err(|why| self.packer.failed("read", why))?;
                    names.extend(found.into_iter().map(|name| (name, index, 0)));
                }
                Part::Layer(layer, node) => {
                    self.layers[*layer].names(node, |name, number| names.push((name.to_vec(), index, number)))?;
                }
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Frame { parts, names, path_len })
    }

    /// Writes what is seen of a name whose topmost version is given; gives the directories to go down into.
    fn name(&mut self, frame: &mut Frame, name: &[u8], topmost: (usize, NodeNumber)) -> Result<Option<Vec<Part>>> {
        let mut found = Vec::new();
        let mut is_open = true;
        let mut next = Some(topmost);
        while let Some((part, number)) = next {
            if is_open {
                match self.version(&frame.parts[part], name, number, found.is_empty())? {
                    Version::Directory(part) => {
                        is_open = !self.is_opaque(&part)?;
                        found.push(part);
                    }
                    Version::File | Version::Hidden => is_open = false,
                }
            }
            // All versions are taken from the list, also those that are not seen.
            next = frame.names.pop_if(|(other, ..)| other == name).map(|(_, part, number)| (part, number));
        }
        Ok(Some(found).filter(|found| !found.is_empty()))
    }

    /// Looks at one version of a name, and writes it if it is the topmost.
    fn version(&mut self, part: &Part, name: &[u8], number: NodeNumber, is_topmost: bool) -> Result<Version> {
        match part {
            Part::Changes => self.changed(name),
            Part::Layer(layer, parent) => {
                let node = self.layers[*layer].child(parent, number)?;
                if node.is_whiteout() {
                    return Ok(Version::Hidden);
                }
                if is_topmost {
                    self.write(*layer, &node)?;
                }
                Ok(match node.kind {
                    Kind::Directory => Version::Directory(Part::Layer(*layer, node)),
                    _ => Version::File,
                })
            }
        }
    }

    /// Changes are always topmost.
    fn changed(&mut self, name: &[u8]) -> Result<Version> {
        let parent = self.changes.here();
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // A running container may remove what was listed a moment ago.
            Err(Errno::NOENT) => return Ok(Version::Hidden),
            Err(why) => return Err(self.packer.failed("read", why)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let directory = self.packer.open_directory(parent, name)?;
                let entry = self.packer.directory_entry(directory.as_fd(), &stat)?;
                self.packer.writer.append(&entry, io::empty())?;
                self.changes.enter(directory).map_err(|why| self.packer.failed("open", why))?;
                Ok(Version::Directory(Part::Changes))
            }
            FileType::CharacterDevice if stat.st_rdev == 0 => Ok(Version::Hidden),
            FileType::Socket => Ok(Version::File),
            _ => self.packer.file(parent, name, &stat).map(|()| Version::File),
        }
    }

    fn is_opaque(&mut self, part: &Part) -> Result<bool> {
        match part {
            Part::Changes => Ok(is_opaque(self.changes.here())),
            Part::Layer(layer, node) => self.layers[*layer].is_opaque(node),
        }
    }

    fn write(&mut self, layer: usize, node: &Node) -> Result<()> {
        let inodes = &mut self.layers[layer];
        let path = self.packer.full_path();
        if node.links > 1 && node.kind != Kind::Directory {
            // No file system has such a number: layers are counted from the last one down.
            if let Some(link) = self.packer.known_as((u64::MAX - layer as u64, node.number)) {
                // Another name says nothing of its own about data, devices and attributes.
                let whole = inodes.entry(path, node, |_| false)?;
                let (kind, size, major, minor) = (Kind::Hardlink, 0, 0, 0);
                let entry = Entry { kind, link, size, major, minor, ..whole };
                return self.packer.writer.append(&entry, io::empty());
            }
        }
        let entry = inodes.entry(path, node, is_carried)?;
        match entry.size {
            0 => self.packer.writer.append(&entry, io::empty()),
            LARGE.. => {
                let mut file = inodes.file();
                file.seek(SeekFrom::Start(node.data_offset)).map_err(Error::io(READ))?;
                self.packer.writer.append(&entry, file.take(node.size))
            }
            len => {
                self.buffer.resize(len as usize, 0);
                inodes.file().read_exact_at(&mut self.buffer, node.data_offset).map_err(Error::io(READ))?;
                self.packer.writer.append(&entry, &self.buffer[..])
            }
        }
    }
}

const READ: &str = "read the layer file";
