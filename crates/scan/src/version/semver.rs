//! Semantic versions, as their users write them: with a `v`, with fewer numbers or a fourth. Source: semver.org 2.0.0, 11.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((numbers_a, pre_a), (numbers_b, pre_b)) = (parse(a)?, parse(b)?);
    for at in 0..numbers_a.len().max(numbers_b.len()) {
        let order = digits(numbers_a.get(at).unwrap_or(&"0"), numbers_b.get(at).unwrap_or(&"0"));
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    Some(match (pre_a, pre_b) {
        ("", "") => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (a, b) => identifiers(a, b),
    })
}

/// The numbers, and what stands behind a hyphen. What is built in does not count.
fn parse(text: &str) -> Option<(Vec<&str>, &str)> {
    let text = text.strip_prefix(['v', 'V', '=']).unwrap_or(text);
    let text = text.split('+').next().unwrap_or_default();
    let (numbers, mut pre) = text.split_once('-').unwrap_or((text, ""));
    let mut found = Vec::new();
    for number in numbers.split('.') {
        let end = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
        if end == 0 {
            return None;
        }
        found.push(&number[..end]);
        if end < number.len() {
            // Go's compilers: `1.23rc2` comes before `1.23.0`.
            let rest = &number[end..];
            if pre.is_empty() && rest.starts_with(|first: char| first.is_ascii_alphabetic()) && numbers.ends_with(rest)
            {
                pre = rest;
                break;
            }
            return None;
        }
    }
    Some((found, pre))
}

fn identifiers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                match (is_number(a), is_number(b)) {
                    (true, true) => digits(a, b),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    (false, false) => a.cmp(b),
                }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
