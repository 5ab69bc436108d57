//! What a parsed command line says.

use super::command::{Flag, Kind};
use super::typed::{Typed, Value};

/// The flags and positional arguments of one command, after parsing.
///
/// Asking for a flag that the command does not declare is a mistake in the program and panics.
#[derive(Debug, Clone)]
pub struct Matches {
    flags: &'static [Flag],
    values: Vec<Option<Vec<String>>>,
    args: Vec<String>,
}

impl Matches {
    pub(super) fn new(flags: &'static [Flag]) -> Self {
        Matches { flags, values: vec![None; flags.len()], args: Vec::new() }
    }

    /// What the flag says.
    pub fn get<T: Value + ?Sized>(&self, flag: &Typed<T>) -> T::Read<'_> {
        T::read(self, flag.long())
    }

    /// What the flag says, if the command has it at all.
    pub fn find<T: Value + ?Sized>(&self, flag: &Typed<T>) -> Option<T::Read<'_>> {
        self.declares(flag.long()).then(|| self.get(flag))
    }

    /// Whether the flag was given, whatever its value.
    pub fn is_given<T: ?Sized>(&self, flag: &Typed<T>) -> bool {
        self.is_set(flag.long())
    }

    /// The names of the given flags that docker has and we have not. A switch that is off asks for nothing.
    pub fn unsupported(&self) -> impl Iterator<Item = &'static str> {
        let given = self.flags.iter().filter(|flag| flag.is_unsupported && self.is_set(flag.long));
        given.filter(|flag| flag.kind != Kind::Bool || self.flag(flag.long)).map(|flag| flag.long)
    }

    /// The names of all given flags.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        self.flags.iter().filter(|flag| self.is_set(flag.long)).map(|flag| flag.long)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.values[self.index(name)].is_some()
    }

    /// Whether this switch is on.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|text| parse_bool(text) == Some(true))
    }

    /// The last value given, else the declared default, else nothing.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let index = self.index(name);
        let given = self.values[index].as_deref().and_then(|list| list.last()).map(String::as_str);
        given.or_else(|| Some(self.flags[index].default).filter(|text| !text.is_empty()))
    }

    /// Every value given, in order; defaults are not included.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.values[self.index(name)].as_deref().unwrap_or_default()
    }

    /// The number given, else the declared default, else 0.
    pub(super) fn int(&self, name: &str) -> i64 {
        self.value(name).map_or(0, |text| parse_int(text).expect("integers are checked while parsing"))
    }

    /// The conditions given with a filter flag: names in lower case, names and values without blanks around them, empty ones left out.
    pub(super) fn filters(&self, name: &str) -> Vec<(String, String)> {
        let pairs = self.values(name).iter().filter_map(|text| text.split_once('='));
        pairs.map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned())).collect()
    }

    /// The positional arguments.
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// The positional argument number `index`, if given.
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args.get(index).map(String::as_str)
    }

    pub(super) fn push_arg(&mut self, arg: String) {
        self.args.push(arg);
    }

    pub(super) fn add(&mut self, flag: &Flag, values: Vec<String>) {
        let index = self.index(flag.alias_of.unwrap_or(flag.long));
        let stored = self.values[index].get_or_insert_default();
        if matches!(flag.kind, Kind::Bool | Kind::Str | Kind::Int) {
            stored.clear();
        }
        stored.extend(values);
    }

    pub(super) fn declares(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.long == name)
    }

    fn index(&self, name: &str) -> usize {
        let found = self.flags.iter().position(|flag| flag.long == name);
        found.unwrap_or_else(|| panic!("flag --{name} is declared by the command that asks for it"))
    }
}

/// The truth values flags accept.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Why a whole number was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadInt {
    Syntax,
    Range,
}

/// Reads a whole number with an optional sign, in base 10, or with the prefixes `0x`, `0o`, `0b`, `0` in another; `_` may separate digits.
pub(super) fn parse_int(text: &str) -> Result<i64, BadInt> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = rest.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let prefixed = digits.len() != lower.len();
    let inner = if prefixed { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    let underscores_fit =
        !inner.starts_with('_') && !inner.ends_with('_') && !inner.contains("__") && (prefixed || !inner.contains('_'));
    if inner.is_empty() || !underscores_fit {
        return Err(BadInt::Syntax);
    }
    let mut value: i128 = 0;
    let mut in_range = true;
    for c in inner.chars().filter(|&c| c != '_') {
        let digit = c.to_digit(base).ok_or(BadInt::Syntax)?;
        value = value * i128::from(base) + i128::from(digit);
        in_range &= value <= i128::from(u64::MAX);
        value = value.min(i128::from(u64::MAX));
    }
    let signed = if negative { -value } else { value };
    i64::try_from(signed).ok().filter(|_| in_range).ok_or(BadInt::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, BadInt>) {
        assert_eq!(parse_int(text), expected, "{text}");
    }

    #[test]
    fn whole_numbers() {
        check("0", Ok(0));
        check("-1", Ok(-1));
        check("+25", Ok(25));
        check("0x1F", Ok(31));
        check("0b11", Ok(3));
        check("017", Ok(15));
        check("0_17", Ok(15));
        check("0x_1f", Ok(31));
        check("9223372036854775807", Ok(i64::MAX));
        check("-9223372036854775808", Ok(i64::MIN));
        check("9223372036854775808", Err(BadInt::Range));
        check("99999999999999999999999999999999999999999999", Err(BadInt::Range));
        check("", Err(BadInt::Syntax));
        check("-", Err(BadInt::Syntax));
        check("08", Err(BadInt::Syntax));
        check("1_000", Err(BadInt::Syntax));
        check("ten", Err(BadInt::Syntax));
        check("1.5", Err(BadInt::Syntax));
    }
}
