//! Expansion of words: quotes, escapes and variables. Source: Dockerfile reference, "Environment replacement".

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::refuse;
use super::words::split_words;
use crate::error::Result;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// One word without its quotes and with its variables replaced.
pub(super) fn expand(word: &str, variables: &Variables) -> Result<String> {
    let mut expander = Expander { characters: word.chars().peekable(), variables };
    expander.until(None)
}

/// Every word of a line, expanded. A variable's blanks separate words only if they were not quoted; that matters to
/// nobody's ports, so a word stays a word.
pub(super) fn expand_words(line: &str, variables: &Variables) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for word in split_words(line) {
        words.extend(expand(&word, variables)?.split_whitespace().map(str::to_owned));
    }
    Ok(words)
}

struct Expander<'a> {
    characters: Peekable<Chars<'a>>,
    variables: &'a Variables,
}

impl Expander<'_> {
    /// Expands up to the closing character, or to the end.
    fn until(&mut self, close: Option<char>) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.characters.next() {
            match c {
                c if Some(c) == close => return Ok(out),
                '\'' => self.single_quoted(&mut out)?,
                '"' => self.double_quoted(&mut out)?,
                '$' => out.push_str(&self.variable()?),
                '\\' => out.extend(self.characters.next()),
                c => out.push(c),
            }
        }
        match close {
            None => Ok(out),
            Some(_) => Err(refuse("failed to process word: missing closing brace")),
        }
    }

    fn single_quoted(&mut self, out: &mut String) -> Result<()> {
        for c in self.characters.by_ref() {
            if c == '\'' {
                return Ok(());
            }
            out.push(c);
        }
        Err(refuse("unexpected end of statement while looking for matching single-quote"))
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<()> {
        while let Some(c) = self.characters.next() {
            match c {
                '"' => return Ok(()),
                '$' => out.push_str(&self.variable()?),
                '\\' => match self.characters.peek() {
                    Some('"' | '$' | '\\') => out.extend(self.characters.next()),
                    _ => out.push('\\'),
                },
                c => out.push(c),
            }
        }
        Err(refuse("unexpected end of statement while looking for matching double-quote"))
    }

    /// What follows a dollar sign.
    fn variable(&mut self) -> Result<String> {
        if self.characters.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        self.characters.next();
        let name = self.name();
        let value = self.value(&name);
        let bad = || refuse(format!("unsupported modifier in substitution of {name:?}"));
        let mut modifier = self.characters.next().ok_or_else(bad)?;
        if modifier == '}' {
            return Ok(value.unwrap_or_default());
        }
        // With a colon an empty value counts as none.
        let mut value = value;
        if modifier == ':' {
            value = value.filter(|value| !value.is_empty());
            modifier = self.characters.next().ok_or_else(bad)?;
        }
        let word = self.until(Some('}'))?;
        match modifier {
            '-' => Ok(value.unwrap_or(word)),
            '+' => Ok(if value.is_some() { word } else { String::new() }),
            '?' => value.ok_or_else(|| refuse(format!("{name}: {word}"))),
            _ => Err(bad()),
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
        while let Some(c) = self.characters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_expand() {
        let variables = Variables::from([("A".to_owned(), "x".to_owned()), ("E".to_owned(), String::new())]);
        for (word, expected) in [
            ("$A", "x"),
            ("${A}b", "xb"),
            ("'$A'", "$A"),
            ("\"$A y\"", "x y"),
            ("\\$A", "$A"),
            ("${N:-d}", "d"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${A:+y}", "y"),
            ("${N:+y}", ""),
            ("${N:-${A}}", "x"),
            ("a$", "a$"),
            ("$$x", "x"),
            ("$1A$@", "A"),
            ("$N", ""),
        ] {
            assert_eq!(expand(word, &variables).unwrap(), expected, "{word}");
        }
        for bad in ["'a", "\"a", "${A", "${A:x}", "${N:?gone}"] {
            assert!(expand(bad, &variables).is_err(), "{bad}");
        }
    }
}
