//! Splitting instruction lines into words. Quotes and escapes stay in the words; expansion takes them off.

use super::error::{Error, Result};

/// The blanks that separate a keyword from what follows it, and one path from another. A no-break space is not among them.
pub(crate) fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// Words between blanks; a quoted part or an escaped blank does not end a word.
pub fn split_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, None | Some('"')) if c == escape => match characters.next() {
                Some(next) => word.extend([c, next]),
                // At the end it escapes nothing.
                None => break,
            },
            ('"' | '\'', None) => {
                quote = Some(c);
                word.push(c);
            }
            (c, Some(open)) if c == open => {
                quote = None;
                word.push(c);
            }
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Words between blanks, whatever stands in them.
pub(super) fn split_blanks(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_between = false;
    for c in text.chars() {
        if is_separator(c) {
            is_between = true;
            continue;
        }
        if std::mem::take(&mut is_between) {
            words.push(String::new());
        }
        words.last_mut().expect("there is always one").push(c);
    }
    words
}

/// `a=b c="d e"`, or the old form `a rest of the line`, of the instruction called `keyword`.
///
/// # Errors
/// If it is neither.
pub fn name_values(keyword: &str, text: &str, escape: char) -> Result<Vec<(String, String)>> {
    let words = split_words(text, escape);
    if is_legacy(&words) {
        let pair = text.split_once(is_separator);
        let (name, value) = pair.ok_or_else(|| Error::TwoArguments(keyword.to_owned()))?;
        return Ok(vec![(name.to_owned(), value.trim_start_matches(is_separator).to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Error::NoEquals(word.clone())),
    };
    words.iter().map(pair).collect()
}

/// Whether the words are of the old form, which knows no `=`.
pub(super) fn is_legacy(words: &[String]) -> bool {
    !words.first().is_some_and(|word| word.contains('='))
}

/// The exec form: a JSON list of texts; what stands behind it is no matter. `None` for everything else, which is then the
/// shell form. So does the daemon read `--change`; a build reads [`json_words`].
///
/// # Errors
/// If it is a list with something else than texts in it.
pub fn parse_json_words(text: &str) -> Result<Option<Vec<String>>> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let mut lists = serde_json::Deserializer::from_str(text).into_iter::<Vec<serde_json::Value>>();
    let Some(Ok(list)) = lists.next() else { return Ok(None) };
    texts(list).map(Some)
}

/// The exec form of a build: a JSON list of texts, and nothing behind it.
///
/// # Errors
/// If it is a list with something else than texts in it.
pub fn json_words(text: &str) -> Result<Option<Vec<String>>> {
    if !text.trim_start().starts_with('[') {
        return Ok(None);
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text.trim_start()) {
        Ok(list) => texts(list).map(Some),
        Err(_) => Ok(None),
    }
}

fn texts(list: Vec<serde_json::Value>) -> Result<Vec<String>> {
    let text = |word| match word {
        serde_json::Value::String(word) => Ok(word),
        _ => Err(Error::NotOnlyTexts),
    };
    list.into_iter().map(text).collect()
}
