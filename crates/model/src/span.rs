//! Spans of time in docker's words, which lists of containers hold and tables show: `About an hour`, `13 days`.

/// The span of `seconds` in words. Less than a second and negative spans (dates in the future) read alike.
pub fn span(seconds: f64) -> String {
    // Saturating casts: an absurd span is shown as an absurd number of years.
    let whole = seconds.floor() as i64;
    let minutes = (seconds / 60.0).floor() as i64;
    let hours = (seconds / 3600.0 + 0.5).floor() as i64;
    match () {
        () if whole < 1 => "Less than a second".to_owned(),
        () if whole == 1 => "1 second".to_owned(),
        () if whole < 60 => format!("{whole} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / (24 * 7)),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / (24 * 30)),
        () => format!("{} years", (seconds / 3600.0).floor() as i64 / (24 * 365)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: f64, expected: &str) {
        assert_eq!(span(seconds), expected, "{seconds}");
    }

    const HOUR: f64 = 3600.0;
    const DAY: f64 = 24.0 * HOUR;

    #[test]
    fn every_step() {
        check(-100.0, "Less than a second");
        check(0.99, "Less than a second");
        check(1.0, "1 second");
        check(1.99, "1 second");
        check(2.0, "2 seconds");
        check(59.9, "59 seconds");
        check(60.0, "About a minute");
        check(119.0, "About a minute");
        check(120.0, "2 minutes");
        check(59.0 * 60.0, "59 minutes");
        check(HOUR, "About an hour");
        check(89.0 * 60.0, "About an hour");
        check(91.0 * 60.0, "2 hours");
        check(47.4 * HOUR, "47 hours");
        check(47.6 * HOUR, "2 days");
        check(13.9 * DAY, "13 days");
        check(14.0 * DAY, "2 weeks");
        check(59.9 * DAY, "8 weeks");
        check(60.0 * DAY, "2 months");
        check(365.0 * DAY, "12 months");
        check(729.4 * DAY, "24 months");
        check(730.0 * DAY, "2 years");
    }
}
