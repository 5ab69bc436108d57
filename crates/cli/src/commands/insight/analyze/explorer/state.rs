//! What the explorer shows, and what keys do to it. Draws nothing and reads nothing.

use std::collections::BTreeSet;

use wharfie_scan::analysis::{Analysis, PathNumber};

use super::keys::Key;
use super::tree::{Change, Children, Mode, Tree};

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Layers,
    Files,
    Filter,
}

/// A line of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) path: PathNumber,
    pub(super) depth: u16,
    /// It is the last of its directory; bit n: so is its ancestor n above.
    pub(super) lasts: u64,
}

/// All of it.
pub(super) struct State<'a> {
    pub(super) analysis: &'a Analysis,
    children: Children,
    pub(super) tree: Tree,
    pub(super) rows: Vec<Row>,
    pub(super) pane: Pane,
    pub(super) layer: usize,
    pub(super) mode: Mode,
    /// Which row is selected.
    pub(super) row: usize,
    pub(super) filter: String,
    pub(super) has_attributes: bool,
    pub(super) is_by_size: bool,
    collapsed: BTreeSet<PathNumber>,
    hidden: Vec<Change>,
    pub(super) is_over: bool,
}

/// 10 rows at once.
const PAGE: usize = 10;

impl<'a> State<'a> {
    pub(super) fn new(analysis: &'a Analysis) -> Self {
        let children = Children::new(analysis);
        let tree = Tree::of(analysis, &children, 0, Mode::Layer);
        let mut state = Self {
            analysis,
            children,
            tree,
            rows: Vec::new(),
            pane: Pane::Layers,
            layer: 0,
            mode: Mode::Layer,
            row: 0,
            filter: String::new(),
            has_attributes: true,
            is_by_size: false,
            collapsed: BTreeSet::new(),
            hidden: Vec::new(),
            is_over: false,
        };
        state.list();
        state
    }

    pub(super) fn is_collapsed(&self, path: PathNumber) -> bool {
        self.collapsed.contains(&path)
    }

    pub(super) fn is_hidden(&self, change: Change) -> bool {
        self.hidden.contains(&change)
    }

    /// What a key does, dive's keys.
    pub(super) fn press(&mut self, key: Key) {
        match (self.pane, key) {
            (_, Key::Control('c')) => self.is_over = true,
            (Pane::Filter, Key::Escape) => {
                self.filter.clear();
                self.pane = Pane::Files;
                self.list();
            }
            (Pane::Filter, Key::Enter | Key::Tab) => self.pane = Pane::Files,
            (Pane::Filter, Key::Backspace) => {
                self.filter.pop();
                self.list();
            }
            (Pane::Filter, Key::Char(character)) => {
                self.filter.push(character);
                self.list();
            }
            (_, Key::Char('q')) => self.is_over = true,
            (_, Key::Control('f')) => self.pane = Pane::Filter,
            (Pane::Layers, Key::Tab) => self.pane = Pane::Files,
            (Pane::Files, Key::Tab) => self.pane = Pane::Layers,
            (Pane::Layers, key) => self.press_layers(key),
            (Pane::Files, key) => self.press_files(key),
            (Pane::Filter, _) => {}
        }
    }

    fn press_layers(&mut self, key: Key) {
        let last = self.analysis.layers.len().saturating_sub(1);
        match key {
            Key::Up | Key::Char('k') => self.choose(self.layer.saturating_sub(1), self.mode),
            Key::Down | Key::Char('j') => self.choose((self.layer + 1).min(last), self.mode),
            Key::PageUp | Key::Char('u') => self.choose(self.layer.saturating_sub(PAGE), self.mode),
            Key::PageDown | Key::Char('d') => self.choose((self.layer + PAGE).min(last), self.mode),
            Key::Control('a') => self.choose(self.layer, Mode::Aggregated),
            Key::Control('l') => self.choose(self.layer, Mode::Layer),
            _ => {}
        }
    }

    fn press_files(&mut self, key: Key) {
        let last = self.rows.len().saturating_sub(1);
        match key {
            Key::Up | Key::Char('k') => self.row = self.row.saturating_sub(1),
            Key::Down | Key::Char('j') => self.row = (self.row + 1).min(last),
            Key::PageUp | Key::Char('u') => self.row = self.row.saturating_sub(PAGE),
            Key::PageDown | Key::Char('d') => self.row = (self.row + PAGE).min(last),
            Key::Left | Key::Char('h') => self.leave(),
            Key::Right | Key::Char('l') => self.enter(),
            Key::Char(' ') => self.fold(),
            Key::Control('@') => self.fold_all(),
            Key::Control('a') => self.toggle(Change::Added),
            Key::Control('r') => self.toggle(Change::Removed),
            // Control-m is what the enter key sends.
            Key::Control('m') | Key::Enter => self.toggle(Change::Modified),
            Key::Control('u') => self.toggle(Change::Unmodified),
            Key::Control('b') => self.has_attributes = !self.has_attributes,
            Key::Control('o') => {
                self.is_by_size = !self.is_by_size;
                self.list();
            }
            _ => {}
        }
    }

    fn choose(&mut self, layer: usize, mode: Mode) {
        if (layer, mode) != (self.layer, self.mode) {
            (self.layer, self.mode) = (layer, mode);
            self.tree = Tree::of(self.analysis, &self.children, layer, mode);
            self.list();
        }
    }

    fn selected(&self) -> Option<PathNumber> {
        self.rows.get(self.row).map(|row| row.path)
    }

    /// To the directory that the selected file is in.
    fn leave(&mut self) {
        let Some(path) = self.selected() else { return };
        let above = self.analysis.names.parent(path);
        if let Some(row) = self.rows.iter().position(|row| row.path == above) {
            self.row = row;
        }
    }

    /// Into the selected directory.
    fn enter(&mut self) {
        let Some(path) = self.selected() else { return };
        if self.collapsed.remove(&path) {
            self.list();
        }
        let above = |row: &&Row| self.analysis.names.parent(row.path) == path;
        if self.rows.get(self.row + 1).is_some_and(|row| above(&row)) {
            self.row += 1;
        }
    }

    fn fold(&mut self) {
        let Some(path) = self.selected() else { return };
        if !self.children.of(path).is_empty() && !self.collapsed.remove(&path) {
            self.collapsed.insert(path);
        }
        self.list();
    }

    fn fold_all(&mut self) {
        let directories = self.children.of(0).iter().filter(|path| !self.children.of(**path).is_empty());
        let directories: BTreeSet<PathNumber> = directories.copied().collect();
        match directories.is_subset(&self.collapsed) {
            true => self.collapsed.clear(),
            false => self.collapsed.extend(directories),
        }
        self.list();
    }

    fn toggle(&mut self, change: Change) {
        match self.hidden.iter().position(|hidden| *hidden == change) {
            Some(at) => {
                self.hidden.remove(at);
            }
            None => self.hidden.push(change),
        }
        self.list();
    }

    /// Makes the rows anew; the selected file stays selected if it is still there.
    fn list(&mut self) {
        let selected = self.selected();
        let mut rows = Vec::new();
        let mut stack: Vec<Row> = self.shown_in(0, 0, 0);
        while let Some(row) = stack.pop() {
            rows.push(row);
            if !self.collapsed.contains(&row.path) {
                stack.extend(self.shown_in(row.path, row.depth + 1, row.lasts));
            }
        }
        if !self.filter.is_empty() {
            // What fits, and the directories that lead there.
            let mut wanted: BTreeSet<PathNumber> = BTreeSet::new();
            for row in &rows {
                let path = String::from_utf8_lossy(&self.analysis.names.path(row.path)).into_owned();
                let mut next = row.path;
                while path.contains(&self.filter) && next != 0 && wanted.insert(next) {
                    next = self.analysis.names.parent(next);
                }
            }
            rows.retain(|row| wanted.contains(&row.path));
        }
        let place = selected.and_then(|path| rows.iter().position(|row| row.path == path));
        self.row = place.unwrap_or_else(|| self.row.min(rows.len().saturating_sub(1)));
        self.rows = rows;
    }

    /// The rows in a directory, the last first.
    fn shown_in(&self, path: PathNumber, depth: u16, lasts: u64) -> Vec<Row> {
        let children = self.children.of(path).iter().copied();
        let is_shown =
            |path: &PathNumber| self.tree.item(*path).is_some() && !self.hidden.contains(&self.tree.change(*path));
        let mut shown: Vec<PathNumber> = children.filter(is_shown).collect();
        if self.is_by_size {
            shown.sort_by_key(|path| std::cmp::Reverse(self.tree.size(*path)));
        }
        let last = shown.len().saturating_sub(1);
        let row = |(at, path)| Row { path, depth, lasts: (lasts << 1) | u64::from(at == last) };
        shown.into_iter().enumerate().map(row).rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use wharfie_scan::Layer;
    use wharfie_scan::analysis::{Analyzer, Entry, ItemKind};

    use super::*;

    fn analysis() -> Analysis {
        let mut analyzer = Analyzer::default();
        let layers: [&[(&str, u64)]; 3] = [
            &[("a/", 0), ("a/one", 10), ("a/two", 20), ("b", 5), ("c/d/e", 7)],
            &[("a/one", 11), ("a/.wh.two", 0), ("new", 3)],
            &[("c/.wh..wh..opq", 0), ("c/f", 1), (".wh.new", 0), ("b", 5)],
        ];
        for layer in layers {
            for (path, size) in layer {
                let kind = if path.ends_with('/') { ItemKind::Directory } else { ItemKind::File };
                analyzer.entry(&Entry {
                    path: path.as_bytes(),
                    kind,
                    size: *size,
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    mtime: 1,
                    link: b"",
                });
            }
            analyzer.end_layer(Layer::default());
        }
        analyzer.finish()
    }

    fn told(state: &State<'_>) -> Vec<String> {
        let row = |row: &Row| {
            let mark = match state.tree.change(row.path) {
                Change::Unmodified => " ",
                Change::Added => "+",
                Change::Modified => "~",
                Change::Removed => "-",
            };
            let path = String::from_utf8(state.analysis.names.path(row.path)).unwrap();
            format!("{mark}{path} {}", state.tree.size(row.path))
        };
        state.rows.iter().map(row).collect()
    }

    #[test]
    fn layers_are_walked_and_changes_are_told() {
        let analysis = analysis();
        let mut state = State::new(&analysis);
        assert_eq!(told(&state), [" a 30", " a/one 10", " a/two 20", " b 5", " c 7", " c/d 7", " c/d/e 7"]);
        state.press(Key::Down);
        assert_eq!(told(&state), ["~a 11", "~a/one 11", "-a/two 20", " b 5", " c 7", " c/d 7", " c/d/e 7", "+new 3"]);
        state.press(Key::Char('j'));
        let third = ["~a 11", "~a/one 11", " b 5", "~c 1", "-c/d 7", "-c/d/e 7", "+c/f 1", "-new 3"];
        let third = third.map(|row| row.replace("~a", " a"));
        assert_eq!(told(&state), third);
        state.press(Key::Control('a'));
        assert_eq!(told(&state), ["~a 11", "~a/one 11", "-a/two 20", " b 5", "~c 1", "-c/d 7", "-c/d/e 7", "+c/f 1"]);
        state.press(Key::Control('l'));
        assert_eq!(told(&state), third);
        state.press(Key::PageDown);
        assert_eq!(state.layer, 2);
    }

    #[test]
    fn files_fold_hide_and_are_sorted() {
        let analysis = analysis();
        let mut state = State::new(&analysis);
        state.press(Key::Down);
        state.press(Key::Tab);
        state.press(Key::Char(' '));
        assert_eq!(told(&state), ["~a 11", " b 5", " c 7", " c/d 7", " c/d/e 7", "+new 3"]);
        state.press(Key::Right);
        assert_eq!((told(&state).len(), state.row), (8, 1));
        state.press(Key::Left);
        assert_eq!(state.row, 0);
        state.press(Key::Control('u'));
        assert_eq!(told(&state), ["~a 11", "~a/one 11", "-a/two 20", "+new 3"]);
        state.press(Key::Control('r'));
        state.press(Key::Control('a'));
        assert_eq!(told(&state), ["~a 11", "~a/one 11"]);
        for key in [Key::Control('u'), Key::Control('r'), Key::Control('a'), Key::Control('@'), Key::Control('o')] {
            state.press(key);
        }
        assert_eq!(told(&state), ["~a 11", " c 7", " b 5", "+new 3"]);
    }

    #[test]
    fn a_filter_shows_what_fits_and_where_it_is() {
        let analysis = analysis();
        let mut state = State::new(&analysis);
        state.press(Key::Control('f'));
        for character in "eq".chars() {
            state.press(Key::Char(character));
        }
        assert!(state.rows.is_empty() && !state.is_over);
        state.press(Key::Backspace);
        assert_eq!(told(&state), [" a 30", " a/one 10", " c 7", " c/d 7", " c/d/e 7"]);
        state.press(Key::Escape);
        assert_eq!((state.rows.len(), state.pane), (7, Pane::Files));
        state.press(Key::Char('q'));
        assert!(state.is_over);
    }

    #[test]
    fn an_empty_image_has_nothing_to_show() {
        let analysis = Analyzer::default().finish();
        let mut state = State::new(&analysis);
        for key in [Key::Down, Key::Tab, Key::Right, Key::Left, Key::Char(' '), Key::PageDown] {
            state.press(key);
        }
        assert!(state.rows.is_empty());
    }
}
