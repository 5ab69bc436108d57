//! How many columns text takes on a terminal.

use unicode_width::UnicodeWidthStr;

/// The columns of `text`: two for a wide character of East Asia or a picture, none for an accent that combines.
pub fn columns(text: &str) -> usize {
    // Most text, and a table of ten thousand rows is measured cell by cell.
    if text.is_ascii() { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_take_the_columns_that_terminals_give_them() {
        for (text, expected) in [
            ("", 0),
            ("abc", 3),
            ("é", 1),
            ("e\u{301}", 1),
            ("漢字", 4),
            ("한", 2),
            ("🐳", 2),
            ("ｶ", 1),
            ("Ａ", 2),
            ("…", 1),
            ("\u{2764}\u{fe0f}", 2),
        ] {
            assert_eq!(columns(text), expected, "{text}");
        }
    }
}
