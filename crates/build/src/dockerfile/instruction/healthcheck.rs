//! HEALTHCHECK.

use wharfie_oci::config::Healthcheck;
use wharfie_oci::duration;

use super::flags::{Flags, Form};
use crate::dockerfile::{Arguments, Node, quoted};
use crate::{Error, Result};

/// 1 ms, in nanoseconds: more often nobody can look.
const MIN_INTERVAL: i64 = 1_000_000;

/// What the instruction says.
pub(super) fn parse(node: &Node) -> Result<Healthcheck> {
    let Arguments::Check(kind, arguments) = &node.arguments else {
        return Err(Error::new("HEALTHCHECK requires at least one argument"));
    };
    let kind = kind.to_uppercase();
    let (words, is_json) = match &**arguments {
        Arguments::Json(words) => (words.clone(), true),
        Arguments::Words(words) => (words.clone(), false),
        _ => (Vec::new(), false),
    };
    if kind == "NONE" {
        return match words.is_empty() {
            true => Ok(Healthcheck { test: Some(vec![kind]), ..Healthcheck::default() }),
            false => Err(Error::new("HEALTHCHECK NONE takes no arguments")),
        };
    }
    let known = ["interval", "timeout", "start-period", "start-interval", "retries"].map(|name| (name, Form::Text));
    let flags = Flags::read(&node.flags, &known)?;
    if kind != "CMD" {
        return Err(Error::new(format!("Unknown type {} in HEALTHCHECK (try CMD)", quoted(&kind))));
    }
    if words.is_empty() {
        return Err(Error::new("Missing command after HEALTHCHECK CMD"));
    }
    let kind = if is_json { "CMD" } else { "CMD-SHELL" };
    let interval = |name| interval(name, &flags.text(name));
    Ok(Healthcheck {
        test: Some(std::iter::once(kind.to_owned()).chain(words).collect()),
        interval: interval("interval")?,
        timeout: interval("timeout")?,
        start_period: interval("start-period")?,
        start_interval: interval("start-interval")?,
        retries: retries(&flags.text("retries"))?,
    })
}

fn interval(name: &str, text: &str) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    match duration::parse_go(text) {
        None => Err(Error::new(unreadable(text))),
        Some(0) => Ok(0),
        Some(interval) if interval < MIN_INTERVAL => {
            Err(Error::new(format!("Interval {} cannot be less than 1ms", quoted(name))))
        }
        Some(interval) => Ok(interval),
    }
}

/// What Go says of a text that is no duration.
fn unreadable(text: &str) -> String {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let shown = quoted(text);
    while rest.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, behind) = rest.split_at(end);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => behind.split_at(behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len())),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            break;
        }
        let unit_end = behind.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        if unit.is_empty() {
            return format!("time: missing unit in duration {shown}");
        }
        if !matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h") {
            return format!("time: unknown unit {} in duration {shown}", quoted(unit));
        }
        rest = behind;
    }
    format!("time: invalid duration {shown}")
}

fn retries(text: &str) -> Result<i64> {
    if text.is_empty() {
        return Ok(0);
    }
    let fault = |what: &str| Error::new(format!("strconv.ParseInt: parsing {}: {what}", quoted(text)));
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fault("invalid syntax"));
    }
    let count: i32 = text.parse().map_err(|_| fault("value out of range"))?;
    if count < 0 {
        return Err(Error::new(format!("--retries cannot be negative ({count})")));
    }
    Ok(i64::from(count))
}
