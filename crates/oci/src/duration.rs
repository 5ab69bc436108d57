//! Durations as Go writes them: `1h30m`, `10s`, `1.5ms`. Health checks and time filters use them.

/// A duration in nanoseconds: an optional sign, then numbers with optional fractions, each with a unit (`ns us µs ms s m h`); or `0`.
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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        fn check(text: &str, expected: Option<i64>) {
            assert_eq!(parse(text), expected, "{text}");
        }
        check("1h30m", Some(5_400_000_000_000));
        check("1.5s", Some(1_500_000_000));
        check("-10ms", Some(-10_000_000));
        check("0", Some(0));
        for bad in ["", "1", "s", "1x", ".s", "1.2.3s", "999999999999h"] {
            check(bad, None);
        }
    }
}
