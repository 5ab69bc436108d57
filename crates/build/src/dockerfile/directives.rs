//! Parser directives: the comments at the top that say how the rest is read.
//! Source: Dockerfile reference, "Parser directives".

use super::error::{Error, Result};

/// Reads the directives of a file, line by line, until anything else stands in one.
#[derive(Debug, Default)]
pub(super) struct Directives {
    seen: Vec<String>,
    is_done: bool,
}

impl Directives {
    /// The directive on the next line.
    pub(super) fn next<'a>(&mut self, line: &'a str) -> Result<Option<(String, &'a str)>> {
        let found = if self.is_done { None } else { line.strip_prefix('#').and_then(directive) };
        let Some((name, value)) = found else {
            self.is_done = true;
            return Ok(None);
        };
        if self.seen.contains(&name) {
            return Err(Error::SecondDirective(name));
        }
        self.seen.push(name.clone());
        Ok(Some((name, value)))
    }
}

/// The value of the directive `name` at the top of a file, where nothing is indented and a script's first line may stand
/// before it.
pub(super) fn of_file<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!") => rest,
        _ => text,
    };
    let mut directives = Directives::default();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        match directives.next(line) {
            Ok(Some((found, value))) if found == name => return Some(value),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
    None
}

/// `name=value` of a name that is known.
pub(crate) fn directive(text: &str) -> Option<(String, &str)> {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r');
    let (name, value) = text.trim_start().split_once('=')?;
    let name = name.trim_end_matches(is_blank).to_ascii_lowercase();
    let value = value.trim_matches(is_blank);
    (matches!(name.as_str(), "syntax" | "escape" | "check") && !value.is_empty()).then_some((name, value))
}
