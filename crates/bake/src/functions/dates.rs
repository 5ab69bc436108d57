//! Points in time.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, Weekday};
use jiff::fmt::temporal::{DateTimeParser, PiecesOffset};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::Takes::{Any, Number as N, String as S};
use super::{Builtin, Failure, Means, Outcome, fixed, of, text};
use crate::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    fixed("timestamp", &[], |_, means| Ok(Value::String(rfc3339(&at(means.now)?)))),
    fixed("timeadd", &[of("timestamp", S), of("duration", S)], |all, _| {
        let start = moment(text(all, 0), 0)?;
        let duration = duration(text(all, 1))
            .ok_or_else(|| Failure::Argument(1, format!("time: invalid duration \"{}\"", text(all, 1))))?;
        let end = start.timestamp.checked_add(duration).map_err(|_| "the time is out of range")?;
        Ok(Value::String(rfc3339(&Moment::new(end, start.offset))))
    }),
    fixed("formatdate", &[of("format", S), of("time", S)], |all, _| {
        formatted(text(all, 0), &moment(text(all, 1), 1)?).map(Value::String)
    }),
    fixed("formattimestamp", &[of("format", S), of("time", Any)], |all, _| {
        let time = match &all[1] {
            Value::String(text) => moment(text, 1)?,
            Value::Number(seconds) => unix(*seconds, 1)?,
            _ => {
                let why = "must be a string timestamp or a unix timestamp number";
                return Err(Failure::Argument(1, why.to_owned()));
            }
        };
        match text(all, 0) {
            "X" => Ok(Value::String(time.timestamp.as_second().to_string())),
            format => formatted(format, &time).map(Value::String),
        }
    }),
    fixed("unixtimestampparse", &[of("unix_timestamp", N)], parts),
];

/// A point in time, as clocks at some offset show it.
struct Moment {
    timestamp: Timestamp,
    offset: Offset,
    shown: DateTime,
}

impl Moment {
    fn new(timestamp: Timestamp, offset: Offset) -> Self {
        Self { timestamp, offset, shown: offset.to_datetime(timestamp) }
    }
}

fn at(seconds: i64) -> Result<Moment, Failure> {
    let time = Timestamp::from_second(seconds).map_err(|_| "the time is out of range")?;
    Ok(Moment::new(time, Offset::UTC))
}

fn unix(seconds: Number, argument: usize) -> Result<Moment, Failure> {
    let whole = seconds.whole().and_then(|whole| i64::try_from(whole).ok());
    at(whole.ok_or_else(|| Failure::Argument(argument, "unix timestamp must be an integer".to_owned()))?)
}

/// Reads RFC 3339, and keeps its offset.
fn moment(text: &str, argument: usize) -> Result<Moment, Failure> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let wrong = || Failure::Argument(argument, format!("not a valid RFC3339 timestamp: cannot use \"{text}\""));
    let pieces = PARSER.parse_pieces(text).map_err(|_| wrong())?;
    let offset = match pieces.offset() {
        Some(PiecesOffset::Numeric(offset)) => offset.offset(),
        Some(_) => Offset::UTC,
        None => return Err(wrong()),
    };
    let time: Timestamp = PARSER.parse_timestamp(text).map_err(|_| wrong())?;
    Ok(Moment::new(time, offset))
}

fn rfc3339(time: &Moment) -> String {
    format!("{}{}", time.shown.strftime("%Y-%m-%dT%H:%M:%S"), offset(time, true, "Z"))
}

/// `+02:00` or `+0200`; `zero` for none at all.
fn offset(time: &Moment, has_colon: bool, zero: &str) -> String {
    let minutes = time.offset.seconds() / 60;
    if minutes == 0 {
        return zero.to_owned();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let colon = if has_colon { ":" } else { "" };
    format!("{sign}{:02}{colon}{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Go's duration: `1h30m`, `-1.5s`, `100ms`.
fn duration(text: &str) -> Option<SignedDuration> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').filter(|end| *end > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanoseconds += number * unit;
        rest = &rest[end..];
    }
    let nanoseconds = if is_negative { -nanoseconds } else { nanoseconds };
    SignedDuration::try_from_secs_f64(nanoseconds / 1e9).ok()
}

/// A time in the form that runs of letters ask for; what is in single quotes stands for itself.
fn formatted(format: &str, moment: &Moment) -> Result<String, Failure> {
    let time = moment.shown;
    let wrong = |why: String| Failure::Argument(0, why);
    let mut out = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        let run = rest.find(|other| other != letter).unwrap_or(rest.len());
        if letter == '\'' {
            let Some(end) = rest[1..].find('\'') else {
                return Err(wrong("unterminated literal '".to_owned()));
            };
            // Two quotes at once are one quote.
            out.push_str(if end == 0 { "'" } else { &rest[1..=end] });
            rest = &rest[end + 2..];
            continue;
        }
        let (verb, next) = rest.split_at(run);
        rest = next;
        let hour = (time.hour() + 11) % 12 + 1;
        let half = |names: [&str; 2]| names[usize::from(time.hour() >= 12)].to_owned();
        out.push_str(&match verb {
            "YYYY" => format!("{:04}", time.year()),
            "YY" => format!("{:02}", time.year() % 100),
            "MMMM" => time.strftime("%B").to_string(),
            "MMM" => time.strftime("%b").to_string(),
            "MM" => format!("{:02}", time.month()),
            "M" => time.month().to_string(),
            "DD" => format!("{:02}", time.day()),
            "D" => time.day().to_string(),
            "EEEE" => time.strftime("%A").to_string(),
            "EEE" => time.strftime("%a").to_string(),
            "hh" => format!("{:02}", time.hour()),
            "h" => time.hour().to_string(),
            "HH" => format!("{hour:02}"),
            "H" => hour.to_string(),
            "AA" => half(["AM", "PM"]),
            "aa" => half(["am", "pm"]),
            "mm" => format!("{:02}", time.minute()),
            "m" => time.minute().to_string(),
            "ss" => format!("{:02}", time.second()),
            "s" => time.second().to_string(),
            "ZZZZZ" => offset(moment, true, "+00:00"),
            "ZZZZ" => offset(moment, false, "+0000"),
            "ZZZ" => offset(moment, false, "UTC"),
            "Z" => offset(moment, true, "Z"),
            other if letter.is_ascii_alphabetic() => {
                return Err(wrong(format!("invalid date format verb \"{other}\": unsupported format verb")));
            }
            other => other.to_owned(),
        });
    }
    Ok(out)
}

fn parts(all: &[Value], _: &Means<'_>) -> Outcome {
    let moment = unix(super::number(all, 0), 0)?;
    let time = moment.shown;
    let week = time.date().iso_week_date();
    let number = |number: i64| Value::Number(Number::Whole(i128::from(number)));
    let day = match time.weekday() {
        Weekday::Sunday => 0,
        other => other.to_monday_one_offset(),
    };
    let fields = [
        ("year", number(time.year().into())),
        ("year_day", number(time.day_of_year().into())),
        ("day", number(time.day().into())),
        ("month", number(time.month().into())),
        ("month_name", Value::text(time.strftime("%B").to_string())),
        ("weekday", number(day.into())),
        ("weekday_name", Value::text(time.strftime("%A").to_string())),
        ("hour", number(time.hour().into())),
        ("minute", number(time.minute().into())),
        ("second", number(time.second().into())),
        ("rfc3339", Value::String(rfc3339(&moment))),
        ("iso_year", number(week.year().into())),
        ("iso_week", number(week.week().into())),
    ];
    Ok(Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>()))
}
