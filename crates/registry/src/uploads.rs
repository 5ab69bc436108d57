//! Uploads: whole, in chunks, as a stream, or not at all because the blob is here.
//! Source: distribution-spec, "Pushing blobs".

use hyper::StatusCode;
use hyper::header::{self, HeaderName};
use wharfie_oci::Digest;
use wharfie_oci::digest::Algorithm;

use crate::answer::{Answer, Builder, Request, answer};
use crate::body::InboundError;
use crate::key::Key;
use crate::name::{DataId, RepositoryName};
use crate::range;
use crate::record::{self, Link};
use crate::refusal::{Code, Refusal};
use crate::route::parse_digest;
use crate::router::Registry;
use crate::storage::{AppendError, Session, Started};

/// `Docker-Upload-UUID`. Source: docker's registry API.
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `OCI-Chunk-Min-Length`: chunks that are shorter cost more than they bring. They are taken all the same.
/// Source: distribution-spec, "Pushing a blob in chunks".
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

impl Registry {
    pub(crate) async fn begin_upload(&self, name: &RepositoryName, request: &mut Request) -> Answer {
        if let Some(digest) = request.query.value("mount") {
            let digest = parse_digest(digest)?;
            let from = request.query.value("from").map(|from| {
                RepositoryName::parse(from)
                    .ok_or_else(|| Refusal::new(Code::NameInvalid, "from is no name of a repository").with_detail(from))
            });
            let from = from.transpose()?;
            if self.may_read(from.as_ref(), request).await? && self.mount(name, &digest, from.as_ref()).await? {
                return Ok(created(name, &digest));
            }
        }
        let digest = request.query.value("digest").map(parse_digest).transpose()?;
        let algorithm = match (&digest, request.query.value("digest-algorithm")) {
            (Some(digest), _) => digest.algorithm(),
            (None, None | Some("sha256")) => Algorithm::Sha256,
            (None, Some("sha512")) => Algorithm::Sha512,
            (None, Some(other)) => {
                return Err(Refusal::new(Code::DigestInvalid, "unsupported digest algorithm").with_detail(other));
            }
        };
        let id = self.storage.begin(&Started::new(name, algorithm, self.now())).await?;
        let Some(digest) = digest else {
            let mut builder = at(answer(StatusCode::ACCEPTED), name, &id, 0);
            if let Some(least) = self.storage.least_chunk() {
                builder = builder.header(CHUNK_MIN_LENGTH, &least.to_string());
            }
            return Ok(builder.empty());
        };
        let mut session = self.session(name, &id).await?;
        if let Err(refusal) = self.receive(name, &mut session, request).await {
            // Nobody was told of the session, so nobody will go on with it.
            session.end(false).await?;
            return Err(refusal);
        }
        self.finish(name, session, &digest).await
    }

    pub(crate) async fn append_upload(&self, name: &RepositoryName, id: &DataId, request: &mut Request) -> Answer {
        let mut session = self.session(name, id).await?;
        check_order(name, &session, request)?;
        self.receive(name, &mut session, request).await?;
        Ok(at(answer(StatusCode::ACCEPTED), name, id, session.size()).empty())
    }

    pub(crate) async fn finish_upload(&self, name: &RepositoryName, id: &DataId, request: &mut Request) -> Answer {
        let digest = request
            .query
            .value("digest")
            .ok_or_else(|| Refusal::new(Code::DigestInvalid, "the digest of what was uploaded is missing: ?digest="))?;
        let digest = parse_digest(digest)?;
        let mut session = self.session(name, id).await?;
        check_order(name, &session, request)?;
        self.receive(name, &mut session, request).await?;
        self.finish(name, session, &digest).await
    }

    pub(crate) async fn upload_status(&self, name: &RepositoryName, id: &DataId) -> Answer {
        let session = self.session(name, id).await?;
        Ok(at(answer(StatusCode::NO_CONTENT), name, id, session.size()).empty())
    }

    pub(crate) async fn cancel_upload(&self, name: &RepositoryName, id: &DataId) -> Answer {
        self.session(name, id).await?.end(false).await?;
        Ok(answer(StatusCode::NO_CONTENT).empty())
    }

    pub(crate) async fn session(&self, name: &RepositoryName, id: &DataId) -> Result<Session, Refusal> {
        let session = self.storage.session(id).await?;
        session
            .filter(|session| session.started().is_of(name))
            .ok_or_else(|| Refusal::new(Code::BlobUploadUnknown, "no such upload").with_detail(id.as_str()))
    }

    /// How much an upload may still grow: what is left of the quota, without what it has already.
    async fn room(&self, name: &RepositoryName, session: &Session, request: &Request) -> Result<u64, Refusal> {
        if !self.is_limited(name) {
            return Ok(u64::MAX);
        }
        let announced = session.size().saturating_add(request.body.announced().unwrap_or_default());
        self.insist_on_room(name, announced).await?;
        Ok(self.quota(name).await?.saturating_sub(session.size()))
    }

    /// Takes a request's body into a session.
    async fn receive(
        &self,
        name: &RepositoryName,
        session: &mut Session,
        request: &mut Request,
    ) -> Result<(), Refusal> {
        let Ok(_receiving) = self.uploads.try_acquire() else {
            return Err(Refusal::new(Code::TooManyRequests, "too many uploads at once; try again")
                .with_header(header::RETRY_AFTER, "5"));
        };
        let room = self.room(name, session, request).await?;
        let left = self.limits.blob_bytes.saturating_sub(session.size()).min(room);
        let too_large = || {
            if room == left {
                return Refusal::new(Code::Denied, "the blob is larger than what is left of the quota")
                    .with_detail(room);
            }
            Refusal::new(Code::SizeInvalid, "the blob is larger than this registry takes")
                .with_status(413)
                .with_detail(self.limits.blob_bytes)
        };
        if request.body.announced().is_some_and(|announced| announced > left) {
            return Err(too_large());
        }
        request.body.limit(left);
        session.append(&mut request.body).await.map_err(|why| match why {
            AppendError::Inbound(InboundError::TooLarge(_)) => too_large(),
            AppendError::Inbound(why) => interrupted(&why),
            AppendError::Storage(why) => why.into(),
        })
    }

    /// Makes a blob of what was received, if it is what it should be.
    pub(crate) async fn finish(&self, name: &RepositoryName, mut session: Session, digest: &Digest) -> Answer {
        let actual = session.seal(digest.algorithm()).await?;
        if actual != *digest {
            session.end(false).await?;
            let told = serde_json::json!({ "expected": digest.as_str(), "received": actual.as_str() });
            return Err(Refusal::new(Code::DigestInvalid, "what was received has another digest").with_detail(told));
        }
        let size = session.size();
        let _relied_on = self.gate.read().await;
        let is_new = self.is_limited(name) && self.link(name, digest).await?.is_none();
        if is_new && let Err(refusal) = self.insist_on_room(name, size).await {
            session.end(false).await?;
            return Err(refusal);
        }
        let link = match self.known(digest).await? {
            Some(link) => {
                session.end(false).await?;
                link
            }
            None => {
                let link = Link::new(session.id(), size);
                session.share(digest).await?;
                self.storage.renew(&Key::data(session.id())).await?;
                // The session first: nobody may change or remove data that a record names.
                session.end(true).await?;
                self.storage.put(Key::blob(digest), record::bytes(&link)).await?;
                link
            }
        };
        self.mark(name).await?;
        self.storage.put(Key::link(name, digest), record::bytes(&link)).await?;
        if is_new {
            self.count_more(name, size);
        }
        Ok(created(name, digest))
    }

    /// A blob that some repository has, or had until now.
    async fn known(&self, digest: &Digest) -> Result<Option<Link>, Refusal> {
        let key = Key::blob(digest);
        if !self.holds(&key).await? {
            return Ok(None);
        }
        let Some(stored) = self.storage.get(&key).await? else { return Ok(None) };
        let link: Link = record::parse(&stored.bytes, key.as_str())?;
        Ok(self.is_whole(&link).await?.then_some(link))
    }

    /// Makes a blob of another repository one of this; of any one if none is named. True if there is one.
    async fn mount(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Refusal> {
        let _relied_on = self.gate.read().await;
        let link = match from {
            Some(from) if self.holds(&Key::link(from, digest)).await? => self.link(from, digest).await?,
            Some(_) => None,
            None => self.known(digest).await?,
        };
        let Some(link) = link else { return Ok(false) };
        if !self.is_whole(&link).await? {
            return Ok(false);
        }
        let is_new = self.is_limited(name) && self.link(name, digest).await?.is_none();
        if is_new {
            self.insist_on_room(name, link.size).await?;
        }
        self.mark(name).await?;
        self.storage.put(Key::link(name, digest), record::bytes(&link)).await?;
        if is_new {
            self.count_more(name, link.size);
        }
        Ok(true)
    }
}

/// A chunk must begin where the last one ended. Source: distribution-spec, "Pushing a blob in chunks": 416.
fn check_order(name: &RepositoryName, session: &Session, request: &Request) -> Result<(), Refusal> {
    let Some(given) = request.headers.get(header::CONTENT_RANGE) else { return Ok(()) };
    let chunk = given.to_str().ok().and_then(range::chunk);
    let Some((first, count)) = chunk else {
        return Err(Refusal::new(Code::BlobUploadInvalid, "Content-Range is no range of bytes: FIRST-LAST"));
    };
    if first != session.size() {
        return Err(Refusal::new(Code::BlobUploadInvalid, "the chunk does not begin where the last one ended")
            .with_status(416)
            .with_header(header::LOCATION, &location(name, session.id()))
            .with_header(header::RANGE, &range::received(session.size()))
            .with_header(UPLOAD_ID, session.id().as_str()));
    }
    if request.body.announced().is_some_and(|announced| announced != count) {
        return Err(Refusal::new(Code::SizeInvalid, "Content-Range and Content-Length differ"));
    }
    Ok(())
}

/// What a client is told whose request ended early, if it still listens.
pub(crate) fn interrupted(why: &InboundError) -> Refusal {
    let refusal = Refusal::new(Code::BlobUploadInvalid, &why.to_string());
    match why {
        InboundError::Idle(_) => refusal.with_status(408),
        InboundError::Broken(_) | InboundError::TooLarge(_) | InboundError::Elsewhere(_) => refusal,
    }
}

fn location(name: &RepositoryName, id: &DataId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

fn at(builder: Builder, name: &RepositoryName, id: &DataId, size: u64) -> Builder {
    builder
        .header(header::LOCATION, &location(name, id))
        .header(header::RANGE, &range::received(size))
        .header(UPLOAD_ID, id.as_str())
}

fn created(name: &RepositoryName, digest: &Digest) -> hyper::Response<crate::body::Body> {
    let location = format!("/v2/{name}/blobs/{digest}");
    answer(StatusCode::CREATED).header(header::LOCATION, &location).digest(digest).empty()
}
