//! "Did you mean": the nearest of the words that would have been right. It stands in a line of help, after docker's text.

use wharfie_engine::patterns::Named;
use wharfie_oci::{Reference, Repository};

use crate::context::Context;
use crate::failure::{Failure, Missing};

/// Adds what was probably meant by names that nothing has. A store that cannot be read has said so already.
pub(crate) fn add(cx: &Context, failure: Failure) -> Failure {
    let mut found = Vec::new();
    for missing in &failure.missing {
        let Some(Ok(names)) = cx.engine().ok().map(|engine| engine.names_of(missing.named)) else { continue };
        let meant = match missing.named {
            Named::Images => {
                let is_other = |name: &String| !missing.is_elsewhere || repository(name) != repository(&missing.name);
                image(&missing.name, &names.into_iter().filter(is_other).collect::<Vec<_>>())
            }
            Named::Containers(_) | Named::Volumes | Named::Networks => nearest(&missing.name, &names),
        };
        found.extend(meant.map(|meant| said(&meant)));
    }
    found.dedup();
    Failure { help: found.into_iter().chain(failure.help).collect(), ..failure }
}

/// The line of help.
pub(crate) fn said(meant: &str) -> String {
    format!("did you mean `{meant}`?")
}

/// The nearest of some names, if one is near enough to be meant.
pub(crate) fn nearest<T: AsRef<str>>(word: &str, names: &[T]) -> Option<String> {
    let near = names.iter().map(AsRef::as_ref).filter(|name| *name != word);
    let near = near.map(|name| (distance(word, name), name)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= allowed(word)).map(|(_, name)| name.to_owned())
}

fn repository(name: &str) -> Option<Repository> {
    name.parse::<Reference>().ok().map(|reference| reference.repository().clone())
}

/// The nearest of some references. Without a tag, any tag is meant.
fn image(wanted: &str, references: &[String]) -> Option<String> {
    let bare = wanted.strip_suffix(":latest").unwrap_or(wanted);
    let has_tag = bare.parse::<Reference>().is_ok_and(|reference| reference.tag().is_some());
    let tagged = references.iter().filter_map(|text| {
        let reference: Reference = text.parse().ok()?;
        reference.tag()?;
        let repository = reference.repository().familiar();
        let of_name = distance(bare, &repository);
        let best = if has_tag { distance(bare, text) } else { of_name.min(distance(wanted, text)) };
        // What was written is what was meant.
        (text != wanted).then_some((best, text))
    });
    let near = tagged.min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= allowed(bare)).map(|(_, text)| text.clone())
}

/// How many slips of the finger a word of this length may have: more would make it another word.
fn allowed(word: &str) -> usize {
    match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// How many letters were left out, added, mistaken or exchanged with their neighbour.
/// Source: optimal string alignment, of Damerau and Levenshtein.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // The last three lines of the table.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, c) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, d) in other.iter().enumerate() {
            let mut best = (above[column] + usize::from(c != d)).min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *c == other[column - 1] && one[row - 1] == *d {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or_default()
}

impl Missing {
    /// A name that nothing of its kind has.
    pub(crate) fn new(named: Named, name: &str) -> Self {
        Self { named, name: name.to_owned(), is_elsewhere: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_counted() {
        for (one, other, expected) in [
            ("", "", 0),
            ("web", "web", 0),
            ("wbe", "web", 1),
            ("we", "web", 1),
            ("imagse", "images", 1),
            ("a", "xyz", 3),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn only_a_near_word_is_meant() {
        let names = ["images", "inspect", "ps", "volume"];
        assert_eq!(nearest("imgaes", &names).as_deref(), Some("images"));
        assert_eq!(nearest("volumes", &names).as_deref(), Some("volume"));
        assert_eq!(nearest("pss", &names).as_deref(), Some("ps"));
        assert_eq!(nearest("sp", &names), None);
        assert_eq!(nearest("deploy", &names), None);
        assert_eq!(nearest("images", &names), None);
    }

    #[test]
    fn an_image_is_meant_by_its_name_whatever_its_tag() {
        let references = ["alpine:3.20", "team/web:1"].map(str::to_owned);
        assert_eq!(image("alpine:latest", &references).as_deref(), Some("alpine:3.20"));
        assert_eq!(image("alpnie:latest", &references).as_deref(), Some("alpine:3.20"));
        assert_eq!(image("alpine", &references).as_deref(), Some("alpine:3.20"));
        assert_eq!(image("alpine:3.2", &references).as_deref(), Some("alpine:3.20"));
        assert_eq!(image("team/wbe:latest", &references).as_deref(), Some("team/web:1"));
        assert_eq!(image("debian:latest", &references), None);
    }
}
