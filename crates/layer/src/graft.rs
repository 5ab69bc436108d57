//! Files of one tree as a layer that puts them into another: the tar is written while they are read, and nothing is made on
//! the disk.
//!
//! A layer that holds a file holds the directories above it, too, and what it says of them counts. So those that the other
//! tree has already are written as they are there, and those that it lacks as new ones.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, major, minor, openat2};
use rustix::io::Errno;

use crate::chmod::ModeChange;
use crate::entry::{Entry, Kind};
use crate::error::{Error, Result, show};
use crate::node::Node;
use crate::pack::{DIRECTORY, Xattrs, xattrs_of};
use crate::resolve::{Last, resolve};
use crate::tar::{Reader, Writer};
use crate::whiteout;

/// How files change on their way.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// Whose they become; `None`: they stay whose they are.
    pub owner: Option<(u32, u32)>,
    /// Whose becomes what archives hold; `None`: it stays whose it is.
    pub unpacked: Option<(u32, u32)>,
    /// What becomes of their modes.
    pub mode: Option<ModeChange>,
    /// Whose directories become that had to be made.
    pub maker: (u32, u32),
    /// The time of what is made, in seconds since 1970.
    pub now: i64,
    /// No time is later than this, in seconds since 1970.
    pub latest: Option<i64>,
}

/// Who is told what is written, in order: for digests of it.
pub trait Witness {
    /// An entry begins. Its times are not what it is known by.
    fn entry(&mut self, entry: &Entry);
    /// Bytes of it.
    fn data(&mut self, bytes: &[u8]);
}

/// Nobody.
impl Witness for () {
    fn entry(&mut self, _: &Entry) {}
    fn data(&mut self, _: &[u8]) {}
}

/// A layer that is being written. Targets are paths in the other tree, without links, dots and slashes around them.
pub struct Graft<'a, W: Write> {
    writer: Writer<W>,
    below: Option<BorrowedFd<'a>>,
    style: &'a Style,
    witness: &'a mut dyn Witness,
    /// Directories that were written, and whether the other tree has them.
    directories: HashMap<Vec<u8>, bool>,
    /// First names of files with several, by file system and number.
    links: HashMap<(u64, u64), Vec<u8>>,
    is_empty: bool,
}

impl<'a, W: Write> Graft<'a, W> {
    /// A layer over the tree in the open directory `below`, or over nothing.
    pub fn new(below: Option<BorrowedFd<'a>>, style: &'a Style, witness: &'a mut dyn Witness, out: W) -> Self {
        Self {
            writer: Writer::new(out),
            below,
            style,
            witness,
            directories: HashMap::new(),
            links: HashMap::new(),
            is_empty: true,
        }
    }

    /// Writes the end of the layer; true if there is anything in it.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(self) -> Result<(W, bool)> {
        Ok((self.writer.finish()?, !self.is_empty))
    }

    /// Makes a directory with those above it, unless it is there.
    ///
    /// # Errors
    /// If a file is in its place or on the way there, or writing fails.
    pub fn make_directory(&mut self, target: &[u8]) -> Result<()> {
        if target.is_empty() || self.directories.contains_key(target) || self.has_directory(target)? {
            return Ok(());
        }
        self.ensure_parents(target)?;
        self.refuse_file(target)?;
        let made = self.made();
        self.append_directory(target, made, false)
    }

    /// Writes a directory as `stat` and `xattrs` describe it.
    ///
    /// # Errors
    /// If a file is in its place or on the way there, or writing fails.
    pub fn directory(&mut self, target: &[u8], stat: &Stat, xattrs: Xattrs) -> Result<()> {
        if target.is_empty() {
            return Ok(());
        }
        self.ensure_parents(target)?;
        let is_below = self.has_directory(target)?;
        if !is_below {
            self.refuse_file(target)?;
        }
        let mut entry = of_stat(stat, Kind::Directory);
        entry.xattrs = xattrs;
        self.restyle(&mut entry);
        self.append_directory(target, entry, is_below)
    }

    /// Writes what is called `name` in the open directory `parent`, which is no directory itself. False if it is gone.
    ///
    /// # Errors
    /// If it cannot be read, it is a file and a directory is in its place, or writing fails.
    pub fn leaf(&mut self, target: &[u8], parent: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
        self.ensure_parents(target)?;
        let read = |action| move |why: Errno| failed(action, target, why);
        // Held fast before it is judged: what takes its name meanwhile is not opened.
        let node = match Node::open(parent, name) {
            Ok(node) => node,
            Err(Errno::NOENT) => return Ok(false),
            Err(why) => return Err(failed("read", target, why)),
        };
        let stat = node.stat().map_err(read("read"))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            _ => return Ok(true),
        };
        if kind != Kind::Symlink {
            self.refuse_directory(target)?;
        }
        let mut entry = of_stat(&stat, kind);
        entry.path = target.to_vec();
        if stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                entry.kind = Kind::Hardlink;
                entry.link.clone_from(first);
                self.restyle(&mut entry);
                return self.append(&entry, io::empty()).map(|()| true);
            }
            self.links.insert(key, target.to_vec());
        }
        match kind {
            Kind::File => {
                let file = node.open_as_file().map_err(read("open"))?;
                entry.size = u64::try_from(stat.st_size).unwrap_or_default();
                entry.xattrs = xattrs_of(file.as_fd()).map_err(read("read attributes of"))?;
                self.restyle(&mut entry);
                // A file that shrinks while it is read is filled up, as tar does; one that grows is cut.
                return self.append(&entry, std::fs::File::from(file).chain(io::repeat(0))).map(|()| true);
            }
            Kind::Symlink => entry.link = node.target().map_err(read("read"))?,
            Kind::CharDevice | Kind::BlockDevice => {
                (entry.major, entry.minor) = (major(stat.st_rdev), minor(stat.st_rdev));
            }
            _ => {}
        }
        self.restyle(&mut entry);
        self.append(&entry, io::empty()).map(|()| true)
    }

    /// Writes a file that is not one yet: `size` bytes of `data`, with this mode and time unless the style says otherwise.
    ///
    /// # Errors
    /// If a directory is in its place, the data end early, or writing fails.
    pub fn bytes(&mut self, target: &[u8], size: u64, data: impl Read, mode: u16, mtime: i64) -> Result<()> {
        self.ensure_parents(target)?;
        self.refuse_directory(target)?;
        let mut entry = Entry { path: target.to_vec(), size, mode, mtime, ..Entry::default() };
        self.restyle(&mut entry);
        self.append(&entry, data)
    }

    /// Writes what is in a tar beneath the directory `target`, which is made if it is missing. Its links are names like
    /// others: none leads out of the directory.
    ///
    /// # Errors
    /// If it is no tar, has names that a layer cannot hold, or writing fails.
    pub fn archive(&mut self, target: &[u8], tar: &mut dyn Read) -> Result<()> {
        self.make_directory(target)?;
        let mut reader = Reader::new(tar);
        let mut names: HashSet<Vec<u8>> = HashSet::new();
        while let Some(mut member) = reader.next_entry()? {
            let mut entry = member.entry().clone();
            let Some(path) = inside(target, &entry.path) else {
                return Err(Error::entry(&entry.path, entry.header_offset, "leads out of where it is unpacked"));
            };
            if path == target {
                continue;
            }
            let path = self.landing(path)?;
            entry.path = path.clone();
            if entry.kind == Kind::Hardlink {
                let link = inside(target, &entry.link).filter(|link| names.contains(link));
                let Some(link) = link else {
                    return Err(Error::entry(
                        &path,
                        entry.header_offset,
                        "is a hard link to what the archive does not have",
                    ));
                };
                entry.link = link;
            }
            if entry.kind == Kind::Directory {
                self.ensure_parents(&path)?;
                let is_below = self.has_directory(&path)?;
                self.restyle_as(&mut entry, self.style.unpacked);
                entry.path.clear();
                self.append_directory(&path, entry, is_below)?;
                continue;
            }
            self.ensure_parents(&path)?;
            names.insert(path);
            self.restyle_as(&mut entry, self.style.unpacked);
            if let Some(extents) = entry.sparse.take() {
                let size = entry.size;
                self.append(&entry, crate::tar::whole(extents, size, &mut member))?;
            } else {
                self.append(&entry, &mut member)?;
            }
        }
        Ok(())
    }

    /// Files do not replace directories; links do, and what an archive has.
    fn refuse_directory(&self, target: &[u8]) -> Result<()> {
        // Only where the directory above is the other tree's can there be anything.
        if *self.directories.get(parent_of(target)).unwrap_or(&true) && self.has_directory(target)? {
            return Err(Error::IsDirectory(show(target)));
        }
        Ok(())
    }

    /// Directories do not replace files; links they do.
    fn refuse_file(&self, target: &[u8]) -> Result<()> {
        let Some(below) = self.below else { return Ok(()) };
        if self.directories.get(parent_of(target)) == Some(&false) {
            return Ok(());
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat2(below, target, flags, Mode::empty(), resolve) {
            Ok(found) => {
                let kind = FileType::from_raw_mode(fstat(&found).map_err(|why| failed("read", target, why))?.st_mode);
                match kind {
                    FileType::Directory | FileType::Symlink => Ok(()),
                    _ => Err(Error::NotDirectory(show(target))),
                }
            }
            Err(Errno::NOENT | Errno::LOOP) => Ok(()),
            Err(Errno::NOTDIR) => Err(Error::NotDirectory(show(target))),
            Err(why) => Err(failed("open", target, why)),
        }
    }

    /// Where an archive's entry comes to lie: links of the other tree that are on its way are followed there.
    fn landing(&self, path: Vec<u8>) -> Result<Vec<u8>> {
        let above = parent_of(&path);
        let Some(below) = self.below.filter(|_| !above.is_empty()) else { return Ok(path) };
        let mut ancestors =
            std::iter::successors(Some(above), |path| Some(parent_of(path)).filter(|path| !path.is_empty()));
        // What is written is what counts there.
        if ancestors.any(|ancestor| self.directories.contains_key(ancestor)) {
            return Ok(path);
        }
        let found = resolve(below, above, Last::Followed).map_err(|why| failed("read", above, why))?;
        let name = &path[above.len() + 1..];
        Ok(if found.path.is_empty() { name.to_vec() } else { [&found.path[..], b"/", name].concat() })
    }

    fn ensure_parents(&mut self, target: &[u8]) -> Result<()> {
        let above = parent_of(target);
        if above.is_empty() || self.directories.contains_key(above) {
            return Ok(());
        }
        let above = above.to_vec();
        self.ensure_parents(&above)?;
        let known = self.below_directory(&above)?;
        let (entry, is_below) = match known {
            Some(entry) => (entry, true),
            None => {
                self.refuse_file(&above)?;
                (self.made(), false)
            }
        };
        self.append_directory(&above, entry, is_below)
    }

    /// A directory that has to be made.
    fn made(&self) -> Entry {
        let (uid, gid) = self.style.maker;
        let mode = if let Some(ModeChange::Bits(bits)) = &self.style.mode { *bits } else { 0o755 };
        Entry { kind: Kind::Directory, mode, uid, gid, mtime: self.style.now, ..Entry::default() }
    }

    fn has_directory(&self, target: &[u8]) -> Result<bool> {
        Ok(self.open_below(target)?.is_some())
    }

    /// A directory of the other tree as it is.
    fn below_directory(&self, target: &[u8]) -> Result<Option<Entry>> {
        let Some(directory) = self.open_below(target)? else { return Ok(None) };
        let read = |why| failed("read", target, why);
        let mut entry = of_stat(&fstat(&directory).map_err(read)?, Kind::Directory);
        entry.xattrs = xattrs_of(directory.as_fd()).map_err(read)?;
        Ok(Some(entry))
    }

    fn open_below(&self, target: &[u8]) -> Result<Option<OwnedFd>> {
        let Some(below) = self.below else { return Ok(None) };
        // What stands above it is new, and so is everything beneath.
        if self.directories.get(parent_of(target)) == Some(&false) {
            return Ok(None);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(below, target, DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(why) => Err(failed("open", target, why)),
        }
    }

    fn restyle(&self, entry: &mut Entry) {
        self.restyle_as(entry, self.style.owner);
    }

    fn restyle_as(&self, entry: &mut Entry, owner: Option<(u32, u32)>) {
        if let Some((uid, gid)) = owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let Some(mode) = &self.style.mode
            && entry.kind != Kind::Symlink
        {
            entry.mode = mode.apply(entry.mode, entry.kind == Kind::Directory);
        }
    }

    fn append_directory(&mut self, target: &[u8], mut entry: Entry, is_below: bool) -> Result<()> {
        self.directories.insert(target.to_vec(), is_below);
        entry.path = [target, b"/"].concat();
        self.append(&entry, io::empty())
    }

    fn append(&mut self, entry: &Entry, data: impl Read) -> Result<()> {
        let name = entry.path.strip_suffix(b"/").unwrap_or(&entry.path);
        let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if whiteout::classify(name).is_some() {
            return Err(Error::entry(&entry.path, 0, "has a name that means a removed file in a layer"));
        }
        let mut entry = entry.clone();
        if let Some(latest) = self.style.latest
            && entry.mtime >= latest
        {
            (entry.mtime, entry.mtime_nanos) = (latest, 0);
        }
        self.is_empty = false;
        self.witness.entry(&entry);
        let witness = &mut *self.witness;
        self.writer.append(&entry, Told { inner: data, witness })
    }
}

/// Tells of bytes that are read.
struct Told<'a, R> {
    inner: R,
    witness: &'a mut dyn Witness,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.witness.data(&buffer[..n]);
        Ok(n)
    }
}

/// The path of a tar's entry beneath `target`; `None` if it leads out of it.
fn inside(target: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut path = target.to_vec();
    for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            return None;
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    Some(path)
}

/// The directory that a path is in; empty for the root.
fn parent_of(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    &path[..end]
}

fn of_stat(stat: &Stat, kind: Kind) -> Entry {
    Entry {
        kind,
        mode: (stat.st_mode & 0o7777) as u16,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
        mtime_nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        ..Entry::default()
    }
}

fn failed(action: &'static str, path: &[u8], why: Errno) -> Error {
    Error::Unpack { action, path: show(path), source: why.into() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::scan::{Leaf, Verdict, Visitor, scan};

    struct All<'g, 'a>(&'g mut Graft<'a, Vec<u8>>, &'static str);

    impl Visitor for All<'_, '_> {
        fn directory(&mut self, path: &[u8], stat: &Stat, xattrs: Xattrs) -> Result<()> {
            self.0.directory(&[self.1.as_bytes(), b"/", path].concat(), stat, xattrs)
        }

        fn leaf(&mut self, path: &[u8], leaf: &Leaf<'_>) -> Result<()> {
            self.0.leaf(&[self.1.as_bytes(), b"/", path].concat(), leaf.parent, leaf.name).map(drop)
        }
    }

    /// Kind, mode, owner and name of every entry.
    fn listed(tar: &[u8]) -> Vec<String> {
        let mut reader = Reader::new(tar);
        let mut found = Vec::new();
        while let Some(member) = reader.next_entry().unwrap() {
            let entry = member.entry();
            let (name, link) = (String::from_utf8_lossy(&entry.path), String::from_utf8_lossy(&entry.link));
            let link = if link.is_empty() { String::new() } else { format!(" -> {link}") };
            found.push(format!("{:o} {}:{} {name}{link}", entry.mode, entry.uid, entry.gid));
        }
        found
    }

    fn tree() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("sub/deep")).unwrap();
        std::fs::write(at("sub/file"), "text").unwrap();
        std::fs::hard_link(at("sub/file"), at("sub/zwei")).unwrap();
        symlink("file", at("sub/link")).unwrap();
        for (name, mode) in [("sub", 0o755), ("sub/deep", 0o755), ("sub/file", 0o600)] {
            std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        place
    }

    fn graft(below: Option<BorrowedFd<'_>>, style: &Style) -> Vec<String> {
        let source = tree();
        let mut witness = ();
        let mut graft = Graft::new(below, style, &mut witness, Vec::new());
        let top = std::fs::File::open(source.path()).unwrap();
        scan(top.into(), &mut |_, _| Verdict::Take, &mut All(&mut graft, "opt/app")).unwrap();
        let (tar, has_anything) = graft.finish().unwrap();
        assert!(has_anything);
        listed(&tar)
    }

    #[test]
    fn what_is_above_is_made_or_kept() {
        let style = Style { owner: Some((0, 0)), maker: (7, 8), ..Style::default() };
        let expected = [
            "755 7:8 opt/",
            "755 7:8 opt/app/",
            "755 0:0 opt/app/sub/",
            "755 0:0 opt/app/sub/deep/",
            "600 0:0 opt/app/sub/file",
            "777 0:0 opt/app/sub/link -> file",
            "600 0:0 opt/app/sub/zwei -> opt/app/sub/file",
        ];
        assert_eq!(graft(None, &style), expected);
        let below = tempfile::tempdir().unwrap();
        std::fs::create_dir(below.path().join("opt")).unwrap();
        std::fs::set_permissions(below.path().join("opt"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        let root = std::fs::File::open(below.path()).unwrap();
        let found = graft(Some(root.as_fd()), &style);
        assert!(found[0].starts_with("1777 ") && found[0].ends_with(" opt/"), "{found:?}");
        assert_eq!(found[1], "755 7:8 opt/app/");
    }

    #[test]
    fn files_and_directories_do_not_replace_each_other_but_directories_and_links_do() {
        let below = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(below.path().join("opt/app/sub/file")).unwrap();
        let root = std::fs::File::open(below.path()).unwrap();
        let style = Style::default();
        let mut witness = ();
        let mut graft = Graft::new(Some(root.as_fd()), &style, &mut witness, Vec::new());
        let failed = graft.bytes(b"opt/app/sub/file", 0, io::empty(), 0o644, 0);
        assert!(failed.is_err_and(|why| matches!(why, Error::IsDirectory(path) if path == "opt/app/sub/file")));
        symlink("sub", below.path().join("opt/app/link")).unwrap();
        graft.make_directory(b"opt/app/link").unwrap();
        graft.bytes(b"opt/app/link/file", 0, io::empty(), 0o644, 0).unwrap();
        std::fs::write(below.path().join("opt/plain"), "").unwrap();
        let refused = |done: Result<()>, of: &str| {
            assert!(done.is_err_and(|why| matches!(why, Error::NotDirectory(path) if path == of)), "{of}");
        };
        refused(graft.make_directory(b"opt/plain"), "opt/plain");
        refused(graft.bytes(b"opt/plain/in", 0, io::empty(), 0o644, 0), "opt/plain");
        let source = tree();
        let parent = std::fs::File::open(source.path().join("sub")).unwrap();
        graft.leaf(b"opt/app/sub", parent.as_fd(), b"link").unwrap();
    }

    #[test]
    fn modes_times_and_names_are_changed_and_marks_refused() {
        let style = Style {
            owner: Some((5, 6)),
            mode: ModeChange::parse("u=rwX,go=rX"),
            latest: Some(100),
            now: 200,
            ..Style::default()
        };
        let mut witness = ();
        let mut graft = Graft::new(None, &style, &mut witness, Vec::new());
        graft.bytes(b"a", 2, &b"hi"[..], 0o600, 300).unwrap();
        assert!(graft.bytes(b".wh.b", 0, io::empty(), 0o644, 0).is_err());
        let (tar, _) = graft.finish().unwrap();
        let mut reader = Reader::new(&tar[..]);
        let member = reader.next_entry().unwrap().unwrap();
        let entry = member.entry();
        assert_eq!((entry.mode, entry.uid, entry.gid, entry.mtime), (0o644, 5, 6, 100));
    }

    #[test]
    fn an_archive_goes_through_the_links_of_the_tree_below_it() {
        let below = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(below.path().join("usr/lib")).unwrap();
        symlink("usr/lib", below.path().join("lib")).unwrap();
        symlink("/../../usr", below.path().join("up")).unwrap();
        let root = std::fs::File::open(below.path()).unwrap();
        let mut writer = Writer::new(Vec::new());
        for path in ["lib/a", "up/lib/b", "new/c"] {
            writer.append(&Entry { path: path.into(), mode: 0o644, ..Entry::default() }, io::empty()).unwrap();
        }
        let tar = writer.finish().unwrap();
        let style = Style::default();
        let mut witness = ();
        let mut graft = Graft::new(Some(root.as_fd()), &style, &mut witness, Vec::new());
        graft.archive(b"", &mut &tar[..]).unwrap();
        let names: Vec<String> = listed(&graft.finish().unwrap().0)
            .iter()
            .filter_map(|line| Some(line.split_once(':')?.1.to_owned()))
            .collect();
        let names: Vec<&str> = names.iter().filter_map(|name| Some(name.split_once(' ')?.1)).collect();
        assert_eq!(names, ["usr/", "usr/lib/", "usr/lib/a", "usr/lib/b", "new/", "new/c"]);
    }

    #[test]
    fn an_archive_stays_where_it_is_unpacked() {
        let archive = |entries: &[Entry]| {
            let mut writer = Writer::new(Vec::new());
            for entry in entries {
                writer.append(entry, io::empty()).unwrap();
            }
            writer.finish().unwrap()
        };
        let file = |path: &str| Entry { path: path.into(), mode: 0o644, ..Entry::default() };
        let link = |path: &str, to: &str| Entry { kind: Kind::Hardlink, link: to.into(), ..file(path) };
        let style = Style::default();
        let unpack = |tar: &[u8]| {
            let mut witness = ();
            let mut graft = Graft::new(None, &style, &mut witness, Vec::new());
            graft.archive(b"srv", &mut &*tar).map(|()| listed(&graft.finish().unwrap().0))
        };
        let expected = ["755 0:0 srv/", "755 0:0 srv/a/", "644 0:0 srv/a/b", "644 0:0 srv/c -> srv/a/b"];
        assert_eq!(unpack(&archive(&[file("/a/./b"), link("c", "a/b")])).unwrap(), expected);
        assert!(unpack(&archive(&[file("../x")])).is_err());
        assert!(unpack(&archive(&[link("c", "/etc/passwd")])).is_err());
        assert!(unpack(&archive(&[file("a/.wh..wh..opq")])).is_err());
    }
}
