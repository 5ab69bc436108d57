//! What refers to a manifest: signatures, SBOMs and the like. Source: distribution-spec, "Listing Referrers".

use std::collections::HashSet;

use ureq::http::{HeaderValue, Method, header};
use wharfie_oci::manifest::{AnyManifest, MAX_MANIFEST_BYTES};
use wharfie_oci::{Descriptor, Digest, Index, MediaType};

use crate::exchange::Session;
use crate::tags::next_page;
use crate::{Error, RepositoryClient};

impl RepositoryClient {
    /// What says of itself that it is about `subject`, each once. Registries that cannot be asked are looked through for the
    /// tag that clients keep the list under instead.
    ///
    /// # Errors
    /// When the registry refuses or cannot be asked, or its answer is no index.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        self.pulling(|session| {
            let found = match self.listed_referrers(session, subject)? {
                Some(found) => found,
                None => self.tagged_referrers(session, subject)?,
            };
            // A mirror that has none may just not know them.
            match found.is_empty() && session.endpoint.is_mirror() {
                true => Err(Error::Setting { what: "mirror", value: session.endpoint.base.to_string() }),
                false => Ok(found),
            }
        })
    }

    /// Has the registry list `referrers`, which are there, for `subject`: one that does not do so by itself gets the tag that
    /// clients look under instead. Two clients that do so at once may lose an entry; the protocol has no better.
    ///
    /// # Errors
    /// When the registry refuses or cannot be asked.
    pub fn refer(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<(), Error> {
        let known = self.pushing(|session| {
            Ok(match self.listed_referrers(session, subject)? {
                Some(_) => None,
                None => Some(self.tagged_referrers(session, subject)?),
            })
        })?;
        let Some(mut manifests) = known else { return Ok(()) };
        let before = manifests.len();
        for referrer in referrers {
            if !manifests.iter().any(|known| known.digest == referrer.digest) {
                manifests.push(referrer.clone());
            }
        }
        if manifests.len() == before {
            return Ok(());
        }
        self.put_list(subject, manifests)
    }

    /// Takes manifests away that refer to `subject`, as far as the registry lets it. True if all are gone.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn remove_referrers(&self, subject: &Digest, gone: &[Digest]) -> Result<bool, Error> {
        let mut all = true;
        for digest in gone {
            match self.delete_manifest(digest.as_str()) {
                Ok(()) => {}
                Err(why) if why.status() == Some(404) => {}
                Err(why) if why.status().is_some_and(|status| (400..500).contains(&status)) => all = false,
                Err(why) => return Err(why),
            }
        }
        let mut listed = self.pushing(|session| self.tagged_referrers(session, subject))?;
        let before = listed.len();
        listed.retain(|known| !gone.contains(&known.digest));
        if listed.len() < before {
            self.put_list(subject, listed)?;
        }
        Ok(all)
    }

    fn put_list(&self, subject: &Digest, manifests: Vec<Descriptor>) -> Result<(), Error> {
        let index = Index { schema_version: 2, media_type: Some(MediaType::OCI_INDEX), manifests, annotations: None };
        let bytes = serde_json::to_vec(&index).map_err(|why| Error::Local(why.into()))?;
        self.put_manifest(&fallback_tag(subject), &MediaType::OCI_INDEX, &bytes)?;
        Ok(())
    }

    /// `None` if the registry does not know how to list referrers.
    fn listed_referrers(&self, session: &Session<'_>, subject: &Digest) -> Result<Option<Vec<Descriptor>>, Error> {
        let mut found: Vec<Descriptor> = Vec::new();
        let mut visited = HashSet::new();
        let mut next = Some(session.request(Method::GET, &format!("{}/referrers/{subject}", self.path)).url);
        while let Some(url) = next.take() {
            if !visited.insert(url.clone()) || visited.len() > MAX_PAGES {
                break;
            }
            let mut request = session.request_at(Method::GET, url);
            request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.oci.image.index.v1+json"));
            let mut response = session.send_patiently(&request)?;
            let is_index = response.header("content-type").starts_with(MediaType::OCI_INDEX.as_str());
            match response.status {
                200 if is_index => {}
                // Proxies answer 200 with a page of their own, old registries with 404 or 400.
                200 | 400..=499 if visited.len() == 1 && !matches!(response.status, 401 | 403 | 429) => {
                    response.discard();
                    return Ok(None);
                }
                _ => return Err(response.into_error()),
            }
            let body = response.read_body(MAX_MANIFEST_BYTES)?;
            let members = match AnyManifest::parse(&body, &MediaType::OCI_INDEX) {
                Ok(AnyManifest::Index(index)) => index.manifests,
                Ok(AnyManifest::Manifest(_)) => return Err(response.invalid("a list of referrers that is no index")),
                Err(why) => return Err(response.invalid(why)),
            };
            for member in members {
                if found.len() < MAX_REFERRERS && !found.iter().any(|known| known.digest == member.digest) {
                    found.push(member);
                }
            }
            next = next_page(&response).filter(|next| next.origin() == session.endpoint.base.origin());
        }
        Ok(Some(found))
    }

    /// Source: distribution-spec, "Referrers Tag Schema".
    fn tagged_referrers(&self, session: &Session<'_>, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        match self.get(session, &fallback_tag(subject), None) {
            Ok(found) => match found.content {
                AnyManifest::Index(index) => Ok(index.manifests),
                AnyManifest::Manifest(_) => Ok(Vec::new()),
            },
            Err(why) if why.status() == Some(404) => Ok(Vec::new()),
            Err(why) => Err(why),
        }
    }
}

/// Source: distribution-spec, "Referrers Tag Schema".
fn fallback_tag(subject: &Digest) -> String {
    format!("{}-{}", subject.algorithm().as_str(), subject.hex())
}

/// 100 pages: beyond that somebody walks us in circles.
const MAX_PAGES: usize = 100;
/// 10,000: nobody signs more often.
const MAX_REFERRERS: usize = 10_000;
