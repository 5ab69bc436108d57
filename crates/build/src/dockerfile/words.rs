//! Splitting instruction lines into words. Quotes and escapes stay in the words; expansion takes them off.

use super::error::{Error, Result};

/// Words between blanks; a quoted part or an escaped blank does not end a word.
pub fn split_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, None | Some('"')) if c == escape => {
                word.push(c);
                word.extend(characters.next());
            }
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

/// `a=b c="d e"`, or the old form `a rest of the line`, of the instruction called `keyword`.
///
/// # Errors
/// If it is neither.
pub fn name_values(keyword: &str, text: &str, escape: char) -> Result<Vec<(String, String)>> {
    let words = split_words(text, escape);
    if !words.first().is_some_and(|word| word.contains('=')) {
        let pair = text.split_once(|c: char| c.is_whitespace());
        let (name, value) = pair.ok_or_else(|| Error::TwoArguments(keyword.to_owned()))?;
        return Ok(vec![(name.to_owned(), value.trim_start().to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Error::NoEquals(word.clone())),
    };
    words.iter().map(pair).collect()
}

/// The exec form: a JSON list of texts; what stands behind it is no matter. `None` for everything else, which is then the
/// shell form.
///
/// # Errors
/// If it is a list with something else than texts in it.
pub fn parse_json_words(text: &str) -> Result<Option<Vec<String>>> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let mut lists = serde_json::Deserializer::from_str(text).into_iter::<Vec<serde_json::Value>>();
    let Some(Ok(list)) = lists.next() else { return Ok(None) };
    let words = list.into_iter().map(|word| match word {
        serde_json::Value::String(word) => Ok(word),
        _ => Err(Error::NotOnlyTexts),
    });
    words.collect::<Result<_>>().map(Some)
}
