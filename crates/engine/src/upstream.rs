//! Upstream: another registry, read for a registry of this machine that caches it.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use wharfie_content::{Document, Watch};
use wharfie_oci::{Descriptor, Digest, Fault, Kind, Reference};
use wharfie_remote::{Remote, RepositoryClient};

use crate::engine::Engine;
use crate::error::Result;

/// A registry that is read, for as long as the server runs that it is read for: whoever logs in meanwhile is not asked to tell it.
pub struct Upstream {
    remote: Mutex<Remote>,
    connect: Arc<dyn Fn() -> Remote + Send + Sync>,
    host: String,
}

impl Engine {
    /// The registry `host`, as references write it.
    pub fn upstream(&self, host: &str) -> Upstream {
        let remote = Mutex::new(self.remote().clone());
        Upstream { remote, connect: self.connector(), host: host.to_owned() }
    }
}

impl Upstream {
    /// What a tag or digest of the repository `path` stands for.
    ///
    /// # Errors
    /// When there is none, or the registry refuses or cannot be reached.
    pub fn resolve(&self, path: &str, reference: &str) -> Result<Descriptor> {
        self.ask(path, |repository| repository.resolve(reference))
    }

    /// A manifest or index, proven.
    ///
    /// # Errors
    /// As [`Self::resolve`]; also when it is not what its digest says.
    pub fn manifest(&self, path: &str, digest: &Digest) -> Result<Document> {
        self.ask(path, |repository| repository.manifest(digest.as_str(), None))
    }

    /// How many bytes a blob has, and they themselves, which are *not* verified.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn blob(&self, path: &str, digest: &Digest) -> Result<(u64, Box<dyn Read + Send>)> {
        self.ask(path, |repository| {
            let blob = repository.describe_blob(digest)?;
            let bytes: Box<dyn Read + Send> = Box::new(repository.blob(&blob, Watch::silent())?);
            Ok((blob.size, bytes))
        })
    }

    /// All tags of a repository.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn tags(&self, path: &str) -> Result<Vec<String>> {
        self.ask(path, RepositoryClient::tags)
    }

    /// What is about a manifest.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn referrers(&self, path: &str, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.ask(path, |repository| repository.referrers(subject))
    }

    /// Asks, and once more if it is refused and somebody has logged in since.
    fn ask<T>(
        &self,
        path: &str,
        work: impl Fn(&RepositoryClient) -> std::result::Result<T, wharfie_remote::Error>,
    ) -> Result<T> {
        let name: Reference = format!("{}/{path}", self.host).parse()?;
        let remote = self.remote.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answered = work(&remote.repository(name.repository()));
        if answered.as_ref().is_err_and(|why| matches!(why.kind(), Kind::Denied | Kind::Unauthenticated))
            && let Some(remote) = self.with_other_credentials(&remote)
        {
            return Ok(work(&remote.repository(name.repository()))?);
        }
        Ok(answered?)
    }

    /// The registry with the credentials that there are now, if they are others.
    fn with_other_credentials(&self, old: &Remote) -> Option<Remote> {
        let new = (self.connect)();
        let of = |remote: &Remote| remote.keychain().lookup(&self.host).ok().flatten();
        if of(&new) == of(old) {
            return None;
        }
        self.remote.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&new);
        Some(new)
    }
}
