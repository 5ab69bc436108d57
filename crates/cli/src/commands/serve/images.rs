//! `serve --images`: the images of this machine's store, served without being pushed.

use std::sync::Arc;
use std::time::Duration;

use wharfie_engine::Engine;
use wharfie_oci::{Descriptor, Digest, MediaType};
use wharfie_registry::upstream::{Blob, Cache, Trouble, Upstream};

use super::upstream::trouble;

/// What their names begin with here.
pub(super) const PREFIX: &str = "images";

/// The cache that they are: blobs of the store are linked, not kept twice.
pub(super) fn cache(engine: Engine) -> Cache {
    Cache {
        registry: "this machine's image store".to_owned(),
        prefix: PREFIX.to_owned(),
        fresh: Duration::ZERO,
        upstream: Arc::new(Images(engine)),
    }
}

struct Images(Engine);

impl Upstream for Images {
    fn resolve(&self, repository: &str, reference: &str) -> Result<Descriptor, Trouble> {
        self.0.serve_image(repository, reference).map_err(|why| trouble(&why))
    }

    fn manifest(&self, repository: &str, digest: &Digest) -> Result<(MediaType, Vec<u8>), Trouble> {
        let found = self.0.serve_manifest(repository, digest).map_err(|why| trouble(&why))?;
        Ok((found.descriptor.media_type, found.bytes))
    }

    fn blob(&self, repository: &str, digest: &Digest) -> Result<Blob, Trouble> {
        let bytes = self.0.serve_blob(repository, digest).map_err(|why| trouble(&why))?;
        Ok(Blob { size: None, bytes })
    }

    fn tags(&self, repository: &str) -> Result<Vec<String>, Trouble> {
        match self.0.serve_tags(repository).map_err(|why| trouble(&why))? {
            tags if tags.is_empty() => Err(Trouble::Missing(format!("no image here is called {repository}"))),
            tags => Ok(tags),
        }
    }

    fn referrers(&self, _repository: &str, _subject: &Digest) -> Result<Vec<Descriptor>, Trouble> {
        Ok(Vec::new())
    }
}
