//! Which of two versions is newer, by the rules of each kind of packages.

mod apk;
mod deb;
mod loose;
mod maven;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Debian's (deb-version(7)).
    Deb,
    /// rpm's (`rpmvercmp`).
    Rpm,
    /// Alpine's (apk-tools, `version.c`).
    Apk,
    /// Python's (PEP 440).
    Pep440,
    /// Semantic versions 2.0: npm, Cargo, Go, and NuGet with a fourth number.
    Semver,
    /// Maven's (`ComparableVersion`).
    Maven,
    /// RubyGems', and others' whose words make a version older.
    Gem,
}

impl Scheme {
    /// Compares two versions. `None` if one of them is none by the rules: then nothing is known, and nothing matches.
    pub fn compare(self, a: &str, b: &str) -> Option<Ordering> {
        let (a, b) = (a.trim(), b.trim());
        match self {
            Self::Deb => Some(deb::compare(a, b)),
            Self::Rpm => Some(rpm::compare(a, b)),
            Self::Apk => apk::compare(a, b),
            Self::Pep440 => pep440::compare(a, b),
            Self::Semver => semver::compare(a, b),
            Self::Maven => Some(maven::compare(a, b)),
            Self::Gem => Some(loose::compare(a, b)),
        }
    }
}

/// Compares two runs of digits of any length.
fn digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Takes the digits, or what is no digits, from the front of `text`.
fn split(text: &str, is_digits: bool) -> (&str, &str) {
    let end = text.find(|letter: char| letter.is_ascii_digit() != is_digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests;
