//! Python's versions. Source: PyPA, "Version specifiers" (PEP 440), with its rules for normalising.

use std::cmp::Ordering;

use super::{digits, loose, split};

/// In the order of their parts; each that is missing has a place before or behind all others.
struct Version {
    epoch: String,
    release: Vec<String>,
    /// `a`, `b` or `rc` as 0, 1 or 2 with a number; a development version alone comes before them, a final one behind.
    pre: (u8, String),
    post: Option<String>,
    /// Missing: behind all.
    dev: (bool, String),
    local: Vec<String>,
}

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (Some(one), Some(other)) = (parse(a), parse(b)) else {
        // From before the rules: `0.4.0-p1`. They sort by segments, as well as they can.
        return Some(loose::compare(a, b));
    };
    let mut order = digits(&one.epoch, &other.epoch);
    for at in 0..one.release.len().max(other.release.len()) {
        let number = |version: &Version| version.release.get(at).cloned().unwrap_or_default();
        order = order.then_with(|| digits(&number(&one), &number(&other)));
    }
    let post = |version: &Version| version.post.is_some();
    order = order
        .then(one.pre.0.cmp(&other.pre.0))
        .then_with(|| digits(&one.pre.1, &other.pre.1))
        .then(post(&one).cmp(&post(&other)))
        .then_with(|| digits(one.post.as_deref().unwrap_or(""), other.post.as_deref().unwrap_or("")))
        .then(one.dev.0.cmp(&other.dev.0))
        .then_with(|| digits(&one.dev.1, &other.dev.1));
    for at in 0..one.local.len().max(other.local.len()) {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        order = order.then_with(|| match (one.local.get(at), other.local.get(at)) {
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => digits(a, b),
                (false, false) => a.cmp(b),
                (a, b) => a.cmp(&b),
            },
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
    }
    Some(order)
}

fn parse(text: &str) -> Option<Version> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_prefix('v').unwrap_or(&text);
    let (text, local) = text.split_once('+').map_or((text, None), |(text, local)| (text, Some(local)));
    let (epoch, mut rest) = text.split_once('!').unwrap_or(("0", text));
    let mut release = Vec::new();
    loop {
        let (number, next) = split(rest, true);
        if number.is_empty() {
            return None;
        }
        release.push(number.to_owned());
        rest = next;
        match rest.strip_prefix('.').filter(|next| next.starts_with(|first: char| first.is_ascii_digit())) {
            Some(next) => rest = next,
            None => break,
        }
    }
    let (mut pre, mut post, mut dev) = (None, None, None);
    if let Some((kind, number, next)) =
        tagged(rest, &[("alpha", 0), ("a", 0), ("beta", 1), ("b", 1), ("preview", 2), ("pre", 2), ("rc", 2), ("c", 2)])
    {
        pre = Some((kind, number));
        rest = next;
    }
    if let Some((_, number, next)) = tagged(rest, &[("post", 0), ("rev", 0), ("r", 0)]) {
        post = Some(number);
        rest = next;
    } else if let Some(next) = rest.strip_prefix('-') {
        let (number, next) = split(next, true);
        // Else it stands before a word: `1.0-dev1`.
        if !number.is_empty() {
            post = Some(number.to_owned());
            rest = next;
        }
    }
    if let Some((_, number, next)) = tagged(rest, &[("dev", 0)]) {
        dev = Some(number);
        rest = next;
    }
    if !rest.is_empty() || !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // 0: only a development version; 1 to 3: the kinds; 4: final.
    let pre = match (pre, &post, &dev) {
        (Some((kind, number)), ..) => (kind + 1, number),
        (None, None, Some(_)) => (0, String::new()),
        _ => (4, String::new()),
    };
    let local = local.map_or(Vec::new(), |local| local.split(['.', '-', '_']).map(str::to_owned).collect());
    let dev = dev.map_or((true, String::new()), |number| (false, number));
    Some(Version { epoch: epoch.to_owned(), release, pre, post, dev, local })
}

/// A word with a number, either of which may have a separator before it.
fn tagged<'a>(text: &'a str, words: &[(&str, u8)]) -> Option<(u8, String, &'a str)> {
    let rest = text.strip_prefix(['.', '-', '_']).unwrap_or(text);
    let (word, kind) = words.iter().find(|(word, _)| rest.starts_with(word))?;
    let rest = &rest[word.len()..];
    let after = rest.strip_prefix(['.', '-', '_']).unwrap_or(rest);
    let (number, next) = split(after, true);
    match number {
        "" => Some((*kind, "0".to_owned(), rest)),
        number => Some((*kind, number.to_owned(), next)),
    }
}
