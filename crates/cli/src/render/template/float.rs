//! Fractions as text: `%g`, `%e` and `%f`, and the shortest form.

use crate::render::size::general;

/// The fewest digits that mean the same number; an exponent from a million on and below 0.0001.
pub(super) fn shortest(value: f64) -> String {
    if let Some(special) = special(value) {
        return special.to_owned();
    }
    let text = format!("{value:e}");
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or(0);
    if (-4..SHORTEST_MAX_EXPONENT).contains(&exponent) { format!("{value}") } else { with_exponent(&text) }
}

/// From this power of ten on the shortest form has an exponent: a million prints as `1e+06`.
const SHORTEST_MAX_EXPONENT: i32 = 6;

/// `%g` with `digits` significant ones.
pub(super) fn significant(value: f64, digits: usize) -> String {
    special(value).map_or_else(|| general(value, digits.min(MAX_DIGITS)), str::to_owned)
}

/// `%e`.
pub(super) fn scientific(value: f64, digits: usize) -> String {
    let digits = digits.min(MAX_DIGITS);
    special(value).map_or_else(|| with_exponent(&format!("{value:.digits$e}")), str::to_owned)
}

/// `%f`.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    let digits = digits.min(MAX_DIGITS);
    special(value).map_or_else(|| format!("{value:.digits$}"), str::to_owned)
}

/// No fraction has more digits than this, and the formatter counts in 16 bits.
const MAX_DIGITS: usize = 10_000;

fn special(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// Gives an exponent its sign and at least two digits.
fn with_exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{mantissa}e-{exponent:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
        None => text.to_owned(),
    }
}
