//! Plain downloads: a file that a URL names, for `import URL` and builds. No registry, no credentials.

use std::io::Read;

use ureq::http::{HeaderMap, HeaderValue, Method, header};

use crate::response::Response;
use crate::transport::{Payload, Request};
use crate::url::Url;
use crate::{Error, Remote, endpoint, exchange};

/// A file being downloaded.
pub struct Download {
    /// Its length in bytes, if the server says so.
    pub size: Option<u64>,
    /// Its strong entity tag, quotes included, if the server gave one: the same tag means the same bytes.
    pub etag: Option<String>,
    /// When it was changed, in seconds since 1970, if the server says so.
    pub modified: Option<i64>,
    /// Its bytes.
    pub reader: Box<dyn Read + Send>,
}

impl Remote {
    /// Opens what `url` (`http` or `https`) names, through redirects and proxies.
    ///
    /// # Errors
    /// When the server cannot be reached, or answers anything but 2xx ([`Error::Download`]).
    pub fn download(&self, url: &str) -> Result<Download, Error> {
        let response = self.ask_for(url, None)?;
        if response.is_success() { Ok(Download::of(response)) } else { Err(refused(url, response)) }
    }

    /// As [`Self::download`], unless what is there still has the strong entity tag `known`: then `None`.
    ///
    /// # Errors
    /// As for [`Self::download`].
    pub fn download_unless(&self, url: &str, known: &str) -> Result<Option<Download>, Error> {
        let response = self.ask_for(url, Some(known))?;
        match response.status {
            NOT_MODIFIED => Ok(None),
            _ if response.is_success() => Ok(Some(Download::of(response))),
            _ => Err(refused(url, response)),
        }
    }

    fn ask_for(&self, url: &str, known: Option<&str>) -> Result<Response, Error> {
        let transport = &self.inner.transport;
        let target = Url::parse(url).ok_or_else(|| Error::Setting { what: "URL", value: url.to_owned() })?;
        let mut headers = HeaderMap::new();
        if let Some(known) = known.and_then(|known| HeaderValue::from_str(known).ok()) {
            headers.insert(header::IF_NONE_MATCH, known);
        }
        let request = Request { method: Method::GET, url: target, headers, payload: Payload::Empty };
        let trust_of = |url: &Url| endpoint::trust_of_host(transport.config(), url);
        exchange::roam(transport, &request, None, trust_of)
    }
}

impl Download {
    fn of(response: Response) -> Self {
        let etag =
            Some(response.header("etag")).filter(|tag| tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'));
        Self {
            size: response.content_length(),
            etag: etag.map(str::to_owned),
            modified: crate::retry::http_date(response.header("last-modified")).and_then(|at| at.try_into().ok()),
            reader: Box::new(response.into_body()),
        }
    }
}

fn refused(url: &str, mut response: Response) -> Error {
    let body = response.read_body(MAX_BODY).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).trim().to_owned();
    let (status, reason) = (response.status, crate::response::reason(response.status));
    Error::Download { url: url.to_owned(), status, reason, body }
}

/// RFC 9110, section 15.4.5.
const NOT_MODIFIED: u16 = 304;
/// 1 KiB of an error page is enough to tell what it is.
const MAX_BODY: u64 = 1 << 10;
