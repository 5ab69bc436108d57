//! `printf`: a format with verbs, flags, widths and precisions. Mistakes show inside the result, as `%!d(string=x)`, never as errors.

use super::eval::MAX_OUTPUT;
use super::functions::too_long;
use super::print;
use super::verb::{Flags, Printer};
use crate::render::value::Value;

/// Widths and precisions beyond this are refused; so are indices of arguments.
const MAX_NUMBER: usize = 1_000_000;

/// Formats `args` by `format`.
///
/// # Errors
/// If the result would be longer than any output may be.
pub(super) fn sprintf(format: &str, args: &[Value]) -> Result<String, String> {
    let mut reader = Reader { rest: format, args, next: 0, reordered: false, index_is_good: true, after_index: false };
    let mut out = String::with_capacity(format.len() * 2);
    while let Some((text, rest)) = reader.rest.split_once('%') {
        out.push_str(text);
        reader.rest = rest;
        reader.directive(&mut out);
        if out.len() > MAX_OUTPUT {
            return Err(too_long());
        }
    }
    out.push_str(reader.rest);
    if !reader.reordered && reader.next < args.len() {
        out.push_str("%!(EXTRA ");
        for (index, arg) in args[reader.next..].iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { "" });
            if matches!(arg, Value::Missing | Value::Nil) {
                out.push_str("<nil>");
            } else {
                out.push_str(&format!("{}={}", arg.type_name(), print::plain(arg)));
            }
        }
        out.push(')');
    }
    Ok(out)
}

struct Reader<'a> {
    rest: &'a str,
    args: &'a [Value],
    next: usize,
    reordered: bool,
    index_is_good: bool,
    /// Whether an index in brackets was the last thing read.
    after_index: bool,
}

impl Reader<'_> {
    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// One directive, whose `%` has been read.
    fn directive(&mut self, out: &mut String) {
        self.index_is_good = true;
        self.after_index = false;
        let mut flags = Flags::default();
        loop {
            match self.rest.as_bytes().first() {
                Some(b'#') => flags.sharp = true,
                Some(b'0') => flags.zero = true,
                Some(b'+') => flags.plus = true,
                Some(b'-') => flags.minus = true,
                Some(b' ') => flags.space = true,
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        self.index();
        if self.take('*') {
            match self.int() {
                Some(width) => {
                    flags.minus |= width < 0;
                    flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => out.push_str("%!(BADWIDTH)"),
            }
            self.after_index = false;
        } else {
            flags.width = self.number();
            // An index must stand right before the verb or a `*`.
            self.index_is_good &= !(self.after_index && flags.width.is_some());
        }
        if self.take('.') {
            self.index_is_good &= !self.after_index;
            self.index();
            if self.take('*') {
                match self.int().and_then(|precision| usize::try_from(precision).ok()) {
                    Some(precision) => flags.precision = Some(precision),
                    None => out.push_str("%!(BADPREC)"),
                }
                self.after_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !self.after_index {
            self.index();
        }
        flags.zero &= !flags.minus;
        let Some(verb) = self.rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            return;
        };
        self.rest = &self.rest[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
        } else if !self.index_is_good {
            out.push_str(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(arg) = self.args.get(self.next) {
            Printer { flags, out }.value(arg, verb);
            self.next += 1;
        } else {
            out.push_str(&format!("%!{verb}(MISSING)"));
        }
    }

    /// Digits as a number. One that is too large swallows the rest of the format.
    fn number(&mut self) -> Option<usize> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = &self.rest[..length];
        self.rest = &self.rest[length..];
        if digits.is_empty() {
            return None;
        }
        let number = digits.parse().ok().filter(|number| *number <= MAX_NUMBER);
        if number.is_none() {
            self.rest = "";
        }
        number
    }

    /// `[n]`: the next argument is number `n`, from 1.
    fn index(&mut self) {
        self.after_index = false;
        let Some(rest) = self.rest.strip_prefix('[') else {
            return;
        };
        self.reordered = true;
        let Some((digits, after)) = rest.split_once(']') else {
            self.index_is_good = false;
            self.rest = rest;
            return;
        };
        self.rest = after;
        self.after_index = true;
        let number = digits.parse::<usize>().ok().filter(|number| (1..=self.args.len()).contains(number));
        match number {
            Some(number) => self.next = number - 1,
            None => self.index_is_good = false,
        }
    }

    /// The next argument as a width or a precision.
    fn int(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        match arg {
            Value::Int(number) if number.unsigned_abs() <= MAX_NUMBER as u64 => Some(*number),
            _ => None,
        }
    }
}
