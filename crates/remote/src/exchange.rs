//! Requests as registries want them: with the right credentials, along redirects, again where that helps.

use ureq::http::header::{self, HeaderName, HeaderValue};
use ureq::http::{HeaderMap, Method};

use crate::auth::challenge;
use crate::auth::token::Scopes;
use crate::auth::{Asked, Authenticator, Authorization};
use crate::endpoint::{self, Endpoint};
use crate::response::Response;
use crate::retry::{is_transient_status, retry_after};
use crate::transport::{Payload, Request, Transport, Trust, go_name};
use crate::url::Url;
use crate::warnings::Warnings;
use crate::{Config, Error};

/// Talks to one registry through one door, with the rights that one kind of work needs.
#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) authenticator: &'a Authenticator,
    pub(crate) warnings: &'a Warnings,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) scopes: &'a Scopes,
}

impl Session<'_> {
    /// A request to the registry; `path` lies below `/v2/`.
    pub(crate) fn request(&self, method: Method, path: &str) -> Request<'static> {
        self.request_at(method, self.endpoint.url(path))
    }

    /// A request to where the registry sent us.
    pub(crate) fn request_at(&self, method: Method, url: Url) -> Request<'static> {
        // The user's own headers are for the registry, not for whoever it sends us to.
        let is_home = url.origin() == self.endpoint.base.origin();
        let headers = if is_home { custom_headers(self.transport.config()) } else { HeaderMap::new() };
        Request { method, url, headers, payload: Payload::Empty }
    }

    /// Sends, meeting challenges and following redirects. Answers of any status are `Ok`.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Response, Error> {
        let is_ours = request.url.origin() == self.endpoint.base.origin();
        let ready = || self.authenticator.ready(self.transport, self.endpoint, self.scopes);
        let mut shown: Option<Authorization> = if is_ours { ready()? } else { None };
        let mut challenged = 0;
        loop {
            let mut response = self.roam(request, shown.as_ref()).map_err(|why| self.as_first_contact(why))?;
            let is_theirs = response.url.origin() == self.endpoint.base.origin();
            if is_theirs {
                self.warnings.note(&response.headers);
            }
            response.had_token = shown.as_ref().is_some_and(|shown| shown.is_token);
            if response.status != 401 || !is_theirs || !is_ours || challenged == MAX_CHALLENGES {
                return Ok(response);
            }
            challenged += 1;
            let found = challenge::challenges(&response.headers);
            let asked = Asked { method: go_name(&request.method), url: &request.url };
            let better = self.authenticator.answer(
                self.transport,
                self.endpoint,
                &found,
                self.scopes,
                shown.as_ref(),
                &asked,
            )?;
            match better {
                Some(better) => {
                    response.discard();
                    shown = Some(better);
                }
                None => return Ok(response),
            }
        }
    }

    /// [`Session::send`], and again after failures that pass: for short requests that may be repeated.
    pub(crate) fn send_patiently(&self, request: &Request<'_>) -> Result<Response, Error> {
        patience(self.transport, || self.send(request))
    }

    /// [`Session::send_patiently`], with everything but 2xx turned into an error.
    pub(crate) fn succeed(&self, request: &Request<'_>) -> Result<Response, Error> {
        let response = self.send_patiently(request)?;
        if response.is_success() { Ok(response) } else { Err(response.into_error()) }
    }

    fn roam(&self, request: &Request<'_>, shown: Option<&Authorization>) -> Result<Response, Error> {
        let trust_of = |url: &Url| endpoint::trust_of(self.transport.config(), url, self.endpoint);
        roam(self.transport, request, shown.map(|shown| &shown.value), trust_of)
    }

    /// A registry that cannot be reached at all is reported by its `/v2/`, as docker does, whatever we wanted there.
    fn as_first_contact(&self, why: Error) -> Error {
        match why {
            Error::Connection { url, cause, .. }
                if cause.is_unconnected()
                    && Url::parse(&url).is_some_and(|url| url.origin() == self.endpoint.base.origin()) =>
            {
                Error::Connection { method: "Get", url: self.endpoint.base.to_string(), cause }
            }
            other => other,
        }
    }
}

/// Sends and follows redirects by hand: secrets and the user's own headers go to the first host only.
pub(crate) fn roam(
    transport: &Transport,
    request: &Request<'_>,
    authorization: Option<&HeaderValue>,
    trust_of: impl Fn(&Url) -> Trust,
) -> Result<Response, Error> {
    let home = request.url.origin();
    let mut current = request.clone();
    if let Some(value) = authorization {
        current.headers.insert(header::AUTHORIZATION, value.clone());
    }
    for _ in 0..=MAX_REDIRECTS {
        let result = transport.send(&current, trust_of(&current.url));
        let is_elsewhere = current.url.origin() != home;
        let mut response = if is_elsewhere { result.map_err(shortened) } else { result }?;
        response.is_elsewhere = is_elsewhere;
        let is_read = matches!(current.method, Method::GET | Method::HEAD);
        let is_redirect = match response.status {
            307 | 308 => true,
            301..=303 => is_read,
            _ => false,
        };
        let Some(location) = response.location().filter(|_| is_redirect) else { return Ok(response) };
        let next = response.url.join(&location).ok_or_else(|| response.invalid("its Location is no URL"))?;
        let is_home = next.origin() == home;
        if !is_home && matches!(current.payload, Payload::Secret(_)) {
            return Err(response.invalid(format_args!("it sends a secret on to {}", next.authority())));
        }
        response.discard();
        current.url = next;
        if !is_home {
            current.headers.remove(header::AUTHORIZATION);
            for (name, _) in &transport.config().headers {
                current.headers.remove(name.as_str());
            }
        }
    }
    let method = go_name(&request.method);
    Err(Error::TooManyRedirects { method, url: request.url.to_string(), limit: MAX_REDIRECTS })
}

/// Queries of the URLs that a registry sends us to are keys to its storage: they are no matter for messages.
fn shortened(why: Error) -> Error {
    match why {
        Error::Connection { method, url, cause } => {
            let url = Url::parse(&url).map_or_else(String::new, |url| url.without_query().to_string());
            Error::Connection { method, url, cause }
        }
        other => other,
    }
}

/// [`roam`] for servers that are no registries, again after failures that pass.
pub(crate) fn patiently(
    transport: &Transport,
    request: &Request<'_>,
    trust: Trust,
    authorization: Option<&HeaderValue>,
) -> Result<Response, Error> {
    let home = request.url.origin();
    let trust_of = |url: &Url| {
        if url.origin() == home { trust } else { endpoint::trust_of_host(transport.config(), url) }
    };
    patience(transport, || roam(transport, request, authorization, trust_of))
}

fn patience(transport: &Transport, mut send: impl FnMut() -> Result<Response, Error>) -> Result<Response, Error> {
    let retry = transport.config().retry;
    let mut failures = 0;
    loop {
        let result = send();
        let pause = match &result {
            Ok(response) if is_transient_status(response.status) => {
                retry.pause(failures + 1, response.status, retry_after(&response.headers))
            }
            Err(why @ Error::Connection { cause, .. }) if why.is_transient() && !cause.is_unconnected() => {
                retry.pause(failures + 1, 0, None)
            }
            _ => None,
        };
        let Some(pause) = pause else { return result };
        failures += 1;
        std::thread::sleep(pause);
    }
}

/// The user's headers, the same for every request.
pub(crate) fn custom_headers(config: &Config) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        // What is no header cannot be sent; `User-Agent` is ours.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            && !FIXED.contains(&name.as_str())
        {
            headers.append(name, value);
        }
    }
    headers
}

/// 10, as browsers and Go.
const MAX_REDIRECTS: u32 = 10;
/// 2: the first challenge, and one for more rights or a token that went stale.
const MAX_CHALLENGES: u32 = 2;
/// Headers that frame the message or prove who we are.
const FIXED: [&str; 6] = ["user-agent", "authorization", "host", "content-length", "transfer-encoding", "connection"];
