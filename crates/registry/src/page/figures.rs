//! Sizes and times as people read them.

use wharfie_oci::{Digest, Timestamp};

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A size in units of 1000 with three digits, as docker shows sizes of images.
pub(super) fn size(bytes: u64) -> String {
    // In thousandths of the unit, so that nothing is lost before it is rounded.
    let (mut value, mut unit) = (u128::from(bytes) * 1000, 0);
    while value >= 999_500 && unit + 1 < UNITS.len() {
        value /= 1000;
        unit += 1;
    }
    let step = match value {
        0..9_995 => 10,
        9_995..99_950 => 100,
        _ => 1000,
    };
    let value = if unit == 0 { value } else { (value + step / 2) / step * step };
    let fraction = format!("{:03}", value % 1000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}{}", value / 1000, UNITS[unit])
}

/// A moment, to the minute.
pub(super) fn moment(seconds: i64) -> String {
    let text = Timestamp { seconds, nanos: 0 }.to_string();
    match text.get(..16).filter(|_| text.ends_with('Z')) {
        Some(text) => format!("{} UTC", text.replace('T', " ")),
        None => text,
    }
}

/// A moment that an image tells. One that is none is shown as it is.
pub(super) fn told(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |moment: Timestamp| self::moment(moment.seconds))
}

/// The first digits of a digest, which are enough for people.
pub(super) fn short(digest: &Digest) -> String {
    format!("{}:{}", digest.algorithm().as_str(), digest.hex().chars().take(12).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let check = |bytes: u64, expected: &str| assert_eq!(size(bytes), expected, "{bytes}");
        check(0, "0B");
        check(999, "999B");
        check(1000, "1kB");
        check(1234, "1.23kB");
        check(12_345, "12.3kB");
        check(123_456, "123kB");
        check(999_499, "999kB");
        check(999_999, "1MB");
        check(9_996_000, "10MB");
        check(7_620_000, "7.62MB");
        check(u64::MAX, "18.4EB");
    }

    #[test]
    fn moments_are_read_or_shown_as_they_are() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(told("2024-02-29T12:34:56.789+01:00"), "2024-02-29 11:34 UTC");
        assert_eq!(told("<yesterday>"), "<yesterday>");
    }
}
