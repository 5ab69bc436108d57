//! `digits(.digits)*[letter](_suffix[n])*[~hash][-rN]`. Source: apk-tools, `version.c`.

use std::cmp::Ordering;

use super::{digits, split};

/// In their order; those before the empty one make a version older.
const SUFFIXES: [&str; 10] = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"];
const NONE: usize = 4;

#[derive(Default)]
struct Version<'a> {
    numbers: Vec<&'a str>,
    letter: Option<char>,
    suffixes: Vec<(usize, &'a str)>,
    revision: &'a str,
}

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    for at in 0..a.numbers.len().max(b.numbers.len()) {
        let order = match (a.numbers.get(at), b.numbers.get(at)) {
            (Some(one), Some(other)) if at > 0 && (one.starts_with('0') || other.starts_with('0')) => one.cmp(other),
            (Some(one), Some(other)) => digits(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    let mut order = a.letter.cmp(&b.letter);
    for at in 0..a.suffixes.len().max(b.suffixes.len()) {
        let none = (NONE, "");
        let (one, other) = (a.suffixes.get(at).unwrap_or(&none), b.suffixes.get(at).unwrap_or(&none));
        order = order.then(one.0.cmp(&other.0)).then_with(|| digits(one.1, other.1));
    }
    Some(order.then_with(|| digits(a.revision, b.revision)))
}

fn parse(text: &str) -> Option<Version<'_>> {
    let mut version = Version::default();
    let mut rest = text;
    loop {
        let (number, next) = split(rest, true);
        if number.is_empty() {
            return None;
        }
        version.numbers.push(number);
        match next.strip_prefix('.') {
            Some(next) => rest = next,
            None => {
                rest = next;
                break;
            }
        }
    }
    if let Some(letter) = rest.chars().next().filter(char::is_ascii_lowercase) {
        version.letter = Some(letter);
        rest = &rest[1..];
    }
    while let Some(next) = rest.strip_prefix('_') {
        let end = next.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(next.len());
        let (word, next) = next.split_at(end);
        let kind = SUFFIXES.iter().position(|known| *known == word && !word.is_empty())?;
        let (number, next) = split(next, true);
        version.suffixes.push((kind, number));
        rest = next;
    }
    if let Some(next) = rest.strip_prefix('~') {
        let end = next.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(next.len());
        rest = &next[end..];
    }
    if let Some(next) = rest.strip_prefix("-r") {
        let (number, next) = split(next, true);
        version.revision = number;
        rest = next;
    }
    rest.is_empty().then_some(version)
}
