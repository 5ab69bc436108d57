//! dive's arithmetic, to the last digit: what every path costs over all layers against what it has to.
//!
//! It counts *all* copies of a path, and looks sizes of removed directories up in a stack of its own that is not overlayfs's:
//! a directory that a layer only implies forgets that it is one, a file over a directory keeps what was in it, and a
//! whiteout of a path that was never there ends the count of its layer. Its numbers are what rules in pipelines were
//! made for, so they are kept; what can really be saved is [`super::hidden`]'s.

use super::items::{Item, ItemKind, WHITEOUT};
use super::names::{Names, PathNumber, index};

/// What dive says of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Efficiency {
    /// What would do, of what there is: 1 is perfect.
    pub score: f64,
    /// Bytes of all paths that are there twice or more.
    pub wasted: u64,
    /// Those paths, the largest first.
    pub paths: Vec<Inefficient>,
    /// Whiteouts at which the count of a layer ended: the layer and the path.
    pub stopped: Vec<(usize, Vec<u8>)>,
}

/// A path that several layers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inefficient {
    /// Which.
    pub path: PathNumber,
    /// How often it is there; a whiteout counts.
    pub count: u32,
    /// Bytes of all of them.
    pub size: u64,
}

/// What is known of a path so far.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    total: i64,
    /// The smallest of them. Of a path that was met, but never counted, -1: so dive has it.
    least: i64,
    count: u32,
    is_met: bool,
}

/// A path in dive's stack of the layers below.
#[derive(Debug, Clone, Copy, Default)]
struct Stacked {
    is_there: bool,
    is_directory: bool,
    size: i64,
    /// Of it and of all in it.
    total: i64,
    /// The last event that this is the state of.
    touched: u32,
    /// The last removal of it with all that was in it.
    removed: u32,
}

/// Counts layer by layer, from the bottom.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// By path.
    known: Vec<Known>,
    /// By path.
    stack: Vec<Stacked>,
    event: u32,
    layer: usize,
    stopped: Vec<(usize, Vec<u8>)>,
}

impl Counter {
    /// Takes a layer's items in dive's order, with which of them have nothing in them.
    pub(super) fn layer(&mut self, items: &[Item], is_leaf: &[bool], names: &mut Names) {
        if self.layer == 0 {
            // The lowest layer is looked into as it is, its whiteouts included, before it is stacked like the others.
            for item in items {
                self.put(item.path, item, names);
            }
        }
        for (item, _) in items.iter().zip(is_leaf).filter(|(_, is_leaf)| **is_leaf) {
            let target = target(item, names);
            let path = target.unwrap_or(item.path);
            self.make_room(names);
            self.known[path as usize].is_met = true;
            let size = match target {
                None => signed(item.size),
                Some(path) => match self.size_below(path, names) {
                    Some(size) => size,
                    None => {
                        self.stopped.push((self.layer, names.path(path)));
                        break;
                    }
                },
            };
            let known = &mut self.known[path as usize];
            known.least = if known.count == 0 { size } else { known.least.min(size) };
            known.total = known.total.saturating_add(size);
            known.count += 1;
        }
        for item in items {
            match target(item, names) {
                Some(path) => self.remove(path, names),
                None => self.put(item.path, item, names),
            }
        }
        self.layer += 1;
    }

    pub(super) fn finish(self) -> Efficiency {
        let (mut least, mut total, mut wasted) = (0_i64, 0_i64, 0_u64);
        let mut paths = Vec::new();
        for (path, known) in self.known.iter().enumerate().filter(|(_, known)| known.is_met) {
            least = least.saturating_add(if known.count == 0 { -1 } else { known.least });
            total = total.saturating_add(known.total);
            if known.count > 1 {
                let size = known.total.unsigned_abs();
                wasted = wasted.saturating_add(size);
                paths.push(Inefficient { path: index(path), count: known.count, size });
            }
        }
        paths.sort_by_key(|path| std::cmp::Reverse(path.size));
        #[expect(clippy::cast_precision_loss, reason = "dive divides the same way")]
        let score = if total == 0 { 1.0 } else { least as f64 / total as f64 };
        Efficiency { score, wasted, paths, stopped: self.stopped }
    }

    fn make_room(&mut self, names: &Names) {
        if self.stack.len() < names.count() {
            self.stack.resize(names.count(), Stacked::default());
            self.known.resize(names.count(), Known::default());
        }
    }

    /// What a whiteout of `path` is counted with; `None` if there is no such path below.
    fn size_below(&mut self, path: PathNumber, names: &Names) -> Option<i64> {
        let found = self.touch(path, names);
        let found = *found;
        // The root is always there, and is no directory in dive's eyes.
        (found.is_there || path == 0).then_some(if found.is_directory { found.total } else { 0 })
    }

    /// The state of a path, after what was removed above it has gone from it.
    fn touch(&mut self, path: PathNumber, names: &Names) -> &mut Stacked {
        self.make_room(names);
        let mut way = vec![path];
        while let Some(last) = way.last().filter(|last| **last != 0) {
            way.push(names.parent(*last));
        }
        let mut removed = 0;
        for path in way.into_iter().rev() {
            let state = &mut self.stack[path as usize];
            removed = removed.max(state.removed);
            if state.touched < removed {
                *state = Stacked { touched: self.event, removed: state.removed, ..Stacked::default() };
            }
        }
        &mut self.stack[path as usize]
    }

    fn put(&mut self, path: PathNumber, item: &Item, names: &Names) {
        if path == 0 {
            return;
        }
        self.event += 1;
        let event = self.event;
        self.touch(path, names);
        // What is in a directory comes before it: until then it is there without being one.
        let mut above = names.parent(path);
        while above != 0 && !self.stack[above as usize].is_there {
            let state = &mut self.stack[above as usize];
            (state.is_there, state.touched) = (true, event);
            above = names.parent(above);
        }
        let state = &mut self.stack[path as usize];
        let change = signed(item.size) - state.size;
        (state.is_there, state.touched, state.size) = (true, event, signed(item.size));
        state.is_directory = item.kind == ItemKind::Directory;
        self.add(path, change, names);
    }

    fn remove(&mut self, path: PathNumber, names: &Names) {
        self.event += 1;
        let event = self.event;
        let state = self.touch(path, names);
        if path == 0 || !state.is_there {
            return;
        }
        let total = state.total;
        self.add(path, -total, names);
        self.stack[path as usize] = Stacked { touched: event, removed: event, ..Stacked::default() };
    }

    fn add(&mut self, mut path: PathNumber, change: i64, names: &Names) {
        if change == 0 {
            return;
        }
        loop {
            let state = &mut self.stack[path as usize];
            state.total = state.total.saturating_add(change);
            if path == 0 {
                return;
            }
            path = names.parent(path);
        }
    }
}

/// What a whiteout removes; `None` for anything else.
pub(super) fn target(item: &Item, names: &mut Names) -> Option<PathNumber> {
    let name = names.name(item.path).strip_prefix(WHITEOUT)?.to_vec();
    let parent = names.parent(item.path);
    // `.wh.` alone names its directory.
    if name.is_empty() { Some(parent) } else { Some(names.number(parent, &name)) }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
