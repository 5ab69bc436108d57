//! An analysis as JSON: dive's document with dive's keys, and beside them what dive does not say.

use std::io::{BufWriter, Write};

use serde::{Serialize, Serializer};

use super::{Advice, Analysis, How, Item, ItemKind};

/// Writes the document to `out`. It is written as it is made: it may be much larger than the analysis.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(analysis: &Analysis, name: &str, id: Option<&str>, out: &mut dyn Write) -> serde_json::Result<()> {
    let whereabouts = analysis.whereabouts();
    let layers = analysis.layers.iter().enumerate().map(|(index, facts)| Layer {
        index,
        id: facts.layer.diff_id.split_once(':').map_or("", |(_, hex)| hex),
        digest_id: &facts.layer.diff_id,
        size_bytes: facts.size,
        command: command(&facts.layer.created_by),
        reclaimable_bytes: facts.hidden,
        file_list: Each(move || analysis.items(index).iter().map(move |item| file(analysis, item))),
    });
    let inefficient = analysis.efficiency.paths.iter().map(|path| Reference {
        count: path.count,
        size_bytes: path.size,
        file: shown(analysis, path.path),
        layers: whereabouts.layers_of(path.path),
    });
    let hidden = analysis.hidden.iter().map(|hidden| Unseen {
        file: shown(analysis, hidden.path),
        size_bytes: hidden.size,
        layer: hidden.layer,
        hidden_by: hidden.by,
        how: match hidden.how {
            How::Removed => "removed",
            _ => "replaced",
        },
    });
    let document = Document {
        layer: Each(move || layers.clone()),
        image: Image {
            size_bytes: analysis.size,
            inefficient_bytes: analysis.efficiency.wasted,
            efficiency_score: analysis.efficiency.score,
            file_reference: Each(move || inefficient.clone()),
            name,
            id,
            reclaimable_bytes: analysis.reclaimable,
            leftover_bytes: analysis.leftover,
            hidden_file: Each(move || hidden.clone()),
        },
        advice: &analysis.advice,
        warnings: &analysis.warnings,
    };
    // It comes in thousands of small pieces: they are put together before anybody is asked what `out` is.
    let mut out = BufWriter::with_capacity(64 << 10, out);
    serde_json::to_writer_pretty(&mut out, &document)?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(serde_json::Error::io)
}

/// An instruction without the shell that ran it, as dive shows it.
fn command(created_by: &str) -> &str {
    created_by.strip_prefix("/bin/sh -c ").unwrap_or(created_by)
}

fn shown(analysis: &Analysis, path: super::PathNumber) -> String {
    let mut shown = text(analysis.names.path(path));
    shown.insert(0, '/');
    shown
}

/// Bytes as text, without copying what is text already.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|why| String::from_utf8_lossy(why.as_bytes()).into_owned())
}

/// A list that is made while it is written.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

#[derive(Serialize)]
struct Document<'a, L, I> {
    layer: L,
    image: I,
    advice: &'a [Advice],
    warnings: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer<'a, F> {
    index: usize,
    id: &'a str,
    digest_id: &'a str,
    size_bytes: u64,
    command: &'a str,
    reclaimable_bytes: u64,
    file_list: F,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image<'a, R, H> {
    size_bytes: u64,
    inefficient_bytes: u64,
    efficiency_score: f64,
    file_reference: R,
    name: &'a str,
    id: Option<&'a str>,
    reclaimable_bytes: u64,
    leftover_bytes: u64,
    hidden_file: H,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    count: u32,
    size_bytes: u64,
    file: String,
    layers: Vec<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unseen {
    file: String,
    size_bytes: u64,
    layer: usize,
    hidden_by: usize,
    how: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    type_flag: u8,
    link_name: String,
    size: u64,
    file_mode: u32,
    uid: u32,
    gid: u32,
    is_dir: bool,
}

/// What dive tells of a name; of one that is only implied it tells nothing at all.
fn file(analysis: &Analysis, item: &Item) -> File {
    let is_implied = item.kind == ItemKind::Implied;
    let path = match (is_implied, item.is_absolute) {
        (true, _) => String::new(),
        (false, true) => shown(analysis, item.path),
        (false, false) => text(analysis.names.path(item.path)),
    };
    File {
        path,
        type_flag: type_flag(item.kind),
        link_name: String::from_utf8_lossy(analysis.link(item)).into_owned(),
        size: item.size,
        file_mode: if is_implied { 0 } else { go_mode(item) },
        uid: item.uid,
        gid: item.gid,
        is_dir: item.kind == ItemKind::Directory,
    }
}

/// Tar's letter. Source: POSIX `ustar`.
fn type_flag(kind: ItemKind) -> u8 {
    match kind {
        ItemKind::File => b'0',
        ItemKind::Hardlink => b'1',
        ItemKind::Symlink => b'2',
        ItemKind::CharDevice => b'3',
        ItemKind::BlockDevice => b'4',
        ItemKind::Directory => b'5',
        ItemKind::Fifo => b'6',
        ItemKind::Implied => 0,
    }
}

/// Go's `fs.FileMode`: permissions below, kinds and set-id bits from the top.
fn go_mode(item: &Item) -> u32 {
    let kind: u32 = match item.kind {
        ItemKind::Directory => 1 << 31,
        ItemKind::Symlink => 1 << 27,
        ItemKind::BlockDevice => 1 << 26,
        ItemKind::CharDevice => 1 << 26 | 1 << 21,
        ItemKind::Fifo => 1 << 25,
        ItemKind::File | ItemKind::Hardlink | ItemKind::Implied => 0,
    };
    let mode = u32::from(item.mode);
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.into_iter().filter(|(bit, _)| mode & bit != 0).map(|(_, go)| go);
    mode & 0o777 | kind | special.sum::<u32>()
}
