//! Paths and patterns as Go knows them.

pub(crate) use wharfie_oci::path::clean;

/// A pattern that does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPattern;

impl std::fmt::Display for BadPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("syntax error in pattern")
    }
}

/// Go's `path.Match`: `*`, `?`, `[a-z]` and `\`, all within one name.
pub(crate) fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern: Vec<Glob> = parse(pattern)?;
    let name: Vec<char> = name.chars().collect();
    // Where to take up again after a star, and how much of the name it has taken.
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < name.len() {
        match pattern.get(at) {
            Some(Glob::Any) => {
                star = Some((at, read));
                at += 1;
            }
            Some(one) if one.fits(name[read]) => (at, read) = (at + 1, read + 1),
            _ => match star {
                Some((start, taken)) if name[taken] != '/' => {
                    star = Some((start, taken + 1));
                    (at, read) = (start + 1, taken + 1);
                }
                _ => return Ok(false),
            },
        }
    }
    Ok(pattern[at..].iter().all(|rest| matches!(rest, Glob::Any)))
}

enum Glob {
    Any,
    One,
    Letter(char),
    Set { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    fn fits(&self, letter: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => letter != '/',
            Self::Letter(own) => *own == letter,
            Self::Set { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *is_negated
            }
        }
    }
}

fn parse(pattern: &str) -> Result<Vec<Glob>, BadPattern> {
    let mut letters = pattern.chars().peekable();
    let mut parsed = Vec::new();
    while let Some(letter) = letters.next() {
        parsed.push(match letter {
            '*' => Glob::Any,
            '?' => Glob::One,
            '\\' => Glob::Letter(letters.next().ok_or(BadPattern)?),
            '[' => {
                let is_negated = letters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || letters.next_if_eq(&']').is_none() {
                    let low = set_letter(&mut letters)?;
                    let high = if letters.next_if_eq(&'-').is_some() { set_letter(&mut letters)? } else { low };
                    ranges.push((low, high));
                }
                Glob::Set { is_negated, ranges }
            }
            other => Glob::Letter(other),
        });
    }
    Ok(parsed)
}

fn set_letter(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
    match letters.next() {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => letters.next().ok_or(BadPattern),
        Some(letter) => Ok(letter),
    }
}

/// True for what is fetched: addresses of repositories and archives.
pub(crate) fn is_remote(path: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git+ssh://", "github.com/", "git@"];
    schemes.iter().any(|scheme| path.starts_with(scheme))
}

/// True for repositories that are fetched over SSH.
pub(crate) fn is_ssh(path: &str) -> bool {
    ["ssh://", "git+ssh://", "git@"].iter().any(|scheme| path.starts_with(scheme))
}
