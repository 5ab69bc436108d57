//! What refers to a manifest: signatures, SBOMs. Source: distribution-spec, "Listing Referrers" and "Referrers Tag Schema".

use ureq::http::Method;
use wharfie_oci::manifest::{AnyManifest, MAX_MANIFEST_BYTES};
use wharfie_oci::{Descriptor, Digest, Index, MediaType};

use crate::{Error, RepositoryClient};

/// 256 manifests that refer to one: whoever puts more there hides the one that counts, and nobody waits for it.
pub const MAX_REFERRERS: usize = 256;

impl RepositoryClient {
    /// The manifests that refer to `subject`, at most [`MAX_REFERRERS`]. Registries that cannot be asked have a list under a tag.
    ///
    /// # Errors
    /// When the registry cannot be reached, fails, or answers nonsense.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let asked = self.pulling(|session| {
            let request = session.request(Method::GET, &format!("{}/referrers/{subject}", self.path()));
            let mut response = session.send_patiently(&request)?;
            match response.status {
                200 => {
                    let body = response.read_body(MAX_MANIFEST_BYTES)?;
                    // Some answer everything with a page.
                    match AnyManifest::parse(&body, &MediaType::OCI_INDEX) {
                        Ok(AnyManifest::Index(index)) => Ok(Some(index.manifests)),
                        _ => Ok(None),
                    }
                }
                400..=499 => {
                    response.discard();
                    Ok(None)
                }
                _ => Err(response.into_error()),
            }
        })?;
        let mut found = match asked {
            Some(found) => found,
            None => self.listed_referrers(subject)?.map_or_else(Vec::new, |index| index.manifests),
        };
        found.truncate(MAX_REFERRERS);
        Ok(found)
    }

    /// Makes sure that a manifest which is here and refers to `subject` is found: a registry that does not look by itself has a
    /// list under a tag, in which it is entered. Idempotent.
    ///
    /// # Errors
    /// When the registry refuses or cannot be asked.
    pub fn list_referrer(&self, subject: &Digest, referrer: &Descriptor) -> Result<(), Error> {
        if self.referrers(subject)?.iter().any(|known| known.digest == referrer.digest) {
            return Ok(());
        }
        let mut index = self.listed_referrers(subject)?.unwrap_or_else(empty);
        index.manifests.push(referrer.clone());
        self.put_list(subject, &index)
    }

    /// Takes manifests away that refer to `subject`, as far as the registry lets it. True if all are gone.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn remove_referrers(&self, subject: &Digest, gone: &[Digest]) -> Result<bool, Error> {
        let mut all = true;
        for digest in gone {
            all &= self.pushing(|session| {
                let path = format!("{}/manifests/{digest}", self.path());
                let response = session.send_patiently(&session.request(Method::DELETE, &path))?;
                let is_gone = response.is_success() || response.status == 404;
                response.discard();
                Ok(is_gone)
            })?;
        }
        if let Some(mut index) = self.listed_referrers(subject)? {
            let before = index.manifests.len();
            index.manifests.retain(|known| !gone.contains(&known.digest));
            if index.manifests.len() < before {
                self.put_list(subject, &index)?;
            }
        }
        Ok(all)
    }

    fn put_list(&self, subject: &Digest, index: &Index) -> Result<(), Error> {
        let bytes = serde_json::to_vec(index).map_err(|why| Error::Local(why.into()))?;
        self.put_manifest(&list_tag(subject), &MediaType::OCI_INDEX, &bytes)?;
        Ok(())
    }

    fn listed_referrers(&self, subject: &Digest) -> Result<Option<Index>, Error> {
        match self.manifest(&list_tag(subject), None) {
            Ok(document) => match document.content {
                AnyManifest::Index(index) => Ok(Some(index)),
                AnyManifest::Manifest(_) => Ok(None),
            },
            Err(why) if why.status().is_some_and(|status| (400..500).contains(&status)) => Ok(None),
            Err(why) => Err(why),
        }
    }
}

fn empty() -> Index {
    Index { schema_version: 2, media_type: Some(MediaType::OCI_INDEX), manifests: Vec::new(), annotations: None }
}

/// The tag that has the list: the digest with a dash.
fn list_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm().as_str(), subject.hex())
}
