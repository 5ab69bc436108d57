//! Markup, and the one way into it. What stands in a page is a constant of this program, or it has been escaped here: names, labels
//! and instructions come from whoever pushes.

use super::address::Href;

/// A piece of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Html(String);

/// 4,000 characters of one text; of a longer one the rest is left out, and said to be.
const MAX_TEXT: usize = 4000;

impl Html {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, whoever wrote it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for (count, c) in text.chars().enumerate() {
            if count == MAX_TEXT {
                self.0.push('…');
                break;
            }
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if is_unsafe(c) => self.0.push(char::REPLACEMENT_CHARACTER),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Another piece.
    pub(super) fn html(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// An element around a text.
    pub(super) fn element(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.raw("<").raw(name).raw(">").text(text).raw("</").raw(name).raw(">")
    }

    /// A link within this registry.
    pub(super) fn link(&mut self, to: &Href, text: &str) -> &mut Self {
        self.raw("<a href=\"").text(to.as_str()).raw("\">").text(text).raw("</a>")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// What moves, hides or reorders text instead of being seen. Breaks of lines and tabs are seen.
fn is_unsafe(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}'
        | '\u{061c}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut html = Html::new();
        html.text(text);
        html.into_string()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(escaped(text), expected, "{text:?}");
    }

    #[test]
    fn text_is_never_markup() {
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check("\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;");
        check("<!-- --> ]]> </title>", "&lt;!-- --&gt; ]]&gt; &lt;/title&gt;");
        check("plain é 漢字 שלום\n\tdone", "plain é 漢字 שלום\n\tdone");
    }

    #[test]
    fn what_reorders_or_hides_text_is_shown_to_be_there() {
        check("\u{202e}gpj.exe", "\u{fffd}gpj.exe");
        check("\u{2066}a\u{2069}\u{200f}\u{061c}", "\u{fffd}a\u{fffd}\u{fffd}\u{fffd}");
        check("\0\u{1b}[31m\r\u{7f}\u{9b}\u{85}", "\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        check("a\u{200b}b\u{feff}c\u{e0041}", "a\u{fffd}b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn a_text_without_end_ends() {
        assert_eq!(escaped(&"<".repeat(MAX_TEXT + 1)), "&lt;".repeat(MAX_TEXT) + "…");
        assert_eq!(escaped(&"é".repeat(MAX_TEXT)), "é".repeat(MAX_TEXT));
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in any::<String>()) {
            let out = escaped(&text);
            prop_assert!(!out.contains(['<', '>', '"', '\'']));
            prop_assert!(!out.chars().any(is_unsafe));
        }
    }
}
