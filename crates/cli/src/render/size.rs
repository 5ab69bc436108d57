//! Byte counts for people: `1.98MB`, `23.54GiB`.

/// A size in units of 1000 with three digits, as in the SIZE columns.
pub fn short(bytes: u64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 3)
}

/// A size in units of 1000 with four digits, as in totals and progress counters.
pub fn long(bytes: u64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 4)
}

/// A size in units of 1024 with four digits, as memory is shown.
pub fn binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, &BINARY, 4)
}

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

fn scaled(bytes: u64, base: f64, units: &[&str; 9], digits: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "sizes are rounded to a few digits anyway")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let mut text = general(value, digits);
    text.push_str(units[unit]);
    text
}

/// `value` with `digits` significant digits the way C's `%.Ng` prints it: no trailing zeros, an exponent when it needs more digits than given.
pub fn general(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().expect("a formatted exponent is a number");
    let wanted = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= wanted {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(wanted - 1 - exponent).unwrap_or(0);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits() {
        let cases = [
            (0, "0B"),
            (1, "1B"),
            (999, "999B"),
            (1000, "1kB"),
            (1005, "1kB"),
            (1015, "1.01kB"),
            (1025, "1.02kB"),
            (1050, "1.05kB"),
            (9994, "9.99kB"),
            (9995, "9.99kB"),
            (9999, "10kB"),
            (12345, "12.3kB"),
            (99949, "99.9kB"),
            (99950, "100kB"),
            (123_456, "123kB"),
            (999_499, "999kB"),
            (999_500, "1e+03kB"),
            (999_999, "1e+03kB"),
            (1_000_000, "1MB"),
            (1_234_567, "1.23MB"),
            (1_982_563, "1.98MB"),
            (u64::MAX, "18.4EB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(short(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn four_digits() {
        for (bytes, expected) in [
            (1001, "1.001kB"),
            (12345, "12.35kB"),
            (99999, "100kB"),
            (999_500, "999.5kB"),
            (999_999, "1000kB"),
            (1_982_563, "1.983MB"),
            (6, "6B"),
        ] {
            assert_eq!(long(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn binary_units() {
        for (bytes, expected) in
            [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (25_276_000_000, "23.54GiB"), (1 << 20, "1MiB")]
        {
            assert_eq!(binary(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn general_form() {
        for (value, expected) in
            [(0.0, "0"), (0.0001, "0.0001"), (0.00001, "1e-05"), (-1.5, "-1.5"), (123_456.0, "1.23e+05")]
        {
            assert_eq!(general(value, 3), expected, "{value}");
        }
    }
}
