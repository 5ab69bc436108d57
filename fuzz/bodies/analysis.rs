//! Layers of any names, one over the other: no order of them makes the arithmetic panic, and no more is hidden than is there.
//! And rules in any words.

use wharfie_scan::Layer;
use wharfie_scan::analysis::rules::Rules;
use wharfie_scan::analysis::{Analysis, Analyzer, Entry, ItemKind, write};

/// Names that meet each other, whiteouts and what looks like them.
const NAMES: &[&str] = &[
    "a",
    "b",
    "a/b",
    "a/b/c",
    "./a/",
    "/a",
    "../a",
    "a/..",
    ".wh.a",
    "a/.wh.b",
    ".wh.",
    ".wh..wh..opq",
    "a/.wh..wh..opq",
    ".wh.a/b",
    ".wh..wh.plnk",
    "a/b/.wh.c",
    "",
    ".",
    "/",
    "var/lib/apt/lists/x",
];
const KINDS: &[ItemKind] = &[
    ItemKind::File,
    ItemKind::Directory,
    ItemKind::Symlink,
    ItemKind::Hardlink,
    ItemKind::CharDevice,
    ItemKind::BlockDevice,
    ItemKind::Fifo,
];

/// Insists on it for one input: three bytes are an entry, or the end of a layer.
pub(crate) fn run(bytes: &[u8]) {
    let mut analyzer = Analyzer::default();
    for three in bytes.chunks_exact(3) {
        if three[0] == 255 {
            analyzer.end_layer(Layer::default());
            continue;
        }
        let pick = |byte: u8| NAMES[usize::from(byte) % NAMES.len()].as_bytes();
        let size = if three[1] == 255 { u64::MAX } else { u64::from(three[1]) };
        let kind = KINDS[usize::from(three[2]) % KINDS.len()];
        let own = &three[1..];
        let path = if three[0] < 128 { pick(three[0]) } else { own };
        analyzer.entry(&Entry { path, kind, size, mode: 0o644, uid: 0, gid: 0, mtime: 0, link: pick(three[2]) });
    }
    analyzer.end_layer(Layer::default());
    insist(&analyzer.finish());
    let mut rules = Rules::default();
    let text = String::from_utf8_lossy(bytes);
    for name in ["lowestEfficiency", "highestWastedBytes", "highestUserWastedPercent"] {
        assert!(rules.set(name, &text));
    }
    let empty = Analyzer::default().finish();
    assert!(rules.problems().is_empty() || !rules.judge(&empty).text.is_empty());
}

fn insist(analysis: &Analysis) {
    assert!(analysis.reclaimable <= analysis.size, "{analysis:?}");
    assert!(analysis.efficiency.paths.iter().all(|path| path.count > 1));
    let hidden = analysis.hidden.iter().map(|hidden| hidden.size).fold(0, u64::saturating_add);
    assert!(hidden <= analysis.reclaimable, "{analysis:?}");
    assert!(analysis.hidden.iter().all(|hidden| hidden.layer < hidden.by && hidden.by < analysis.layers.len()));
    let mut document = Vec::new();
    write(analysis, "any", None, &mut document).expect("a vector takes every byte");
}
