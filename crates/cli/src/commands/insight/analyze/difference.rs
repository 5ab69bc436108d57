//! Two images side by side, as people read it.

use wharfie_engine::insight::compare::{Change, Compared, FileDifference};
use wharfie_scan::compare::Difference;

use super::MAX_ROWS;
use crate::render::pieces::{Piece, spaced};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::{ellipsis, size, table};

/// Columns of a setting.
const SETTING: usize = 60;

/// All that there is to tell.
pub(super) fn pieces(compared: &Compared) -> Vec<Piece> {
    let mut parts = vec![vec![Piece::Table(sides(compared))]];
    if !compared.settings.is_empty() {
        parts.push(differences(["SETTING", "BEFORE", "AFTER"], &compared.settings));
    }
    if !compared.packages.is_empty() {
        parts.push(differences(["PACKAGE", "BEFORE", "AFTER"], &compared.packages));
    }
    if !compared.files.is_empty() {
        parts.push(files(&compared.files));
    }
    if parts.len() == 1 {
        parts.push(vec![Piece::Text("Nothing that a container sees is different\n".to_owned())]);
    }
    spaced(parts)
}

fn sides(compared: &Compared) -> String {
    let (before, after) = (&compared.before, &compared.after);
    let change = |before: u64, after: u64| match after.cmp(&before) {
        std::cmp::Ordering::Equal => "the same".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", size::short(after - before)),
        std::cmp::Ordering::Less => format!("-{}", size::short(before - after)),
    };
    let rows = [
        [
            "size".to_owned(),
            size::short(before.size_bytes),
            size::short(after.size_bytes),
            change(before.size_bytes, after.size_bytes),
        ],
        ["files".to_owned(), before.files.to_string(), after.files.to_string(), String::new()],
        [
            "layers".to_owned(),
            before.layers.to_string(),
            after.layers.to_string(),
            format!("{} in both", compared.shared_layers),
        ],
    ];
    let (before, after) = (clean(&before.name), clean(&after.name));
    table::rows(["", &before, &after, "DIFFERENCE"], &rows)
}

fn differences(header: [&str; 3], all: &[Difference]) -> Vec<Piece> {
    let cell = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), short);
    let row = |one: &Difference| [short(&one.name), cell(&one.before), cell(&one.after)];
    let rows: Vec<_> = all.iter().take(MAX_ROWS).map(row).collect();
    vec![Piece::Table(table::rows(header, &rows)), Piece::Text(super::more(all.len(), "of them"))]
}

fn files(all: &[FileDifference]) -> Vec<Piece> {
    let mut largest: Vec<&FileDifference> = all.iter().collect();
    largest.sort_by_key(|file| std::cmp::Reverse(file.bytes_after.abs_diff(file.bytes_before)));
    let row = |file: &&FileDifference| {
        let word = match file.change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Modified => "modified",
        };
        let bytes = |there: bool, bytes| if there { size::short(bytes) } else { "-".to_owned() };
        [
            word.to_owned(),
            bytes(file.change != Change::Added, file.bytes_before),
            bytes(file.change != Change::Removed, file.bytes_after),
            format!("/{}", clean(&file.file)),
        ]
    };
    let rows: Vec<_> = largest.iter().take(MAX_ROWS).map(row).collect();
    let table = table::rows(["FILE IS", "BEFORE", "AFTER", "FILE"], &rows);
    vec![Piece::Table(table), Piece::Text(super::more(all.len(), "files"))]
}

fn short(text: &str) -> String {
    clean(&ellipsis::fit(text, SETTING))
}

fn clean(text: &str) -> String {
    sanitise(text, Layout::OneLine).into_owned()
}
