//! Numbers and words, where words make a version older. Source: RubyGems, `Gem::Version`.

use std::cmp::Ordering;

use super::{digits, split};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (segments(a), segments(b));
    let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    for at in 0..a.len().max(b.len()) {
        let (one, other) = (a.get(at).map_or("0", String::as_str), b.get(at).map_or("0", String::as_str));
        let order = match (is_number(one), is_number(other)) {
            (true, true) => digits(one, other),
            (false, false) => one.cmp(other),
            (one, other) => one.cmp(&other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Runs of digits and of letters; a hyphen begins what comes before the release.
fn segments(text: &str) -> Vec<String> {
    let text = text.strip_prefix('v').unwrap_or(text).replace('-', ".pre.");
    let mut found = Vec::new();
    for part in text.split(['.', '_', '+']) {
        let mut rest = part;
        while !rest.is_empty() {
            let (run, next) = split(rest, rest.starts_with(|first: char| first.is_ascii_digit()));
            found.push(run.to_owned());
            rest = next;
        }
    }
    // `1.0.a` is `1.a`: zeros before the first word, and at the end, mean nothing.
    let is_zero = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte == b'0');
    while found.last().is_some_and(is_zero) {
        found.pop();
    }
    if let Some(mut word) = found.iter().position(|run| !run.starts_with(|first: char| first.is_ascii_digit())) {
        while word > 0 && is_zero(&found[word - 1]) {
            word -= 1;
            found.remove(word);
        }
    }
    found
}
