//! Whether a signature is about the image that somebody wants: a good signature of another image is worth nothing.

use serde::{Deserialize, Serialize};
use wharfie_oci::{Digest, Reference};

use crate::signature::Claim;

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What the name turned out to stand for.
    pub digest: &'a Digest,
    /// The name, with a tag or a digest.
    pub reference: &'a Reference,
}

/// How much of a name a signature must be about. The digest must always be the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// Repository and tag.
    Exact,
    /// The repository, and the tag if the signature names one.
    #[default]
    Repository,
    /// The digest alone: cosign's bundles say no more.
    Digest,
}

/// Why a signature is about something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Mismatch {
    /// Other content.
    #[error("it is of other content ({0})")]
    Digest(String),
    /// Another repository.
    #[error("it is of another repository ({0})")]
    Repository(String),
    /// No repository at all.
    #[error("it does not say of which repository")]
    NoRepository,
    /// Another tag.
    #[error("it is of the tag {0}")]
    Tag(String),
    /// No tag, where one is wanted.
    #[error("it does not say of which tag")]
    NoTag,
}

impl Identity {
    /// Compares a claim with what is wanted.
    ///
    /// # Errors
    /// When it is about something else.
    pub fn check(self, claim: &Claim, wanted: &Wanted<'_>) -> Result<(), Mismatch> {
        if claim.digest != *wanted.digest {
            return Err(Mismatch::Digest(claim.digest.to_string()));
        }
        let Some(name) = &claim.name else {
            return if self == Self::Digest { Ok(()) } else { Err(Mismatch::NoRepository) };
        };
        if self == Self::Digest {
            return Ok(());
        }
        if name.repository() != wanted.reference.repository() {
            return Err(Mismatch::Repository(name.repository().canonical()));
        }
        match (claim.tag(), wanted.reference.tag()) {
            (Some(claimed), Some(tag)) if claimed != tag => Err(Mismatch::Tag(claimed.to_owned())),
            (None, Some(_)) if self == Self::Exact => Err(Mismatch::NoTag),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_image_is_another_image() {
        let digest = Digest::of(b"this");
        let other = Digest::of(b"that");
        let check = |identity: Identity, name: Option<&str>, wanted: &str, expected: Result<(), Mismatch>| {
            let claim = Claim { digest: digest.clone(), name: name.map(|name| name.parse().unwrap()), signer: None };
            let reference = wanted.parse().unwrap();
            let asked = Wanted { digest: &digest, reference: &reference };
            assert_eq!(identity.check(&claim, &asked), expected, "{identity:?} {name:?} {wanted}");
            let moved = Wanted { digest: &other, reference: &reference };
            assert_eq!(identity.check(&claim, &moved), Err(Mismatch::Digest(digest.to_string())));
        };
        let elsewhere = || Err(Mismatch::Repository("docker.io/library/db".to_owned()));
        use Identity::{Exact, Repository};
        check(Repository, Some("web:1"), "web:1", Ok(()));
        check(Repository, Some("index.docker.io/library/web"), "web:1", Ok(()));
        check(Repository, Some("web"), "web:1", Ok(()));
        check(Exact, Some("web"), "web:1", Err(Mismatch::NoTag));
        check(Exact, Some("web:1"), "web:1", Ok(()));
        check(Repository, Some("web:2"), "web:1", Err(Mismatch::Tag("2".to_owned())));
        check(Repository, Some("db:1"), "web:1", elsewhere());
        check(Exact, Some("db:1"), "web:1", elsewhere());
        check(
            Repository,
            Some("registry.example/web:1"),
            "web:1",
            Err(Mismatch::Repository("registry.example/web".to_owned())),
        );
        check(Repository, None, "web:1", Err(Mismatch::NoRepository));
        check(Identity::Digest, None, "web:1", Ok(()));
        check(Identity::Digest, Some("db:2"), "web:1", Ok(()));
        check(Repository, Some("web:1"), &format!("web@{}", Digest::of(b"this")), Ok(()));
    }
}
