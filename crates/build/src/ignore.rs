//! `.dockerignore`: which files of a context a build does not see.
//! Source: Docker's reference of the file, moby's patternmatcher.

use crate::dockerfile::quoted;
use crate::path::{BadPattern, PathPattern, clean};

/// The rules of an ignore file. The last one that fits a path, or a folder it is in, decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// `!`: what fits is seen after all.
    is_exception: bool,
    pattern: PathPattern,
}

/// Why a text is no ignore file. The texts are docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// A set or a backslash that does not end.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// An exception from nothing.
    #[error("illegal exclusion pattern: {}", quoted("!"))]
    LoneException,
}

impl Ignore {
    /// Reads an ignore file.
    ///
    /// # Errors
    /// When a pattern makes no sense.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let patterns = lines.filter(|line| !line.starts_with('#')).map(str::trim).filter(|line| !line.is_empty());
        Self::of_patterns(patterns.map(|pattern| match pattern.strip_prefix('!') {
            Some(rest) => format!("!{}", rooted(rest.trim())),
            None => rooted(pattern),
        }))
    }

    /// The rules that these patterns are, as `--exclude` has them.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_patterns(patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, IgnoreError> {
        let mut rules = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref().trim();
            if pattern.is_empty() {
                continue;
            }
            let pattern = clean(pattern);
            let (is_exception, pattern) = match pattern.strip_prefix('!') {
                Some("") => return Err(IgnoreError::LoneException),
                Some(rest) => (true, rest),
                None => (false, pattern.as_str()),
            };
            rules.push(Rule { is_exception, pattern: PathPattern::new(pattern)? });
        }
        Ok(Self { rules })
    }

    /// Whether the build does not see `path`: clean, from the context's root, without a slash in front.
    pub fn is_ignored(&self, path: &str) -> bool {
        let mut is_ignored = false;
        for rule in &self.rules {
            if rule.is_exception == is_ignored && rule.pattern.matches_or_above(path) {
                is_ignored = !rule.is_exception;
            }
        }
        is_ignored
    }

    /// Whether the build may see something in the folder: false only if nothing in it can be.
    pub fn may_include_below(&self, folder: &str) -> bool {
        !self.is_ignored(folder)
            || self.rules.iter().any(|rule| rule.is_exception && rule.pattern.may_match_below(folder))
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule makes an exception from others.
    pub(crate) fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_exception)
    }

    /// Whether one rule hides everything in the context.
    pub(crate) fn hides_everything(&self) -> bool {
        let hides = |rule: &Rule| !rule.is_exception && matches!(rule.pattern.as_str(), "*" | "**" | "**/*");
        self.rules.iter().any(hides)
    }
}

/// The pattern seen from the context's root.
fn rooted(pattern: &str) -> String {
    if pattern.is_empty() {
        return String::new();
    }
    let pattern = clean(pattern);
    match pattern.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => pattern,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The paths of a small context that a file hides.
    fn check(text: &str, hidden: &[&str]) {
        const PATHS: &[&str] = &[
            "foo",
            "foo/bar",
            "foo/bar/foo",
            "xfoo",
            "a/foo",
            "a/b/foo",
            "a/foo/x",
            "x.log",
            "logs/x.log",
            "logs/d/x.log",
            "#x",
            "!x",
            "x[1].txt",
            "x1.txt",
            "bar",
        ];
        let ignore = Ignore::parse(text).unwrap();
        let found: Vec<&str> = PATHS.iter().copied().filter(|path| ignore.is_ignored(path)).collect();
        assert_eq!(found, hidden, "{text:?}");
    }

    #[test]
    fn patterns_are_anchored_at_the_root() {
        check("foo", &["foo", "foo/bar", "foo/bar/foo"]);
        check("foo/", &["foo", "foo/bar", "foo/bar/foo"]);
        check("/foo/../bar", &["bar"]);
        check("*/foo", &["a/foo", "a/foo/x"]);
        check("*.log", &["x.log"]);
    }

    #[test]
    fn two_stars_cross_folders() {
        check("**/foo", &["foo", "foo/bar", "foo/bar/foo", "a/foo", "a/b/foo", "a/foo/x"]);
        check("**foo", &["foo", "foo/bar", "foo/bar/foo", "xfoo", "a/foo", "a/b/foo", "a/foo/x"]);
        check("**/foo/**", &["foo/bar", "foo/bar/foo", "a/foo/x"]);
        check("logs/**.log", &[]);
        check("logs/**/*.log", &["logs/x.log", "logs/d/x.log"]);
        check("logs/**", &["logs/x.log", "logs/d/x.log"]);
        check("**.log", &["x.log", "logs/x.log", "logs/d/x.log"]);
    }

    #[test]
    fn what_hides_nothing() {
        for text in [".", "./", "/", "..", "foo/..", "", "# foo", "  \n\r\n", "!foo"] {
            check(text, &[]);
        }
    }

    #[test]
    fn comments_and_escapes() {
        check("#x", &[]);
        check(" #x", &["#x"]);
        check("\\#x\n\\!x", &["#x", "!x"]);
        check("\u{feff}#foo\nbar\r\n", &["bar"]);
        check("x[1].txt", &["x1.txt"]);
        check("x\\[1\\].txt", &["x[1].txt"]);
        check(
            "*\n! bar",
            &[
                "foo",
                "foo/bar",
                "foo/bar/foo",
                "xfoo",
                "a/foo",
                "a/b/foo",
                "a/foo/x",
                "x.log",
                "logs/x.log",
                "logs/d/x.log",
                "#x",
                "!x",
                "x[1].txt",
                "x1.txt",
            ],
        );
    }

    #[test]
    fn the_last_rule_decides() {
        check("foo\n!foo/bar", &["foo"]);
        check("!foo/bar\nfoo", &["foo", "foo/bar", "foo/bar/foo"]);
        check(
            "**/*\n!**/foo",
            &["xfoo", "x.log", "logs/x.log", "logs/d/x.log", "#x", "!x", "x[1].txt", "x1.txt", "bar"],
        );
    }

    #[test]
    fn folders_without_exceptions_need_not_be_walked() {
        let check = |text: &str, folder: &str, expected: bool| {
            assert_eq!(Ignore::parse(text).unwrap().may_include_below(folder), expected, "{text:?} {folder}");
        };
        check("foo", "foo", false);
        check("foo", "bar", true);
        check("foo\n!foo/bar", "foo", true);
        check("foo\n!foo/bar", "foo/other", false);
        check("foo\n!bar", "foo", false);
        check("*\n!**/x", "a/b", true);
        check("*\n!*/x", "a/b", false);
        check("*\n!src", "src", true);
    }

    #[test]
    fn refusals_use_dockers_words() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Ignore::parse(text).unwrap_err().to_string(), expected, "{text:?}");
        };
        check("[a-", "syntax error in pattern");
        check("[]", "syntax error in pattern");
        check("a\\", "syntax error in pattern");
        check("!", "illegal exclusion pattern: \"!\"");
        check("! ", "illegal exclusion pattern: \"!\"");
    }

    proptest! {
        #[test]
        fn a_folder_that_is_not_walked_holds_nothing(
            text in "([!]?[ab*/?]{1,6}\n){0,5}", folder in "[ab](/[ab]){0,2}", below in "[ab](/[ab]){0,2}",
        ) {
            if let Ok(ignore) = Ignore::parse(&text)
                && !ignore.may_include_below(&folder)
            {
                let path = format!("{folder}/{below}");
                prop_assert!(ignore.is_ignored(&path));
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "[\\PC\\n!#*?\\[\\]\\\\/-]{0,60}", path in "[a-c*/]{0,12}") {
            if let Ok(ignore) = Ignore::parse(&text) {
                let _ = ignore.is_ignored(&path);
            }
        }
    }
}
