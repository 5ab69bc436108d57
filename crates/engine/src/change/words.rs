//! Splitting instruction lines into words. Quotes and escapes stay in the words; expansion takes them off.

/// Words between blanks; a quoted part or an escaped blank does not end a word.
pub(super) fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
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

/// `a=b c="d e"`, or the old form `a rest of the line`. `None` if neither.
pub(super) fn name_values(text: &str) -> Option<Vec<(String, String)>> {
    let words = split_words(text);
    if !words.first()?.contains('=') {
        let (name, value) = text.split_once(|c: char| c.is_whitespace())?;
        return Some(vec![(name.to_owned(), value.trim_start().to_owned())]);
    }
    words.iter().map(|word| word.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()))).collect()
}

/// The exec form: a JSON list of texts. `None` for everything else, which is then the shell form.
pub(super) fn parse_json_words(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') { serde_json::from_str(text).ok() } else { None }
}
