//! Searching for images: docker's first, never replaced protocol.

use serde::Deserialize;
use ureq::http::{HeaderValue, Method};

use crate::auth::{HUB_KEY, basic};
use crate::endpoint;
use crate::response::Response;
use crate::transport::{Payload, Request, Trust};
use crate::url::{self, Url};
use crate::{Credentials, Error, Remote, exchange, host_pattern};

/// One repository found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SearchResult {
    /// Its name, without the registry's host.
    #[serde(default)]
    pub name: String,
    /// What its owner says about it.
    #[serde(default)]
    pub description: String,
    /// How many people like it.
    #[serde(default)]
    pub star_count: u64,
    /// True for the registry's own images.
    #[serde(default)]
    pub is_official: bool,
    /// True for images that the registry built; a thing of the past.
    #[serde(default)]
    pub is_automated: bool,
}

impl Remote {
    /// Searches for `term`, on another registry than Docker Hub where it begins with a host. `limit` is passed on; what comes
    /// back is neither cut nor sorted.
    ///
    /// # Errors
    /// When the registry cannot be asked or does not know how to search.
    pub fn search(&self, term: &str, limit: u32) -> Result<Vec<SearchResult>, Error> {
        if term.contains("://") {
            return Err(Error::SearchScheme(term.to_owned()));
        }
        let (host, query) = split(term);
        let (base, trust, key) = match host {
            None => (Url::new(true, HUB, "/v1/"), Trust::Verified, HUB_KEY),
            Some(host) => {
                let (base, trust) = self.v1_door(host)?;
                (base, trust, host)
            }
        };
        let url = base.at("/v1/search").with_query("q", query).with_query("n", &limit.to_string());
        let authorization = match self.keychain().lookup(key).ok().flatten() {
            Some(Credentials::Password { username, password }) => Some(basic(&username, &password)),
            _ => None,
        };
        let mut response = self.ask(url, trust, authorization.as_ref())?;
        if response.status != 200 {
            return Err(Error::SearchStatus(response.status));
        }
        #[derive(Deserialize)]
        struct Found {
            results: Option<Vec<SearchResult>>,
        }
        let body = response.read_body(MAX_RESULTS)?;
        let found: Found =
            serde_json::from_slice(&body).map_err(|why| response.invalid(crate::json_text::go_error(&body, &why)))?;
        Ok(found.results.unwrap_or_default())
    }

    /// Finds the door at which `host` answers: TLS first, then plain where that is allowed.
    fn v1_door(&self, host: &str) -> Result<(Url, Trust), Error> {
        let config = self.inner.transport.config();
        let secure = Url::new(true, host, "/v1/");
        let trust = endpoint::trust_of_host(config, &secure);
        let https = match self.ask(secure.at("/v1/_ping"), trust, None) {
            Ok(response) => {
                response.discard();
                return Ok((secure, trust));
            }
            Err(why) => why,
        };
        let is_insecure = url::is_loopback(secure.host())
            || host_pattern::is_insecure(&config.insecure, secure.host(), secure.port());
        if !is_insecure {
            return Err(https);
        }
        let plain = Url::new(false, host, "/v1/");
        match self.ask(plain.at("/v1/_ping"), trust, None) {
            Ok(response) => {
                response.discard();
                Ok((plain, trust))
            }
            Err(http) => {
                Err(Error::SearchEndpoint { url: plain.to_string(), https: Box::new(https), http: Box::new(http) })
            }
        }
    }

    fn ask(&self, url: Url, trust: Trust, authorization: Option<&HeaderValue>) -> Result<Response, Error> {
        let transport = &self.inner.transport;
        let mut headers = exchange::custom_headers(transport.config());
        headers.insert("x-docker-token", HeaderValue::from_static("true"));
        let request = Request { method: Method::GET, url, headers, payload: Payload::Empty };
        exchange::patiently(transport, &request, trust, authorization)
    }
}

/// Cuts a host off the term; what is left on Docker Hub loses `library/`.
fn split(term: &str) -> (Option<&str>, &str) {
    match term.split_once('/') {
        Some(("docker.io" | "index.docker.io", rest)) => (None, rest.strip_prefix("library/").unwrap_or(rest)),
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), rest),
        _ => (None, term.strip_prefix("library/").unwrap_or(term)),
    }
}

/// Where Docker Hub is searched.
const HUB: &str = "index.docker.io";
/// 8 MiB: a hundred results with long descriptions.
const MAX_RESULTS: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_may_begin_with_a_host() {
        assert_eq!(split("web"), (None, "web"));
        assert_eq!(split("library/web"), (None, "web"));
        assert_eq!(split("team/web"), (None, "team/web"));
        assert_eq!(split("h:5000/web/x"), (Some("h:5000"), "web/x"));
        assert_eq!(split("localhost/"), (Some("localhost"), ""));
        assert_eq!(split("h.example"), (None, "h.example"));
        assert_eq!(split("docker.io/library/web"), (None, "web"));
    }
}
