//! The system's reasons in words alone.

use std::borrow::Cow;

/// The text with what the system says as docker shows it, `no space left on device`, where the standard library has `No space left
/// on device (os error 28)`: in lower case, and without a number that says the same.
pub fn in_words(text: &str) -> Cow<'_, str> {
    const BEFORE: &str = " (os error ";
    if !text.contains(BEFORE) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEFORE) {
        let number = after.trim_start_matches(|c: char| c.is_ascii_digit());
        match number.strip_prefix(')') {
            Some(tail) if number.len() < after.len() => {
                let start = before.rfind([':', '\n']).map_or(0, |at| at + 1);
                let (kept, reason) = before.split_at(start);
                out.push_str(kept);
                out.push_str(&in_lower_case(reason));
                rest = tail;
            }
            _ => {
                out.push_str(before);
                out.push_str(BEFORE);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

/// The same with a small first letter, unless the first word is one of capitals.
fn in_lower_case(reason: &str) -> String {
    let trimmed = reason.trim_start();
    let (blanks, mut letters) = (&reason[..reason.len() - trimmed.len()], trimmed.chars());
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            format!("{blanks}{}{}", first.to_ascii_lowercase(), letters.as_str())
        }
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_reasons_are_told_as_docker_tells_them() {
        for text in ["a (os error b)", "a (os error 1", "a (os error )", "a"] {
            assert_eq!(in_words(text), text);
        }
        assert_eq!(in_words("a (os error 1): b (os error 22)"), "a: b");
        let check = |text: &str, expected: &str| assert_eq!(in_words(text), expected);
        check("open X: No such file or directory (os error 2)", "open X: no such file or directory");
        check("Is a directory (os error 21)", "is a directory");
        check(
            "a: Exec format error (os error 8)\nB: RPC struct is bad (os error 72)",
            "a: exec format error\nB: RPC struct is bad",
        );
    }
}
