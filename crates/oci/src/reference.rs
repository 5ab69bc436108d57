//! References: `registry/repository[:tag][@digest]`, their grammar and their two spellings.
//! Source: distribution's reference grammar, with Docker Hub's short names.
//!
//! The *canonical* spelling has everything written out (`docker.io/library/web:latest`); the *familiar* one drops
//! what Docker Hub implies (`web:latest`). Stores hold canonical names, people read familiar ones.

use std::fmt;
use std::str::FromStr;

use crate::Digest;
use crate::digest::ParseDigestError;

/// The registry that names without a host belong to.
pub const DEFAULT_HOST: &str = "docker.io";
/// The tag that a reference without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";
/// 255 bytes: the longest repository path, host not counted.
const MAX_PATH: usize = 255;
/// 128 characters: the longest tag.
const MAX_TAG: usize = 128;
/// 32 digits: fewer are not taken for a digest by the grammar.
const MIN_DIGEST_HEX: usize = 32;

/// A repository: where images of one name live.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: Box<str>,
    path: Box<str>,
}

/// A repository with an optional tag and an optional digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<Box<str>>,
    digest: Option<Digest>,
}

/// Why a text is no reference. The texts are the ones docker prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseReferenceError {
    /// Does not match the grammar.
    #[error("invalid reference format")]
    Format,
    /// Upper case in the path; holds the path as docker quotes it.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// Could be mistaken for an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// Longer than [`MAX_PATH`].
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The digest part is wrong.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
}

impl Repository {
    /// The registry's host, with port if given.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path on the registry, `library/` included.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `docker.io/library/web`.
    pub fn canonical(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// `web`.
    pub fn familiar(&self) -> String {
        if &*self.host != DEFAULT_HOST {
            return self.canonical();
        }
        match self.path.strip_prefix("library/") {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            _ => self.path.to_string(),
        }
    }
}

impl Reference {
    /// Puts a tag, already checked, on a repository.
    ///
    /// # Errors
    /// When `tag` is no tag.
    pub fn tagged(repository: Repository, tag: &str) -> Result<Self, ParseReferenceError> {
        if is_tag(tag) {
            Ok(Self { repository, tag: Some(tag.into()), digest: None })
        } else {
            Err(ParseReferenceError::Format)
        }
    }

    /// Names content of a repository by digest.
    pub fn digested(repository: Repository, digest: Digest) -> Self {
        Self { repository, tag: None, digest: Some(digest) }
    }

    /// Reads back what [`Self::canonical`] wrote. What it cannot have written is not found out here, only that it has no host
    /// or a digest that is none.
    pub fn from_canonical(text: &str) -> Option<Self> {
        let (host, rest) = text.split_once('/')?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
            None => (rest, None),
        };
        let (path, tag) = rest.split_once(':').map_or((rest, None), |(path, tag)| (path, Some(tag.into())));
        Some(Self { repository: Repository { host: host.into(), path: path.into() }, tag, digest })
    }

    /// Registry and path.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// True if it has neither tag nor digest.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// Adds `latest` if there is neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.into());
        }
        self
    }

    /// Drops the tag where a digest makes it meaningless.
    #[must_use]
    pub fn without_redundant_tag(mut self) -> Self {
        if self.digest.is_some() {
            self.tag = None;
        }
        self
    }

    /// Everything written out.
    pub fn canonical(&self) -> String {
        self.suffixed(self.repository.canonical())
    }

    /// As people write it.
    pub fn familiar(&self) -> String {
        self.suffixed(self.repository.familiar())
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_image_id(text) {
            return Err(ParseReferenceError::LooksLikeId(text.to_owned()));
        }
        let (host, remainder) = split_host(text);
        let spoken = remainder.split(':').next().unwrap_or_default();
        if spoken.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseReferenceError::Uppercase(spoken.to_owned()));
        }
        let (rest, digest) = match remainder.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (&*remainder, None),
        };
        // A colon after the last slash starts the tag; hosts were cut off before.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if !is_host(host) || !path.split('/').all(is_component) || !tag.is_none_or(is_tag) {
            return Err(ParseReferenceError::Format);
        }
        if path.len() > MAX_PATH {
            return Err(ParseReferenceError::TooLong);
        }
        let digest = match digest {
            Some(text) if has_digest_shape(text) => Some(text.parse()?),
            Some(_) => return Err(ParseReferenceError::Format),
            None => None,
        };
        Ok(Self { repository: Repository { host: host.into(), path: path.into() }, tag: tag.map(Into::into), digest })
    }
}

impl fmt::Display for Reference {
    /// The familiar spelling.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.familiar())
    }
}

/// True for a repository's path as registries take it: components of lower-case letters and digits, 255 bytes at most.
/// Source: distribution-spec, "Pulling manifests".
pub fn is_path(text: &str) -> bool {
    text.len() <= MAX_PATH && text.split('/').all(is_component)
}

/// True for 64 lower-case hexadecimal digits: always an id, never a name.
pub fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Cuts the host off, filling in Docker Hub's host and `library/`.
fn split_host(text: &str) -> (&str, std::borrow::Cow<'_, str>) {
    let (host, remainder) = match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (if first == "index.docker.io" { DEFAULT_HOST } else { first }, rest)
        }
        _ => (DEFAULT_HOST, text),
    };
    if host == DEFAULT_HOST && !remainder.contains('/') {
        return (host, format!("library/{remainder}").into());
    }
    (host, remainder.into())
}

fn is_host(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return !address.is_empty()
            && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(is_label) && port.is_none_or(is_port)
}

/// `alnum { sep alnum }` with `sep = "." | "_" | "__" | "-"+`.
fn is_component(text: &str) -> bool {
    let is_alnum = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|b| is_alnum(**b)).count();
        if word == 0 {
            return false;
        }
        at += word;
        if at == bytes.len() {
            return true;
        }
        let separator = bytes[at..].iter().take_while(|b| !is_alnum(**b)).count();
        let is_separator = match &bytes[at..at + separator] {
            b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|b| *b == b'-'),
        };
        if !is_separator {
            return false;
        }
        at += separator;
    }
}

/// True for a tag: up to 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`.
pub fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !text.is_empty()
        && text.len() <= MAX_TAG
        && is_word(text.as_bytes()[0])
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

/// The grammar's view of a digest, before its algorithm is known.
fn has_digest_shape(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    algorithm.split(['+', '.', '_', '-']).all(|word| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    }) && hex.len() >= MIN_DIGEST_HEX
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_have_a_canonical_and_a_familiar_spelling() {
        fn check(text: &str, canonical: &str, familiar: &str) {
            let reference: Reference = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((reference.canonical(), reference.familiar()), (canonical.to_owned(), familiar.to_owned()));
        }
        check("web", "docker.io/library/web", "web");
        check("web:1", "docker.io/library/web:1", "web:1");
        check("team/web:1", "docker.io/team/web:1", "team/web:1");
        check("docker.io/web", "docker.io/library/web", "web");
        check("index.docker.io/library/web", "docker.io/library/web", "web");
        check("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b");
        check("localhost/foo", "localhost/foo", "localhost/foo");
        check("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000");
        check("host:5000/foo:2", "host:5000/foo:2", "host:5000/foo:2");
        check("EXAMPLE.com/foo", "EXAMPLE.com/foo", "EXAMPLE.com/foo");
        // Repositories are in lower case, so this can only be a host.
        check("REGISTRY/foo", "REGISTRY/foo", "REGISTRY/foo");
        check("Localhost/a:1", "Localhost/a:1", "Localhost/a:1");
        check("[::1]:5000/foo", "[::1]:5000/foo", "[::1]:5000/foo");
        check("a/b/c", "docker.io/a/b/c", "a/b/c");
        for good in ["foo.bar", "foo--bar", "foo__bar"] {
            check(good, &format!("docker.io/library/{good}"), good);
        }
        let digested = format!("web:1@sha256:{HEX}");
        check(&digested, &format!("docker.io/library/{digested}"), &digested);
    }

    #[test]
    fn refusals_use_dockers_words() {
        fn check(text: &str, expected: &str) {
            assert_eq!(text.parse::<Reference>().map_err(|why| why.to_string()), Err(expected.to_owned()), "{text}");
        }
        let format = "invalid reference format";
        for bad in [
            "",
            "foo..bar",
            "foo___bar",
            "_foo",
            "foo_",
            "-foo",
            "foo//bar",
            "foo:",
            "foo:-x",
            ":1",
            "foo bar",
            "http://x/y",
            "foo:bar:baz",
            "foo@sha256:abc",
            "/foo",
            "foo/",
            "[::1/foo",
            "host:x/foo",
        ] {
            check(bad, format);
        }
        check("UP", "invalid reference format: repository name (library/UP) must be lowercase");
        check("host:1/UP", "invalid reference format: repository name (UP) must be lowercase");
        check("ABCDEF012345", "invalid reference format: repository name (library/ABCDEF012345) must be lowercase");
        check("Foo/Bar", "invalid reference format: repository name (Bar) must be lowercase");
        check(HEX, &format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"));
        check(&"a".repeat(256), "repository name must not be more than 255 characters");
        check(&format!("a:{}", "t".repeat(129)), format);
        check(&format!("a@sha256:{}", &HEX[..40]), "invalid checksum digest length");
        check(&format!("a@md5:{}", &HEX[..32]), "unsupported digest algorithm");
    }

    proptest! {
        #[test]
        fn canonical_text_parses_to_the_same_reference(
            host in "(docker\\.io|localhost|[a-z]{1,5}\\.[a-z]{2}|[a-z]{1,5}:[0-9]{1,4})/",
            path in "[a-z0-9]{1,6}([._]|__|-{1,3})?[a-z0-9]{1,3}(/[a-z0-9]{1,6}){0,3}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        ) {
            let text = format!("{host}{path}{}", tag.map(|t| format!(":{t}")).unwrap_or_default());
            let reference: Reference = text.parse().unwrap();
            prop_assert_eq!(&reference.canonical().parse::<Reference>().unwrap(), &reference);
            // `docker.io/a.b/c` and `a.b/c` share a familiar form, as in docker; that is why stores hold canonical names.
            if reference.repository().host() != DEFAULT_HOST || !path.split('/').next().unwrap_or_default().contains('.') {
                prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Reference>();
        }
    }
}
