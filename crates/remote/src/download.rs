//! Plain downloads: a file that a URL names, for `import URL`. No registry, no credentials.

use std::io::Read;

use ureq::http::{HeaderMap, Method};

use crate::transport::{Payload, Request};
use crate::url::Url;
use crate::{Error, Remote, endpoint, exchange};

/// A file being downloaded.
pub struct Download {
    /// Its length in bytes, if the server says so.
    pub size: Option<u64>,
    /// Its bytes.
    pub reader: Box<dyn Read + Send>,
}

impl Remote {
    /// Opens what `url` (`http` or `https`) names, through redirects and proxies.
    ///
    /// # Errors
    /// When the server cannot be reached, or answers anything but 2xx ([`Error::Download`]).
    pub fn download(&self, url: &str) -> Result<Download, Error> {
        let transport = &self.inner.transport;
        let target = Url::parse(url).ok_or_else(|| Error::Setting { what: "URL", value: url.to_owned() })?;
        let request = Request { method: Method::GET, url: target, headers: HeaderMap::new(), payload: Payload::Empty };
        let trust_of = |url: &Url| endpoint::trust_of_host(transport.config(), url);
        let mut response = exchange::roam(transport, &request, None, trust_of)?;
        if !response.is_success() {
            let body = response.read_body(MAX_BODY).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).trim().to_owned();
            return Err(Error::Download {
                url: url.to_owned(),
                status: response.status,
                reason: crate::response::reason(response.status),
                body,
            });
        }
        Ok(Download { size: response.content_length(), reader: Box::new(response.into_body()) })
    }
}

/// 1 KiB of an error page is enough to tell what it is.
const MAX_BODY: u64 = 1 << 10;
