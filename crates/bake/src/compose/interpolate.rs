//! `$NAME` and `${NAME:-default}` in texts.
//! Source: compose-spec, "Interpolation".

use super::yaml::Yaml;

/// What a name stands for.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfilled {
    /// A dollar sign that begins nothing.
    Invalid,
    /// A name that must have a value.
    Missing(String),
}

/// How deep defaults nest in each other.
const MAX_DEPTH: usize = 16;

/// 1 MiB: what one text may become.
const MAX_TEXT: usize = 1 << 20;

/// Fills in all texts of a document. `path` is where it stands, for messages.
pub(super) fn fill(value: &mut Yaml, path: &str, lookup: Lookup<'_>) -> Result<(), String> {
    match value {
        Yaml::Text(text) if text.contains('$') => {
            *text = substitute(text, lookup).map_err(|why| match why {
                Unfilled::Invalid => format!(
                    "invalid interpolation format for {path}.\nYou may need to escape any $ with another $.\n{text}"
                ),
                Unfilled::Missing(why) => format!("error while interpolating {path}: {why}"),
            })?;
            Ok(())
        }
        Yaml::List(elements) => elements.iter_mut().try_for_each(|one| fill(one, &format!("{path}.[]"), lookup)),
        Yaml::Map(fields) => fields.iter_mut().try_for_each(|(name, field)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            fill(field, &path, lookup)
        }),
        _ => Ok(()),
    }
}

/// A text with the values of its names.
pub(super) fn substitute(text: &str, lookup: Lookup<'_>) -> Result<String, Unfilled> {
    filled(text, lookup, 0)
}

fn filled(text: &str, lookup: Lookup<'_>, depth: usize) -> Result<String, Unfilled> {
    if depth > MAX_DEPTH {
        return Err(Unfilled::Invalid);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = closing(inside).ok_or(Unfilled::Invalid)?;
            out.push_str(&braced(&inside[..end], lookup, depth)?);
            rest = &inside[end + 1..];
        } else {
            match name_length(rest) {
                // A lone dollar sign stands for itself.
                0 => out.push('$'),
                length => {
                    out.push_str(&lookup(&rest[..length]).unwrap_or_default());
                    rest = &rest[length..];
                }
            }
        }
        if out.len() > MAX_TEXT {
            return Err(Unfilled::Invalid);
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between braces: a name, and what to do if it has a value or none.
fn braced(inside: &str, lookup: Lookup<'_>, depth: usize) -> Result<String, Unfilled> {
    let (name, rest) = inside.split_at(name_length(inside));
    if name.is_empty() {
        return Err(Unfilled::Invalid);
    }
    let value = lookup(name);
    let (colon, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let has_value = value.as_deref().is_some_and(|value| !colon || !value.is_empty());
    let mut letters = rest.chars();
    let operator = letters.next();
    let word = || filled(letters.as_str(), lookup, depth + 1);
    match operator {
        None if !colon => Ok(value.unwrap_or_default()),
        Some('-') => {
            if has_value {
                Ok(value.unwrap_or_default())
            } else {
                word()
            }
        }
        Some('+') => {
            if has_value {
                word()
            } else {
                Ok(value.unwrap_or_default())
            }
        }
        Some('?') if has_value => Ok(value.unwrap_or_default()),
        Some('?') => {
            let reason = word()?;
            let colon = if reason.is_empty() { "" } else { ": " };
            Err(Unfilled::Missing(format!("required variable {name} is missing a value{colon}{reason}")))
        }
        _ => Err(Unfilled::Invalid),
    }
}

/// Where the brace closes that is open before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    match text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        true => text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(text.len()),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn names_are_filled_in() {
        for (text, expected) in [
            ("$A-${A}", "a-a"),
            ("$$A", "$A"),
            ("5 $ 6", "5 $ 6"),
            ("${NO}", ""),
            ("${NO-x}${EMPTY-x}${EMPTY:-y}", "xy"),
            ("${A:+b}${NO+b}${EMPTY:+b}${EMPTY+c}", "bc"),
            ("${NO:-${A:-b}}", "a"),
            ("${NO:-a:-b}", "a:-b"),
            ("${A:?no}", "a"),
        ] {
            assert_eq!(substitute(text, &names), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["${", "${}", "${A", "${A!}", "${1}", "${A:}"] {
            assert_eq!(substitute(text, &names), Err(Unfilled::Invalid), "{text}");
        }
        let missing = |text: &str| Err(Unfilled::Missing(text.to_owned()));
        assert_eq!(substitute("${NO?}", &names), missing("required variable NO is missing a value"));
        assert_eq!(
            substitute("${EMPTY:?say $A}", &names),
            missing("required variable EMPTY is missing a value: say a")
        );
        assert_eq!(substitute(&"${N:-".repeat(100_000), &names), Err(Unfilled::Invalid));
        let deep = format!("{}{}", "${N:-".repeat(100), "}".repeat(100));
        assert_eq!(substitute(&deep, &names), Err(Unfilled::Invalid));
    }
}
