//! What a layer has: one item for each name in it, in the order in which dive lists them.

use super::names::{Names, PathNumber, index};

/// What an entry of a layer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name for a file.
    Hardlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A directory that no entry describes: something is in it.
    Implied,
}

/// One entry, as a layer's tar has it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The name as it stands in the tar.
    pub path: &'a [u8],
    /// What it makes.
    pub kind: ItemKind,
    /// The size that its header states.
    pub size: u64,
    /// Permission bits with set-id and sticky bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Where a link leads.
    pub link: &'a [u8],
}

/// What an [`Entry`] has become.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// Its path; of a whiteout the literal one, with `.wh.`.
    pub path: PathNumber,
    /// As in the entry.
    pub size: u64,
    /// As in the entry.
    pub mtime: i64,
    /// As in the entry.
    pub uid: u32,
    /// As in the entry.
    pub gid: u32,
    /// Where its link's text is, with a length of [`Self::link_len`].
    link: u32,
    link_len: u16,
    /// As in the entry.
    pub mode: u16,
    /// What it is.
    pub kind: ItemKind,
    /// Its name began with a slash.
    pub is_absolute: bool,
}

impl Item {
    /// True for a regular file that holds bytes of its own.
    pub fn is_file(&self) -> bool {
        self.kind == ItemKind::File
    }

    /// True for a directory, also one that is only implied.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, ItemKind::Directory | ItemKind::Implied)
    }
}

/// How names of whiteouts begin.
pub(super) const WHITEOUT: &[u8] = b".wh.";
/// What dive passes over: opaque marks, and what else begins like them.
const MARK: &[u8] = b".wh..wh..";
/// The mark of a directory that hides what is below it.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// A layer that is being taken.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// By path: where in `items` it is.
    places: Vec<u32>,
    items: Vec<Item>,
    /// All bytes that the headers state.
    pub(super) size: u64,
    /// Bytes of items that a later entry of the same layer replaced.
    pub(super) overwritten: u64,
    /// Directories that hide what is below.
    pub(super) opaque: Vec<PathNumber>,
    /// Where the entry before was, as it stands in the tar, and which path that is: the next one is mostly there as well.
    around: Option<(Vec<u8>, PathNumber)>,
}

/// Longest link that is kept: `PATH_MAX`.
const MAX_LINK: usize = 4096;

impl Taking {
    pub(super) fn count(&self) -> usize {
        self.items.len()
    }

    /// Takes an entry as dive does: names are cleaned, the last entry of a name counts, directories on the way are implied.
    pub(super) fn take(&mut self, entry: &Entry<'_>, names: &mut Names, text: &mut Vec<u8>) {
        if let Some((around, parent)) = &self.around
            && let Some(name) = entry.path.strip_prefix(around.as_slice())
            && is_name(name.strip_suffix(b"/").unwrap_or(name))
        {
            self.size = self.size.saturating_add(entry.size);
            let path = names.number(*parent, name.strip_suffix(b"/").unwrap_or(name));
            return self.put(path, entry, text);
        }
        let is_absolute = entry.path.first() == Some(&b'/');
        let parts = clean(entry.path, is_absolute);
        if parts.is_empty() && !is_absolute {
            return;
        }
        self.size = self.size.saturating_add(entry.size);
        let mut path = 0;
        for (at, part) in parts.iter().enumerate() {
            if part.starts_with(MARK) {
                if *part == OPAQUE && at + 1 == parts.len() {
                    self.opaque.push(path);
                }
                return;
            }
            let parent = path;
            path = names.number(parent, part);
            if at + 1 < parts.len() {
                self.place(path);
                continue;
            }
            self.put(path, entry, text);
            let raw = entry.path.strip_suffix(b"/").unwrap_or(entry.path);
            self.around = raw.strip_suffix(*part).filter(|_| is_name(part)).map(|around| (around.to_vec(), parent));
        }
    }

    /// Makes the entry what is at a path.
    fn put(&mut self, path: PathNumber, entry: &Entry<'_>, text: &mut Vec<u8>) {
        let place = self.place(path);
        let link = &entry.link[..entry.link.len().min(MAX_LINK)];
        let old = self.items[place];
        if old.is_file() {
            self.overwritten = self.overwritten.saturating_add(old.size);
        }
        self.items[place] = Item {
            path,
            size: entry.size,
            mtime: entry.mtime,
            uid: entry.uid,
            gid: entry.gid,
            link: index(text.len()),
            link_len: u16::try_from(link.len()).unwrap_or_default(),
            mode: entry.mode,
            kind: entry.kind,
            is_absolute: entry.path.first() == Some(&b'/'),
        };
        text.extend_from_slice(link);
    }

    /// Where the item of a path is; it is implied until an entry describes it.
    fn place(&mut self, path: PathNumber) -> usize {
        if self.places.len() <= path as usize {
            self.places.resize(path as usize + 1, 0);
        }
        let place = &mut self.places[path as usize];
        if *place == 0 {
            self.items.push(Item::implied(path));
            *place = index(self.items.len());
        }
        *place as usize - 1
    }

    /// Ends the layer: puts its items to the end of `all` as dive visits them, what is in a directory before it, names in
    /// byte order. Leaves everything empty for the next layer. Gives which of the items have nothing in them.
    pub(super) fn finish(&mut self, names: &Names, all: &mut Vec<Item>, is_leaf: &mut Vec<bool>) {
        // By directory, then by name; a directory's own are a run.
        let mut order: Vec<u32> = (0..index(self.items.len())).collect();
        let key = |at: &u32| {
            let path = self.items[*at as usize].path;
            (names.parent(path), names.name(path))
        };
        order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        let run = |parent: PathNumber| order.partition_point(|at| key(at).0 < parent);
        // Ways down: the item of the directory, where its run begins, and where its next name is.
        let mut stack = vec![(None, 0, run(0), run(0))];
        while let Some((item, parent, begin, at)) = stack.last_mut() {
            let next = order.get(*at).map(|at| self.items[*at as usize]);
            if let Some(next) = next.filter(|next| names.parent(next.path) == *parent) {
                *at += 1;
                let begin = run(next.path);
                stack.push((Some(next), next.path, begin, begin));
                continue;
            }
            if let Some(item) = item {
                is_leaf.push(at == begin);
                all.push(*item);
            }
            stack.pop();
        }
        for item in &self.items {
            self.places[item.path as usize] = 0;
        }
        self.items.clear();
        self.opaque.clear();
        self.around = None;
        (self.size, self.overwritten) = (0, 0);
    }
}

impl Item {
    fn implied(path: PathNumber) -> Self {
        Self {
            path,
            size: 0,
            mtime: 0,
            uid: 0,
            gid: 0,
            link: 0,
            link_len: 0,
            mode: 0,
            kind: ItemKind::Implied,
            is_absolute: false,
        }
    }

    /// Where it leads, out of the text of all links.
    pub(super) fn link<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[self.link as usize..][..usize::from(self.link_len)]
    }
}

/// One component that names something, and is no mark.
fn is_name(part: &[u8]) -> bool {
    !part.contains(&b'/') && !part.starts_with(MARK) && !matches!(part, b"" | b"." | b"..")
}

/// The components of a path without what says nothing, as Go's `path.Clean` has them.
fn clean(path: &[u8], is_absolute: bool) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::with_capacity(16);
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if is_absolute => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        let check = |path: &str, expected: &str| {
            let parts = clean(path.as_bytes(), path.starts_with('/'));
            assert_eq!(String::from_utf8(parts.join(&b'/')).unwrap(), expected, "{path}");
        };
        check("./a//b/", "a/b");
        check("/a/../../b", "b");
        check("../a/../..", "../..");
        check(".", "");
    }

    fn listed(paths: &[&str]) -> Vec<String> {
        let (mut names, mut text, mut taking) = (Names::default(), Vec::new(), Taking::default());
        for path in paths {
            let kind = if path.ends_with('/') { ItemKind::Directory } else { ItemKind::File };
            let path = path.as_bytes();
            let entry = Entry { path, kind, size: 1, mode: 0, uid: 0, gid: 0, mtime: 0, link: b"" };
            taking.take(&entry, &mut names, &mut text);
        }
        let (mut all, mut leaves) = (Vec::new(), Vec::new());
        taking.finish(&names, &mut all, &mut leaves);
        let show = |(item, is_leaf): (&Item, &bool)| {
            let path = String::from_utf8(names.path(item.path)).unwrap();
            format!(
                "{path}{}{}",
                if item.kind == ItemKind::Implied { "?" } else { "" },
                if *is_leaf { "" } else { "/" }
            )
        };
        all.iter().zip(&leaves).map(show).collect()
    }

    #[test]
    fn items_come_as_dive_visits_them() {
        // A name is looked up beside the one before, but not what only begins like it.
        assert_eq!(
            listed(&["x/a", "x/b/", "x/b/c", "x/../y", "x/./z", "x/.", "x/b//d", "/x/e", "xx", "x/.wh..wh..m"]),
            ["x/a", "x/b/c", "x/b/d", "x/b/", "x/e", "x/z", "x/", "xx", "y"]
        );
        assert_eq!(listed(&["b", "a/", "a/c/d", "a/b", "./b", "a-"]), ["a/b", "a/c/d", "a/c?/", "a/", "a-", "b"]);
        assert_eq!(
            listed(&["a/.wh..wh..opq", "b/.wh.c", "x/.wh..wh.plnk/1"]),
            ["a?", "b/.wh.c", "b?/", "x/.wh..wh.plnk/1", "x/.wh..wh.plnk?/", "x?/"]
        );
        assert_eq!(listed(&[".", "/", "./"]), [""; 0]);
    }
}
