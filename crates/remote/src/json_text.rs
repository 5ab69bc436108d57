//! JSON as text: docker's words for its errors, and a layout that leaves everything but white space alone.

/// Words `why` as Go's JSON reader does, so that scripts find what they look for.
pub(crate) fn go_error(text: &[u8], why: &serde_json::Error) -> String {
    if why.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    if why.is_data() {
        return format!("json: cannot unmarshal: {why}");
    }
    let before: usize = text.split(|b| *b == b'\n').take(why.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
    let at = before + why.column().saturating_sub(1);
    match text.get(at) {
        Some(byte) if at == leading_blanks(text) => {
            format!("invalid character {} looking for beginning of value", quoted(*byte))
        }
        Some(byte) => format!("invalid character {}", quoted(*byte)),
        None => why.to_string(),
    }
}

/// Lays `json`, which must be valid, out with one tab per level. Keys, their order and every literal stay as they are.
pub(crate) fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json.trim();
    while let Some(c) = rest.chars().next() {
        match c {
            '{' | '[' => {
                let inner = rest[1..].trim_start();
                if inner.starts_with(['}', ']']) {
                    out.push(c);
                    out.push_str(&inner[..1]);
                    rest = &inner[1..];
                    continue;
                }
                depth += 1;
                out.push(c);
                new_line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                let end = string_end(rest);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            _ if c.is_ascii_whitespace() => {}
            _ => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n('\t', depth));
}

/// Where the string that `text` begins with ends, its closing quote included.
fn string_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn leading_blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_changes() {
        let text = r#"{"a":{},"b":[ ],"c":[1, 2.50,{"d":"x: \"{,}\" \\"}],"e" : null}"#;
        let laid_out = "{\n\t\"a\": {},\n\t\"b\": [],\n\t\"c\": [\n\t\t1,\n\t\t2.50,\n\t\t{\n\t\t\t\"d\": \"x: \\\"{,}\\\" \\\\\"\n\t\t}\n\t],\n\t\"e\": null\n}";
        assert_eq!(indent(text), laid_out);
        assert_eq!(indent(laid_out), laid_out);
    }

    #[test]
    fn errors_use_gos_words() {
        fn check(text: &str, expected: &str) {
            let why = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
            assert_eq!(go_error(text.as_bytes(), &why), expected, "{text}");
        }
        check("<html>", "invalid character '<' looking for beginning of value");
        check("\n <html>", "invalid character '<' looking for beginning of value");
        check("{\"a\": 1", "unexpected end of JSON input");
        check("", "unexpected end of JSON input");
    }
}
