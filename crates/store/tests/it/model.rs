//! The simplest thing that could show a layer's tree: inodes and names in maps, by the rules of extraction.

use std::collections::{BTreeMap, BTreeSet};

use wharfie_layer::entry::{Entry, Kind};

/// An inode's place in the list.
type Inode = usize;

const ROOT: Inode = 0;

#[derive(Clone)]
struct File {
    entry: Entry,
    content: Vec<u8>,
    /// For directories.
    parent: Inode,
    /// A hard link to what only a layer below can have.
    is_loose: bool,
}

/// The tree so far.
pub(crate) struct Model {
    files: Vec<File>,
    names: BTreeMap<(Inode, Vec<u8>), Inode>,
    hidden: BTreeSet<(Inode, Vec<u8>)>,
    opaque: BTreeSet<Inode>,
}

/// An entry that no extraction could follow.
pub(crate) struct Refused;

impl Model {
    pub(crate) fn new() -> Self {
        let mut model =
            Self { files: Vec::new(), names: BTreeMap::new(), hidden: BTreeSet::new(), opaque: BTreeSet::new() };
        model.directory(ROOT);
        model
    }

    fn directory(&mut self, parent: Inode) -> Inode {
        let entry = Entry { kind: Kind::Directory, mode: 0o755, ..Entry::default() };
        self.files.push(File { entry, content: Vec::new(), parent, is_loose: false });
        self.files.len() - 1
    }

    pub(crate) fn add(&mut self, entry: &Entry, content: &[u8]) -> Result<(), Refused> {
        let mut path = clean(&entry.path);
        let Some(name) = path.pop() else {
            if entry.kind != Kind::Directory {
                return Err(Refused);
            }
            self.files[ROOT].entry = entry.clone();
            return Ok(());
        };
        if name.starts_with(b".wh.") && self.lies_behind_link(&path) {
            return Ok(());
        }
        let parent = self.walk(ROOT, &path, true, &mut 40)?.expect("missing directories are made");
        if name == b".wh..wh..opq" {
            self.opaque.insert(parent);
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            self.hidden.insert((parent, hidden.to_vec()));
            return Ok(());
        }
        let key = (parent, name);
        let old = self.names.get(&key).copied();
        match entry.kind {
            Kind::Hardlink => {
                let mut target = clean(&entry.link);
                let name = target.pop().ok_or(Refused)?;
                let above = self.walk(ROOT, &target, false, &mut 40)?;
                let found = above.and_then(|above| Some((above, *self.names.get(&(above, name))?)));
                let Some((above, inode)) = found else {
                    let link = [b"/".to_vec(), clean(&entry.link).join(&b'/')].concat();
                    if link.len() > 4095 {
                        return Err(Refused);
                    }
                    let entry = Entry { kind: Kind::Symlink, link, mode: 0o777, ..Entry::default() };
                    self.files.push(File { entry, content: Vec::new(), parent, is_loose: true });
                    self.names.insert(key, self.files.len() - 1);
                    return Ok(());
                };
                if self.files[inode].entry.kind == Kind::Directory {
                    return Err(Refused);
                }
                let mut up = above;
                while up != ROOT {
                    if Some(up) == old {
                        return Err(Refused);
                    }
                    up = self.files[up].parent;
                }
                self.names.insert(key, inode);
            }
            Kind::Directory => {
                let inode = match old {
                    Some(old) if self.files[old].entry.kind == Kind::Directory => old,
                    _ => self.directory(parent),
                };
                self.files[inode].entry = entry.clone();
                self.names.insert(key, inode);
            }
            _ => {
                self.files.push(File { entry: entry.clone(), content: content.to_vec(), parent, is_loose: false });
                self.names.insert(key, self.files.len() - 1);
            }
        }
        Ok(())
    }

    fn lies_behind_link(&self, path: &[Vec<u8>]) -> bool {
        let mut at = ROOT;
        for name in path {
            match self.names.get(&(at, name.clone())) {
                Some(&inode) if self.files[inode].entry.kind == Kind::Symlink => return true,
                Some(&inode) if self.files[inode].entry.kind == Kind::Directory => at = inode,
                _ => return false,
            }
        }
        false
    }

    fn walk(&mut self, from: Inode, path: &[Vec<u8>], make: bool, links: &mut usize) -> Result<Option<Inode>, Refused> {
        let mut at = from;
        for name in path {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    at = self.files[at].parent;
                    continue;
                }
                _ => {}
            }
            let key = (at, name.clone());
            let Some(&inode) = self.names.get(&key) else {
                if !make {
                    return Ok(None);
                }
                let made = self.directory(at);
                self.names.insert(key, made);
                at = made;
                continue;
            };
            match self.files[inode].entry.kind {
                Kind::Directory => at = inode,
                Kind::Symlink if self.files[inode].is_loose => return Err(Refused),
                Kind::Symlink => {
                    *links = links.checked_sub(1).ok_or(Refused)?;
                    let target = self.files[inode].entry.link.clone();
                    let from = if target.first() == Some(&b'/') { ROOT } else { at };
                    let parts: Vec<Vec<u8>> = target.split(|&b| b == b'/').map(<[u8]>::to_vec).collect();
                    match self.walk(from, &parts, make, links)? {
                        Some(inode) => at = inode,
                        None => return Ok(None),
                    }
                }
                _ => return Err(Refused),
            }
        }
        Ok(Some(at))
    }

    /// The tree in the words of [`crate::shown::Detail::Full`].
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(ROOT, Vec::new(), &mut found);
        found.sort_by(|one, two| one.0.cmp(&two.0));
        let mut firsts: BTreeMap<Inode, String> = BTreeMap::new();
        let mut counts: BTreeMap<Inode, usize> = BTreeMap::new();
        for inode in found.iter().filter_map(|(_, inode)| *inode) {
            *counts.entry(inode).or_default() += 1;
        }
        let mut lines = Vec::new();
        for (path, inode) in found {
            let name = path.join(&b'/').escape_ascii().to_string();
            let name = if name.is_empty() { ".".to_owned() } else { name };
            let Some(inode) = inode else {
                lines.push(format!("{name} char 0000 0:0 0:0 @0.000000000"));
                continue;
            };
            let File { entry, content, .. } = &self.files[inode];
            let mut line = match entry.kind {
                Kind::Directory => format!("{name} dir {:04o}", entry.mode),
                Kind::Symlink => format!("{name} link -> {}", entry.link.escape_ascii()),
                Kind::Fifo => format!("{name} fifo {:04o}", entry.mode),
                _ => format!("{name} file {:04o} ={}", entry.mode, content.escape_ascii()),
            };
            line += &format!(" {}:{}", entry.uid, entry.gid);
            if entry.kind != Kind::Directory && counts[&inode] > 1 {
                line += &format!(" {} names", counts[&inode]);
                let first = firsts.entry(inode).or_insert_with(|| name.clone());
                if *first != name {
                    line += &format!(", as {first}");
                }
            }
            line += &format!(" @{}.{:09}", entry.mtime, entry.mtime_nanos);
            let is_new = path.split_last().is_some_and(|(name, above)| {
                let parent = self.at(above);
                entry.kind == Kind::Directory && self.hidden.contains(&(parent, name.clone()))
            });
            if is_new || self.opaque.contains(&inode) {
                line += " trusted.overlay.opaque=y";
            }
            lines.push(line);
        }
        lines
    }

    fn at(&self, path: &[Vec<u8>]) -> Inode {
        path.iter().fold(ROOT, |at, name| self.names[&(at, name.clone())])
    }

    fn collect(&self, at: Inode, path: Vec<Vec<u8>>, found: &mut Vec<(Vec<Vec<u8>>, Option<Inode>)>) {
        let child = |name: &Vec<u8>| [path.clone(), vec![name.clone()]].concat();
        for ((_, name), &inode) in self.names.range((at, Vec::new())..(at + 1, Vec::new())) {
            if self.files[inode].entry.kind == Kind::Directory {
                self.collect(inode, child(name), found);
            } else {
                found.push((child(name), Some(inode)));
            }
        }
        for (_, name) in self.hidden.range((at, Vec::new())..(at + 1, Vec::new())) {
            if !self.names.contains_key(&(at, name.clone())) {
                found.push((child(name), None));
            }
        }
        found.push((path, Some(at)));
    }
}

fn clean(path: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(out.pop()),
            _ => out.push(part.to_vec()),
        }
    }
    out
}
