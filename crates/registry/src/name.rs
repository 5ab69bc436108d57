//! The words of requests as types: who holds one holds a proof of its grammar, so that it may become a part of a key.

use std::fmt;

use wharfie_oci::Digest;
use wharfie_oci::digest::ParseDigestError;
use wharfie_oci::reference;

/// A repository's name. Source: distribution-spec, "Pulling manifests", `<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// Takes a name that follows the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        reference::is_path(text).then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one component of a key: `!` is in no name, and sorts before everything that is.
    pub(crate) fn flat(&self) -> String {
        self.0.replace('/', "!")
    }

    /// Reads back what [`Self::flat`] wrote.
    pub(crate) fn from_flat(text: &str) -> Option<Self> {
        Self::parse(&text.replace('!', "/"))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A tag. Source: distribution-spec, "Pulling manifests", `<reference>` as a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// Takes a tag that follows the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        reference::is_tag(text).then(|| Self(text.into()))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What names a manifest in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By tag.
    Tag(Tag),
    /// By digest.
    Digest(Digest),
}

impl Reference {
    /// Reads a tag or, if there is a colon in it, a digest.
    ///
    /// # Errors
    /// Why it is no digest, or `None` if it is no tag.
    pub fn parse(text: &str) -> Result<Self, Option<ParseDigestError>> {
        if text.contains(':') {
            return text.parse().map(Self::Digest).map_err(Some);
        }
        Tag::parse(text).map(Self::Tag).ok_or(None)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// What an authority that gives certificates asks for: a token in base 64 for URLs, or the name of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProofName(Box<str>);

impl ProofName {
    /// Takes both, and nothing that is a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        ((1..=255).contains(&text.len()) && text.bytes().all(is_fine) && !text.starts_with('.'))
            .then(|| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an upload session, and of the data that it makes: 128 random bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataId(Box<str>);

impl DataId {
    /// 32 hexadecimal digits.
    const LEN: usize = 32;

    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn random() -> std::io::Result<Self> {
        use std::fmt::Write;
        let mut bytes = [0; Self::LEN / 2];
        // So few bytes come whole or not at all: getrandom(2).
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        let mut text = String::with_capacity(Self::LEN);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a String takes everything");
        }
        Ok(Self(text.into()))
    }

    /// Takes exactly what [`Self::random`] makes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == Self::LEN && text.bytes().all(is_hex)).then(|| Self(text.into()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_names_come_back_and_keep_their_order() {
        let names = ["a", "a/b", "a-b", "a.b", "a0", "a_b", "b"];
        let flat: Vec<String> = names.iter().map(|name| RepositoryName::parse(name).unwrap().flat()).collect();
        assert!(flat.is_sorted(), "{flat:?}");
        for (name, flat) in names.iter().zip(&flat) {
            assert_eq!(RepositoryName::from_flat(flat).unwrap().as_str(), *name);
        }
    }

    #[test]
    fn no_path_is_a_name() {
        for text in ["", ".", "..", "a/..", "../a", "/a", "a/", "a//b", "a!b", "A", "a\0", "a b", "a\\b", "é"] {
            assert_eq!(RepositoryName::parse(text), None, "{text:?}");
        }
        for text in ["", ".", "..", "-a", "a/b", "a:b", "a\0", "é"] {
            assert_eq!(Tag::parse(text), None, "{text:?}");
        }
        for text in ["", ".", "..", "../a", "a/b", "a\0", "é", &"a".repeat(256)] {
            assert_eq!(ProofName::parse(text), None, "{text:?}");
        }
        let id = DataId::random().unwrap();
        assert_eq!(DataId::parse(id.as_str()), Some(id));
        assert_eq!(DataId::parse(&"A".repeat(32)), None);
    }

    #[test]
    fn references_are_tags_or_digests() {
        let digest = Digest::of(b"");
        assert_eq!(Reference::parse(digest.as_str()), Ok(Reference::Digest(digest)));
        assert_eq!(Reference::parse("1.0"), Ok(Reference::Tag(Tag::parse("1.0").unwrap())));
        assert_eq!(Reference::parse("a/b"), Err(None));
        assert_eq!(Reference::parse("sha256:abc"), Err(Some(ParseDigestError::Length)));
    }
}
