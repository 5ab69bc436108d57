//! Copy: a manifest with everything it names, from one repository to another, without a stop in the store.

use std::io::{self, Read};

use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Repository, index};
use wharfie_remote::{FetchedManifest, RepositoryClient, Watch};

use crate::engine::Engine;
use crate::error::{Error, Result};

/// What to copy.
#[derive(Debug, Clone)]
pub struct Copy {
    /// Where it is.
    pub from: Repository,
    /// The manifest or index.
    pub manifest: FetchedManifest,
    /// Where it is to be.
    pub to: Repository,
}

impl Engine {
    /// Puts a manifest into a repository under its digest, after everything it names. Blobs that another repository of the
    /// same registry has are mounted; others pass through this process without being kept. Idempotent.
    ///
    /// # Errors
    /// When a registry refuses or cannot be reached.
    pub fn copy(&self, copy: &Copy) -> Result<()> {
        if copy.from == copy.to {
            return Ok(());
        }
        let from = self.remote().repository(&copy.from);
        let to = self.remote().repository(&copy.to);
        self.copy_manifest(&from, &to, &copy.manifest, index::MAX_DEPTH)
    }

    fn copy_manifest(
        &self,
        from: &RepositoryClient,
        to: &RepositoryClient,
        manifest: &FetchedManifest,
        depth: usize,
    ) -> Result<()> {
        let descriptor = &manifest.descriptor;
        // A registry that has the manifest has everything it names.
        if to.resolve(descriptor.digest.as_str()).is_ok_and(|found| found.digest == descriptor.digest) {
            return Ok(());
        }
        match &manifest.content {
            AnyManifest::Manifest(image) => {
                let mut blobs: Vec<&Descriptor> = vec![&image.config];
                for layer in image.layers.iter().filter(|layer| !layer.is_elsewhere()) {
                    if !blobs.iter().any(|known| known.digest == layer.digest) {
                        blobs.push(layer);
                    }
                }
                wharfie_content::copy::in_parallel(&blobs, self.config().jobs, |_, blob| copy_blob(from, to, blob))?;
            }
            AnyManifest::Index(index) => {
                let depth = depth.checked_sub(1).ok_or(Error::Nested)?;
                for member in &index.manifests {
                    let fetched = from.manifest(member.digest.as_str(), Some(member))?;
                    self.copy_manifest(from, to, &fetched, depth)?;
                }
            }
        }
        to.put_manifest(descriptor.digest.as_str(), &descriptor.media_type, &manifest.bytes)?;
        Ok(())
    }
}

fn copy_blob(from: &RepositoryClient, to: &RepositoryClient, blob: &Descriptor) -> Result<()> {
    if to.has_blob(&blob.digest)? || (from.host() == to.host() && to.mount(&blob.digest, from.path())?) {
        return Ok(());
    }
    // Whoever takes the upload checks the digest: it stands in the request.
    let open = || -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(from.blob(blob, Watch::silent()).map_err(io::Error::other)?))
    };
    Ok(to.upload(blob, &open, Watch::silent())?)
}
