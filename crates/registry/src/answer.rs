//! Requests as handlers see them, and the answers that they build.

use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use wharfie_oci::Digest;

use crate::body::{Body, Inbound};
use crate::query::Query;
use crate::refusal::Refusal;

/// A request without its path.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// Who asks.
    pub(crate) client: SocketAddr,
    /// As whom, once that is known; nobody's name is empty.
    pub(crate) user: OnceLock<String>,
    pub(crate) query: Query,
    pub(crate) body: Inbound,
}

/// As whom a request was answered: goes with the answer, for the log.
#[derive(Debug, Clone)]
pub(crate) struct User(pub(crate) String);

impl Request {
    /// A header's text, if it is there and text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// True if the client has what it asks for: `If-None-Match` names it. Source: RFC 9110, 13.1.2.
    pub(crate) fn has_already(&self, digest: &Digest) -> bool {
        let given = self.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        given.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == "*" || is_tag_of(tag, digest))
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

/// True if an entity tag, weak or strong, is a digest's.
pub(crate) fn is_tag_of(tag: &str, digest: &Digest) -> bool {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(digest.as_str())
}

pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// An answer that is being built.
pub(crate) struct Builder(Response<Body>);

/// `Docker-Content-Digest`: the digest of what is named. Source: distribution-spec, "Pulling manifests".
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Begins an answer.
pub(crate) fn answer(status: StatusCode) -> Builder {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Builder(response)
}

impl Builder {
    /// Adds a header whose value is ours or has proven its grammar; what is no header value is left out.
    pub(crate) fn header(mut self, name: impl header::IntoHeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().append(name, value);
        }
        self
    }

    /// Says which digest the content has, as docker does and as HTTP does.
    pub(crate) fn digest(self, digest: &Digest) -> Self {
        self.header(CONTENT_DIGEST, digest.as_str()).header(header::ETAG, &format!("\"{digest}\""))
    }

    /// Says how long the body is, also to `HEAD`.
    pub(crate) fn length(self, length: u64) -> Self {
        self.header(header::CONTENT_LENGTH, &length.to_string())
    }

    /// No body.
    pub(crate) fn empty(self) -> Response<Body> {
        let no_content = self.0.status() == StatusCode::NO_CONTENT || self.0.status() == StatusCode::NOT_MODIFIED;
        if no_content { self.0 } else { self.length(0).0 }
    }

    /// A body whose length was said.
    pub(crate) fn body(mut self, body: Body) -> Response<Body> {
        *self.0.body_mut() = body;
        self.0
    }

    /// A body in memory.
    pub(crate) fn bytes(self, media_type: &str, bytes: impl Into<Bytes>) -> Response<Body> {
        let bytes = bytes.into();
        self.header(header::CONTENT_TYPE, media_type).length(bytes.len() as u64).body(Body::of(bytes))
    }

    /// A document.
    pub(crate) fn json(self, document: &serde_json::Value) -> Response<Body> {
        self.bytes("application/json", document.to_string())
    }
}

/// The answer that a refusal is.
pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    let mut builder = answer(refusal.status());
    for (name, value) in refusal.headers() {
        builder.0.headers_mut().append(name, value.clone());
    }
    builder.bytes("application/json", refusal.body())
}
