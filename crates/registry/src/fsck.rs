//! Proves a storage: every name leads to something, and all bytes are what their digests say. Changes nothing.

use std::collections::HashMap;
use std::fmt;

use wharfie_oci::{Digest, Digester, MediaType};

use crate::document;
use crate::key::{Folder, Key};
use crate::name::{DataId, RepositoryName, Tag};
use crate::refusal::Refusal;
use crate::router::Registry;

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Repositories.
    pub repositories: usize,
    /// Tags.
    pub tags: usize,
    /// Manifests.
    pub manifests: usize,
    /// Data objects whose bytes were read.
    pub data: usize,
    /// How many bytes those are.
    pub bytes: u64,
    /// What is wrong; empty if nothing is.
    pub problems: Vec<Problem>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A tag without its manifest.
    Tag(String, String, Digest),
    /// A manifest whose bytes have another digest, or that is none.
    Manifest(String, Digest),
    /// A manifest that names what its repository lacks.
    Lacks(String, Digest, Digest),
    /// A blob whose data is not there.
    Missing(String, Digest),
    /// Data that has another digest.
    Corrupt(String, Digest),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(name, tag, digest) => write!(f, "{name}:{tag} stands for {digest}, which is not there"),
            Self::Manifest(name, digest) => write!(f, "the manifest {name}@{digest} is damaged"),
            Self::Lacks(name, digest, part) => {
                write!(f, "the manifest {name}@{digest} names {part}, which is not there")
            }
            Self::Missing(name, digest) => write!(f, "the bytes of {name}@{digest} are not there"),
            Self::Corrupt(name, digest) => write!(f, "the bytes of {name}@{digest} have another digest"),
        }
    }
}

/// What is known of data that was read.
type Read = HashMap<(DataId, Digest), bool>;

impl Registry {
    /// Looks at everything.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub(crate) async fn check(&self) -> Result<Checked, Refusal> {
        let mut checked = Checked::default();
        let mut read = Read::new();
        for flat in self.all(&Folder::repositories()).await? {
            let Some(name) = RepositoryName::from_flat(&flat) else { continue };
            checked.repositories += 1;
            self.check_tags(&name, &mut checked).await?;
            self.check_manifests(&name, &mut checked).await?;
            for text in self.all(&Folder::links(&name)).await? {
                if let Ok(digest) = text.parse::<Digest>() {
                    self.check_blob(&name, &digest, &mut checked, &mut read).await?;
                }
            }
        }
        Ok(checked)
    }

    async fn check_tags(&self, name: &RepositoryName, checked: &mut Checked) -> Result<(), Refusal> {
        for text in self.all(&Folder::tags(name)).await? {
            let Some(tag) = Tag::parse(&text) else { continue };
            let Some(tagged) = self.tagged(name, &tag).await? else { continue };
            checked.tags += 1;
            if self.storage.modified(&Key::manifest(name, &tagged.digest)).await?.is_none() {
                checked.problems.push(Problem::Tag(name.to_string(), text, tagged.digest));
            }
        }
        Ok(())
    }

    async fn check_manifests(&self, name: &RepositoryName, checked: &mut Checked) -> Result<(), Refusal> {
        for text in self.all(&Folder::manifests(name)).await? {
            let Ok(digest) = text.parse::<Digest>() else { continue };
            let Some(manifest) = self.manifest(name, &digest).await? else { continue };
            checked.manifests += 1;
            let mut digester = Digester::new(digest.algorithm());
            digester.update(&manifest.bytes);
            let document = document::parse(&manifest.bytes, &MediaType::new(&manifest.head.media_type)).ok();
            let Some(document) = document.filter(|_| digester.finish() == digest) else {
                checked.problems.push(Problem::Manifest(name.to_string(), digest));
                continue;
            };
            // A cache has what somebody has asked for.
            if self.cache_of(name).is_some() {
                continue;
            }
            let blobs = document.blobs.iter().map(|part| (part, Key::link(name, part)));
            let children = document.children.iter().map(|part| (part, Key::manifest(name, part)));
            for (part, key) in blobs.chain(children) {
                if self.storage.modified(&key).await?.is_none() {
                    checked.problems.push(Problem::Lacks(name.to_string(), digest.clone(), part.clone()));
                }
            }
        }
        Ok(())
    }

    async fn check_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        checked: &mut Checked,
        read: &mut Read,
    ) -> Result<(), Refusal> {
        let Some(link) = self.link(name, digest).await? else { return Ok(()) };
        let data = link.data();
        let key = data.map(|data| (data, digest.clone()));
        let is_right = match &key {
            Some(key) if read.contains_key(key) => read.get(key).copied(),
            Some((data, _)) => {
                let found = self.storage.digest(data, link.size, digest.algorithm()).await?;
                if found.is_some() {
                    checked.data += 1;
                    checked.bytes += link.size;
                }
                found.map(|found| found == *digest)
            }
            None => None,
        };
        if let (Some(key), Some(is_right)) = (key, is_right) {
            read.insert(key, is_right);
        }
        match is_right {
            Some(true) => {}
            Some(false) => checked.problems.push(Problem::Corrupt(name.to_string(), digest.clone())),
            None => checked.problems.push(Problem::Missing(name.to_string(), digest.clone())),
        }
        Ok(())
    }
}
