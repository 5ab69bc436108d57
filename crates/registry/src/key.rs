//! Keys: where records and data are. Every key is made here, of words that have proven their grammar.

use wharfie_oci::Digest;

use crate::name::{DataId, ProofName, Reference, RepositoryName, Tag};

/// The name of one object, `area/…/leaf`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

/// A set of keys that differ in their last component; their common part ends in `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Folder(String);

impl Key {
    pub(crate) fn data(id: &DataId) -> Self {
        Folder::data().key(id.as_str())
    }

    /// Data that nobody named when a collection looked.
    pub(crate) fn condemned(id: &DataId) -> Self {
        Folder::condemned().key(id.as_str())
    }

    pub(crate) fn upload(id: &DataId) -> Self {
        Folder::uploads().key(id.as_str())
    }

    pub(crate) fn blob(digest: &Digest) -> Self {
        Folder::blobs().key(digest.as_str())
    }

    pub(crate) fn link(repository: &RepositoryName, digest: &Digest) -> Self {
        Folder::links(repository).key(digest.as_str())
    }

    pub(crate) fn manifest(repository: &RepositoryName, digest: &Digest) -> Self {
        Folder::manifests(repository).key(digest.as_str())
    }

    pub(crate) fn tag(repository: &RepositoryName, tag: &Tag) -> Self {
        Folder::tags(repository).key(tag.as_str())
    }

    pub(crate) fn tagged(repository: &RepositoryName, digest: &Digest, tag: &Tag) -> Self {
        Folder::tagged(repository, digest).key(tag.as_str())
    }

    pub(crate) fn child(repository: &RepositoryName, child: &Digest, index: &Digest) -> Self {
        Folder::children(repository, child).key(index.as_str())
    }

    pub(crate) fn referrer(repository: &RepositoryName, subject: &Digest, referrer: &Digest) -> Self {
        Folder::referrers(repository, subject).key(referrer.as_str())
    }

    /// When a tag or a digest was pulled last; digests have a colon, tags have none.
    pub(crate) fn pulled(repository: &RepositoryName, reference: &Reference) -> Self {
        match reference {
            Reference::Tag(tag) => Folder::pulled(repository).key(tag.as_str()),
            Reference::Digest(digest) => Folder::pulled(repository).key(digest.as_str()),
        }
    }

    /// What tokens are signed with.
    pub(crate) fn token_key() -> Self {
        Folder::of(&["secrets"]).key("tokens")
    }

    /// Whom an authority that gives certificates knows us as; `id` is the authority's.
    pub(crate) fn acme_account(id: &Digest) -> Self {
        Folder::of(&["acme", "accounts"]).key(id.hex())
    }

    /// A certificate and its key; `id` is that of its names.
    pub(crate) fn acme_certificate(id: &Digest) -> Self {
        Folder::of(&["acme", "certificates"]).key(id.hex())
    }

    /// Which server sees to a certificate.
    pub(crate) fn acme_turn(id: &Digest) -> Self {
        Folder::of(&["acme", "turns"]).key(id.hex())
    }

    /// What the authority is told that asks for a token.
    pub(crate) fn acme_token(token: &ProofName) -> Self {
        Folder::of(&["acme", "tokens"]).key(token.as_str())
    }

    /// What the authority is shown that greets a name.
    pub(crate) fn acme_greeting(name: &ProofName) -> Self {
        Folder::of(&["acme", "greetings"]).key(name.as_str())
    }

    pub(crate) fn repository(repository: &RepositoryName) -> Self {
        Folder::repositories().key(&repository.flat())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Folder {
    fn of(parts: &[&str]) -> Self {
        let mut text = String::with_capacity(128);
        for part in parts {
            debug_assert!(!part.is_empty() && !part.contains('/') && *part != "." && *part != "..", "{part:?}");
            text.push_str(part);
            text.push('/');
        }
        Self(text)
    }

    /// One of its keys. `leaf` is what a type of `name` or a listing of this folder gave.
    fn key(&self, leaf: &str) -> Key {
        Key(format!("{}{leaf}", self.0))
    }

    pub(crate) fn data() -> Self {
        Self::of(&["data"])
    }

    pub(crate) fn condemned() -> Self {
        Self::of(&["condemned"])
    }

    pub(crate) fn uploads() -> Self {
        Self::of(&["uploads"])
    }

    pub(crate) fn blobs() -> Self {
        Self::of(&["blobs"])
    }

    pub(crate) fn repositories() -> Self {
        Self::of(&["repositories"])
    }

    pub(crate) fn links(repository: &RepositoryName) -> Self {
        Self::of(&["links", &repository.flat()])
    }

    pub(crate) fn manifests(repository: &RepositoryName) -> Self {
        Self::of(&["manifests", &repository.flat()])
    }

    pub(crate) fn tags(repository: &RepositoryName) -> Self {
        Self::of(&["tags", &repository.flat()])
    }

    pub(crate) fn pulled(repository: &RepositoryName) -> Self {
        Self::of(&["pulled", &repository.flat()])
    }

    pub(crate) fn tagged(repository: &RepositoryName, digest: &Digest) -> Self {
        Self::of(&["tagged", &repository.flat(), digest.as_str()])
    }

    pub(crate) fn children(repository: &RepositoryName, child: &Digest) -> Self {
        Self::of(&["children", &repository.flat(), child.as_str()])
    }

    pub(crate) fn referrers(repository: &RepositoryName, subject: &Digest) -> Self {
        Self::of(&["referrers", &repository.flat(), subject.as_str()])
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
