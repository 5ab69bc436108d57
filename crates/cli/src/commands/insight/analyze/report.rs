//! An analysis as people read it, and as dive's pipelines print it.

use wharfie_engine::insight::analyze::Analyzed;
use wharfie_scan::analysis::rules::Verdict;
use wharfie_scan::analysis::{Analysis, How, PathNumber};

use super::super::report::INSTRUCTION;
use super::super::sbom::instruction;
use super::{MAX_ROWS, more};
use crate::render::pieces::{Piece, spaced};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::{ellipsis, size, table};

/// All that there is to tell.
pub(super) fn pieces(analyzed: &Analyzed) -> Vec<Piece> {
    let analysis = &analyzed.analysis;
    let mut parts = vec![vec![Piece::Text(summary(analyzed))], vec![Piece::Table(layers(analysis))]];
    if !analysis.hidden.is_empty() {
        let rest = more(analysis.hidden.len(), "files");
        parts.push(vec![Piece::Table(unseen(analysis)), Piece::Text(rest)]);
    }
    if !analysis.advice.is_empty() {
        parts.push(vec![Piece::Text(advice(analysis))]);
    }
    spaced(parts)
}

fn summary(analyzed: &Analyzed) -> String {
    let analysis = &analyzed.analysis;
    let layers = match analysis.layers.len() {
        1 => "1 layer".to_owned(),
        count => format!("{count} layers"),
    };
    let rows = [
        ("Image", clean(&analyzed.name)),
        ("Size", format!("{} in {layers}", size::short(analysis.size))),
        ("Reclaimable", format!("{}, which no container sees", size::short(analysis.reclaimable))),
        ("Left behind", format!("{} of caches and temporary files", size::short(analysis.leftover))),
        (
            "dive counts",
            format!(
                "{:.4} % efficiency, {} wasted (every copy of a path)",
                analysis.efficiency.score * 100.0,
                size::short(analysis.efficiency.wasted)
            ),
        ),
    ];
    rows.map(|(name, value)| format!("{:<14}{value}\n", format!("{name}:"))).concat()
}

fn layers(analysis: &Analysis) -> String {
    let row = |(index, facts): (usize, &wharfie_scan::analysis::LayerFacts)| {
        [index.to_string(), size::short(facts.size), size::short(facts.hidden), by(analysis, index)]
    };
    let rows: Vec<_> = analysis.layers.iter().enumerate().map(row).collect();
    table::rows(["LAYER", "SIZE", "UNSEEN", "BROUGHT BY"], &rows)
}

fn unseen(analysis: &Analysis) -> String {
    let row = |hidden: &wharfie_scan::analysis::Hidden| {
        let word = if hidden.how == How::Removed { "removed" } else { "replaced" };
        [
            size::short(hidden.size),
            format!("layer {}", hidden.layer),
            format!("{word} by layer {}", hidden.by),
            clean(&path(analysis, hidden.path)),
        ]
    };
    let rows: Vec<_> = analysis.hidden.iter().take(MAX_ROWS).map(row).collect();
    table::rows(["UNSEEN", "IN", "WHY", "FILE"], &rows)
}

fn advice(analysis: &Analysis) -> String {
    let mut text = "What to do:\n".to_owned();
    for advice in analysis.advice.iter().take(MAX_ROWS) {
        let files = if advice.files == 1 { "1 file".to_owned() } else { format!("{} files", advice.files) };
        let by = |layer| match by(analysis, layer) {
            text if text.is_empty() => format!("layer {layer}"),
            text => format!("layer {layer} ({text})"),
        };
        let hidden = advice.hidden_by.map(|layer| format!(", hidden by {}", by(layer))).unwrap_or_default();
        text.push_str(&format!(
            "  {} in {files} of {}{hidden}: {}, such as /{}\n    {}\n",
            size::short(advice.size_bytes),
            by(advice.layer),
            advice.kind,
            clean(&advice.example),
            advice.help
        ));
    }
    text + &more(analysis.advice.len(), "things")
}

/// The instruction of a layer, short.
fn by(analysis: &Analysis, layer: usize) -> String {
    let text = analysis.layers.get(layer).map(|facts| instruction(&facts.layer.created_by)).unwrap_or_default();
    clean(&ellipsis::fit(&text, INSTRUCTION))
}

fn path(analysis: &Analysis, path: PathNumber) -> String {
    format!("/{}", String::from_utf8_lossy(&analysis.names.path(path)))
}

fn clean(text: &str) -> String {
    sanitise(text, Layout::OneLine).into_owned()
}

/// What dive 0.13 prints with `--ci`, without its colours.
pub(super) fn rules(analysis: &Analysis, verdict: &Verdict) -> String {
    let wasted = analysis.efficiency.wasted;
    let user = match analysis.user_wasted() {
        share if share.is_nan() => "NaN".to_owned(),
        share if share.is_infinite() => "+Inf".to_owned(),
        share => format!("{:.4}", share * 100.0),
    };
    let mut text = format!(
        "  efficiency: {:.4} %\n  wastedBytes: {wasted} bytes ({})\n  userWastedPercent: {user} %\n",
        analysis.efficiency.score * 100.0,
        humane(wasted)
    );
    text.push_str("Inefficient Files:\nCount  Wasted Space  File Path\n");
    for found in &analysis.efficiency.paths {
        let path = clean(&path(analysis, found.path));
        text.push_str(&format!("{:>5}  {:>12}  {path}\n", found.count, humane(found.size)));
    }
    if analysis.efficiency.paths.is_empty() {
        text.push_str("None\n");
    }
    text + "Results:\n" + &verdict.text
}

/// Bytes in dive's words: one digit behind the point below ten.
fn humane(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let (mut unit, mut power) = (0, 1_u64);
    while unit + 1 < UNITS.len() && bytes / power >= 1000 {
        power *= 1000;
        unit += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes are rounded to two digits anyway")]
    let value = (bytes as f64 / power as f64 * 10.0 + 0.5).floor() / 10.0;
    match value < 10.0 {
        true => format!("{value:.1} {}", UNITS[unit]),
        false => format!("{value:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_dives_words() {
        for (bytes, expected) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (9960, "10 kB"),
            (32_025, "32 kB"),
            (82_854_982, "83 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(humane(bytes), expected, "{bytes}");
        }
    }
}
