//! From a request's path to what it is about. Paths are read from the right: a repository may be named `a/blobs/b`.
//! Source: distribution-spec, "Endpoints".

use wharfie_oci::Digest;

use crate::name::{DataId, Reference, RepositoryName};
use crate::page::Address;
use crate::query::decode;
use crate::refusal::{Code, Refusal};

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/` (end-1).
    Base,
    /// `/v2/_catalog`. Source: docker's registry API.
    Catalog,
    /// `/v2/<name>/tags/list` (end-8).
    Tags(RepositoryName),
    /// `/v2/<name>/manifests/<reference>` (end-3, end-7, end-9).
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/blobs/<digest>` (end-2, end-10).
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/` (end-4, end-11).
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>` (end-5, end-6, end-13, end-14).
    Upload(RepositoryName, DataId),
    /// `/v2/<name>/referrers/<digest>` (end-12).
    Referrers(RepositoryName, Digest),
    /// `/v1/search`. Source: docker's first registry API, which `docker search` still asks.
    Search,
    /// `/v1/_ping`, asked before the search.
    Ping,
    /// `/token`: who asks gets a token. Source: distribution's token authentication specification.
    Token,
    /// `/metrics`: numbers.
    Metrics,
    /// `/healthz`: the process lives.
    Live,
    /// `/readyz`: the storage answers.
    Ready,
    /// `/` and what lies beneath `/ui`: pages for people.
    Page(Address),
}

/// The longest path that is looked at: a name, a sha512 digest, and all of it percent-encoded.
const MAX_PATH: usize = 3 * (255 + 160);

impl Route {
    /// Reads a path.
    ///
    /// # Errors
    /// The answer for a path that names nothing, or something that is none.
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        match path {
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            "/v1/search" => return Ok(Self::Search),
            "/v1/_ping" => return Ok(Self::Ping),
            "/token" => return Ok(Self::Token),
            "/metrics" => return Ok(Self::Metrics),
            "/healthz" => return Ok(Self::Live),
            "/readyz" => return Ok(Self::Ready),
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            return Address::parse(path).map(Self::Page).ok_or_else(no_such_page);
        };
        if rest.len() > MAX_PATH {
            return Err(Refusal::new(Code::NameInvalid, "the path is too long for any repository"));
        }
        // An escaped slash is none that separates.
        let words: Vec<String> = rest.split('/').map(decode).collect::<Option<_>>().ok_or_else(no_such_page)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [ref name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [ref name @ .., "blobs", "uploads"] | [ref name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [ref name @ .., "blobs", "uploads", id] => {
                let id = DataId::parse(id).ok_or_else(|| Refusal::new(Code::BlobUploadUnknown, "no such upload"));
                Ok(Self::Upload(repository(name)?, id?))
            }
            [ref name @ .., "blobs", digest] => Ok(Self::Blob(repository(name)?, parse_digest(digest)?)),
            [ref name @ .., "referrers", digest] => Ok(Self::Referrers(repository(name)?, parse_digest(digest)?)),
            [ref name @ .., "manifests", reference] => {
                let name = repository(name)?;
                match Reference::parse(reference) {
                    Ok(reference) => Ok(Self::Manifest(name, reference)),
                    Err(Some(why)) => Err(invalid_digest(reference, why)),
                    Err(None) => {
                        Err(Refusal::new(Code::TagInvalid, "no tag: up to 128 letters, digits, \"_\", \".\" and \"-\"")
                            .with_detail(reference))
                    }
                }
            }
            _ => Err(no_such_page()),
        }
    }

    /// The same of another repository, if it is about one.
    pub(crate) fn within(self, name: RepositoryName) -> Self {
        match self {
            Self::Tags(_) => Self::Tags(name),
            Self::Manifest(_, reference) => Self::Manifest(name, reference),
            Self::Blob(_, digest) => Self::Blob(name, digest),
            Self::Uploads(_) => Self::Uploads(name),
            Self::Upload(_, id) => Self::Upload(name, id),
            Self::Referrers(_, digest) => Self::Referrers(name, digest),
            route => route,
        }
    }

    /// The repository that it is about.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
            Self::Base
            | Self::Catalog
            | Self::Search
            | Self::Ping
            | Self::Token
            | Self::Metrics
            | Self::Live
            | Self::Ready
            | Self::Page(_) => None,
        }
    }
}

fn no_such_page() -> Refusal {
    Refusal::new(Code::Unsupported, "there is nothing at this path").with_status(404)
}

fn repository(words: &[&str]) -> Result<RepositoryName, Refusal> {
    let text = words.join("/");
    RepositoryName::parse(&text).ok_or_else(|| {
        let text = text.chars().take(300).collect::<String>();
        Refusal::new(Code::NameInvalid, "no name of a repository: components of a-z, 0-9, \".\", \"_\" and \"-\"")
            .with_detail(text)
    })
}

/// Reads a digest.
///
/// # Errors
/// The answer for what is none.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|why| invalid_digest(text, why))
}

fn invalid_digest(text: &str, why: wharfie_oci::digest::ParseDigestError) -> Refusal {
    Refusal::new(Code::DigestInvalid, &why.to_string()).with_detail(text.chars().take(300).collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn paths_are_read_from_the_right() {
        let digest = Digest::of(b"");
        let id = DataId::random().unwrap();
        let check = |path: &str, expected: Route| assert_eq!(Route::parse(path).unwrap(), expected, "{path}");
        check("/v2/", Route::Base);
        check("/v2/a/tags/list", Route::Tags(name("a")));
        check("/v2/a/blobs/b/tags/list", Route::Tags(name("a/blobs/b")));
        check(
            "/v2/a/manifests/list/manifests/1",
            Route::Manifest(name("a/manifests/list"), Reference::parse("1").unwrap()),
        );
        check(&format!("/v2/a/blobs/{digest}"), Route::Blob(name("a"), digest.clone()));
        check(&format!("/v2/a%2db/blobs/sha256%3A{}", digest.hex()), Route::Blob(name("a-b"), digest.clone()));
        check(&format!("/v2/a/referrers/{digest}"), Route::Referrers(name("a"), digest));
        check("/", Route::Page(Address::Repositories));
        check("/ui/v2/tags/list", Route::Page(Address::Repository(name("v2/tags/list"))));
        check("/v2/a/blobs/uploads/", Route::Uploads(name("a")));
        check("/v2/a/blobs/uploads", Route::Uploads(name("a")));
        check(&format!("/v2/a/blobs/uploads/{id}"), Route::Upload(name("a"), id));
    }

    #[test]
    fn what_names_nothing_is_refused_with_its_code() {
        fn check(path: &str, status: u16, code: Code) {
            let refusal = Route::parse(path).unwrap_err();
            assert_eq!((refusal.status().as_u16(), refusal.code()), (status, code), "{path}");
        }
        check("/favicon.ico", 404, Code::Unsupported);
        check("/v2/a", 404, Code::Unsupported);
        check("/v2/tags/list", 400, Code::NameInvalid);
        check("/v2/A/tags/list", 400, Code::NameInvalid);
        check("/v2/../tags/list", 400, Code::NameInvalid);
        check("/v2/a%2F..%2Fb/tags/list", 400, Code::NameInvalid);
        check("/v2/a%00/tags/list", 400, Code::NameInvalid);
        check("/v2/a/blobs/sha256:abc", 400, Code::DigestInvalid);
        check("/v2/a/manifests/sha256:abc", 400, Code::DigestInvalid);
        check("/v2/a/manifests/-x", 400, Code::TagInvalid);
        check("/v2/a/blobs/uploads/x", 404, Code::BlobUploadUnknown);
        check(&format!("/v2/{}/tags/list", "a".repeat(256)), 400, Code::NameInvalid);
        check(&format!("/v2/{}/tags/list", "a/".repeat(5000)), 400, Code::NameInvalid);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "/v2/\\PC{0,80}") {
            let _ = Route::parse(&path);
        }
    }
}
