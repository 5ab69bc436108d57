//! The system's reasons in words alone.

use std::borrow::Cow;

/// The text without the numbers that the standard library puts after what the system says, as in `No space left on device (os
/// error 28)`: the words before say the same to people.
pub fn without_numbers(text: &str) -> Cow<'_, str> {
    const BEFORE: &str = " (os error ";
    if !text.contains(BEFORE) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEFORE) {
        out.push_str(before);
        let number = after.trim_start_matches(|c: char| c.is_ascii_digit());
        match number.strip_prefix(')') {
            Some(tail) if number.len() < after.len() => rest = tail,
            _ => {
                out.push_str(BEFORE);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_numbers_go() {
        for text in ["a (os error b)", "a (os error 1", "a (os error )", "a"] {
            assert_eq!(without_numbers(text), text);
        }
        assert_eq!(without_numbers("a (os error 1): b (os error 22)"), "a: b");
    }
}
