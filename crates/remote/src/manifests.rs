//! Manifests: what a tag points at, and the document itself, proven over its raw bytes.

use ureq::http::{HeaderValue, Method, header};
use wharfie_content::{Document, Mismatch};
use wharfie_oci::manifest::{AnyManifest, MAX_MANIFEST_BYTES};
use wharfie_oci::{Descriptor, Digest, Digester, MediaType};

use crate::exchange::Session;
use crate::transport::Payload;
use crate::{Error, RepositoryClient};

impl RepositoryClient {
    /// What `reference`, a tag or digest, points at; its size as the registry claims it, which proxies get wrong. One request where the registry knows the protocol: `HEAD`, and only if
    /// that fails or says too little, `GET`.
    ///
    /// # Errors
    /// When there is no such manifest, or the registry cannot be asked.
    pub fn resolve(&self, reference: &str) -> Result<Descriptor, Error> {
        self.pulling(|session| match self.head(session, reference) {
            Ok(Some(descriptor)) => Ok(descriptor),
            Ok(None) => {
                let fetched = self.get(session, reference, None)?;
                let descriptor = fetched.descriptor.clone();
                *self.read_ahead.lock().expect("no holder panics") = Some(fetched);
                Ok(descriptor)
            }
            Err(why) => Err(why),
        })
    }

    /// The manifest that `reference`, a tag or digest, names. With `expected`, its size and digest must be that.
    ///
    /// # Errors
    /// When there is no such manifest, the registry cannot be asked, the bytes are not what they should be, or they are no
    /// manifest that wharfie takes.
    pub fn manifest(&self, reference: &str, expected: Option<&Descriptor>) -> Result<Document, Error> {
        let known = self.read_ahead.lock().expect("no holder panics").take();
        if let Some(known) = known
            && (known.descriptor.digest.as_str() == reference
                || expected.is_some_and(|expected| expected.digest == known.descriptor.digest))
            && expected.is_none_or(|expected| expected.size == known.descriptor.size)
        {
            return Ok(known);
        }
        self.pulling(|session| self.get(session, reference, expected))
    }

    /// Stores a manifest under a tag or its digest; what it refers to must be there already.
    ///
    /// # Errors
    /// When the registry refuses, cannot be asked, or has stored something else.
    pub fn put_manifest(&self, reference: &str, media_type: &MediaType, bytes: &[u8]) -> Result<Digest, Error> {
        let algorithm = reference.parse::<Digest>().map(|digest| digest.algorithm());
        let digest = digest_with(algorithm.unwrap_or(wharfie_oci::digest::Algorithm::Sha256), bytes);
        self.pushing(|session| {
            let mut request = session.request(Method::PUT, &self.manifest_path(reference));
            let kind = HeaderValue::from_str(media_type.as_str())
                .map_err(|_| Error::Setting { what: "media type", value: media_type.as_str().to_owned() })?;
            request.headers.insert(header::CONTENT_TYPE, kind);
            request.payload = Payload::Bytes(bytes);
            let response = session.succeed(&request)?;
            // Old registries answer in SHA-256 whatever was asked; only a differing digest of one kind is a lie.
            match response.header("docker-content-digest").parse::<Digest>() {
                Ok(stored) if stored.algorithm() == digest.algorithm() && stored != digest => {
                    Err(Error::ManifestMismatch {
                        digest: digest.clone(),
                        source: Mismatch::Digest { expected: digest.clone(), actual: stored },
                    })
                }
                _ => {
                    response.discard();
                    Ok(digest.clone())
                }
            }
        })
    }

    /// `Ok(None)`: ask with `GET`, for the document or for the reason why not.
    fn head(&self, session: &Session<'_>, reference: &str) -> Result<Option<Descriptor>, Error> {
        let mut request = session.request(Method::HEAD, &self.manifest_path(reference));
        request.headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        let response = match session.send(&request) {
            Err(Error::Connection { cause, .. }) if !cause.is_unconnected() => return Ok(None),
            result => result?,
        };
        let digest = response.header("docker-content-digest").parse::<Digest>();
        let (200, Ok(digest), Some(size)) = (response.status, digest, response.content_length()) else {
            return Ok(None);
        };
        let media_type = MediaType::new(response.header("content-type"));
        let is_plain = media_type.is_manifest() || media_type.is_index();
        let is_asked_for = reference.parse::<Digest>().map_or(true, |asked| asked == digest);
        Ok((is_plain && is_asked_for && size <= MAX_MANIFEST_BYTES).then(|| Descriptor::new(media_type, digest, size)))
    }

    pub(crate) fn get(
        &self,
        session: &Session<'_>,
        reference: &str,
        expected: Option<&Descriptor>,
    ) -> Result<Document, Error> {
        let mut request = session.request(Method::GET, &self.manifest_path(reference));
        request.headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        let mut response = session.succeed(&request)?;
        let bytes = response.read_body(MAX_MANIFEST_BYTES)?;
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(response.invalid(format_args!("the manifest has more than {MAX_MANIFEST_BYTES} bytes")));
        }
        let asked = reference.parse::<Digest>().ok();
        let promised = response.header("docker-content-digest").parse::<Digest>().ok();
        let digest = proven(&bytes, asked, expected, promised)?;
        let announced = MediaType::new(response.header("content-type"));
        let content = AnyManifest::parse(&bytes, &announced)
            .map_err(|source| Error::Manifest { digest: digest.clone(), source })?;
        let (own, fitting) = match &content {
            AnyManifest::Manifest(manifest) => (manifest.media_type.clone(), MediaType::OCI_MANIFEST),
            AnyManifest::Index(index) => (index.media_type.clone(), MediaType::OCI_INDEX),
        };
        let media_type = match own.filter(|own| !own.as_str().is_empty()) {
            Some(own) if is_known(&announced) && own != announced => {
                return Err(Error::MediaType { digest, announced, found: own });
            }
            Some(own) => own,
            None if is_known(&announced) => announced,
            None => fitting,
        };
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        Ok(Document { descriptor, bytes, content })
    }

    pub(crate) fn manifest_path(&self, reference: &str) -> String {
        format!("{}/manifests/{reference}", self.path)
    }
}

/// The digest of `bytes`, which must be each of those that are given.
fn proven(
    bytes: &[u8],
    asked: Option<Digest>,
    expected: Option<&Descriptor>,
    promised: Option<Digest>,
) -> Result<Digest, Error> {
    if let Some(expected) = expected
        && expected.size != bytes.len() as u64
    {
        let digest = expected.digest.clone();
        let source = Mismatch::Size { digest: digest.clone(), expected: expected.size, actual: bytes.len() as u64 };
        return Err(Error::ManifestMismatch { digest, source });
    }
    let wanted: Vec<Digest> = asked.into_iter().chain(expected.map(|e| e.digest.clone())).chain(promised).collect();
    for digest in &wanted {
        let actual = digest_with(digest.algorithm(), bytes);
        if actual != *digest {
            let source = Mismatch::Digest { expected: digest.clone(), actual };
            return Err(Error::ManifestMismatch { digest: digest.clone(), source });
        }
    }
    Ok(wanted.into_iter().next().unwrap_or_else(|| Digest::of(bytes)))
}

fn digest_with(algorithm: wharfie_oci::digest::Algorithm, bytes: &[u8]) -> Digest {
    let mut digester = Digester::new(algorithm);
    digester.update(bytes);
    digester.finish()
}

fn is_known(media_type: &MediaType) -> bool {
    media_type.is_manifest() || media_type.is_index()
}

/// All that wharfie reads; without it, registries hide OCI content. Schema 1 is named nowhere and thus comes only from
/// registries that have nothing else.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
*/*;q=0.1";
