//! Double-quoted text with backslash escapes, the way error messages and `%q` show a value.

/// Writes `text` in double quotes; control characters, quotes and backslashes become escapes, other printable text stays.
pub fn quote(text: &str) -> String {
    quote_with(text, '"', false)
}

/// Like [`quote`], with every character beyond ASCII written as `\u…`.
pub fn quote_ascii(text: &str) -> String {
    quote_with(text, '"', true)
}

/// One character in single quotes, as `%q` prints a number.
pub fn quote_char(c: char) -> String {
    quote_with(c.encode_utf8(&mut [0; 4]), '\'', false)
}

fn quote_with(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            c if !ascii && is_printable(c) => out.push(c),
            c => {
                let code = c as u32;
                let escape = match code {
                    ..0x80 => format!("\\x{code:02x}"),
                    0x80..0x1_0000 => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                };
                out.push_str(&escape);
            }
        }
    }
    out.push(mark);
    out
}

/// Whether quoting may leave `c` as it is. Blanks other than U+0020, controls and invisible format characters are escaped.
fn is_printable(c: char) -> bool {
    !(c.is_control()
        || c.is_whitespace()
        || matches!(c as u32, 0xad | 0x600..=0x605 | 0x61c | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
            | 0xd800..=0xf8ff | 0xfeff | 0xfff0..=0xfffb | 0xfffe..=0xffff | 0xe0000..=0xe00ff | 0xf0000..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(quote(text), expected);
    }

    #[test]
    fn quotes_only_what_needs_it() {
        check("", r#""""#);
        check("foo bar", r#""foo bar""#);
        check("a\"b\\c'", r#""a\"b\\c'""#);
        check("\x1b[1m\n\t\x07\x7f", r#""\x1b[1m\n\t\a\x7f""#);
        check("é漢\u{200b}\u{a0}", "\"é漢\\u200b\\u00a0\"");
        check("\u{1f433}\u{e0001}", "\"\u{1f433}\\U000e0001\"");
    }

    #[test]
    fn quotes_ascii_and_characters() {
        assert_eq!(quote_ascii("é🐳\u{7f}"), r#""\u00e9\U0001f433\x7f""#);
        assert_eq!(quote_char('x'), "'x'");
        assert_eq!(quote_char('\''), r"'\''");
        assert_eq!(quote_char('"'), "'\"'");
    }
}
