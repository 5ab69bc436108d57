//! `format` and `formatlist`: values in the form that verbs ask for.

use super::Takes::{Nullable, String as S};
use super::{Builtin, Failure, MAX_TEXT, Outcome, fixed, of, open, text};
use crate::print::quote;
use crate::value::{Number, Type, Value, convert, to_json};

pub(super) const TABLE: &[Builtin] = &[
    open("format", &[of("format", S)], of("args", Nullable), |all, _| {
        formatted(text(all, 0), &all[1..]).map(Value::String)
    }),
    open("formatlist", &[of("format", S)], of("args", Nullable), |all, _| lists(text(all, 0), &all[1..])),
    fixed("jsonencode", &[of("val", Nullable)], |all, _| Ok(Value::text(to_json(&all[0])))),
];

/// One text for each element of the arguments that are lists.
fn lists(format: &str, arguments: &[Value]) -> Outcome {
    let mut length = None;
    for (at, argument) in arguments.iter().enumerate() {
        let Some(elements) = argument.sequence() else { continue };
        match length {
            None => length = Some((elements.len(), at)),
            Some((length, _)) if length == elements.len() => {}
            Some((length, first)) => {
                let why = format!(
                    "argument {} has length {}, which is inconsistent with argument {} of length {length}",
                    at + 1,
                    elements.len(),
                    first + 1
                );
                return Err(Failure::Argument(at + 1, why));
            }
        }
    }
    let one = |row: usize| {
        let row: Vec<_> = arguments.iter().map(|one| one.sequence().map_or(one, |all| &all[row]).clone()).collect();
        formatted(format, &row).map(Value::String)
    };
    let rows = length.map_or(1, |(length, _)| length);
    (0..rows).map(one).collect::<Result<_, _>>().map(|texts| Value::List(Type::String, texts))
}

/// What stands between `%` and the verb.
#[derive(Default)]
struct Directive {
    is_left: bool,
    is_zeroed: bool,
    has_plus: bool,
    has_space: bool,
    is_sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

fn formatted(format: &str, arguments: &[Value]) -> Result<String, Failure> {
    let mut out = String::new();
    let (mut next, mut used) = (0, 0);
    let mut letters = format.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        if out.len() > MAX_TEXT {
            return Err("the result would be too long".into());
        }
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut directive = Directive::default();
        while let Some((_, flag)) = letters.next_if(|(_, letter)| matches!(letter, '-' | '0' | '+' | ' ' | '#')) {
            match flag {
                '-' => directive.is_left = true,
                '0' => directive.is_zeroed = true,
                '+' => directive.has_plus = true,
                ' ' => directive.has_space = true,
                _ => directive.is_sharp = true,
            }
        }
        directive.width = digits(&mut letters);
        if letters.next_if(|(_, letter)| *letter == '.').is_some() {
            directive.precision = Some(digits(&mut letters).unwrap_or(0));
        }
        if letters.next_if(|(_, letter)| *letter == '[').is_some() {
            let number = digits(&mut letters).unwrap_or(0);
            if letters.next_if(|(_, letter)| *letter == ']').is_none() || number == 0 {
                return Err(format!("unrecognized format character \"[\" at offset {start}").into());
            }
            next = number - 1;
        }
        let Some((end, verb)) = letters.next() else {
            return Err(format!("unterminated format verb at offset {start}").into());
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        // Widths that no text has, and precisions that no number has.
        if directive.width.is_some_and(|width| width > 4096) || directive.precision.is_some_and(|digits| digits > 1024)
        {
            return Err("the result would be too long".into());
        }
        let written = &format[start..end + verb.len_utf8()];
        let argument = arguments.get(next).ok_or_else(|| {
            format!(
                "not enough arguments for \"{written}\" at {start}: need index {} but have {} total",
                next + 1,
                arguments.len()
            )
        })?;
        next += 1;
        used = used.max(next);
        let text = directive
            .apply(verb, argument)
            .map_err(|why| Failure::Call(format!("unsupported value for \"{written}\" at {start}: {why}")))?;
        out.push_str(&text);
    }
    if used < arguments.len() && !arguments.is_empty() {
        let why = match used {
            0 => "too many arguments; no verbs in format string".to_owned(),
            used => format!("too many arguments; only {used} used by format string"),
        };
        return Err(Failure::Argument(used + 1, why));
    }
    Ok(out)
}

type Letters<'f> = std::iter::Peekable<std::str::CharIndices<'f>>;

/// The number that comes next, if one does.
fn digits(letters: &mut Letters<'_>) -> Option<usize> {
    let mut number = None;
    while let Some((_, digit)) = letters.next_if(|(_, letter)| letter.is_ascii_digit()) {
        let digit = digit as usize - '0' as usize;
        number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit));
    }
    number
}

impl Directive {
    fn apply(&self, verb: char, value: &Value) -> Result<String, String> {
        match verb {
            'v' if self.is_sharp => Ok(self.padded(to_json(value), false)),
            'v' => match value {
                Value::Null => Ok(self.padded("null".to_owned(), false)),
                Value::String(text) => Ok(self.padded(self.cut(text), false)),
                Value::Number(number) => Ok(self.padded(self.signed(*number, number.to_string()), true)),
                other => Ok(self.padded(to_json(other), false)),
            },
            's' | 'q' => {
                let text = match convert(value.clone(), &Type::String)? {
                    Value::String(text) => self.cut(&text),
                    _ => return Err("null value cannot be formatted".to_owned()),
                };
                Ok(self.padded(if verb == 'q' { quote(&text) } else { text }, false))
            }
            't' => match convert(value.clone(), &Type::Bool)? {
                Value::Bool(truth) => Ok(self.padded(truth.to_string(), false)),
                _ => Err("null value cannot be formatted".to_owned()),
            },
            'b' | 'd' | 'o' | 'x' | 'X' | 'e' | 'E' | 'f' | 'g' | 'G' => {
                let Value::Number(number) = convert(value.clone(), &Type::Number)? else {
                    return Err("null value cannot be formatted".to_owned());
                };
                Ok(self.padded(self.signed(number, self.number(verb, number)?), true))
            }
            other => Err(format!("unsupported verb '{other}'")),
        }
    }

    /// A number without a plus.
    fn number(&self, verb: char, number: Number) -> Result<String, String> {
        if matches!(verb, 'b' | 'd' | 'o' | 'x' | 'X') {
            let whole = number.whole().ok_or("an integer is required")?;
            let (sign, size) = (if whole < 0 { "-" } else { "" }, whole.unsigned_abs());
            return Ok(match verb {
                'b' => format!("{sign}{size:b}"),
                'o' => format!("{sign}{size:o}"),
                'x' => format!("{sign}{size:x}"),
                'X' => format!("{sign}{size:X}"),
                _ => format!("{sign}{size}"),
            });
        }
        let real = number.real();
        Ok(match verb {
            'f' => format!("{real:.*}", self.precision.unwrap_or(6)),
            'e' | 'E' => exponent(real, self.precision.unwrap_or(6), verb),
            _ => match real.abs() {
                // Go's shortest form has an exponent for very small and very big numbers.
                size if size != 0.0 && !(1e-4..1e21).contains(&size) => {
                    let digits = format!("{real:e}").find('e').map_or(0, |end| end.saturating_sub(2));
                    exponent(real, digits, if verb == 'G' { 'E' } else { 'e' })
                }
                _ => number.to_string(),
            },
        })
    }

    fn signed(&self, number: Number, text: String) -> String {
        match number >= Number::Whole(0) {
            true if self.has_plus => format!("+{text}"),
            true if self.has_space => format!(" {text}"),
            _ => text,
        }
    }

    fn cut(&self, text: &str) -> String {
        self.precision.map_or_else(|| text.to_owned(), |length| text.chars().take(length).collect())
    }

    fn padded(&self, text: String, is_number: bool) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        match missing {
            0 => text,
            missing if self.is_left => format!("{text}{}", " ".repeat(missing)),
            missing if self.is_zeroed && is_number => {
                let digits = text.find(|letter: char| letter.is_ascii_digit()).unwrap_or(0);
                format!("{}{}{}", &text[..digits], "0".repeat(missing), &text[digits..])
            }
            missing => format!("{}{text}", " ".repeat(missing)),
        }
    }
}

/// `1.500000e+03`: at least two digits of exponent, and its sign.
fn exponent(real: f64, precision: usize, verb: char) -> String {
    let text = format!("{real:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}{verb}{sign}{power:0>2}")
}
