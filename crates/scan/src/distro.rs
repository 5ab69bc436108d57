//! Which system an image is made of. Source: os-release(5).

use serde::{Deserialize, Serialize};

use crate::content::{Content, Result, read_all, text};

/// What `os-release` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Distro {
    /// `debian`, `alpine`.
    pub id: String,
    /// `12`, `3.20.1`; empty for those that roll.
    #[serde(default, rename = "versionId", skip_serializing_if = "String::is_empty")]
    pub version_id: String,
    /// What it is made from, nearest first.
    #[serde(default, rename = "idLike", deserialize_with = "few", skip_serializing_if = "Vec::is_empty")]
    pub id_like: Vec<String>,
    /// For people.
    #[serde(default, rename = "prettyName", skip_serializing_if = "String::is_empty")]
    pub pretty_name: String,
    /// `bookworm`, if it says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codename: String,
    /// Which of the inventory's layers says so, if it was read there.
    #[serde(skip)]
    pub layer: Option<usize>,
}

/// 32 systems that it is made from.
fn few<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    crate::bounded::AtMost::<String, 32>::deserialize(deserializer).map(|likes| likes.0)
}

/// 64 KiB: an honest one has a few hundred bytes.
const MAX_BYTES: u64 = 64 << 10;

/// What package URLs call a system that calls itself something else: its `ID`, and their word.
const ALIASES: [(&str, &str); 6] = [
    ("rhel", "redhat"),
    ("opensuse-leap", "opensuse"),
    ("opensuse-tumbleweed", "opensuse"),
    ("sles", "suse"),
    ("ol", "oracle"),
    ("amzn", "amazon"),
];

impl Distro {
    /// True if `word`, the `distro` of a package URL, means this system: `debian`, `debian-12` of 12.4, `bookworm`.
    pub(crate) fn is_meant_by(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        let is_codename = |word: &str| !self.codename.is_empty() && self.codename.eq_ignore_ascii_case(word);
        let is_version = |version: &str| {
            let of = self.version_id.strip_prefix(version).filter(|_| !version.is_empty());
            // 1 is not 12.
            is_codename(version) || of.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_after = |name: &str| {
            let rest = word.strip_prefix(name)?;
            Some(rest.is_empty() || rest.strip_prefix('-').is_some_and(is_version))
        };
        is_codename(&word) || self.names().any(|name| is_after(name) == Some(true))
    }

    /// True if packages of `vendor`, as package URLs name it, are this system's: not those of what it is made from.
    pub(crate) fn is_vendor(&self, vendor: &str) -> bool {
        self.names().any(|name| name == vendor)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let others = ALIASES.iter().filter(|(id, _)| *id == self.id).map(|(_, other)| *other);
        std::iter::once(self.id.as_str()).chain(others)
    }

    /// Reads an `os-release` file; `None` if it names no system.
    ///
    /// # Errors
    /// When it is too large or cannot be read.
    pub fn read(content: &dyn Content) -> Result<Option<Self>> {
        let bytes = read_all(content, MAX_BYTES)?;
        Ok(Self::parse(&text(&bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            let value = unquote(value);
            match key {
                "ID" => found.id = value.to_ascii_lowercase(),
                "VERSION_ID" => found.version_id = value,
                "ID_LIKE" => found.id_like = value.split_whitespace().map(str::to_ascii_lowercase).collect(),
                "PRETTY_NAME" => found.pretty_name = value,
                "VERSION_CODENAME" => found.codename = value,
                _ => {}
            }
        }
        (!found.id.is_empty()).then_some(found)
    }

    /// As package URLs name it: `debian-12`.
    pub fn word(&self) -> String {
        match self.version_id.as_str() {
            "" => self.id.clone(),
            version => format!("{}-{version}", self.id),
        }
    }
}

/// The shell's quotes, as far as the format allows them.
fn unquote(value: &str) -> String {
    let inner = match value.as_bytes() {
        [b'"', .., b'"'] | [b'\'', .., b'\''] => &value[1..value.len() - 1],
        _ => value,
    };
    let mut out = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_say_who_they_are() {
        let debian = b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n".to_vec();
        let debian = Distro::read(&debian).unwrap().unwrap();
        assert_eq!((debian.word().as_str(), debian.id_like.len()), ("debian-12", 0));
        let ubuntu = Distro::parse("ID='ubuntu'\nID_LIKE=debian\nVERSION_ID=22.04\nVERSION_CODENAME=jammy").unwrap();
        assert_eq!((ubuntu.version_id.as_str(), ubuntu.codename.as_str()), ("22.04", "jammy"));
        assert_eq!(Distro::parse("ID=wolfi\nVERSION_ID=\n").unwrap().word(), "wolfi");
        assert_eq!(Distro::parse("hello"), None);
        assert_eq!(unquote(r#""a \"b\" \$c""#), "a \"b\" $c");
        assert_eq!(unquote("\""), "\"");
    }
}
