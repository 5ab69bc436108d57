//! One value under one verb, with its flags.

use super::eval::MAX_OUTPUT;
use super::float;
use super::print;
use crate::render::quote::{quote, quote_ascii, quote_char};
use crate::render::value::{Struct, Value};

/// What stands between `%` and the verb.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own in the format")]
pub(super) struct Flags {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

/// Appends values to a text.
pub(super) struct Printer<'a> {
    pub(super) flags: Flags,
    pub(super) out: &'a mut String,
}

impl Printer<'_> {
    /// One value under `verb`.
    pub(super) fn value(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (value, 'T') => self.pad(value.type_name()),
            (Value::Missing | Value::Nil, 'v') => self.pad("<nil>"),
            (Value::Missing | Value::Nil, _) => self.out.push_str(&format!("%!{verb}(<nil>)")),
            (Value::Bool(value), 't' | 'v') => self.pad(if *value { "true" } else { "false" }),
            (Value::Duration(_), 's' | 'v') => self.pad(&print::plain(value)),
            (Value::Int(value) | Value::Duration(value), _) => self.int(*value, verb),
            (Value::Float(number), _) => self.float(*number, verb, value),
            (Value::Str(text), _) => self.text(text, verb, value),
            (Value::Time(_), 's' | 'v') => self.pad(&print::plain(value)),
            (Value::List(items), _) => {
                let go = self.is_go_syntax(verb);
                self.out.push_str(&if go { format!("{}{{", value.type_name()) } else { "[".to_owned() });
                for (index, item) in items.as_deref().unwrap_or_default().iter().enumerate() {
                    self.separator(index, go);
                    self.element(item, verb);
                }
                self.out.push(if go { '}' } else { ']' });
            }
            (Value::Map(entries), _) => {
                let go = self.is_go_syntax(verb);
                self.out.push_str(&if go { format!("{}{{", value.type_name()) } else { "map[".to_owned() });
                let entries = entries.iter().flat_map(|entries| entries.iter());
                let visible = entries.filter(|(_, value)| !matches!(value, Value::Method(_)));
                for (index, (key, item)) in visible.enumerate() {
                    self.separator(index, go);
                    self.text(key, verb, &Value::str(key));
                    self.out.push(':');
                    self.element(item, verb);
                }
                self.out.push(if go { '}' } else { ']' });
            }
            (Value::Struct(object), _) => self.object(object, verb),
            _ => self.bad(value, verb),
        }
    }

    fn object(&mut self, object: &Struct, verb: char) {
        let go = self.is_go_syntax(verb);
        if go {
            self.out.push_str(&object.type_name);
        }
        self.out.push('{');
        let visible = object.fields.iter().filter(|field| !matches!(field.value, Value::Method(_)));
        for (index, field) in visible.enumerate() {
            self.separator(index, go);
            if verb == 'v' && (self.flags.plus || go) {
                self.out.push_str(&field.name);
                self.out.push(':');
            }
            self.element(&field.value, verb);
        }
        self.out.push('}');
    }

    fn is_go_syntax(&self, verb: char) -> bool {
        verb == 'v' && self.flags.sharp
    }

    fn separator(&mut self, index: usize, go: bool) {
        if index > 0 {
            self.out.push_str(if go { ", " } else { " " });
        }
    }

    /// A part of a value: nothing prints as such whatever the verb.
    fn element(&mut self, value: &Value, verb: char) {
        if matches!(value, Value::Missing | Value::Nil) {
            self.out.push_str("<nil>");
        } else {
            self.value(value, verb);
        }
    }

    /// A verb that does not suit the value.
    fn bad(&mut self, value: &Value, verb: char) {
        self.out.push_str(&format!("%!{verb}({}=", value.type_name()));
        let flags = self.flags;
        self.flags = Flags { sharp: false, plus: false, ..flags };
        self.value(value, 'v');
        self.flags = flags;
        self.out.push(')');
    }

    fn text(&mut self, text: &str, verb: char, value: &Value) {
        let cut = match self.flags.precision {
            Some(precision) => text.char_indices().nth(precision).map_or(text, |(end, _)| &text[..end]),
            None => text,
        };
        match verb {
            'v' if self.flags.sharp => self.pad(&quote(cut)),
            's' | 'v' => self.pad(cut),
            'q' if self.flags.sharp
                && !cut.contains(['`', '\u{feff}'])
                && !cut.chars().any(|c| c.is_control() && c != '\t') =>
            {
                self.pad(&format!("`{cut}`"));
            }
            'q' if self.flags.plus => self.pad(&quote_ascii(cut)),
            'q' => self.pad(&quote(cut)),
            'x' | 'X' => {
                let bytes = text.as_bytes();
                let bytes = &bytes[..self.flags.precision.unwrap_or(bytes.len()).min(bytes.len())];
                let hex = hexadecimal(bytes, self.flags, verb == 'X');
                self.pad(&hex);
            }
            _ => self.bad(value, verb),
        }
    }

    fn int(&mut self, value: i64, verb: char) {
        let size = value.unsigned_abs();
        let (prefix, digits) = match verb {
            'v' | 'd' => ("", size.to_string()),
            'b' => (if self.flags.sharp { "0b" } else { "" }, format!("{size:b}")),
            'o' => (if self.flags.sharp { "0" } else { "" }, format!("{size:o}")),
            'O' => ("0o", format!("{size:o}")),
            'x' => (if self.flags.sharp { "0x" } else { "" }, format!("{size:x}")),
            'X' => (if self.flags.sharp { "0X" } else { "" }, format!("{size:X}")),
            'c' | 'q' | 'U' => {
                let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                let text = match verb {
                    'c' => c.to_string(),
                    'q' => quote_char(c),
                    _ if self.flags.sharp => format!("U+{size:04X} '{c}'"),
                    _ => format!("U+{size:04X}"),
                };
                return self.pad(&text);
            }
            _ => return self.bad(&Value::Int(value), verb),
        };
        let sign = if value < 0 { "-" } else { self.positive_sign() };
        let wanted = match (self.flags.precision, self.flags.width) {
            (Some(0), _) if value == 0 => {
                self.flags.zero = false;
                return self.pad("");
            }
            (Some(precision), _) => precision,
            (None, Some(width)) if self.flags.zero => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(&format!("{sign}{prefix}{zeros}{digits}"));
        self.flags.zero = zero;
    }

    fn positive_sign(&self) -> &'static str {
        match (self.flags.plus, self.flags.space) {
            (true, _) => "+",
            (false, true) => " ",
            _ => "",
        }
    }

    fn float(&mut self, number: f64, verb: char, value: &Value) {
        let size = number.abs();
        let precision = self.flags.precision;
        let digits = match (verb, precision) {
            ('v' | 'g' | 'G', None) => float::shortest(size),
            ('v' | 'g' | 'G', Some(precision)) => float::significant(size, precision),
            ('e' | 'E', _) => float::scientific(size, precision.unwrap_or(DEFAULT_PRECISION)),
            ('f' | 'F', _) => float::fixed(size, precision.unwrap_or(DEFAULT_PRECISION)),
            _ => return self.bad(value, verb),
        };
        let digits = if matches!(verb, 'G' | 'E') { digits.to_uppercase() } else { digits };
        let sign = if number.is_sign_negative() && !number.is_nan() { "-" } else { self.positive_sign() };
        let digits = if number.is_infinite() && !sign.is_empty() { &digits[1..] } else { &digits };
        let zero = std::mem::take(&mut self.flags.zero);
        let missing = match self.flags.width {
            Some(width) if zero && number.is_finite() => width.saturating_sub(sign.len() + digits.len()),
            _ => 0,
        };
        self.pad(&format!("{sign}{}{digits}", "0".repeat(missing)));
        self.flags.zero = zero;
    }

    /// Appends `text` with blanks, or zeros before it, up to the width. Past the longest output nothing is added: a wide verb over a
    /// long list would otherwise fill memory before anyone looks at the length.
    fn pad(&mut self, text: &str) {
        if self.out.len() > MAX_OUTPUT {
            return;
        }
        let missing = self.flags.width.map_or(0, |width| width.saturating_sub(text.chars().count()));
        let fill = if self.flags.zero { "0" } else { " " };
        if !self.flags.minus {
            self.out.push_str(&fill.repeat(missing));
        }
        self.out.push_str(text);
        if self.flags.minus {
            self.out.push_str(&" ".repeat(missing));
        }
    }
}

/// Digits after the point of `%e` and `%f`.
const DEFAULT_PRECISION: usize = 6;

/// Two digits for each byte; blanks between them with the space flag, a prefix with the sharp one.
fn hexadecimal(bytes: &[u8], flags: Flags, upper: bool) -> String {
    let prefix = match (flags.sharp, upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let mut out = String::with_capacity(bytes.len() * 2 + 2);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && flags.space {
            out.push(' ');
        }
        if index == 0 || flags.space {
            out.push_str(prefix);
        }
        out.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
    }
    out
}
