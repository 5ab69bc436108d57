//! Sizes in bytes, as docker reads and shows them.

/// A number, or one with a unit such as `128m`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("invalid size: '{text}'");
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim().to_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    Ok((number * 1024_f64.powi(power)) as u64)
}

/// At most four digits, and a unit.
pub(crate) fn shown(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    let decimals = match size {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let digits = format!("{size:.decimals$}");
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, expected) in [
            ("128m", "128MiB"),
            ("1", "1B"),
            ("2048", "2KiB"),
            ("1.5g", "1.5GiB"),
            ("1000kb", "1000KiB"),
            ("1023MiB", "1023MiB"),
        ] {
            assert_eq!(parse(text).map(shown), Ok(expected.to_owned()), "{text}");
        }
        assert_eq!(parse("x"), Err("invalid size: 'x'".to_owned()));
        assert_eq!(parse("1q"), Err("invalid size: '1q'".to_owned()));
    }
}
