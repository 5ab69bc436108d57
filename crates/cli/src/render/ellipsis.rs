//! Text cut to a number of columns.

use std::borrow::Cow;

use super::width;

/// `text` if it fits into `columns`, else as much as leaves room for `…` at the end.
pub fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if text.len() <= columns || width::columns(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    // Whole prefixes are measured: a character can change the width of the one before it.
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| width::columns(&text[..end]) < columns).last().unwrap_or_default();
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, columns: usize, expected: &str) {
        assert_eq!(fit(text, columns), expected);
    }

    #[test]
    fn cuts_what_does_not_fit() {
        check("", 3, "");
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("abcd", 1, "…");
        check("abcd", 0, "");
        check("ééé", 3, "ééé");
        check("漢字漢", 5, "漢字…");
        check("漢字漢", 4, "漢…");
        check("cafe\u{301}s", 5, "cafe\u{301}s");
        check("cafe\u{301}s", 4, "caf…");
        check("\u{2764}\u{fe0f}abc", 4, "\u{2764}\u{fe0f}a…");
        check(
            "/bin/sh -c #(nop) COPY file:662ccb3385420becde in /",
            45,
            "/bin/sh -c #(nop) COPY file:662ccb3385420bec…",
        );
    }
}
