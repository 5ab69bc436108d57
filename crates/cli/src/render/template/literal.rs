//! Literals: quoted text, characters and numbers.

use crate::render::quote::quote;

/// A number as written; which type it takes is decided where it is used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    /// As written.
    pub(super) text: String,
    /// Its value as a whole number, if it is one.
    pub(super) int: Option<i64>,
    /// Its value as a fraction, if it is one.
    pub(super) float: Option<f64>,
}

impl Number {
    /// Whether it is a fraction by its form, as `1.0` and `1e3` are.
    pub(super) fn is_float(&self) -> bool {
        let is_hex = self.text.starts_with("0x") || self.text.starts_with("0X") || self.text.starts_with('\'');
        self.float.is_some() && !is_hex && self.text.contains(['.', 'e', 'E', 'p', 'P'])
    }

    /// Reads digits in any of the usual bases, or a decimal fraction.
    pub(super) fn parse(text: &str) -> Result<Number, String> {
        let illegal = || format!("illegal number syntax: {}", quote(text));
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'+') => (false, &text[1..]),
            Some(b'-') => (true, &text[1..]),
            _ => (false, text),
        };
        let lower = digits.to_ascii_lowercase();
        let (radix, body) = match lower.as_bytes() {
            [b'0', b'x', ..] => (16, &lower[2..]),
            [b'0', b'o', ..] => (8, &lower[2..]),
            [b'0', b'b', ..] => (2, &lower[2..]),
            [b'0', _, ..] if !lower.contains(['.', 'e']) => (8, &lower[1..]),
            _ => (10, lower.as_str()),
        };
        if lower.ends_with('_') || lower.contains("__") || lower.starts_with('_') {
            return Err(illegal());
        }
        let body = body.replace('_', "");
        if !body.is_empty() && body.bytes().all(|byte| char::from(byte).is_digit(radix)) {
            let Ok(value) = i128::from_str_radix(&body, radix) else {
                return Err(format!("integer overflow: {}", quote(text)));
            };
            let value = if negative { -value } else { value };
            if value < i128::from(i64::MIN) || value > i128::from(u64::MAX) {
                return Err(format!("integer overflow: {}", quote(text)));
            }
            #[expect(clippy::cast_precision_loss, reason = "the float form of a whole number is the nearest one")]
            let float = value as f64;
            return Ok(Number { text: text.to_owned(), int: i64::try_from(value).ok(), float: Some(float) });
        }
        let is_decimal = radix == 10 && body.bytes().any(|byte| byte.is_ascii_digit());
        let float = body.parse::<f64>().ok().filter(|value| is_decimal && value.is_finite()).ok_or_else(illegal)?;
        let float = if negative { -float } else { float };
        let is_whole = float.fract() == 0.0 && float.abs() < 9.0e18;
        Ok(Number { text: text.to_owned(), int: is_whole.then_some(float as i64), float: Some(float) })
    }

    /// Reads a character in single quotes; its value is its code.
    pub(super) fn parse_char(text: &str) -> Result<Number, String> {
        let malformed = || format!("malformed character constant: {text}");
        let inside = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).ok_or_else(malformed)?;
        let decoded = unescape(inside, '\'').ok_or("invalid syntax")?;
        let decoded = String::from_utf8_lossy(&decoded);
        let mut chars = decoded.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(Number {
                text: text.to_owned(),
                int: Some(i64::from(u32::from(c))),
                float: Some(f64::from(u32::from(c))),
            }),
            _ => Err(if decoded.is_empty() { "invalid syntax".to_owned() } else { malformed() }),
        }
    }
}

/// The text inside a quoted or raw literal.
pub(super) fn unquote(literal: &str) -> Result<String, String> {
    let invalid = || "invalid syntax".to_owned();
    if let Some(raw) = literal.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        return Ok(raw.replace('\r', ""));
    }
    let inside = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(invalid)?;
    let bytes = unescape(inside, '"').ok_or_else(invalid)?;
    // Byte escapes can spell text that is no UTF-8; output is text, so they show as U+FFFD.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Resolves backslash escapes; `None` if one is not known.
fn unescape(text: &str, mark: char) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut buffer = [0; 4];
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            if c == mark {
                return None;
            }
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        let simple = match escape {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            c if c == mark => u8::try_from(c).ok()?,
            'x' => u8::try_from(digits(&mut rest, 2, 16)?).ok()?,
            '0'..='7' => {
                let tail = digits(&mut rest, 2, 8)?;
                u8::try_from(escape.to_digit(8)? * 64 + tail).ok()?
            }
            'u' | 'U' => {
                let code = digits(&mut rest, if escape == 'u' { 4 } else { 8 }, 16)?;
                out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
            _ => return None,
        };
        out.push(simple);
    }
    Some(out)
}

fn digits(rest: &mut &str, count: usize, radix: u32) -> Option<u32> {
    let head = rest.get(..count).filter(|head| head.chars().all(|c| c.is_digit(radix)))?;
    *rest = &rest[count..];
    u32::from_str_radix(head, radix).ok()
}
