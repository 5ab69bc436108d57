//! What could really be saved: bytes in layers that nobody sees, because a later layer replaced or removed their file.
//!
//! What is seen is what overlayfs shows. Bytes that a hard link of the same layer still shows cannot be saved.

use std::collections::{BTreeMap, BTreeSet};

use super::items::{Item, ItemKind, WHITEOUT};
use super::names::{Names, PathNumber, index};

/// Why a file of a layer is not seen any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// A later layer removed it, or a directory it was in.
    Removed,
    /// A later layer has another file of its name.
    Replaced,
    /// The same, and it looks like the same file: as large, of the same time, with another owner.
    Owned,
    /// The same, with other permissions.
    Permitted,
    /// The same, and nothing else changed.
    Repeated,
}

/// A file that is there and not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden {
    /// Which.
    pub path: PathNumber,
    /// The layer that has it, counted from the bottom.
    pub layer: usize,
    /// Its bytes.
    pub size: u64,
    /// The layer that hid it.
    pub by: usize,
    /// How.
    pub how: How,
}

/// Items by path, those of a path lowest layer first.
struct Runs {
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl Runs {
    fn new(paths: usize, items: impl Iterator<Item = (PathNumber, u32)> + Clone) -> Self {
        let mut starts = vec![0; paths + 1];
        for (path, _) in items.clone() {
            starts[path as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let (mut next, mut order) = (starts.clone(), vec![0; starts[paths] as usize]);
        for (path, item) in items {
            let next = &mut next[path as usize];
            order[*next as usize] = item;
            *next += 1;
        }
        Self { starts, order }
    }

    fn of(&self, path: PathNumber) -> &[u32] {
        &self.order[self.starts[path as usize] as usize..self.starts[path as usize + 1] as usize]
    }
}

/// Who has what: the items of all layers, and what the layers hide.
pub(super) struct Shown<'a> {
    names: &'a Names,
    items: &'a [Item],
    /// The text of all links.
    links: &'a [u8],
    /// Where each layer's items end in `items`.
    ends: Vec<usize>,
    /// All items. A whiteout occurs at what it removes.
    all: Runs,
    /// Those that hide what is in a directory of their path: whiteouts, and what is no directory.
    hiding: Runs,
    /// Directories that hide what is below, with the layers that say so, ascending.
    opaque: &'a BTreeMap<PathNumber, Vec<u32>>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        names: &'a Names,
        items: &'a [Item],
        links: &'a [u8],
        ends: Vec<usize>,
        opaque: &'a BTreeMap<PathNumber, Vec<u32>>,
    ) -> Self {
        let place = |(at, item): (usize, &Item)| (removed(item, names).unwrap_or(item.path), index(at));
        let hides = |(_, item): &(usize, &Item)| removed(item, names).is_some() || !item.is_directory();
        let all = Runs::new(names.count(), items.iter().enumerate().map(place));
        let hiding = Runs::new(names.count(), items.iter().enumerate().filter(hides).map(place));
        Self { names, items, links, ends, all, hiding, opaque }
    }

    fn layer(&self, item: u32) -> usize {
        self.ends.partition_point(|end| *end <= item as usize)
    }

    /// Items of a run above a layer, lowest first, with their layers.
    fn above<'s>(&'s self, run: &'s [u32], layer: usize) -> impl Iterator<Item = (usize, &'s Item)> {
        let from = run.partition_point(|item| self.layer(*item) <= layer);
        run[from..].iter().map(|item| (self.layer(*item), &self.items[*item as usize]))
    }

    /// The layers that have a path, or remove it, from the bottom.
    pub(super) fn layers_of(&self, path: PathNumber) -> Vec<usize> {
        let mut layers: Vec<usize> = self.all.of(path).iter().map(|item| self.layer(*item)).collect();
        layers.dedup();
        layers
    }

    /// Who hides an item of a layer, and how; `None` if it is seen.
    fn fate(&self, item: &Item, layer: usize) -> Option<(usize, How)> {
        let mut fate: Option<(usize, How)> = None;
        for (by, other) in self.above(self.all.of(item.path), layer) {
            if fate.is_some_and(|(first, _)| by > first) {
                break;
            }
            match removed(other, self.names) {
                Some(_) => fate = fate.or(Some((by, How::Removed))),
                // What a layer removes and has again, it replaces. A directory that is only implied says nothing.
                None if !other.is_directory() => fate = Some((by, replaced(item, other))),
                None if other.kind == ItemKind::Directory => fate = fate.or(Some((by, How::Removed))),
                None => {}
            }
        }
        let mut path = item.path;
        while path != 0 {
            path = self.names.parent(path);
            let gone = self.above(self.hiding.of(path), layer).next().map(|(by, _)| by);
            let opaque = self.opaque.get(&path).and_then(|layers| {
                let from = layers.partition_point(|by| *by as usize <= layer);
                layers.get(from).map(|by| *by as usize)
            });
            let by = gone.into_iter().chain(opaque).min();
            if let Some(by) = by.filter(|by| fate.is_none_or(|(first, _)| *by < first)) {
                fate = Some((by, How::Removed));
            }
        }
        fate
    }

    /// Walks all items: gives what is hidden, and has `seen` called for every item that is not, with its layer.
    pub(super) fn hidden(&self, seen: &mut dyn FnMut(usize, &Item)) -> Vec<Hidden> {
        let mut hidden = Vec::new();
        // By path and layer: files that another name still shows.
        let mut held: BTreeSet<(PathNumber, usize)> = BTreeSet::new();
        let mut begin = 0;
        for (layer, end) in self.ends.iter().enumerate() {
            for item in &self.items[begin..*end] {
                if removed(item, self.names).is_some() {
                    continue;
                }
                match self.fate(item, layer) {
                    None => {
                        seen(layer, item);
                        if item.kind == ItemKind::Hardlink {
                            held.extend(self.names.find_path(item.link(self.links)).map(|target| (target, layer)));
                        }
                    }
                    Some((by, how)) if item.is_file() && item.size > 0 => {
                        hidden.push(Hidden { path: item.path, layer, size: item.size, by, how });
                    }
                    Some(_) => {}
                }
            }
            begin = *end;
        }
        hidden.retain(|hidden| !held.contains(&(hidden.path, hidden.layer)));
        hidden
    }
}

/// What a whiteout removes, if it was ever met.
pub(super) fn removed(item: &Item, names: &Names) -> Option<PathNumber> {
    let name = names.name(item.path).strip_prefix(WHITEOUT)?;
    Some(names.find(names.parent(item.path), name).unwrap_or(item.path))
}

fn replaced(old: &Item, new: &Item) -> How {
    let is_same = old.is_file() && new.is_file() && (old.size, old.mtime) == (new.size, new.mtime);
    match is_same {
        false => How::Replaced,
        true if (old.uid, old.gid) != (new.uid, new.gid) => How::Owned,
        true if old.mode != new.mode => How::Permitted,
        true => How::Repeated,
    }
}
