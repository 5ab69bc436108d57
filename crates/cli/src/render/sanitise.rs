//! Foreign text made safe for a terminal. Names, labels and logs come from images and registries: escape sequences in them must not move
//! the cursor, change the title or reorder what is read.

use std::borrow::Cow;

/// Which layout characters are part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// None: the text is one cell or one line.
    OneLine,
    /// Tabs and newlines pass.
    Lines,
}

/// Replaces every control character, and every invisible one that reorders text, by U+FFFD. Clean text is returned as it is.
pub fn sanitise(text: &str, layout: Layout) -> Cow<'_, str> {
    // Printable ASCII needs no decoding.
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) || (layout == Layout::Lines && matches!(byte, b'\t' | b'\n'));
    if text.bytes().all(plain) || !text.chars().any(|c| is_unsafe(c, layout)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_unsafe(c, layout) { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

fn is_unsafe(c: char, layout: Layout) -> bool {
    match c {
        '\t' | '\n' => layout == Layout::OneLine,
        // Line and paragraph separators, then the marks that set the direction of text.
        '\u{2028}'
        | '\u{2029}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, layout: Layout, expected: &str) {
        assert_eq!(sanitise(text, layout), expected);
    }

    #[test]
    fn controls_never_pass() {
        check("web:1 é漢", Layout::OneLine, "web:1 é漢");
        check("\x1b]0;pwned\x07\u{9b}2J\r\x7f", Layout::Lines, "\u{fffd}]0;pwned\u{fffd}\u{fffd}2J\u{fffd}\u{fffd}");
        check("a\tb\nc", Layout::OneLine, "a\u{fffd}b\u{fffd}c");
        check("a\tb\nc", Layout::Lines, "a\tb\nc");
        check("\u{202e}gpj.exe", Layout::OneLine, "\u{fffd}gpj.exe");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>()) {
            prop_assert!(!sanitise(&text, Layout::OneLine).chars().any(char::is_control));
        }
    }
}
