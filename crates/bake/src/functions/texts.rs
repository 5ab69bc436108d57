//! Texts.

use std::collections::BTreeMap;

use regex::{Captures, Regex, RegexBuilder};

use super::Takes::{List, Number as N, String as S, Texts};
use super::{Builtin, Failure, Outcome, check_size, elements, fixed, of, open, text, whole};
use crate::value::{Number, Type, Value};

pub(super) const TABLE: &[Builtin] = &[
    fixed("upper", &[of("str", S)], |all, _| Ok(Value::text(text(all, 0).to_uppercase()))),
    fixed("lower", &[of("str", S)], |all, _| Ok(Value::text(text(all, 0).to_lowercase()))),
    fixed("title", &[of("str", S)], |all, _| Ok(Value::text(title(text(all, 0))))),
    fixed("reverse", &[of("str", S)], |all, _| Ok(Value::text(text(all, 0).chars().rev().collect::<String>()))),
    fixed("strlen", &[of("str", S)], |all, _| Ok(Value::Number(Number::from(text(all, 0).chars().count())))),
    fixed("byteslen", &[of("buf", S)], |all, _| Ok(Value::Number(Number::from(text(all, 0).len())))),
    fixed("bytesslice", &[of("buf", S), of("offset", N), of("length", N)], bytes_slice),
    fixed("substr", &[of("str", S), of("offset", N), of("length", N)], substring),
    fixed("chomp", &[of("str", S)], |all, _| Ok(Value::text(text(all, 0).trim_end_matches(['\r', '\n'])))),
    fixed("indent", &[of("spaces", N), of("str", S)], |all, _| {
        let spaces =
            usize::try_from(whole(all, 0)?).map_err(|_| Failure::Argument(0, "must not be negative".to_owned()))?;
        let lines = text(all, 1).matches('\n').count();
        check_size(lines.checked_mul(spaces).and_then(|more| more.checked_add(text(all, 1).len() + spaces)))?;
        Ok(Value::text(text(all, 1).replace('\n', &format!("\n{}", " ".repeat(spaces)))))
    }),
    fixed("trim", &[of("str", S), of("cutset", S)], |all, _| {
        let cut: Vec<char> = text(all, 1).chars().collect();
        Ok(Value::text(text(all, 0).trim_matches(&cut[..])))
    }),
    fixed("trimprefix", &[of("str", S), of("prefix", S)], |all, _| {
        Ok(Value::text(text(all, 0).strip_prefix(text(all, 1)).unwrap_or(text(all, 0))))
    }),
    fixed("trimsuffix", &[of("str", S), of("suffix", S)], |all, _| {
        Ok(Value::text(text(all, 0).strip_suffix(text(all, 1)).unwrap_or(text(all, 0))))
    }),
    fixed("trimspace", &[of("str", S)], |all, _| Ok(Value::text(text(all, 0).trim()))),
    fixed("sanitize", &[of("name", S)], |all, _| {
        let is_fine = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        Ok(Value::text(
            text(all, 0).chars().map(|letter| if is_fine(&letter) { letter } else { '_' }).collect::<String>(),
        ))
    }),
    fixed("basename", &[of("path", S)], |all, _| Ok(Value::text(base_name(text(all, 0))))),
    fixed("dirname", &[of("path", S)], |all, _| Ok(Value::text(directory_name(text(all, 0))))),
    fixed("split", &[of("separator", S), of("str", S)], |all, _| {
        let (separator, whole) = (text(all, 0), text(all, 1));
        Ok(match separator {
            "" => Value::texts(whole.chars().map(String::from)),
            separator => Value::texts(whole.split(separator)),
        })
    }),
    open("join", &[of("separator", S)], of("lists", Texts), join),
    fixed("replace", &[of("str", S), of("substr", S), of("replace", S)], |all, _| {
        let found = text(all, 0).matches(text(all, 1)).count();
        check_size(found.checked_mul(text(all, 2).len()).and_then(|more| more.checked_add(text(all, 0).len())))?;
        Ok(Value::text(text(all, 0).replace(text(all, 1), text(all, 2))))
    }),
    fixed("regex", &[of("pattern", S), of("string", S)], |all, _| {
        let pattern = compiled(text(all, 0), 0)?;
        let found = pattern.captures(text(all, 1)).ok_or("pattern did not match any part of the given string")?;
        Ok(captured(&pattern, &found))
    }),
    fixed("regexall", &[of("pattern", S), of("string", S)], |all, _| {
        let pattern = compiled(text(all, 0), 0)?;
        let found: Vec<_> = pattern.captures_iter(text(all, 1)).map(|found| captured(&pattern, &found)).collect();
        Ok(Value::List(found.first().map_or(Type::String, Value::kind), found))
    }),
    fixed("regex_replace", &[of("str", S), of("pattern", S), of("replace", S)], |all, _| {
        let pattern = compiled(text(all, 1), 1)?;
        let found = pattern.find_iter(text(all, 0)).count();
        // A replacement may name what was found, which is no longer than the text.
        let each = text(all, 2).matches('$').count().checked_mul(text(all, 0).len());
        let more = each.and_then(|each| each.checked_add(text(all, 2).len())).and_then(|each| each.checked_mul(found));
        check_size(more.and_then(|more| more.checked_add(text(all, 0).len())))?;
        Ok(Value::text(pattern.replace_all(text(all, 0), text(all, 2))))
    }),
    fixed("sort", &[of("list", Texts)], |all, _| {
        let mut sorted = elements(all, 0).to_vec();
        sorted.sort_by(Value::order);
        Ok(Value::List(Type::String, sorted))
    }),
    fixed("compact", &[of("list", Texts)], |all, _| {
        let full = elements(all, 0).iter().filter(|one| !matches!(one, Value::Null) && **one != Value::text(""));
        Ok(Value::List(Type::String, full.cloned().collect()))
    }),
    fixed("reverselist", &[of("list", List)], |all, _| match &all[0] {
        Value::List(of, elements) => Ok(Value::List(of.clone(), elements.iter().rev().cloned().collect())),
        _ => Err(Failure::Argument(0, "can only reverse list or tuple values".to_owned())),
    }),
];

/// A capital letter at the start of each word.
fn title(text: &str) -> String {
    let mut before = ' ';
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        // As Go: letters, digits and underscores do not end a word, nor does anything else but blanks outside ASCII.
        let ends_word = match before {
            '_' => false,
            ascii if ascii.is_ascii() => !ascii.is_ascii_alphanumeric(),
            other => !other.is_alphanumeric() && other.is_whitespace(),
        };
        match ends_word {
            true => out.extend(letter.to_uppercase()),
            false => out.push(letter),
        }
        before = letter;
    }
    out
}

fn substring(all: &[Value], _: &super::Means<'_>) -> Outcome {
    let (offset, length) = (whole(all, 1)?, whole(all, 2)?);
    let count = text(all, 0).chars().count();
    let start = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => count.saturating_sub(usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Value::text(text(all, 0).chars().skip(start).take(length).collect::<String>()))
}

fn bytes_slice(all: &[Value], _: &super::Means<'_>) -> Outcome {
    let range =
        |at| usize::try_from(whole(all, at)?).map_err(|_| Failure::Argument(at, "must not be negative".to_owned()));
    let (offset, length) = (range(1)?, range(2)?);
    let bytes = text(all, 0).as_bytes();
    let slice = offset.checked_add(length).and_then(|end| bytes.get(offset..end));
    let slice = slice.ok_or_else(|| Failure::Argument(1, "offset and length are outside of the buffer".to_owned()))?;
    Ok(Value::text(String::from_utf8_lossy(slice)))
}

fn join(all: &[Value], _: &super::Means<'_>) -> Outcome {
    let mut parts = Vec::new();
    for (list, value) in all.iter().enumerate().skip(1) {
        for (at, element) in value.sequence().unwrap_or_default().iter().enumerate() {
            match element {
                Value::String(text) => parts.push(text.as_str()),
                _ => {
                    let why = format!("element {at} of list {} is null; cannot concatenate null values", list - 1);
                    return Err(Failure::Argument(list, why));
                }
            }
        }
    }
    let separators = parts.len().checked_mul(text(all, 0).len());
    check_size(separators.and_then(|size| size.checked_add(parts.iter().map(|part| part.len()).sum())))?;
    Ok(Value::text(parts.join(text(all, 0))))
}

fn compiled(pattern: &str, at: usize) -> Result<Regex, Failure> {
    // 1 MiB: what hundreds of words of alternatives need; more is a pattern made to be slow.
    let built = RegexBuilder::new(pattern).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
    built.map_err(|why| Failure::Argument(at, format!("invalid regexp pattern: {why}")))
}

/// The text, a tuple of groups, or an object of named groups.
fn captured(pattern: &Regex, found: &Captures<'_>) -> Value {
    let group = |at| Value::maybe(found.get(at).map(|group| group.as_str()));
    if found.len() == 1 {
        return group(0);
    }
    let names: BTreeMap<_, _> = pattern
        .capture_names()
        .flatten()
        .map(|name| (name.to_owned(), Value::maybe(found.name(name).map(|group| group.as_str()))))
        .collect();
    if names.is_empty() { Value::Tuple((1..found.len()).map(group).collect()) } else { Value::Object(names) }
}

/// Go's `path.Base`.
fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (path, trimmed) {
        ("", _) => ".",
        (_, "") => "/",
        (_, trimmed) => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

/// Go's `path.Dir`.
fn directory_name(path: &str) -> String {
    let before = path.rfind('/').map_or("", |at| &path[..=at]);
    crate::path::clean(before)
}
