//! The explorer's screen as lines: layers and numbers on the left, files on the right. What comes from the image is sanitised.

use wharfie_scan::analysis::{Item, ItemKind};

use super::super::super::sbom::instruction;
use super::keys::Key;
use super::state::{Pane, Row, State};
use super::tree::{Change, Mode};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::size::short;
use crate::render::width::columns;

/// The lines of a screen of this size, with colours.
pub(super) fn screen(state: &State<'_>, rows: usize, width: usize) -> Vec<String> {
    let height = rows.saturating_sub(1);
    let left_width = (width * 2 / 5).max(1);
    let (left, right) = (left(state, height), right(state, height));
    let blank = Line::default();
    let mut lines: Vec<String> = (0..height)
        .map(|at| {
            let of = |lines: &[Line]| lines.get(at).unwrap_or(&blank).clone();
            let (left, right) = (of(&left), of(&right));
            format!("{}│{}", left.fit(left_width.saturating_sub(1)), right.fit(width.saturating_sub(left_width)))
        })
        .collect();
    lines.push(status(state).fit(width));
    lines
}

/// A line with one colour.
#[derive(Debug, Clone, Default)]
struct Line {
    text: String,
    /// Parameters of `SGR`; empty for none. Source: ECMA-48.
    colour: String,
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: String::new() }
    }

    fn bold(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: "1".to_owned() }
    }

    /// Cut and filled up to a width.
    fn fit(&self, width: usize) -> String {
        let (mut out, mut used) = (String::new(), 0);
        for character in self.text.chars() {
            let wide = columns(character.encode_utf8(&mut [0; 4]));
            if used + wide > width {
                break;
            }
            out.push(character);
            used += wide;
        }
        out.extend(std::iter::repeat_n(' ', width - used));
        match self.colour.as_str() {
            "" => out,
            colour => format!("\x1b[{colour}m{out}\x1b[0m"),
        }
    }
}

fn clean(text: &str) -> String {
    sanitise(text, Layout::OneLine).into_owned()
}

fn left(state: &State<'_>, height: usize) -> Vec<Line> {
    let analysis = state.analysis;
    let mut lines = vec![Line::bold(title("Layers", state.pane == Pane::Layers))];
    lines.push(Line::plain("     Size  Command"));
    let room = (height / 2).max(1);
    let first = (state.layer + 1).saturating_sub(room);
    for (index, facts) in analysis.layers.iter().enumerate().skip(first).take(room) {
        let command = match instruction(&facts.layer.created_by) {
            text if text.is_empty() => "(missing)".to_owned(),
            text => text,
        };
        let text = format!("{:>9}  {}", short(facts.size), clean(&command));
        let colour = if index == state.layer { "7" } else { "" }.to_owned();
        lines.push(Line { text, colour });
    }
    if let Some(facts) = analysis.layers.get(state.layer) {
        lines.extend([
            Line::default(),
            Line::bold("Layer Details"),
            Line::plain(format!("Layer:   {} of {}", state.layer, analysis.layers.len())),
            Line::plain(format!("Digest:  {}", clean(&facts.layer.diff_id))),
            Line::plain(format!("Size:    {}, {} of it unseen", short(facts.size), short(facts.hidden))),
        ]);
    }
    lines.extend([
        Line::default(),
        Line::bold("Image Details"),
        Line::plain(format!("Total Image size:        {}", short(analysis.size))),
        Line::plain(format!("Potential wasted space:  {} (dive)", short(analysis.efficiency.wasted))),
        Line::plain(format!("Image efficiency score:  {:.0} % (dive)", analysis.efficiency.score * 100.0)),
        Line::plain(format!("Reclaimable:             {}", short(analysis.reclaimable))),
        Line::default(),
        Line::plain("Count  Total Space  Path"),
    ]);
    for path in analysis.efficiency.paths.iter().take(height) {
        let name = clean(&String::from_utf8_lossy(&analysis.names.path(path.path)));
        lines.push(Line::plain(format!("{:>5}  {:>11}  /{name}", path.count, short(path.size))));
    }
    lines
}

fn right(state: &State<'_>, height: usize) -> Vec<Line> {
    let mode = match state.mode {
        Mode::Layer => "Current Layer Contents",
        Mode::Aggregated => "Aggregated Layer Contents",
    };
    let mut lines = vec![Line::bold(title(mode, state.pane == Pane::Files))];
    lines.push(Line::plain(if state.has_attributes {
        "Permission     UID:GID       Size  Filetree"
    } else {
        "Filetree"
    }));
    let room = height.saturating_sub(2).max(1);
    let first = (state.row + 1).saturating_sub(room);
    for (at, row) in state.rows.iter().enumerate().skip(first).take(room) {
        lines.push(file(state, row, at == state.row && state.pane != Pane::Layers));
    }
    lines
}

fn title(text: &str, is_selected: bool) -> String {
    if is_selected { format!("│ ● {text} │") } else { format!("┃ {text}") }
}

fn file(state: &State<'_>, row: &Row, is_selected: bool) -> Line {
    let Some(item) = state.tree.item(row.path) else { return Line::default() };
    let mut text = String::new();
    if state.has_attributes {
        let owner = format!("{}:{}", item.uid, item.gid);
        text.push_str(&format!("{}  {owner:>10} {:>10}  ", permissions(item), short(state.tree.size(row.path))));
    }
    for above in (1..=row.depth.min(63)).rev() {
        text.push_str(if row.lasts >> above & 1 == 1 { "    " } else { "│   " });
    }
    text.push_str(if row.lasts & 1 == 1 { "└─" } else { "├─" });
    text.push_str(if state.is_collapsed(row.path) { "⊕ " } else { "─ " });
    text.push_str(&clean(&String::from_utf8_lossy(state.analysis.names.name(row.path))));
    let link = state.analysis.link(item);
    if !link.is_empty() {
        text.push_str(&format!(" → {}", clean(&String::from_utf8_lossy(link))));
    }
    let colour = match state.tree.change(row.path) {
        Change::Unmodified => "",
        Change::Added => "32",
        Change::Modified => "33",
        Change::Removed => "31",
    };
    let colour = match (is_selected, colour) {
        (false, colour) => colour.to_owned(),
        (true, "") => "7".to_owned(),
        (true, colour) => format!("7;{colour}"),
    };
    Line { text, colour }
}

/// As `ls` shows them.
fn permissions(item: &Item) -> String {
    let kind = match item.kind {
        ItemKind::Directory | ItemKind::Implied => 'd',
        ItemKind::Symlink => 'l',
        ItemKind::CharDevice => 'c',
        ItemKind::BlockDevice => 'b',
        ItemKind::Fifo => 'p',
        ItemKind::File | ItemKind::Hardlink => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = item.mode >> shift & 7;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 == 1, item.mode & special != 0) {
            (true, true) => letter,
            (true, false) => 'x',
            (false, true) => letter.to_ascii_uppercase(),
            (false, false) => '-',
        });
    }
    text
}

fn status(state: &State<'_>) -> Line {
    let shown = |change, text: &str| if state.is_hidden(change) { format!("({text} hidden)") } else { text.to_owned() };
    let text = match state.pane {
        Pane::Filter => format!("Filter: {}▏ Esc closes, Enter keeps it", clean(&state.filter)),
        Pane::Layers => "^C Quit  Tab Switch view  ^F Filter  ^L Layer changes  ^A Aggregated changes".to_owned(),
        Pane::Files => format!(
            "^C Quit  Tab Switch view  ^F Filter  Space Collapse  ^Space Collapse all  ^A {}  ^R {}  ^M {}  ^U {}  ^B Attributes  ^O Sort",
            shown(Change::Added, "Added"),
            shown(Change::Removed, "Removed"),
            shown(Change::Modified, "Modified"),
            shown(Change::Unmodified, "Unmodified")
        ),
    };
    Line { text, colour: "7".to_owned() }
}

/// What a terminal needs to hear before, between and after screens. Source: ECMA-48, xterm's control sequences.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?25l";
pub(super) const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
pub(super) const HOME: &str = "\x1b[H";

/// What ends the explorer if the terminal closes.
pub(super) const CLOSED: Key = Key::Control('c');
