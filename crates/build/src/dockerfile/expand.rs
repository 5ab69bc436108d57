//! Words: quotes that go, and variables that are replaced, by the rules of Dockerfiles.
//! Source: Dockerfile reference, "Environment replacement".

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::error::{Error, Result};
use super::pattern::Pattern;
use super::words::split_words;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Expands words.
#[derive(Debug, Clone, Copy)]
pub struct Expansion<'a> {
    /// What variables stand for.
    pub variables: &'a Variables,
    /// Takes the meaning of the character behind it: the backslash, or the backtick if `# escape=` says so.
    pub escape: char,
}

impl Expansion<'_> {
    /// One word without its quotes and with its variables replaced.
    ///
    /// # Errors
    /// When a quote or a brace does not end, a modifier is unknown, or a variable that is required has no value.
    pub fn word(&self, word: &str) -> Result<String> {
        Expander { characters: word.chars().peekable(), with: *self }.until(None, Escapes::Taken)
    }

    /// Every word of a line, expanded. A variable's blanks separate words only if they were not quoted; that matters to
    /// nobody's ports, so a word stays a word.
    ///
    /// # Errors
    /// As [`Self::word`].
    pub fn words(&self, line: &str) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for word in split_words(line, self.escape) {
            words.extend(self.word(&word)?.split_whitespace().map(str::to_owned));
        }
        Ok(words)
    }
}

/// What becomes of escape characters outside quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// They go, and the character behind them stays.
    Taken,
    /// They stay for a pattern, whose escape is the backslash whatever the file's is.
    Kept,
}

struct Expander<'a> {
    characters: Peekable<Chars<'a>>,
    with: Expansion<'a>,
}

impl Expander<'_> {
    /// Expands up to the closing character, or to the end.
    fn until(&mut self, close: Option<char>, escapes: Escapes) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.characters.next() {
            match c {
                c if Some(c) == close => return Ok(out),
                '\'' => self.single_quoted(&mut out)?,
                '"' => self.double_quoted(&mut out)?,
                '$' => out.push_str(&self.variable()?),
                '\\' if escapes == Escapes::Kept => {
                    out.push(c);
                    out.extend(self.characters.next());
                }
                c if c == self.with.escape && escapes == Escapes::Taken => out.extend(self.characters.next()),
                c => out.push(c),
            }
        }
        match close {
            None => Ok(out),
            Some('/') => Err(Error::Missing("/' in '${}")),
            Some(_) => Err(Error::Missing("}")),
        }
    }

    fn single_quoted(&mut self, out: &mut String) -> Result<()> {
        for c in self.characters.by_ref() {
            if c == '\'' {
                return Ok(());
            }
            out.push(c);
        }
        Err(Error::OpenQuote("single"))
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<()> {
        while let Some(c) = self.characters.next() {
            match c {
                '"' => return Ok(()),
                '$' => out.push_str(&self.variable()?),
                c if c == self.with.escape => match self.characters.peek() {
                    Some(next) if matches!(next, '"' | '$') || *next == c => out.extend(self.characters.next()),
                    _ => out.push(c),
                },
                c => out.push(c),
            }
        }
        Err(Error::OpenQuote("double"))
    }

    /// What follows a dollar sign.
    fn variable(&mut self) -> Result<String> {
        if self.characters.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        self.characters.next();
        match self.characters.peek() {
            None => return Err(Error::Missing("}")),
            Some('{' | '}' | ':') => return Err(Error::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        let value = self.value(&name);
        let Some(first) = self.characters.next() else { return Err(Error::Modifier('\u{fffd}'.to_string())) };
        // With a colon an empty value counts as none.
        let (has_colon, modifier) = match first {
            '}' => return Ok(value.unwrap_or_default()),
            ':' => (true, self.characters.next()),
            first => (false, Some(first)),
        };
        let unknown = || {
            let colon = if has_colon { ":" } else { "" };
            Error::Modifier(format!("{colon}{}", modifier.unwrap_or('\u{fffd}')))
        };
        let value = value.filter(|value| !has_colon || !value.is_empty());
        match modifier {
            Some('-') => {
                let word = self.until(Some('}'), Escapes::Taken)?;
                Ok(value.unwrap_or(word))
            }
            Some('+') => {
                let word = self.until(Some('}'), Escapes::Taken)?;
                Ok(if value.is_some() { word } else { String::new() })
            }
            Some('?') => {
                let word = self.until(Some('}'), Escapes::Taken)?;
                let lack = if self.value(&name).is_some() { "empty" } else { "unset" };
                let message = if word.is_empty() { format!("is not allowed to be {lack}") } else { word };
                value.ok_or(Error::Required { name, message })
            }
            Some(end @ ('#' | '%')) if !has_colon => {
                let pattern = self.until(Some('}'), Escapes::Kept)?;
                let (pattern, is_longest) = match pattern.strip_prefix(end) {
                    Some(pattern) => (pattern, true),
                    None => (pattern.as_str(), false),
                };
                let (pattern, value) = (Pattern::new(pattern), value.unwrap_or_default());
                Ok(match end {
                    '#' => pattern.without_beginning(&value, is_longest),
                    _ => pattern.without_end(&value, is_longest),
                })
            }
            Some('/') if !has_colon => {
                let is_all = self.characters.next_if_eq(&'/').is_some();
                let pattern = self.until(Some('/'), Escapes::Kept)?;
                let replacement = self.until(Some('}'), Escapes::Kept)?;
                Ok(Pattern::new(&pattern).replace(&value.unwrap_or_default(), &replacement, is_all))
            }
            _ => Err(unknown()),
        }
    }

    /// A name, a number, or one of the shell's special characters, which nothing here ever sets.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(special) = self.characters.next_if(|c| "@*#?-$!".contains(*c)) {
            return special.to_string();
        }
        if self.characters.peek().is_some_and(char::is_ascii_digit) {
            name.extend(std::iter::from_fn(|| self.characters.next_if(char::is_ascii_digit)));
            return name;
        }
        while let Some(c) = self.characters.next_if(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        self.with.variables.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables() -> Variables {
        [("A", "x"), ("E", ""), ("P", "/usr/local/lib.tar.gz"), ("R", "foobar foo"), ("A語", "unicode")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn check(word: &str, expected: &str) {
        let variables = variables();
        let found = Expansion { variables: &variables, escape: '\\' }.word(word);
        assert_eq!(found.unwrap_or_else(|why| why.to_string()), expected, "{word}");
    }

    #[test]
    fn words_expand() {
        check("$A", "x");
        check("${A}b", "xb");
        check("'$A'", "$A");
        check("\"$A y\"", "x y");
        check("\\$A", "$A");
        check("a$", "a$");
        check("$$x", "x");
        check("$1A$@", "A");
        check("$N", "");
        check("$A語", "unicode");
        check("\"a\\b\\\"c\"", "a\\b\"c");
        check("a\\b", "ab");
    }

    #[test]
    fn modifiers_that_choose() {
        check("${N:-d}", "d");
        check("${E:-d}", "d");
        check("${E-d}", "");
        check("${A:+y}", "y");
        check("${N:+y}", "");
        check("${E+y}", "y");
        check("${N:-${A}}", "x");
        check("\"${N:-a}b\"", "ab");
        check("\"${N:-\"x\"}\"", "x");
        check("${A:?no}", "x");
        check("${N:?gone}", "N: gone");
        check("${N?}", "N: is not allowed to be unset");
        check("${E:?}", "E: is not allowed to be empty");
    }

    #[test]
    fn modifiers_that_cut_and_replace() {
        check("${P#*/}", "usr/local/lib.tar.gz");
        check("${P##*/}", "lib.tar.gz");
        check("${P%.*}", "/usr/local/lib.tar");
        check("${P%%.*}", "/usr/local/lib");
        check("${P#?usr}", "/local/lib.tar.gz");
        check("${P#nothing}", "/usr/local/lib.tar.gz");
        check("${R/foo/_}", "_bar foo");
        check("${R//foo/_}", "_bar _");
        check("${R//o*/_}", "f_");
        check("${R/[f]/_}", "foobar foo");
        check("${R/\"foo\"/'x y'}", "x ybar foo");
        check("${R//foo/$A}", "xbar x");
        check("${N//foo/x}", "");
        check("${A#x*}", "");
    }

    #[test]
    fn what_makes_no_sense_is_told_in_dockers_words() {
        check("'a", "unexpected end of statement while looking for matching single-quote");
        check("\"a", "unexpected end of statement while looking for matching double-quote");
        check("${A", "unsupported modifier (\u{fffd}) in substitution");
        check("${", "syntax error: missing '}'");
        check("${}", "syntax error: bad substitution");
        check("${:-x}", "syntax error: bad substitution");
        check("${#A}", "unsupported modifier (A) in substitution");
        check("${A:2}", "unsupported modifier (:2) in substitution");
        check("${A^}", "unsupported modifier (^) in substitution");
        check("${A=d}", "unsupported modifier (=) in substitution");
        check("${A:-b", "syntax error: missing '}'");
        check("${R/a}", "syntax error: missing '/' in '${}'");
    }

    #[test]
    fn with_the_backtick_the_backslash_is_plain() {
        let variables = variables();
        let word = |text: &str| Expansion { variables: &variables, escape: '`' }.word(text).unwrap();
        assert_eq!(word("c:\\dir\\$A"), "c:\\dir\\x");
        assert_eq!(word("`$A"), "$A");
        assert_eq!(word("\"a`\"b\""), "a\"b");
        // A pattern keeps its own escape.
        assert_eq!(word("${P#\\/usr}"), "/local/lib.tar.gz");
    }

    proptest! {
        #[test]
        fn no_word_is_too_strange(word in "[\\PC${}\"'\\\\:#%/?+-]{0,40}") {
            let variables = variables();
            let _ = Expansion { variables: &variables, escape: '\\' }.word(&word);
        }

        #[test]
        fn what_is_quoted_comes_out_as_it_is(text in "[^'\\x00]{0,30}") {
            let variables = variables();
            let quoted = format!("'{text}'");
            prop_assert_eq!(Expansion { variables: &variables, escape: '\\' }.word(&quoted).unwrap(), text);
        }
    }
}
