//! The files that are there with a layer, and what it did to those below it.

use wharfie_scan::analysis::{Analysis, Item, ItemKind, PathNumber};

/// What a layer did to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Change {
    #[default]
    Unmodified,
    Added,
    Modified,
    Removed,
}

/// Which layers are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The selected layer against all below it.
    Layer,
    /// All up to the selected one against the lowest.
    Aggregated,
}

/// The children of every path, by name.
pub(super) struct Children {
    starts: Vec<u32>,
    order: Vec<PathNumber>,
}

impl Children {
    pub(super) fn new(analysis: &Analysis) -> Self {
        let names = &analysis.names;
        let count = u32::try_from(names.count()).unwrap_or(u32::MAX);
        let mut order: Vec<PathNumber> = (1..count).collect();
        order.sort_unstable_by(|a, b| (names.parent(*a), names.name(*a)).cmp(&(names.parent(*b), names.name(*b))));
        let mut starts = vec![0; count as usize + 1];
        for path in &order {
            starts[names.parent(*path) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { starts, order }
    }

    pub(super) fn of(&self, path: PathNumber) -> &[PathNumber] {
        &self.order[self.starts[path as usize] as usize..self.starts[path as usize + 1] as usize]
    }
}

/// What is there, by path.
pub(super) struct Tree {
    /// The item of a path that is there, or was removed.
    items: Vec<Option<Item>>,
    changes: Vec<Change>,
    sizes: Vec<u64>,
}

impl Tree {
    /// The tree with `layer`.
    pub(super) fn of(analysis: &Analysis, children: &Children, layer: usize, mode: Mode) -> Self {
        let count = analysis.names.count();
        let mut tree =
            Self { items: vec![None; count], changes: vec![Change::Unmodified; count], sizes: vec![0; count] };
        let lower = match mode {
            Mode::Layer => layer,
            Mode::Aggregated => layer.min(1),
        };
        for below in 0..lower {
            tree.stack(analysis, children, below, false);
        }
        for above in lower..=layer {
            // The lowest layer has nothing below it to be held against: dive shows it as it is.
            tree.stack(analysis, children, above, layer > 0);
        }
        tree.settle(analysis, children);
        tree
    }

    pub(super) fn item(&self, path: PathNumber) -> Option<&Item> {
        self.items[path as usize].as_ref()
    }

    pub(super) fn change(&self, path: PathNumber) -> Change {
        self.changes[path as usize]
    }

    pub(super) fn size(&self, path: PathNumber) -> u64 {
        self.sizes[path as usize]
    }

    fn stack(&mut self, analysis: &Analysis, children: &Children, layer: usize, is_told: bool) {
        if layer >= analysis.layers.len() {
            return;
        }
        let items = analysis.items(layer);
        for path in items.iter().filter_map(|item| analysis.removed(item)) {
            self.remove(children, path, is_told, true);
        }
        for path in analysis.opaque_in(layer) {
            self.remove(children, path, is_told, false);
        }
        for item in items.iter().filter(|item| analysis.removed(item).is_none()) {
            let at = item.path as usize;
            let old = self.items[at].filter(|_| self.changes[at] != Change::Removed);
            if !item.is_directory() {
                self.remove(children, item.path, is_told, false);
            }
            if item.kind == ItemKind::Implied && old.is_some() {
                continue;
            }
            self.items[at] = Some(*item);
            self.changes[at] = match old {
                _ if !is_told => Change::Unmodified,
                Some(_) if self.changes[at] == Change::Added => Change::Added,
                Some(old) if is_same(analysis, &old, item) => self.changes[at],
                Some(_) => Change::Modified,
                None => Change::Added,
            };
        }
    }

    /// Removes what is below a path, and the path itself if `is_whole`.
    fn remove(&mut self, children: &Children, path: PathNumber, is_told: bool, is_whole: bool) {
        let mut stack: Vec<PathNumber> = if is_whole { vec![path] } else { children.of(path).to_vec() };
        while let Some(path) = stack.pop() {
            let at = path as usize;
            if self.items[at].is_some() {
                match is_told && self.changes[at] != Change::Added {
                    true => self.changes[at] = Change::Removed,
                    false => self.items[at] = None,
                }
                stack.extend(children.of(path));
            }
        }
    }

    /// Sums sizes, and marks directories in which something changed.
    fn settle(&mut self, analysis: &Analysis, children: &Children) {
        // A path is met after the one it is in, so its number is higher.
        for at in (1..self.items.len()).rev() {
            let Some(item) = self.items[at] else { continue };
            let path = u32::try_from(at).unwrap_or_default();
            let is_gone = self.changes[at] == Change::Removed;
            self.sizes[at] = if item.is_directory() { self.sizes[at] } else { item.size };
            if item.is_directory() && self.changes[at] == Change::Unmodified {
                let is_touched = |child: &PathNumber| {
                    self.items[*child as usize].is_some() && self.changes[*child as usize] != Change::Unmodified
                };
                if children.of(path).iter().any(is_touched) {
                    self.changes[at] = Change::Modified;
                }
            }
            let above = analysis.names.parent(path) as usize;
            // What is removed counts only for what was removed with it.
            if !is_gone || self.changes[above] == Change::Removed {
                self.sizes[above] = self.sizes[above].saturating_add(self.sizes[at]);
            }
        }
    }
}

/// Bytes are not looked at: a file that is as large and of the same time is taken for the same.
fn is_same(analysis: &Analysis, old: &Item, new: &Item) -> bool {
    (old.kind, old.mode, old.uid, old.gid) == (new.kind, new.mode, new.uid, new.gid)
        && (new.is_directory() || (old.size, old.mtime) == (new.size, new.mtime))
        && analysis.link(old) == analysis.link(new)
}
