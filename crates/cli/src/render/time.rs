//! Moments as text and back. The current time and the local zone are parameters.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::quote::quote;

/// `2026-11-23 04:44:00 +0000 UTC`: whole seconds in `zone`, as in `CreatedAt`.
pub fn local(moment: Timestamp, zone: &TimeZone) -> String {
    let (civil, offset) = in_zone(moment, zone);
    format!("{} {} {}", date_and_time(civil, ' '), clock_offset(offset), zone.to_offset_info(moment).abbreviation())
}

/// `2026-11-23 04:44:00.5 +0000 UTC`: the moment in UTC with its fraction, as templates print a time.
pub fn utc_full(moment: Timestamp) -> String {
    let civil = Offset::UTC.to_datetime(moment);
    format!("{}{} +0000 UTC", date_and_time(civil, ' '), fraction(civil.subsec_nanosecond()))
}

/// RFC 3339 in UTC, the fraction without trailing zeros: `2026-11-23T04:38:09.25Z`.
pub fn rfc3339(moment: Timestamp) -> String {
    moment.to_string()
}

/// RFC 3339 in UTC with all nine digits, as logs print it.
pub fn rfc3339_nanos(moment: Timestamp) -> String {
    format!("{moment:.9}")
}

/// RFC 3339 in `zone`, whole seconds, as histories print it: `2026-11-23T04:38:09+01:00`.
pub fn rfc3339_seconds(moment: Timestamp, zone: &TimeZone) -> String {
    let (civil, offset) = in_zone(moment, zone);
    format!("{}{}", date_and_time(civil, 'T'), colon_offset(offset))
}

/// RFC 3339 in `zone` with all nine digits, as events print it: `2026-11-23T04:38:09.250000000+01:00`.
pub fn rfc3339_local(moment: Timestamp, zone: &TimeZone) -> String {
    let (civil, offset) = in_zone(moment, zone);
    format!("{}.{:09}{}", date_and_time(civil, 'T'), civil.subsec_nanosecond(), colon_offset(offset))
}

fn in_zone(moment: Timestamp, zone: &TimeZone) -> (DateTime, Offset) {
    let offset = zone.to_offset(moment);
    (offset.to_datetime(moment), offset)
}

fn date_and_time(civil: DateTime, between: char) -> String {
    let (year, month, day) = (civil.year(), civil.month(), civil.day());
    format!("{year:04}-{month:02}-{day:02}{between}{:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second())
}

fn clock_offset(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
}

/// `Z`, or `+01:00`.
fn colon_offset(offset: Offset) -> String {
    match clock_offset(offset) {
        text if text == "+0000" => "Z".to_owned(),
        text => format!("{}:{}", &text[..3], &text[3..]),
    }
}

fn fraction(nanoseconds: i32) -> String {
    if nanoseconds == 0 { String::new() } else { format!(".{nanoseconds:09}").trim_end_matches('0').to_owned() }
}

/// A value that is neither a time nor a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("failed to parse value as time or duration: {}", quote(value))]
pub struct BadMoment {
    /// The value as given.
    pub value: String,
}

/// Reads the value of an `until` or `since` filter: a duration (`1h30m`, meaning that long before `now`), a Unix time with an optional
/// fraction, or a date with optional time and zone; without a zone it is in `zone`.
///
/// # Errors
/// [`BadMoment`] for anything else, and for moments outside the years 1 to 9999.
pub fn parse_moment(value: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, BadMoment> {
    let moment = match wharfie_oci::duration::parse(value).filter(|_| value != "0") {
        Some(nanoseconds) => now.checked_sub(SignedDuration::from_nanos(nanoseconds)).ok(),
        None => parse_date(value, zone).or_else(|| parse_unix(value)),
    };
    moment.ok_or_else(|| BadMoment { value: value.to_owned() })
}

/// Seconds since 1970 with up to nine digits of fraction.
fn parse_unix(value: &str) -> Option<Timestamp> {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
    Timestamp::new(seconds.parse().ok()?, nanoseconds(fraction)?).ok()
}

/// The digits after a decimal point as nanoseconds.
fn nanoseconds(digits: &str) -> Option<i32> {
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| format!("{digits:0<9}").parse().ok())?
}

/// `2006-01-02`, `…T15`, `…T15:04`, `…T15:04:05`, `…T15:04:05.999`, each with an optional `Z` or `±hh:mm`.
fn parse_date(value: &str, zone: &TimeZone) -> Option<Timestamp> {
    let mut rest = value;
    let year = number(&mut rest, 4)?;
    let month = number(literal(&mut rest, '-')?, 2)?;
    let day = number(literal(&mut rest, '-')?, 2)?;
    let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
    if literal(&mut rest, 'T').is_some() {
        hour = number(&mut rest, 2)?;
        if literal(&mut rest, ':').is_some() {
            minute = number(&mut rest, 2)?;
            if literal(&mut rest, ':').is_some() {
                second = number(&mut rest, 2)?;
                // ISO 8601 has a comma as well, and `date --iso-8601=ns` writes it.
                if literal(&mut rest, '.').is_some() || literal(&mut rest, ',').is_some() {
                    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                    nanos = nanoseconds(&rest[..digits])?;
                    rest = &rest[digits..];
                }
            }
        }
    }
    let small = |number: i16| i8::try_from(number).ok();
    let civil =
        DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, nanos).ok()?;
    match rest.as_bytes() {
        [] => zone.to_timestamp(civil).ok(),
        b"Z" | b"z" => Offset::UTC.to_timestamp(civil).ok(),
        [sign @ (b'+' | b'-'), ..] => {
            let mut rest = &rest[1..];
            let hours = i32::from(number(&mut rest, 2)?);
            let minutes = i32::from(number(literal(&mut rest, ':')?, 2)?);
            let seconds = (hours * 60 + minutes) * 60;
            let offset = Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()?;
            offset.to_timestamp(civil).ok().filter(|_| rest.is_empty() && minutes < 60)
        }
        _ => None,
    }
}

fn number(rest: &mut &str, digits: usize) -> Option<i16> {
    let head = rest.get(..digits).filter(|head| head.bytes().all(|byte| byte.is_ascii_digit()))?;
    *rest = &rest[digits..];
    head.parse().ok()
}

fn literal<'a, 'b>(rest: &'a mut &'b str, expected: char) -> Option<&'a mut &'b str> {
    *rest = rest.strip_prefix(expected)?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plus_two() -> TimeZone {
        TimeZone::posix("CEST-2").unwrap()
    }

    fn check(value: &str, expected: &str) {
        let found = parse_moment(value, at("2026-11-23T12:00:00Z"), &plus_two());
        assert_eq!(found.map(rfc3339), Ok(expected.to_owned()), "{value}");
    }

    fn refused(value: &str) {
        let found = parse_moment(value, at("2026-11-23T12:00:00Z"), &plus_two());
        let expected = format!("failed to parse value as time or duration: \"{value}\"");
        assert_eq!(found.map_err(|e| e.to_string()), Err(expected));
    }

    #[test]
    fn moments_as_text() {
        assert_eq!(local(at("2026-11-23T04:44:00.9Z"), &TimeZone::UTC), "2026-11-23 04:44:00 +0000 UTC");
        assert_eq!(local(at("2026-11-23T23:44:00Z"), &plus_two()), "2026-11-24 01:44:00 +0200 CEST");
        assert_eq!(rfc3339(at("2026-11-23T04:38:09Z")), "2026-11-23T04:38:09Z");
        assert_eq!(rfc3339(at("2026-11-23T04:38:09.120300Z")), "2026-11-23T04:38:09.1203Z");
        assert_eq!(rfc3339(at("0001-01-01T00:00:00Z")), "0001-01-01T00:00:00Z");
        assert_eq!(rfc3339_nanos(at("2026-11-23T04:48:20.33Z")), "2026-11-23T04:48:20.330000000Z");
        assert_eq!(utc_full(at("2026-11-23T04:48:20.33Z")), "2026-11-23 04:48:20.33 +0000 UTC");
    }

    #[test]
    fn durations_count_back_from_now() {
        check("24h", "2026-11-22T12:00:00Z");
        check("1h30m", "2026-11-23T10:30:00Z");
        check("10s", "2026-11-23T11:59:50Z");
        check("1.5s", "2026-11-23T11:59:58.5Z");
        check("-1h", "2026-11-23T13:00:00Z");
    }

    #[test]
    fn unix_times_and_dates() {
        check("0", "1970-01-01T00:00:00Z");
        check("1262304000", "2010-01-01T00:00:00Z");
        check("1262304000.25", "2010-01-01T00:00:00.25Z");
        check("2026-01-02", "2026-01-01T22:00:00Z");
        check("2026-01-02Z", "2026-01-02T00:00:00Z");
        check("2026-01-02T15", "2026-01-02T13:00:00Z");
        check("2026-01-02T15:04", "2026-01-02T13:04:00Z");
        check("2026-01-02T15:04Z", "2026-01-02T15:04:00Z");
        check("2026-01-02T15:04:05", "2026-01-02T13:04:05Z");
        check("2026-01-02T15:04:05.123456789", "2026-01-02T13:04:05.123456789Z");
        check("2026-01-02T15:04:05Z", "2026-01-02T15:04:05Z");
        check("2026-01-02T15:04:05-07:00", "2026-01-02T22:04:05Z");
        check("2026-01-02T15:04:05.5+01:30", "2026-01-02T13:34:05.5Z");
    }

    #[test]
    fn everything_else_is_refused() {
        for value in
            ["xyz", "", "h", "1h30", "2026-13-01", "2026-02-30", "2026-01-02T", "2026-01-02T25:00", "1.2.3", ".", "é"]
        {
            refused(value);
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1ns", Some(1)),
            ("1.5us", Some(1500)),
            ("2ms", Some(2_000_000)),
            (".5m", Some(30_000_000_000)),
            ("3", None),
            ("", None),
            ("-", None),
            (".s", None),
            ("999999999h", None),
        ] {
            assert_eq!(wharfie_oci::duration::parse(text), expected, "{text}");
        }
    }
}
