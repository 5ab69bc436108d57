//! One command's words into flags and positional arguments.

use super::command::{Command, Flag, Kind};
use super::matches::{BadInt, Matches, parse_bool, parse_int};
use crate::render::quote::{quote, quote_char};
use crate::suggest::{nearest, said};

/// What a command's words say.
pub(super) struct Words {
    /// Flags and positional arguments.
    pub(super) matches: Matches,
    /// Whether `--help` was among them.
    pub(super) help: bool,
    /// Whether help was asked for with the old `-h`.
    pub(super) short_help: bool,
}

/// Reads `words` by the grammar of `command`. With `interspersed` off, the first positional word and all after it are positional.
/// An error is the bare message.
pub(super) fn parse_words<R>(command: &Command<R>, words: &[String], interspersed: bool) -> Result<Words, BadWords> {
    let mut reader = Reader {
        flags: command.flags,
        out: Words { matches: Matches::new(command.flags), help: false, short_help: false },
        rest: words,
    };
    while let Some((word, rest)) = reader.rest.split_first() {
        reader.rest = rest;
        if word == "--" {
            reader.take_rest();
        } else if let Some(long) = word.strip_prefix("--") {
            reader.long(word, long)?;
        } else if word.len() > 1 && word.starts_with('-') {
            reader.cluster(&word[1..])?;
        } else {
            reader.out.matches.push_arg(word.clone());
            if !interspersed {
                reader.take_rest();
            }
        }
    }
    Ok(reader.out)
}

/// Words that make no sense.
pub(super) struct BadWords {
    /// What is wrong.
    pub(super) message: String,
    /// What was probably meant.
    pub(super) help: Option<String>,
}

impl From<String> for BadWords {
    fn from(message: String) -> Self {
        Self { message, help: None }
    }
}

struct Reader<'a> {
    flags: &'static [Flag],
    out: Words,
    rest: &'a [String],
}

impl Reader<'_> {
    fn take_rest(&mut self) {
        for word in std::mem::take(&mut self.rest) {
            self.out.matches.push_arg(word.clone());
        }
    }

    fn next_word(&mut self) -> Option<String> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first.clone())
    }

    /// `word` is the whole word, `long` what follows its dashes.
    fn long(&mut self, word: &str, long: &str) -> Result<(), BadWords> {
        if long.is_empty() || long.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {word}").into());
        }
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let Some(flag) = self.flags.iter().find(|flag| flag.long == name).or_else(|| (name == "help").then_some(&HELP))
        else {
            let known: Vec<&str> = self.flags.iter().filter(|flag| !flag.hidden).map(|flag| flag.long).collect();
            let help = nearest(name, &known).map(|meant| said(&format!("--{meant}")));
            return Err(BadWords { message: format!("unknown flag: --{name}"), help });
        };
        let value = match attached {
            Some(value) => value,
            None if flag.kind == Kind::Bool => "true".to_owned(),
            None => self.next_word().ok_or_else(|| format!("flag needs an argument: {word}"))?,
        };
        self.set(flag, &value)
    }

    /// A word of short flags; messages show what is left of it.
    fn cluster(&mut self, mut letters: &str) -> Result<(), BadWords> {
        while let Some(&byte) = letters.as_bytes().first() {
            let letter = char::from(byte);
            let declared = self.flags.iter().find(|flag| flag.short == Some(letter));
            let Some(flag) = declared.or_else(|| (letter == 'h').then_some(&HELP)) else {
                return Err(format!("unknown shorthand flag: {} in -{letters}", quote_char(letter)).into());
            };
            if declared.is_none() {
                self.out.short_help = true;
            }
            let tail = &letters[1..];
            let (value, left) = if tail.len() > 1 && tail.starts_with('=') {
                (tail[1..].to_owned(), "")
            } else if flag.kind == Kind::Bool {
                ("true".to_owned(), tail)
            } else if !tail.is_empty() {
                (tail.to_owned(), "")
            } else {
                let next = self.next_word();
                (next.ok_or_else(|| format!("flag needs an argument: {} in -{letters}", quote_char(letter)))?, "")
            };
            self.set(flag, &value)?;
            letters = left;
        }
        Ok(())
    }

    fn set(&mut self, flag: &Flag, value: &str) -> Result<(), BadWords> {
        let values = read_value(flag, value).map_err(|reason| {
            let name = match flag.short {
                Some(short) => format!("-{short}, --{}", flag.long),
                None => format!("--{}", flag.long),
            };
            format!("invalid argument {} for {} flag: {reason}", quote(value), quote(&name))
        })?;
        if std::ptr::eq(flag, &raw const HELP) {
            self.out.help = parse_bool(value) == Some(true);
        } else {
            self.out.matches.add(flag, values);
        }
        Ok(())
    }
}

/// Understood by every command.
static HELP: Flag = Flag::bool("help", "Print usage");

fn read_value(flag: &Flag, value: &str) -> Result<Vec<String>, String> {
    let values = match flag.kind {
        Kind::Bool if parse_bool(value).is_none() => {
            return Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(value)));
        }
        Kind::Int => match parse_int(value) {
            Ok(_) => vec![value.to_owned()],
            Err(BadInt::Syntax) => {
                return Err(format!("strconv.ParseInt: parsing {}: invalid syntax", quote(value)));
            }
            Err(BadInt::Range) => {
                return Err(format!("strconv.ParseInt: parsing {}: value out of range", quote(value)));
            }
        },
        Kind::Filter if value.is_empty() => Vec::new(),
        Kind::Filter if !value.contains('=') => {
            return Err("bad format of filter (expected name=value)".to_owned());
        }
        Kind::CommaList => split_commas(value)?,
        Kind::Bool | Kind::Str | Kind::List | Kind::Filter => vec![value.to_owned()],
    };
    if let Some(check) = flag.check {
        values.iter().try_for_each(|value| check(value))?;
    }
    Ok(values)
}

/// One line of comma-separated values: a field may be in double quotes, where `""` is one quote. Empty text is no value at all.
fn split_commas(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    if text.is_empty() {
        return Ok(fields);
    }
    let line = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let mut rest = line;
    loop {
        let column = line.len() - rest.len() + 1;
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let (field, tail) = rest.split_once(',').map_or((rest, None), |(field, tail)| (field, Some(tail)));
            if let Some(at) = field.find('"') {
                return Err(format!("parse error on line 1, column {}: bare \" in non-quoted field", column + at));
            }
            fields.push(field.to_owned());
            match tail {
                Some(tail) => rest = tail,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        loop {
            let Some((inside, tail)) = quoted.split_once('"') else {
                return Err(format!(
                    "parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                    line.len() + 1
                ));
            };
            field.push_str(inside);
            if let Some(tail) = tail.strip_prefix('"') {
                field.push('"');
                quoted = tail;
            } else if let Some(tail) = tail.strip_prefix(',') {
                fields.push(field);
                rest = tail;
                break;
            } else if tail.is_empty() {
                fields.push(field);
                return Ok(fields);
            } else {
                let column = line.len() - tail.len();
                return Err(format!(
                    "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_commas(text: &str, expected: Result<&[&str], &str>) {
        let found = split_commas(text);
        let found = found.as_ref().map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.as_deref().map_err(|e| e.as_str()), expected, "{text}");
    }

    #[test]
    fn comma_lists() {
        check_commas("", Ok(&[]));
        check_commas("a", Ok(&["a"]));
        check_commas("a,b,,c", Ok(&["a", "b", "", "c"]));
        check_commas("\"a,b\",c", Ok(&["a,b", "c"]));
        check_commas("\"say \"\"hi\"\"\"", Ok(&["say \"hi\""]));
        check_commas("a\"b", Err("parse error on line 1, column 2: bare \" in non-quoted field"));
        check_commas("\"ab", Err("parse error on line 1, column 4: extraneous or missing \" in quoted-field"));
        check_commas("\"a\"b", Err("parse error on line 1, column 3: extraneous or missing \" in quoted-field"));
    }
}
