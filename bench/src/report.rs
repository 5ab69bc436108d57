//! The table.

use std::collections::BTreeMap;
use std::io::Write;

/// Samples by case and by who: `docker`, `wharfie`, `floor`.
#[derive(Default)]
pub(crate) struct Report {
    order: Vec<&'static str>,
    samples: BTreeMap<(&'static str, &'static str), Vec<f64>>,
    bars: BTreeMap<&'static str, f64>,
    /// What the peer and the floor are called, if they are not the usual ones.
    pub(crate) heads: Option<(&'static str, &'static str)>,
}

impl Report {
    /// Names a case and the share of the peer that wharfie may use at most.
    pub(crate) fn case(&mut self, name: &'static str, bar: f64) {
        if !self.order.contains(&name) {
            self.order.push(name);
            self.bars.insert(name, bar);
        }
    }

    /// Adds one sample in CPU seconds.
    pub(crate) fn add(&mut self, case: &'static str, who: &'static str, seconds: f64) {
        self.samples.entry((case, who)).or_default().push(seconds);
    }

    fn median(&self, case: &'static str, who: &'static str) -> Option<f64> {
        let mut samples = self.samples.get(&(case, who))?.clone();
        samples.sort_by(f64::total_cmp);
        Some(samples[samples.len() / 2])
    }

    fn spread(&self, case: &'static str, who: &'static str) -> String {
        let samples = self.samples.get(&(case, who)).map(Vec::as_slice).unwrap_or_default();
        let low = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let high = samples.iter().copied().fold(0.0, f64::max);
        format!("{}–{}", seconds(low), seconds(high))
    }
}

/// Prints the whole table as Markdown.
pub(crate) fn print(report: &Report) {
    let (peer, floor) = report.heads.unwrap_or(("dockerd 20.10", "floor"));
    let mut text = format!(
        "| case | {peer} | wharfie | spread | share | bar | {floor} | × {floor} |\n|---|---|---|---|---|---|---|---|\n"
    );
    for case in &report.order {
        let (docker, wharfie, floor) =
            (report.median(case, "docker"), report.median(case, "wharfie"), report.median(case, "floor"));
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), seconds);
        let ratio = |a: Option<f64>, b: Option<f64>, digits: usize| match (a, b) {
            (Some(a), Some(b)) if b > 0.0 => format!("{:.digits$}", a / b),
            _ => "–".to_owned(),
        };
        text.push_str(&format!(
            "| {case} | {} | {} | {} | {} | {} | {} | {} |\n",
            shown(docker),
            shown(wharfie),
            report.spread(case, "wharfie"),
            ratio(wharfie, docker, 3),
            report.bars[case],
            shown(floor),
            ratio(wharfie, floor, 1),
        ));
    }
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn seconds(value: f64) -> String {
    if value < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") }
}

/// Prints a line on stderr.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
