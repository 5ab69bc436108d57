//! Files of variables: `.env` and what services name as `env_file`.

use std::collections::BTreeMap;

use super::interpolate::{Lookup, Unfilled, substitute};

/// Reads `NAME=value` lines. Values may use names from earlier lines, and those that `lookup` knows.
pub(super) fn parse(text: &str, lookup: Lookup<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let text = text.replace("\r\n", "\n");
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.split_once('\n').map_or("", |(_, next)| next);
            continue;
        }
        if rest.is_empty() {
            return Ok(found);
        }
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        if let Some(exported) = rest.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])) {
            rest = exported.trim_start();
        }
        let end = rest.find(['=', ':', '\n']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        check_name(name, line)?;
        if rest[end..].is_empty() || rest[end..].starts_with('\n') {
            // A name alone has the value that it has outside.
            found.extend(lookup(name).map(|value| (name.to_owned(), value)));
            rest = &rest[end..];
            continue;
        }
        let known = |name: &str| found.get(name).cloned().or_else(|| lookup(name));
        let (value, next) = value(rest[end + 1..].trim_start_matches([' ', '\t']), line, &known)?;
        found.insert(name.to_owned(), value);
        rest = next;
    }
}

fn check_name(name: &str, line: usize) -> Result<(), String> {
    let is_fine = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '[' | ']');
    match name.chars().find(|letter| !is_fine(*letter)) {
        Some(' ') => Err(format!("line {line}: key cannot contain a space")),
        Some(letter) => Err(format!("line {line}: unexpected character \"{letter}\" in variable name \"{name}\"")),
        None if name.is_empty() => Err(format!("line {line}: zero length string")),
        None => Ok(()),
    }
}

/// A value, and what comes after it.
fn value<'t>(text: &'t str, line: usize, known: Lookup<'_>) -> Result<(String, &'t str), String> {
    let expand = |text: &str| {
        substitute(text, known).map_err(|why| match why {
            Unfilled::Invalid => format!("line {line}: Invalid template: \"{text}\""),
            Unfilled::Missing(why) => why,
        })
    };
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let (value, next) = text.split_once('\n').unwrap_or((text, ""));
        let value = value.split_once(" #").map_or(value, |(value, _)| value);
        return Ok((expand(value.trim_end())?, next));
    };
    let mut out = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, escaped)) if escaped == quote => out.push(quote),
                Some((_, escaped)) if quote == '"' => out.push_str(&unescaped(escaped)),
                Some((_, other)) => out.extend(['\\', other]),
                None => break,
            },
            letter if letter == quote => {
                let out = if quote == '"' { expand(&out)? } else { out };
                return Ok((out, &text[at + 1..]));
            }
            other => out.push(other),
        }
    }
    let shown = text.split('\n').next().unwrap_or_default();
    Err(format!("line {line}: unterminated quoted value {shown}"))
}

/// What a backslash and a letter stand for in double quotes.
fn unescaped(letter: char) -> String {
    match letter {
        'n' => "\n".to_owned(),
        'r' => "\r".to_owned(),
        't' => "\t".to_owned(),
        '\\' => "\\".to_owned(),
        // So that it is not taken for a name.
        '$' => "$$".to_owned(),
        other => format!("\\{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = "# c\nA=1\nexport B = two words # c\nC='$A'\nD=\"$A\\n${B}\"\nE: x\nOUT\nNO\nF=${OUT:?no}\n\nG=";
        let lookup = |name: &str| (name == "OUT").then(|| "o".to_owned());
        let found = parse(text, &lookup).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$A"),
            ("D", "1\ntwo words"),
            ("E", "x"),
            ("F", "o"),
            ("G", ""),
            ("OUT", "o"),
        ];
        assert_eq!(found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn mistakes_are_told() {
        let nothing = |_: &str| None;
        for (text, expected) in [
            ("A B=1", "line 1: key cannot contain a space"),
            ("\nA!=1", "line 2: unexpected character \"!\" in variable name \"A!\""),
            ("A=\"x\ny", "line 1: unterminated quoted value \"x"),
            ("A=${B:?b}", "required variable B is missing a value: b"),
        ] {
            assert_eq!(parse(text, &nothing), Err(expected.to_owned()), "{text}");
        }
    }
}
