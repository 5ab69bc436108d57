//! Docker's words for errors in JSON.

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
