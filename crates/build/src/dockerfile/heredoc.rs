//! Here-documents: `<<NAME` on an instruction's line, and the text below it up to a line `NAME`.

use super::error::Result;
use super::expand::Style;

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HereDocument {
    /// What its last line is, and what a file of it is called.
    pub name: String,
    /// Whether variables in it are replaced: no part of the name was quoted.
    pub expands: bool,
    /// `<<-`: tabs at the beginning of its lines do not count.
    pub drops_tabs: bool,
    /// Its lines, as they stand in the file.
    pub body: String,
}

impl HereDocument {
    /// Its lines without the tabs that do not count.
    pub fn text(&self) -> String {
        match self.drops_tabs {
            true => self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect(),
            false => self.body.clone(),
        }
    }

    /// The here-document that `word` announces, if it does.
    ///
    /// # Errors
    /// When a quote in its name does not end.
    pub(crate) fn of_word(word: &str) -> Result<Option<Self>> {
        let Some(rest) = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<") else {
            return Ok(None);
        };
        let (rest, drops_tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        let rest = rest.trim_start_matches([' ', '\t', '\n', '\u{c}', '\r']);
        if rest.is_empty() || rest.contains('<') {
            return Ok(None);
        }
        let words = Style { keeps_unset: true, ..Style::of('\\') }.expand(rest, &|_| None)?.words;
        let [name] = words.as_slice() else { return Ok(None) };
        let quoted = Style { keeps_unset: true, keeps_quotes: true, ..Style::of('\\') }.expand(rest, &|_| None)?.words;
        let quotes = |text: &str| text.chars().filter(|c| matches!(c, '\'' | '"')).count();
        let expands = quoted.first().is_some_and(|quoted| quotes(quoted) == quotes(name));
        Ok(Some(Self { name: name.clone(), expands, drops_tabs, body: String::new() }))
    }

    /// The here-documents that an instruction's line announces, still without their bodies. None in a line with a quote that
    /// does not end.
    pub(super) fn of_line(line: &str) -> Result<Vec<Self>> {
        let style = Style { keeps_quotes: true, keeps_escapes: true, keeps_unset: true, ..Style::of('\\') };
        let words = style.expand(line, &|_| None).map(|line| line.words).unwrap_or_default();
        let mut all = Vec::new();
        for word in words {
            all.extend(Self::of_word(&word)?);
        }
        Ok(all)
    }

    /// Whether `line` is its last.
    pub(super) fn is_ended_by(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = if self.drops_tabs { line.trim_start_matches('\t') } else { line };
        line == self.name
    }
}
