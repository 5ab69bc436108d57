//! A repository as the sink of a graph.

use std::io::{self, Read};

use wharfie_content::place::{BoxError, Place, Plan, of_stream};
use wharfie_content::{Document, Outcome, Part, Sink, Source, Watch};
use wharfie_oci::{Descriptor, Digest};

use crate::{Error, Reopen, RepositoryClient};

/// Repositories on a registry that are known to have a blob: their paths.
pub type Origins<'a> = &'a (dyn Fn(&Digest) -> Vec<String> + Sync);

/// A repository that a graph goes to.
pub struct Destination<'a> {
    client: &'a RepositoryClient,
    tag: Option<&'a str>,
    origins: Origins<'a>,
}

impl<'a> Destination<'a> {
    /// The repository of `client`. `origins` names repositories of the same registry that blobs may be mounted from.
    pub fn new(client: &'a RepositoryClient, origins: Origins<'a>) -> Self {
        Self { client, tag: None, origins }
    }

    /// Lets the root go under this tag, and not only under its digest.
    #[must_use]
    pub fn tagged(self, tag: &'a str) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// True if the registry has the blob. An answer to `HEAD` has no body to give a reason in: when it refuses, the upload
    /// that follows is refused as well, and hears why.
    fn has(&self, digest: &Digest) -> Result<bool, Error> {
        match self.client.has_blob(digest) {
            Err(why) if why.status().is_some_and(|status| (400..500).contains(&status)) => Ok(false),
            answer => answer,
        }
    }
}

impl Sink for Destination<'_> {
    /// A registry that has the manifest has everything it names.
    fn has_graph(&self, root: &Descriptor) -> Result<bool, BoxError> {
        Ok(self.client.resolve(root.digest.as_str()).is_ok_and(|found| found.digest == root.digest))
    }

    fn plan(&self, _config: &Descriptor, parts: &[Part], is_known: bool) -> Result<Vec<Plan>, BoxError> {
        let plan = |part: &Part| match is_known {
            _ if part.descriptor.is_elsewhere() => Plan::Pass,
            true => Plan::Known,
            false => Plan::Move,
        };
        Ok(parts.iter().map(plan).collect())
    }

    fn put(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> Result<Outcome, BoxError> {
        let blob = &part.descriptor;
        if self.has(&blob.digest)? {
            return Ok(Outcome::Exists);
        }
        for path in (self.origins)(&blob.digest) {
            if path != self.client.path() && self.client.mount(&blob.digest, &path)? {
                return Ok(Outcome::Mounted(path));
            }
        }
        // Whoever takes the upload checks the digest: it stands in the request.
        self.client.upload(blob, &Outgoing { part, source }, watch).map_err(sent)?;
        Ok(Outcome::Done)
    }

    fn put_document(&self, document: &Document, place: Place) -> Result<(), BoxError> {
        let Document { descriptor, bytes, .. } = document;
        let reference = match (place, self.tag) {
            (Place::Root, Some(tag)) => tag,
            _ => descriptor.digest.as_str(),
        };
        self.client.put_manifest(reference, &descriptor.media_type, bytes)?;
        Ok(())
    }
}

/// A part on its way out.
struct Outgoing<'a> {
    part: &'a Part,
    source: &'a dyn Source,
}

impl Reopen for Outgoing<'_> {
    fn reopen(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        // Waits of the source are nobody's news: the same task tells of the upload.
        Ok(Box::new(self.source.open(self.part, Watch::silent()).map_err(local)?))
    }
}

fn local(why: BoxError) -> io::Error {
    match why.downcast::<io::Error>() {
        Ok(why) => *why,
        Err(why) => io::Error::other(why),
    }
}

/// What kept an upload: the source's own reason, if it was that.
fn sent(why: Error) -> BoxError {
    match why {
        Error::Local(why) if why.get_ref().is_some_and(|inner| inner.is::<Error>()) => of_stream(why),
        why => why.into(),
    }
}
