//! Amounts of bytes as people write them: `64m`, `512kB`, `1.5GiB`. Flags and settings use them.

/// What a unit without an `i`, such as `kB`, stands for. With one, as in `KiB`, it is always a power of 1,024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// A power of 1,000, as disks are sold.
    Decimal,
    /// A power of 1,024, as docker reads every flag.
    Binary,
}

/// The bytes that `text` names: a number with an optional fraction, then `k m g t p` with `B`, `iB` or nothing behind it, in any
/// case. A part of a byte is left out. `None` if it is no size, or more than fits.
pub fn parse(text: &str, units: Units) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit_bytes(&unit.trim_start().to_ascii_lowercase(), units)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    let fraction = &fraction[..fraction.len().min(MAX_FRACTION)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u64::try_from(u128::from(digits(fraction)?) * u128::from(unit) / scale).ok()?;
    digits(whole)?.checked_mul(unit)?.checked_add(part)
}

/// Digits of a fraction that count: more say nothing about whole bytes of a petabyte.
const MAX_FRACTION: usize = 18;

fn unit_bytes(name: &str, units: Units) -> Option<u64> {
    if matches!(name, "" | "b") {
        return Some(1);
    }
    let power = 1 + "kmgtp".find(name.chars().next()?)?;
    let kilo: u64 = match (&name[1..], units) {
        ("ib", _) | ("" | "b", Units::Binary) => 1_024,
        ("" | "b", Units::Decimal) => 1_000,
        _ => return None,
    };
    kilo.checked_pow(u32::try_from(power).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_flags_are_powers_of_1024() {
        for (text, expected) in [
            ("64m", 64 << 20),
            ("1g", 1 << 30),
            ("512KB", 512 << 10),
            ("1.5GiB", 3 << 29),
            ("10", 10),
            ("10b", 10),
            (".5k", 512),
            ("1.k", 1024),
            ("0.1k", 102),
            ("1 tb", 1 << 40),
            ("9007199254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(parse(text, Units::Binary), Some(expected), "{text}");
        }
    }

    #[test]
    fn sizes_of_settings_are_as_written() {
        for (text, expected) in [("20GB", 20_000_000_000), ("512MiB", 512 << 20), (" 1000 ", 1000), ("1.5k", 1500)] {
            assert_eq!(parse(text, Units::Decimal), Some(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_size() {
        for text in
            ["", "much", ".", "k", "-1", "1.2.3", "1x", "1kbb", "1ki", "1é", "99999999p", "18446744073709551616"]
        {
            assert_eq!(parse(text, Units::Binary), None, "{text}");
        }
    }
}
