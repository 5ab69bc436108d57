//! `[epoch:]version[-release]`. Source: rpm, `rpmvercmp`.

use std::cmp::Ordering;

use super::{digits, split};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let releases = match (a.2, b.2) {
        // Without a release any fits.
        ("", _) | (_, "") => Ordering::Equal,
        (a, b) => part(a, b),
    };
    digits(a.0, b.0).then_with(|| part(a.1, b.1)).then(releases)
}

fn parts(text: &str) -> (&str, &str, &str) {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, version, release)
}

fn part(mut a: &str, mut b: &str) -> Ordering {
    let is_separator = |letter: char| !letter.is_ascii_alphanumeric() && letter != '~' && letter != '^';
    loop {
        a = a.trim_start_matches(is_separator);
        b = b.trim_start_matches(is_separator);
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (Some(next_a), Some(next_b)) => {
                (a, b) = (next_a, next_b);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (Some(next_a), Some(next_b)) => {
                (a, b) = (next_a, next_b);
                continue;
            }
            // Above the end, below a further segment.
            (Some(_), None) => return if b.is_empty() { Ordering::Greater } else { Ordering::Less },
            (None, Some(_)) => return if a.is_empty() { Ordering::Less } else { Ordering::Greater },
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return a.len().min(1).cmp(&b.len().min(1));
        }
        let is_digits = a.starts_with(|first: char| first.is_ascii_digit());
        let ((run_a, next_a), (run_b, next_b)) = (run(a, is_digits), run(b, is_digits));
        if run_b.is_empty() {
            return if is_digits { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_digits { digits(run_a, run_b) } else { run_a.cmp(run_b) };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
}

fn run(text: &str, is_digits: bool) -> (&str, &str) {
    match is_digits {
        true => split(text, true),
        false => {
            let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
            text.split_at(end)
        }
    }
}
