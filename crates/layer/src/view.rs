//! Looking through a stack of layers without mounting or unpacking it: every name once, with all versions of its file, also
//! those that a later layer replaced or removed.
//!
//! What is seen is what overlayfs shows, as in [`crate::merge`]; on top of the layers may lie a directory: a container's changes,
//! or, alone, a tree that is no image at all.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat, statat};
use rustix::io::Errno;

use crate::entry::Kind;
use crate::erofs::{Inodes, Node, NodeNumber};
use crate::error::{Error, Result, show};
use crate::pack::{is_of_kernel, is_opaque, names_in, open_again};
use crate::trail::Trail;

/// What becomes of a version of a file in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is what is there.
    Shown,
    /// The version above it is a file too, and took its place.
    Replaced,
    /// Something above it removed it, or made something else of its name or of a directory on its way.
    Removed,
}

/// One version of a file, of one of the layers.
#[derive(Debug)]
pub struct Version {
    /// Which layer has it; 0 is the topmost part, the directory if there is one.
    pub part: usize,
    /// What becomes of it.
    pub standing: Standing,
    /// What it is; never a directory or a hard link.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits.
    pub mode: u16,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Bytes of a regular file, else 0.
    pub size: u64,
    /// Which file it is among those of its part, if it has several names.
    pub same: Option<u64>,
    place: Place,
}

impl Version {
    /// Which file of its layer it is: the same number in the same layer is the same file. `None` in a directory, where it may
    /// have changed.
    pub fn number(&self) -> Option<u64> {
        match &self.place {
            Place::Layer(_, node) => Some(node.number),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Place {
    Layer(usize, Node),
    Directory(File),
    Link(Vec<u8>),
    Nowhere,
}

/// The bytes of a version.
#[derive(Debug)]
pub struct Bytes<'a> {
    file: Lent<'a>,
    from: u64,
    len: u64,
}

#[derive(Debug)]
enum Lent<'a> {
    Of(&'a File),
    Opened(File),
}

/// Where the bytes of a version lie, for who reads them after the walk. In a directory that is a path, and the file may have changed.
#[derive(Debug, Clone)]
pub struct Held {
    place: HeldPlace,
    len: u64,
}

#[derive(Debug, Clone)]
enum HeldPlace {
    Layer(usize, u64),
    Directory(Vec<u8>),
}

impl Bytes<'_> {
    /// How many they are.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Reads some of them from `offset`; 0 at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        if len == 0 {
            return Ok(0);
        }
        let file = match &self.file {
            Lent::Of(file) => file,
            Lent::Opened(file) => file,
        };
        file.read_at(&mut buffer[..len], self.from + offset)
    }
}

/// A stack that can be walked.
pub struct View {
    directory: Option<Trail>,
    /// A directory of changes has whiteouts; any other has none.
    has_whiteouts: bool,
    layers: Vec<Inodes>,
}

/// What is called for each name: with what reads, its path, and its versions, topmost first.
pub type Visit<'v> = dyn FnMut(&mut Files<'_>, &[u8], &[Version]) + 'v;

/// What the walk met on its way that it could not look into, in words.
pub type Warning = String;

/// One of the directories that are seen as one.
struct Part {
    place: Where,
    /// Something above it hides all that is in it.
    is_hidden: bool,
}

enum Where {
    /// The walk's way ends there.
    Directory,
    Layer(usize, Node),
}

struct Frame {
    parts: Vec<Part>,
    /// Last name first; of equal names the topmost last.
    names: Vec<(Vec<u8>, usize, NodeNumber)>,
    path_len: usize,
    is_in_directory: bool,
}

/// 250,000 names of one directory: more are made to fill memory.
const MAX_NAMES: usize = 250_000;

impl View {
    /// Layers, topmost first.
    pub fn of_layers(layers: Vec<Inodes>) -> Self {
        Self { directory: None, has_whiteouts: false, layers }
    }

    /// A container's changes on its layers, topmost first.
    pub fn of_changes(upper: OwnedFd, layers: Vec<Inodes>) -> Self {
        Self { directory: Some(Trail::new(upper)), has_whiteouts: true, layers }
    }

    /// A directory by itself.
    pub fn of_directory(directory: OwnedFd) -> Self {
        Self { directory: Some(Trail::new(directory)), has_whiteouts: false, layers: Vec::new() }
    }

    /// Calls `visit` for each name that leads to something else than a directory, with its path from the root, without a
    /// leading slash, and its versions, topmost first. Names are visited in byte order, those of a directory before what follows it.
    /// What cannot be looked into is told at the end, and passed over.
    ///
    /// # Errors
    /// When an index is damaged, or the top cannot be read.
    pub fn walk(&mut self, visit: &mut Visit<'_>) -> Result<Vec<Warning>> {
        let mut parts = Vec::new();
        if let Some(trail) = &mut self.directory {
            let top = open_again(trail.here()).map_err(|why| failed(b"", why))?;
            *trail = Trail::new(top);
            parts.push(Part { place: Where::Directory, is_hidden: false });
        }
        for layer in 0..self.layers.len() {
            let root = self.layers[layer].root()?;
            parts.push(Part { place: Where::Layer(layer, root), is_hidden: false });
        }
        Walk { view: self, path: Vec::new(), warnings: Vec::new() }.run(parts, visit)
    }

    /// What was held during a walk; `None` if it is no longer there. No link is followed to it.
    pub fn bytes(&self, held: &Held) -> Option<Bytes<'_>> {
        match &held.place {
            HeldPlace::Layer(layer, from) => {
                let (file, from) = self.layers.get(*layer)?.data(*from);
                Some(Bytes { file: Lent::Of(file), from, len: held.len })
            }
            HeldPlace::Directory(path) => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                let top = self.directory.as_ref()?.here();
                let file = File::from(openat2(top, path.as_slice(), flags, Mode::empty(), beneath).ok()?);
                let is_file = file.metadata().ok()?.is_file();
                is_file.then_some(Bytes { file: Lent::Opened(file), from: 0, len: held.len })
            }
        }
    }
}

/// What the versions of a visit are read with.
pub struct Files<'a> {
    layers: &'a mut [Inodes],
}

impl Files<'_> {
    /// The bytes of a regular file; `None` for anything else, and for files that may not be read.
    pub fn bytes<'v>(&'v self, version: &'v Version) -> Option<Bytes<'v>> {
        match &version.place {
            Place::Layer(layer, node) if version.kind == Kind::File => {
                let (file, from) = self.layers[*layer].data(node.data_offset);
                Some(Bytes { file: Lent::Of(file), from, len: version.size })
            }
            Place::Directory(file) => Some(Bytes { file: Lent::Of(file), from: 0, len: version.size }),
            _ => None,
        }
    }

    /// Where the bytes of a regular file lie, which is at `path` as it is visited.
    pub fn hold(&self, path: &[u8], version: &Version) -> Option<Held> {
        let place = match &version.place {
            Place::Layer(layer, node) if version.kind == Kind::File => HeldPlace::Layer(*layer, node.data_offset),
            Place::Directory(_) => HeldPlace::Directory(path.to_vec()),
            _ => return None,
        };
        Some(Held { place, len: version.size })
    }

    /// Where a symbolic link leads; empty for anything else.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn target(&mut self, version: &Version) -> Result<Vec<u8>> {
        match &version.place {
            Place::Layer(layer, node) if version.kind == Kind::Symlink => self.layers[*layer].target(node),
            Place::Link(target) => Ok(target.clone()),
            _ => Ok(Vec::new()),
        }
    }
}

struct Walk<'a> {
    view: &'a mut View,
    path: Vec<u8>,
    warnings: Vec<Warning>,
}

impl Walk<'_> {
    fn run(mut self, parts: Vec<Part>, visit: &mut Visit<'_>) -> Result<Vec<Warning>> {
        let mut stack = vec![self.frame(parts, 0)?];
        while let Some(frame) = stack.last_mut() {
            let Some((name, part, number)) = frame.names.pop() else {
                if let (true, Some(trail)) = (frame.is_in_directory, &mut self.view.directory) {
                    trail.leave().map_err(|why| failed(&self.path, why))?;
                }
                self.path.truncate(frame.path_len);
                stack.pop();
                continue;
            };
            let path_len = self.path.len();
            if path_len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            let parts = self.name(frame, &name, (part, number), visit)?;
            match parts.is_empty() {
                true => self.path.truncate(path_len),
                false => {
                    let frame = self.frame(parts, path_len)?;
                    stack.push(frame);
                }
            }
        }
        Ok(self.warnings)
    }

    fn warn(&mut self, text: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(format!("/{} {text}", show(&self.path)));
        }
    }

    fn frame(&mut self, parts: Vec<Part>, path_len: usize) -> Result<Frame> {
        let mut names = Vec::new();
        let (mut is_in_directory, mut is_cut) = (false, false);
        for (index, part) in parts.iter().enumerate() {
            match &part.place {
                Where::Directory => {
                    is_in_directory = true;
                    let trail = self.view.directory.as_ref().expect("there is such a part");
                    match names_in(trail.here()) {
                        Ok(found) => names.extend(found.into_iter().take(MAX_NAMES).map(|name| (name, index, 0))),
                        Err(why) => self.warn(&format!("cannot be read: {why}")),
                    }
                }
                Where::Layer(layer, node) => {
                    self.view.layers[*layer].names(node, |name, number| match names.len() < MAX_NAMES {
                        true => names.push((name.to_vec(), index, number)),
                        false => is_cut = true,
                    })?;
                }
            }
        }
        if is_cut {
            self.warn("has more names than are looked at");
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Frame { parts, names, path_len, is_in_directory })
    }

    /// Visits what is not a directory of a name whose topmost version is given; gives the directories to go down into.
    fn name(
        &mut self,
        frame: &mut Frame,
        name: &[u8],
        topmost: (usize, NodeNumber),
        visit: &mut Visit<'_>,
    ) -> Result<Vec<Part>> {
        let (mut directories, mut versions) = (Vec::new(), Vec::<Version>::new());
        // What the next version becomes, if nothing that is farther up hides it.
        let (mut standing, mut is_hidden) = (Standing::Shown, false);
        let mut next = Some(topmost);
        while let Some((index, number)) = next {
            let part = &frame.parts[index];
            let standing_here = if part.is_hidden { Standing::Removed } else { standing };
            match self.look(part, name, number)? {
                Looked::Nothing => {}
                Looked::Whiteout => (standing, is_hidden) = (Standing::Removed, true),
                Looked::Directory(place, is_opaque) => {
                    // A directory below a file is hidden by it; a file below a directory is no longer there.
                    let is_hidden_here = part.is_hidden || is_hidden || !versions.is_empty();
                    directories.push(Part { place, is_hidden: is_hidden_here });
                    standing = Standing::Removed;
                    is_hidden |= is_opaque;
                }
                Looked::File(version) => {
                    versions.push(Version { standing: standing_here, ..version });
                    if standing == Standing::Shown {
                        standing = Standing::Replaced;
                    }
                    is_hidden = true;
                }
            }
            next = frame.names.pop_if(|(other, ..)| other == name).map(|(_, part, number)| (part, number));
        }
        if !versions.is_empty() {
            visit(&mut Files { layers: &mut self.view.layers }, &self.path, &versions);
        }
        Ok(directories)
    }

    fn look(&mut self, part: &Part, name: &[u8], number: NodeNumber) -> Result<Looked> {
        match &part.place {
            Where::Directory => Ok(self.look_on_disk(name)),
            Where::Layer(layer, parent) => {
                let above = usize::from(self.view.directory.is_some());
                let inodes = &mut self.view.layers[*layer];
                let node = inodes.child(parent, number)?;
                Ok(match node.kind {
                    _ if node.is_whiteout() => Looked::Whiteout,
                    Kind::Directory => {
                        let is_opaque = inodes.is_opaque(&node)?;
                        Looked::Directory(Where::Layer(*layer, node), is_opaque)
                    }
                    kind => Looked::File(Version {
                        part: layer + above,
                        standing: Standing::Shown,
                        kind,
                        mode: node.mode,
                        owner: (node.uid, node.gid),
                        size: if kind == Kind::File { node.size } else { 0 },
                        same: (node.links > 1).then_some(node.number),
                        place: Place::Layer(*layer, node),
                    }),
                })
            }
        }
    }

    fn look_on_disk(&mut self, name: &[u8]) -> Looked {
        let trail = self.view.directory.as_mut().expect("there is such a part");
        let looked = on_disk(trail, name, self.view.has_whiteouts);
        looked.unwrap_or_else(|why| {
            // A running container may remove what was listed a moment ago.
            if why != Errno::NOENT {
                self.warn(&format!("cannot be read: {why}"));
            }
            Looked::Nothing
        })
    }
}

/// What one version of a name is.
enum Looked {
    Nothing,
    Whiteout,
    Directory(Where, bool),
    File(Version),
}

/// Looks at a name on disk. Nothing is opened but regular files and directories, and no link is followed.
fn on_disk(trail: &mut Trail, name: &[u8], has_whiteouts: bool) -> rustix::io::Result<Looked> {
    let stat = statat(trail.here(), name, AtFlags::SYMLINK_NOFOLLOW)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let (kind, place) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let directory = openat(trail.here(), name, flags | OFlags::DIRECTORY, Mode::empty())?;
            if stat.st_dev != fstat(trail.here())?.st_dev && is_of_kernel(directory.as_fd())? {
                return Ok(Looked::Nothing);
            }
            let is_opaque = has_whiteouts && is_opaque(directory.as_fd());
            trail.enter(directory)?;
            return Ok(Looked::Directory(Where::Directory, is_opaque));
        }
        FileType::CharacterDevice if has_whiteouts && stat.st_rdev == 0 => return Ok(Looked::Whiteout),
        FileType::RegularFile => {
            let file = File::from(openat(trail.here(), name, flags, Mode::empty())?);
            (Kind::File, Place::Directory(file))
        }
        FileType::Symlink => {
            let target = readlinkat(trail.here(), name, Vec::new())?;
            (Kind::Symlink, Place::Link(target.into_bytes()))
        }
        FileType::CharacterDevice => (Kind::CharDevice, Place::Nowhere),
        FileType::BlockDevice => (Kind::BlockDevice, Place::Nowhere),
        _ => (Kind::Fifo, Place::Nowhere),
    };
    let size = u64::try_from(stat.st_size).ok().filter(|_| kind == Kind::File).unwrap_or_default();
    let mode = (stat.st_mode & 0o7777) as u16;
    let same = (stat.st_nlink > 1).then_some(stat.st_ino);
    let owner = (stat.st_uid, stat.st_gid);
    Ok(Looked::File(Version { part: 0, standing: Standing::Shown, kind, mode, owner, size, same, place }))
}

/// 64 warnings: who has more need not hear each.
const MAX_WARNINGS: usize = 64;

fn failed(path: &[u8], why: Errno) -> Error {
    Error::Unpack { action: "read", path: show(path), source: why.into() }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;
    use crate::entry::Entry;
    use crate::erofs::TAR_OFFSET;
    use crate::tar::Writer;

    /// The index of a layer with these files; a name that ends in a slash is a directory.
    fn layer(files: &[(&str, &str)]) -> Inodes {
        let mut tar = Writer::new(Vec::new());
        for (path, text) in files {
            let kind = if path.ends_with('/') { Kind::Directory } else { Kind::File };
            let size = text.len() as u64;
            let entry = Entry { path: path.as_bytes().to_vec(), kind, mode: 0o755, size, ..Entry::default() };
            tar.append(&entry, text.as_bytes()).unwrap();
        }
        let tar = tar.finish().unwrap();
        let place = tempfile::tempdir().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.seek(SeekFrom::Start(TAR_OFFSET)).unwrap();
        file.write_all(&tar).unwrap();
        Inodes::of_tar(file, tar.len() as u64, place.path()).unwrap()
    }

    #[test]
    fn layers_may_stay_in_the_tar_that_they_lie_in() {
        let place = tempfile::tempdir().unwrap();
        let mut tar = Writer::new(Vec::new());
        for (path, text) in [("a", "first"), ("d/b", "second")] {
            let entry = Entry { path: path.into(), mode: 0o644, size: text.len() as u64, ..Entry::default() };
            tar.append(&entry, text.as_bytes()).unwrap();
        }
        let tar = tar.finish().unwrap();
        let mut archive = tempfile::tempfile().unwrap();
        archive.write_all(&[7; 1536]).unwrap();
        archive.write_all(&tar).unwrap();
        archive.write_all(&[7; 512]).unwrap();
        let layer = Inodes::beside_tar(archive.into(), 1536, tar.len() as u64, place.path()).unwrap().unwrap();
        assert_eq!(told(View::of_layers(vec![layer])), ["a 0Shown=first", "d/b 0Shown=second"]);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    /// Every name with its versions: part, standing and text of each.
    fn told(mut view: View) -> Vec<String> {
        let mut all = Vec::new();
        let warnings = view.walk(&mut |files, path, versions| {
            let mut line = String::from_utf8_lossy(path).into_owned();
            for version in versions {
                let mut text = vec![0; version.size as usize];
                let len = files.bytes(version).map_or(0, |bytes| bytes.read_at(0, &mut text).unwrap());
                line += &format!(" {}{:?}={}", version.part, version.standing, String::from_utf8_lossy(&text[..len]));
            }
            all.push(line);
        });
        assert_eq!(warnings.unwrap(), Vec::<String>::new());
        all
    }

    fn stack() -> Vec<Inodes> {
        let bottom = layer(&[("a", "1"), ("b", "1"), ("d/x", "1"), ("d/y", "1"), ("e/f/z", "1"), ("o/p", "1")]);
        let middle =
            layer(&[("a", "2"), (".wh.b", ""), ("d/x", "2"), (".wh.e", ""), ("o/", ""), ("o/.wh..wh..opq", "")]);
        let top = layer(&[("a", "3"), ("b", "3"), ("d", "a file")]);
        vec![top, middle, bottom]
    }

    #[test]
    fn every_version_of_every_name_is_visited() {
        assert_eq!(
            told(View::of_layers(stack())),
            [
                "a 0Shown=3 1Replaced=2 2Replaced=1",
                "b 0Shown=3 2Removed=1",
                "d 0Shown=a file",
                "d/x 1Removed=2 2Removed=1",
                "d/y 2Removed=1",
                "e/f/z 2Removed=1",
                "o/p 2Removed=1",
            ]
        );
    }

    #[test]
    fn a_directory_may_lie_on_top_or_alone() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a"), "4").unwrap();
        std::fs::create_dir(place.path().join("new")).unwrap();
        std::fs::write(place.path().join("new/n"), "n").unwrap();
        std::os::unix::fs::symlink("/", place.path().join("root")).unwrap();
        let open = || OwnedFd::from(File::open(place.path()).unwrap());
        assert_eq!(told(View::of_directory(open())), ["a 0Shown=4", "new/n 0Shown=n", "root 0Shown="]);
        let whole = told(View::of_changes(open(), stack()));
        assert_eq!(whole[0], "a 0Shown=4 1Replaced=3 2Replaced=2 3Replaced=1");
        assert!(whole.contains(&"new/n 0Shown=n".to_owned()) && whole.contains(&"e/f/z 3Removed=1".to_owned()));
    }

    #[test]
    fn what_was_held_is_read_after_the_walk() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("d")).unwrap();
        std::fs::write(place.path().join("d/x"), "4").unwrap();
        let mut view = View::of_changes(OwnedFd::from(File::open(place.path()).unwrap()), stack());
        let mut held = Vec::new();
        view.walk(&mut |files, path, versions| {
            if path == b"d/x" {
                held.extend(versions.iter().filter_map(|version| files.hold(path, version)));
            }
        })
        .unwrap();
        let read = |held: &Held| {
            let mut letter = [0];
            view.bytes(held).map(|bytes| (bytes.size(), bytes.read_at(0, &mut letter).unwrap(), letter[0]))
        };
        let told = |held: &[Held]| held.iter().map(read).collect::<Vec<_>>();
        assert_eq!(told(&held), [Some((1, 1, b'4')), Some((1, 1, b'2')), Some((1, 1, b'1'))]);
        // Somebody made a link of it in the meantime.
        std::fs::remove_file(place.path().join("d/x")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", place.path().join("d/x")).unwrap();
        assert_eq!(told(&held[..1]), [None]);
    }

    #[test]
    fn a_view_can_be_walked_again() {
        let mut view = View::of_layers(stack());
        view.walk(&mut |_, _, _| ()).unwrap();
        assert_eq!(told(view).len(), 7);
    }
}
