//! Blobs: sent, looked for, taken out of a repository. Source: distribution-spec, "Pulling blobs" and "Deleting Blobs".

use std::sync::Arc;

use hyper::header;
use hyper::{Response, StatusCode};
use wharfie_oci::Digest;

use crate::answer::{Answer, Builder, Request, answer, is_tag_of};
use crate::arriving::Arriving;
use crate::body::Body;
use crate::key::Key;
use crate::name::RepositoryName;
use crate::range::{Wanted, wanted};
use crate::record::{self, Link};
use crate::refusal::{Code, Refusal};
use crate::router::Registry;

impl Registry {
    /// Where a repository's blob is.
    pub(crate) async fn link(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<Link>, Refusal> {
        let key = Key::link(name, digest);
        let Some(stored) = self.storage.get(&key).await? else { return Ok(None) };
        Ok(Some(record::parse(&stored.bytes, key.as_str())?))
    }

    /// True if an object is there. Somebody will rely on the answer: what has lived long is made young again.
    pub(crate) async fn holds(&self, key: &Key) -> Result<bool, Refusal> {
        match self.storage.modified(key).await? {
            None => Ok(false),
            Some(modified) if self.now().saturating_sub(modified) >= self.grace / 2 => {
                Ok(self.storage.renew(key).await?)
            }
            Some(_) => Ok(true),
        }
    }

    /// True if the data is there as the record says. Whoever is told so will not send it; whoever is not may mend what a disk has lost.
    pub(crate) async fn is_whole(&self, link: &Link) -> Result<bool, Refusal> {
        let Some(data) = link.data() else { return Ok(false) };
        Ok(self.storage.size(&Key::data(&data)).await? == Some(link.size))
    }

    pub(crate) async fn get_blob(&self, name: &RepositoryName, digest: &Digest, request: &Request) -> Answer {
        let Some(link) = self.link(name, digest).await? else { return Err(unknown(digest)) };
        if request.is_head() && !request.has_already(digest) {
            if !self.is_whole(&link).await? {
                return Err(unknown(digest));
            }
            self.holds(&Key::link(name, digest)).await?;
        }
        let (builder, first, count) = match answered(request, digest, link.size)? {
            Wish::Nothing(answer) => return Ok(answer),
            Wish::Bytes { builder, first, count } => (builder, first, count),
        };
        let data =
            link.data().ok_or_else(|| Refusal::unavailable(&format!("the link of {name} to {digest} is none")))?;
        let body = self.storage.read(&data, first, count).await?;
        let body = body.ok_or_else(|| Refusal::unavailable(&format!("the data of {digest}, {data}, is not there")))?;
        Ok(builder.length(count).body(body))
    }

    /// The same of a blob that another registry is sending.
    pub(crate) fn get_arriving_blob(
        self: &Arc<Self>,
        arriving: Arc<Arriving>,
        name: &RepositoryName,
        digest: &Digest,
        request: &Request,
    ) -> Answer {
        match answered(request, digest, arriving.size)? {
            Wish::Nothing(answer) => Ok(answer),
            Wish::Bytes { builder, first, count } => {
                Ok(builder.length(count).body(self.pass_on(arriving, name, digest, (first, count))))
            }
        }
    }

    pub(crate) async fn delete_blob(&self, name: &RepositoryName, digest: &Digest) -> Answer {
        let Some(link) = self.link(name, digest).await? else { return Err(unknown(digest)) };
        self.storage.delete(Key::link(name, digest)).await?;
        self.count_less(name, link.size);
        Ok(answer(StatusCode::ACCEPTED).empty())
    }
}

/// What a request wants of a blob.
enum Wish {
    /// No bytes: this is all.
    Nothing(Response<Body>),
    /// So many bytes from there.
    Bytes { builder: Builder, first: u64, count: u64 },
}

/// What is answered to a request for a blob of this size.
fn answered(request: &Request, digest: &Digest, size: u64) -> Result<Wish, Refusal> {
    if request.has_already(digest) {
        return Ok(Wish::Nothing(answer(StatusCode::NOT_MODIFIED).digest(digest).empty()));
    }
    let builder = |status| {
        answer(status)
            .digest(digest)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::CACHE_CONTROL, "max-age=31536000")
    };
    if request.is_head() {
        return Ok(Wish::Nothing(builder(StatusCode::OK).length(size).body(Body::empty())));
    }
    let range = request.header(header::RANGE).filter(|_| is_for(request, digest));
    match range.map_or(Wanted::Whole, |range| wanted(range, size)) {
        Wanted::Whole => Ok(Wish::Bytes { builder: builder(StatusCode::OK), first: 0, count: size }),
        Wanted::Part { first, last } => {
            let told = format!("bytes {first}-{last}/{size}");
            let builder = builder(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, &told);
            Ok(Wish::Bytes { builder, first, count: last - first + 1 })
        }
        Wanted::Unsatisfiable => Err(Refusal::new(Code::SizeInvalid, "the blob has no such bytes")
            .with_status(416)
            .with_header(header::CONTENT_RANGE, &format!("bytes */{size}"))),
    }
}

/// True unless a range is asked for of something else only. Source: RFC 9110, 13.1.5.
fn is_for(request: &Request, digest: &Digest) -> bool {
    request.header(header::IF_RANGE).is_none_or(|tag| !tag.starts_with("W/") && is_tag_of(tag, digest))
}

fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(Code::BlobUnknown, "the repository has no such blob").with_detail(digest.as_str())
}
