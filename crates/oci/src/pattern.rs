//! Patterns of names: `*` is anything within one component, `**` anything at all, `?` one character of a component.

/// A pattern of repositories or tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Takes any text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the whole of `text` is meant.
    pub fn is_match(&self, text: &str) -> bool {
        // One row of the table of all prefixes: time is the product of the lengths, whatever the pattern.
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let mut row = vec![false; text.len() + 1];
        row[0] = true;
        let mut at = 0;
        while at < pattern.len() {
            let is_deep = pattern[at..].starts_with(b"**");
            let mut next = vec![false; text.len() + 1];
            match pattern[at] {
                b'*' => {
                    let mut is_open = false;
                    for end in 0..=text.len() {
                        // What was open goes on over this byte, unless a component ends here.
                        is_open = is_open && (is_deep || text[end - 1] != b'/');
                        is_open |= row[end];
                        next[end] = is_open;
                    }
                }
                byte => {
                    for end in 1..=text.len() {
                        let is_same = if byte == b'?' { text[end - 1] != b'/' } else { text[end - 1] == byte };
                        next[end] = row[end - 1] && is_same;
                    }
                }
            }
            row = next;
            at += if is_deep { 2 } else { 1 };
        }
        row[text.len()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_match_components_or_everything() {
        fn check(pattern: &str, yes: &[&str], no: &[&str]) {
            let pattern = Pattern::new(pattern);
            for text in yes {
                assert!(pattern.is_match(text), "{pattern:?} {text}");
            }
            for text in no {
                assert!(!pattern.is_match(text), "{pattern:?} {text}");
            }
        }
        check("team/*", &["team/web", "team/"], &["team", "team/web/x", "steam/web"]);
        check("team/**", &["team/web", "team/web/x"], &["team", "teams/x"]);
        check("**", &["", "a", "a/b"], &[]);
        check("*", &["", "a"], &["a/b"]);
        check("v?.*", &["v1.2", "v2."], &["v12", "v/.1"]);
        check("*-rc*", &["1.0-rc1", "-rc"], &["1.0"]);
        check("", &[""], &["a"]);
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_stars_around_a_part(text in "[a-z/]{0,20}", from in 0usize..20, to in 0usize..20) {
            prop_assert!(Pattern::new(&text).is_match(&text));
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let part = &text[from.min(to)..from.max(to)];
            let pattern = format!("**{part}**");
            prop_assert!(Pattern::new(&pattern).is_match(&text));
        }
    }
}
