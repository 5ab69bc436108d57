//! `[epoch:]upstream[-revision]`. Source: deb-version(7).

use std::cmp::Ordering;

use super::{digits, split};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    digits(a.0, b.0).then_with(|| part(a.1, b.1)).then_with(|| part(a.2, b.2))
}

fn parts(text: &str) -> (&str, &str, &str) {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch, upstream, revision)
}

fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let ((words_a, rest_a), (words_b, rest_b)) = (split(a, false), split(b, false));
        let order = words(words_a, words_b);
        if order != Ordering::Equal {
            return order;
        }
        let ((digits_a, next_a), (digits_b, next_b)) = (split(rest_a, true), split(rest_b, true));
        let order = digits(digits_a, digits_b);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
    Ordering::Equal
}

/// `~` comes before the end, the end before letters, and letters before everything else.
fn words(a: &str, b: &str) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let orders = (0..a.len().max(b.len())).map(|at| weight(a.get(at)).cmp(&weight(b.get(at))));
    orders.fold(Ordering::Equal, Ordering::then)
}
