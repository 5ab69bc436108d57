//! `semvercmp`: versions and what is asked of them, as Masterminds' semver reads both.

use std::cmp::Ordering;

use super::Takes::String as S;
use super::{Builtin, fixed, of, text};
use crate::value::Value;

pub(super) const TABLE: &[Builtin] = &[fixed("semvercmp", &[of("version", S), of("contraint", S)], |all, _| {
    let version = Version::parse(text(all, 0)).filter(|read| !read.is_open).ok_or("invalid semantic version")?.version;
    let fits = satisfies(&version, text(all, 1)).ok_or_else(|| format!("improper constraint: {}", text(all, 1)))?;
    Ok(Value::Bool(fits))
})];

#[derive(Clone, Default, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: String,
}

/// A version as it was written: with parts left out, or with `x` for any.
struct Written {
    version: Version,
    /// How many of the three numbers were given.
    given: usize,
    /// True if it has an `x`, which no version has.
    is_open: bool,
}

impl Version {
    /// Reads one; a leading `v` and missing parts will do.
    fn parse(text: &str) -> Option<Written> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let is_label = |label: &str| {
            label
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        };
        if !pre.is_none_or(is_label) || !build.is_none_or(is_label) {
            return None;
        }
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() > 3 {
            return None;
        }
        let mut numbers = [0; 3];
        let mut given = parts.len();
        for (at, part) in parts.iter().enumerate() {
            if matches!(*part, "x" | "X" | "*") {
                given = given.min(at);
            } else if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
                numbers[at] = if at < given { part.parse().ok()? } else { 0 };
            } else {
                return None;
            }
        }
        let is_open = given < parts.len();
        Some(Written { is_open, version: Self { numbers, pre: pre.unwrap_or_default().to_owned() }, given })
    }

    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => labels(&self.pre, &other.pre),
        })
    }
}

/// The order of labels before a release: number by number, numbers before words.
fn labels(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Whether one of the alternatives holds; `None` if they make no sense.
fn satisfies(version: &Version, constraint: &str) -> Option<bool> {
    let mut holds = false;
    for alternative in constraint.split("||") {
        let rewritten = hyphens(alternative)?;
        let mut all = true;
        let mut count = 0;
        for (operator, wanted) in conditions(&rewritten)? {
            count += 1;
            all &= check(version, operator, &wanted);
        }
        if count == 0 {
            return None;
        }
        holds |= all;
    }
    Some(holds)
}

/// `1.2 - 3` is at least the one and at most the other.
fn hyphens(alternative: &str) -> Option<String> {
    let Some((low, high)) = alternative.split_once(" - ") else { return Some(alternative.to_owned()) };
    (!high.contains(" - ")).then(|| format!(">={} <={}", low.trim(), high.trim()))
}

fn conditions(text: &str) -> Option<Vec<(&str, Written)>> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !"=<>!~^".contains(letter)).unwrap_or(rest.len());
        let (operator, behind) = rest.split_at(end);
        let behind = behind.trim_start();
        let end = behind.find(|letter: char| letter == ',' || letter.is_whitespace() || "=<>!~^".contains(letter));
        let (version, next) = behind.split_at(end.unwrap_or(behind.len()));
        let known = ["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"];
        if !known.contains(&operator) {
            return None;
        }
        found.push((operator, Version::parse(version)?));
        rest = next.trim_start_matches(|letter: char| letter == ',' || letter.is_whitespace());
    }
    Some(found)
}

fn check(version: &Version, operator: &str, wanted: &Written) -> bool {
    let (goal, given) = (&wanted.version, wanted.given);
    // What is not released yet is only meant if the condition names such a version.
    if !version.pre.is_empty() && goal.pre.is_empty() {
        return false;
    }
    let order = version.order(goal);
    let shares = |count: usize| version.numbers[..count] == goal.numbers[..count];
    match operator {
        "" | "=" if given < 3 => shares(given),
        "" | "=" => order.is_eq(),
        "!=" if given < 3 => !shares(given),
        "!=" => order.is_ne(),
        ">" if given == 0 => false,
        ">" if given < 3 => order.is_gt() && !shares(given),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        ">=" | "=>" => order.is_ge(),
        "<=" | "=<" => order.is_le() || (given < 3 && shares(given)),
        "~" | "~>" => order.is_ge() && shares(given.min(2)),
        _ => order.is_ge() && shares(caret(goal, given)),
    }
}

/// How many numbers `^` holds fast: up to the first that is not zero.
fn caret(goal: &Version, given: usize) -> usize {
    match goal.numbers {
        [0, 0, _] if given >= 3 => 3,
        [0, _, _] if given >= 2 => 2,
        _ => given.min(1),
    }
}
