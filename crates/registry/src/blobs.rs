//! Blobs: sent, looked for, taken out of a repository. Source: distribution-spec, "Pulling blobs" and "Deleting Blobs".

use hyper::StatusCode;
use hyper::header;
use wharfie_oci::Digest;

use crate::answer::{Answer, Request, answer, is_tag_of};
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

    pub(crate) async fn get_blob(&self, name: &RepositoryName, digest: &Digest, request: &Request) -> Answer {
        let Some(link) = self.link(name, digest).await? else { return Err(unknown(digest)) };
        if request.has_already(digest) {
            return Ok(answer(StatusCode::NOT_MODIFIED).digest(digest).empty());
        }
        let builder = |status| {
            answer(status)
                .digest(digest)
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::ACCEPT_RANGES, "bytes")
                .header(header::CACHE_CONTROL, "max-age=31536000")
        };
        if request.is_head() {
            self.holds(&Key::link(name, digest)).await?;
            return Ok(builder(StatusCode::OK).length(link.size).body(crate::body::Body::empty()));
        }
        let range = request.header(header::RANGE).filter(|_| is_for(request, digest));
        let (first, count, builder) = match range.map_or(Wanted::Whole, |range| wanted(range, link.size)) {
            Wanted::Whole => (0, link.size, builder(StatusCode::OK)),
            Wanted::Part { first, last } => {
                let told = format!("bytes {first}-{last}/{}", link.size);
                let builder = builder(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, &told);
                (first, last - first + 1, builder)
            }
            Wanted::Unsatisfiable => {
                return Err(Refusal::new(Code::SizeInvalid, "the blob has no such bytes")
                    .with_status(416)
                    .with_header(header::CONTENT_RANGE, &format!("bytes */{}", link.size)));
            }
        };
        let data =
            link.data().ok_or_else(|| Refusal::unavailable(&format!("the link of {name} to {digest} is none")))?;
        let body = self.storage.read(&data, first, count).await?;
        let body = body.ok_or_else(|| Refusal::unavailable(&format!("the data of {digest}, {data}, is not there")))?;
        Ok(builder.length(count).body(body))
    }

    pub(crate) async fn delete_blob(&self, name: &RepositoryName, digest: &Digest) -> Answer {
        let Some(link) = self.link(name, digest).await? else { return Err(unknown(digest)) };
        self.storage.delete(Key::link(name, digest)).await?;
        self.count_less(name, link.size);
        Ok(answer(StatusCode::ACCEPTED).empty())
    }
}

/// True unless a range is asked for of something else only. Source: RFC 9110, 13.1.5.
fn is_for(request: &Request, digest: &Digest) -> bool {
    request.header(header::IF_RANGE).is_none_or(|tag| !tag.starts_with("W/") && is_tag_of(tag, digest))
}

fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(Code::BlobUnknown, "the repository has no such blob").with_detail(digest.as_str())
}
