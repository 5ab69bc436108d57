//! Upstream: another registry, read for a registry of this machine that caches it.

use std::io::Read;

use wharfie_content::{Document, Watch};
use wharfie_oci::{Descriptor, Digest, Reference};
use wharfie_remote::{Remote, RepositoryClient};

use crate::engine::Engine;
use crate::error::Result;

/// A registry that is read.
#[derive(Clone)]
pub struct Upstream {
    remote: Remote,
    host: String,
}

impl Engine {
    /// The registry `host`, as references write it.
    pub fn upstream(&self, host: &str) -> Upstream {
        Upstream { remote: self.remote().clone(), host: host.to_owned() }
    }
}

impl Upstream {
    /// What a tag or digest of the repository `path` stands for.
    ///
    /// # Errors
    /// When there is none, or the registry refuses or cannot be reached.
    pub fn resolve(&self, path: &str, reference: &str) -> Result<Descriptor> {
        Ok(self.repository(path)?.resolve(reference)?)
    }

    /// A manifest or index, proven.
    ///
    /// # Errors
    /// As [`Self::resolve`]; also when it is not what its digest says.
    pub fn manifest(&self, path: &str, digest: &Digest) -> Result<Document> {
        Ok(self.repository(path)?.manifest(digest.as_str(), None)?)
    }

    /// How many bytes a blob has, and they themselves, which are *not* verified.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn blob(&self, path: &str, digest: &Digest) -> Result<(u64, Box<dyn Read + Send>)> {
        let repository = self.repository(path)?;
        let blob = repository.describe_blob(digest)?;
        Ok((blob.size, Box::new(repository.blob(&blob, Watch::silent())?)))
    }

    /// All tags of a repository.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn tags(&self, path: &str) -> Result<Vec<String>> {
        Ok(self.repository(path)?.tags()?)
    }

    /// What is about a manifest.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn referrers(&self, path: &str, subject: &Digest) -> Result<Vec<Descriptor>> {
        Ok(self.repository(path)?.referrers(subject)?)
    }

    fn repository(&self, path: &str) -> Result<RepositoryClient> {
        let name: Reference = format!("{}/{path}", self.host).parse()?;
        Ok(self.remote.repository(name.repository()))
    }
}
