//! Durations as Go writes them: `1h30m`, `10s`, `1.5ms`; and `7d`, `2w`, which Go does not read. Whatever takes a duration reads it
//! here.

/// A duration in nanoseconds: an optional sign, then numbers with optional fractions, each with a unit (`ns us µs ms s m h d
/// w`); or `0`. A day has 24 hours, a week 7 days.
pub fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total = total.checked_add(scaled(amount, unit_nanoseconds(unit)?)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// As [`parse`], of what Go reads alone: a Dockerfile that is good here is good elsewhere.
pub fn parse_go(text: &str) -> Option<i64> {
    parse(text).filter(|_| !text.contains(['d', 'w']))
}

/// `1h30m0s`, `1.5s`, `20ms`, `0s`: as Go prints durations.
pub fn print(nanoseconds: i64) -> String {
    let total = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (unit, name) = match total {
        0 => return "0s".to_owned(),
        1..1_000 => (1_u64, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (hours, minutes) = (total / 3_600_000_000_000, total / 60_000_000_000 % 60);
    let rest = if unit == 1_000_000_000 { total % 60_000_000_000 } else { total };
    let width = unit.ilog10() as usize;
    let fraction = if width == 0 { String::new() } else { format!("{:0width$}", rest % unit) };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let larger = match (hours, minutes) {
        (0, 0) => String::new(),
        (0, _) => format!("{minutes}m"),
        _ => format!("{hours}h{minutes}m"),
    };
    format!("{sign}{larger}{}{point}{fraction}{name}", rest / unit)
}

fn scaled(amount: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Fifteen digits are more than any unit can show.
    let digits = &fraction[..fraction.len().min(15)];
    let part = if digits.is_empty() {
        0
    } else {
        digits.parse::<i128>().ok()? * unit / 10_i128.pow(u32::try_from(digits.len()).ok()?)
    };
    whole.checked_mul(unit)?.checked_add(part)
}

fn unit_nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 24 * 3_600_000_000_000,
        "w" => 7 * 24 * 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_as_go_prints() {
        fn check(nanoseconds: i64, expected: &str) {
            assert_eq!(print(nanoseconds), expected);
            assert_eq!(parse(expected), Some(nanoseconds));
        }
        check(0, "0s");
        check(7, "7ns");
        check(1_500, "1.5µs");
        check(20_000_000, "20ms");
        check(1_500_000_000, "1.5s");
        check(90_000_000_000, "1m30s");
        check(5_400_000_000_000, "1h30m0s");
        check(3_600_000_000_001, "1h0m0.000000001s");
        check(-5_000_000_000, "-5s");
    }

    #[test]
    fn units_add_up() {
        fn check(text: &str, expected: Option<i64>) {
            assert_eq!(parse(text), expected, "{text}");
        }
        check("1h30m", Some(5_400_000_000_000));
        check("1.5s", Some(1_500_000_000));
        check("-10ms", Some(-10_000_000));
        check("0", Some(0));
        check("7d", Some(7 * 86_400 * 1_000_000_000));
        check("2w", Some(14 * 86_400 * 1_000_000_000));
        check("1d12h", Some(36 * 3_600 * 1_000_000_000));
        for bad in ["", "1", "s", "1x", ".s", "1.2.3s", "999999999999h"] {
            check(bad, None);
        }
        assert_eq!((parse_go("7d"), parse_go("1h"), parse("1h")), (None, parse("1h"), Some(3_600_000_000_000)));
    }
}
