//! Words: quotes that go, and variables that are replaced, by the rules of Dockerfiles.
//! Source: Dockerfile reference, "Environment replacement".

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::error::{Error, Result};
use super::pattern::Pattern;

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
        Style::of(self.escape).expand(word, &|name| self.variables.get(name).cloned()).map(|expanded| expanded.text)
    }

    /// Every word of a line, expanded. Blanks separate words unless they are quoted, also those of a value.
    ///
    /// # Errors
    /// As [`Self::word`].
    pub fn words(&self, line: &str) -> Result<Vec<String>> {
        Style::of(self.escape).expand(line, &|name| self.variables.get(name).cloned()).map(|expanded| expanded.words)
    }
}

/// How a text is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// The escape character.
    pub(crate) escape: char,
    /// Quotes do their work and stay.
    pub(crate) keeps_quotes: bool,
    /// Escape characters do their work and stay.
    pub(crate) keeps_escapes: bool,
    /// Quotes are characters as any other.
    pub(crate) ignores_quotes: bool,
    /// Variables without a value stay as they are written.
    pub(crate) keeps_unset: bool,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Expanded {
    /// All of it.
    pub(crate) text: String,
    /// Its words.
    pub(crate) words: Vec<String>,
    /// The variables that were asked for and had a value, in order, each once.
    pub(crate) matched: Vec<String>,
    /// Those that had none.
    pub(crate) unmatched: Vec<String>,
}

/// What a name stands for.
pub(crate) type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Style {
    /// As most words are expanded.
    pub(crate) fn of(escape: char) -> Self {
        Self { escape, keeps_quotes: false, keeps_escapes: false, ignores_quotes: false, keeps_unset: false }
    }

    /// Expands `text`.
    pub(crate) fn expand(self, text: &str, lookup: &Lookup<'_>) -> Result<Expanded> {
        self.try_expand(text, lookup).1
    }

    /// Expands `text`; also says which variables were asked for without success before it failed.
    pub(crate) fn try_expand(self, text: &str, lookup: &Lookup<'_>) -> (Vec<String>, Result<Expanded>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut expander = Expander {
            characters: text.chars().peekable(),
            style: self,
            keeps_escapes: self.keeps_escapes,
            depth: 0,
            lookup,
            matched: Vec::new(),
            unmatched: Vec::new(),
        };
        let mut words = Words::default();
        let text = expander.until(None, self.keeps_escapes, &mut words);
        let (matched, unmatched) = (expander.matched, expander.unmatched);
        (unmatched.clone(), text.map(|text| Expanded { text, words: words.end(), matched, unmatched }))
    }
}

/// The words of a line as they come to be known.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    /// A character that may be the blank between two words.
    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.current.push(c);
        } else if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }

    fn end(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

/// 100 substitutions in each other: nobody writes more, and each takes some of the stack.
const MAX_DEPTH: usize = 100;

struct Expander<'a> {
    characters: Peekable<Chars<'a>>,
    style: Style,
    /// As the style says, or as the pattern that is being read wants it.
    keeps_escapes: bool,
    /// How many braces are open.
    depth: usize,
    lookup: &'a Lookup<'a>,
    matched: Vec<String>,
    unmatched: Vec<String>,
}

impl Expander<'_> {
    /// Expands up to the closing character, or to the end.
    fn until(&mut self, close: Option<char>, keeps_escapes: bool, words: &mut Words) -> Result<String> {
        if self.depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth += 1;
        let before = std::mem::replace(&mut self.keeps_escapes, keeps_escapes);
        let result = self.until_closed(close, words);
        self.keeps_escapes = before;
        self.depth -= 1;
        result
    }

    fn until_closed(&mut self, close: Option<char>, words: &mut Words) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.characters.next() {
            match c {
                c if Some(c) == close => return Ok(out),
                '$' => {
                    let value = self.variable()?;
                    value.chars().for_each(|c| words.push(c));
                    out.push_str(&value);
                }
                '<' => {
                    // Blanks behind the sign of a here-document belong to its word.
                    let mut sign = String::from("<");
                    if self.characters.next_if_eq(&'<').is_some() {
                        sign.push('<');
                        sign.extend(std::iter::from_fn(|| self.characters.next_if(|c| matches!(c, ' ' | '\t' | '\r'))));
                    }
                    words.current.push_str(&sign);
                    out.push_str(&sign);
                }
                '\'' | '"' if !self.style.ignores_quotes => {
                    let text = if c == '"' { self.double_quoted()? } else { self.single_quoted()? };
                    words.current.push_str(&text);
                    out.push_str(&text);
                }
                c if c == self.style.escape => {
                    if self.keeps_escapes {
                        words.current.push(c);
                        out.push(c);
                    }
                    let Some(next) = self.characters.next() else { break };
                    words.current.push(next);
                    out.push(next);
                }
                c => {
                    words.push(c);
                    out.push(c);
                }
            }
        }
        match close {
            None => Ok(out),
            Some(close) => Err(Error::OpenBrace(close)),
        }
    }

    fn single_quoted(&mut self) -> Result<String> {
        let mut out = String::new();
        let quote = self.style.keeps_quotes.then_some('\'');
        out.extend(quote);
        for c in self.characters.by_ref() {
            if c == '\'' {
                out.extend(quote);
                return Ok(out);
            }
            out.push(c);
        }
        Err(Error::OpenQuote("single"))
    }

    fn double_quoted(&mut self) -> Result<String> {
        let mut out = String::new();
        let quote = self.style.keeps_quotes.then_some('"');
        out.extend(quote);
        while let Some(c) = self.characters.next() {
            match c {
                '"' => {
                    out.extend(quote);
                    return Ok(out);
                }
                '$' => out.push_str(&self.variable()?),
                c if c == self.style.escape => {
                    if self.keeps_escapes {
                        out.push(c);
                    }
                    match self.characters.peek() {
                        None => break,
                        Some(next) if matches!(next, '"' | '$') || *next == c => out.extend(self.characters.next()),
                        Some(_) => out.push(c),
                    }
                }
                c => out.push(c),
            }
        }
        Err(Error::OpenQuote("double"))
    }

    /// What follows a dollar sign.
    fn variable(&mut self) -> Result<String> {
        if self.characters.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            let value = self.value(&name);
            return Ok(value.unwrap_or_else(|| if self.style.keeps_unset { format!("${name}") } else { String::new() }));
        }
        match self.characters.peek() {
            None => return Err(Error::Missing("'}'")),
            Some('{' | '}' | ':') => return Err(Error::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.characters.next() {
            Some('}') => {
                let value = self.value(&name);
                Ok(value.unwrap_or_else(|| if self.style.keeps_unset { format!("${{{name}}}") } else { String::new() }))
            }
            // With a colon an empty value counts as none.
            Some(':') => {
                let modifier = self.characters.next().unwrap_or('\u{fffd}');
                self.choice(&name, &format!(":{modifier}"), modifier, true)
            }
            Some(modifier @ ('+' | '-' | '?' | '#' | '%')) => {
                self.choice(&name, &modifier.to_string(), modifier, false)
            }
            Some('/') => self.substitution(&name),
            other => Err(Error::Modifier(other.unwrap_or('\u{fffd}').to_string())),
        }
    }

    /// `${NAME:-word}` and its kin, and the cutting ones.
    fn choice(&mut self, name: &str, written: &str, modifier: char, has_colon: bool) -> Result<String> {
        let is_pattern = matches!(modifier, '#' | '%');
        if is_pattern && has_colon {
            return Err(Error::Modifier(written.to_owned()));
        }
        let word = self.braced('}', is_pattern, Error::Missing("'}'"))?;
        let value = self.value(name);
        if value.is_none() && self.style.keeps_unset {
            return Ok(format!("${{{name}{written}{word}}}"));
        }
        let chosen = value.clone().filter(|value| !has_colon || !value.is_empty());
        match modifier {
            '-' => Ok(chosen.unwrap_or(word)),
            '+' => Ok(if chosen.is_some() { word } else { String::new() }),
            '?' => {
                let lack = if value.is_some() { "empty" } else { "unset" };
                let message = if word.is_empty() { format!("is not allowed to be {lack}") } else { word };
                chosen.ok_or(Error::Required { name: name.to_owned(), message })
            }
            '#' | '%' => {
                let (text, is_longest) = word.strip_prefix(modifier).map_or((&*word, false), |text| (text, true));
                let (pattern, value) = (pattern(text)?, value.unwrap_or_default());
                Ok(match modifier {
                    '#' => pattern.without_beginning(&value, is_longest),
                    _ => pattern.without_end(&value, is_longest),
                })
            }
            _ => Err(Error::Modifier(written.to_owned())),
        }
    }

    /// `${NAME/pattern/replacement}`.
    fn substitution(&mut self, name: &str) -> Result<String> {
        let is_all = self.characters.next_if_eq(&'/').is_some();
        let wanted = self.braced('/', true, Error::Missing("'/' in ${}"))?;
        let replacement = self.braced('}', true, Error::Missing("'}'"))?;
        let value = self.value(name);
        if value.is_none() && self.style.keeps_unset {
            return Ok(format!("${{{name}/{wanted}/{replacement}}}"));
        }
        Ok(pattern(&wanted)?.replace(&value.unwrap_or_default(), &replacement, is_all))
    }

    /// What stands before `close`. Whatever is wrong with it, at the end of the text it is the missing end that is told.
    fn braced(&mut self, close: char, keeps_escapes: bool, missing: Error) -> Result<String> {
        let word = self.until(Some(close), keeps_escapes, &mut Words::default());
        word.map_err(|why| if self.characters.peek().is_none() { missing } else { why })
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

    fn value(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        let seen = if value.is_some() { &mut self.matched } else { &mut self.unmatched };
        if !seen.iter().any(|known| known == name) {
            seen.push(name.to_owned());
        }
        value
    }
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|escaped| Error::Pattern { pattern: text.to_owned(), escaped })
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
        check("${R/a}", "syntax error: missing '/' in ${}");
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
