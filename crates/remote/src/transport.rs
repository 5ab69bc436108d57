//! One HTTP exchange: a request goes out, the head of an answer comes back. No authentication, no redirects, no retries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Mutex;

use ureq::http::{self, HeaderMap, Method};
use ureq::{Agent, SendBody};

use crate::certificates::{self, Authorities};
use crate::connector::{NamingResolver, connection_error, connector};
use crate::host_pattern;
use crate::url::{self, Url};
use crate::{Config, Error};

/// Opens what is to be sent, from the start, as often as needed.
pub(crate) type Open<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + Send>>;

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// `size` bytes, beginning `from` bytes into what `open` gives.
    Stream {
        /// Opens it.
        open: Open<'a>,
        /// Bytes to skip.
        from: u64,
        /// Bytes to send.
        size: u64,
        /// Told how many more bytes have gone out.
        sent: &'a (dyn Fn(u64) + Sync),
    },
}

/// A request before authentication.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload<'a>,
}

/// The head of an answer; the body is read as needed.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// What answered, after redirects.
    pub(crate) url: Url,
    pub(crate) method: &'static str,
    /// True if the request carried a token that was made for it.
    pub(crate) had_token: bool,
    body: ureq::BodyReader<'static>,
}

/// How far a host is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trust {
    /// Certificates must be good.
    Verified,
    /// Any certificate will do.
    Unverified,
}

/// The connections of this process, kept open for further requests.
pub(crate) struct Transport {
    config: Config,
    authorities: Authorities,
    agents: Mutex<HashMap<AgentKey, Agent>>,
}

/// Connections with equal settings share an agent, and thus its pool.
#[derive(Clone, PartialEq, Eq, Hash)]
struct AgentKey {
    tls: Option<Tls>,
    is_proxied: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Tls {
    trust: Trust,
    folder: Option<PathBuf>,
}

impl Transport {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, authorities: Authorities::default(), agents: Mutex::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Sends `request` and waits for the head of the answer.
    ///
    /// # Errors
    /// When there is no connection, it breaks, or the payload cannot be read.
    pub(crate) fn send(&self, request: &Request<'_>, trust: Trust) -> Result<Response, Error> {
        let (agent, is_proxied) = self.agent(&request.url, trust)?;
        let method = go_name(&request.method);
        let mut head = http::Request::new(());
        *head.method_mut() = request.method.clone();
        *head.uri_mut() = request.url.to_string().parse().map_err(|_| Error::InvalidAnswer {
            method,
            url: request.url.to_string(),
            why: "the URL is malformed".to_owned(),
        })?;
        *head.headers_mut() = request.headers.clone();
        let failed =
            |why| Error::Connection { method, url: request.url.to_string(), cause: connection_error(why, is_proxied) };
        let answer = match request.payload {
            Payload::Empty => {
                if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
                    agent.run(with_body(head, SendBody::none(), Some(0)))
                } else {
                    agent.run(head.map(|()| SendBody::none()))
                }
            }
            Payload::Bytes(bytes) => {
                let mut bytes = bytes;
                let size = bytes.len() as u64;
                agent.run(with_body(head, SendBody::from_reader(&mut bytes), Some(size)))
            }
            Payload::Stream { open, from, size, sent } => {
                let mut content = open().map_err(Error::Local)?;
                skip(&mut content, from).map_err(Error::Local)?;
                let failure = RefCell::new(None);
                let mut outgoing = Outgoing { content: content.take(size), sent, failure: &failure };
                let answer = agent.run(with_body(head, SendBody::from_reader(&mut outgoing), Some(size)));
                if let Some(why) = failure.into_inner() {
                    return Err(Error::Local(why));
                }
                answer
            }
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            url: request.url.clone(),
            method,
            had_token: false,
            body: body.into_reader(),
        })
    }

    fn agent(&self, url: &Url, trust: Trust) -> Result<(Agent, bool), Error> {
        let proxy = self.proxy(url);
        let is_proxied = proxy.is_some();
        let tls =
            url.is_https().then(|| Tls { trust, folder: certificates::folder_of(&self.config.certs, url.authority()) });
        let key = AgentKey { tls, is_proxied };
        let mut agents = self.agents.lock().expect("no holder panics");
        if let Some(agent) = agents.get(&key) {
            return Ok((agent.clone(), is_proxied));
        }
        let settings = match &key.tls {
            None => Authorities::unverified(),
            Some(Tls { trust, folder: Some(folder) }) => {
                self.authorities.settings_of(folder, *trust == Trust::Verified)?
            }
            Some(Tls { trust: Trust::Verified, folder: None }) => self.authorities.settings(),
            Some(Tls { trust: Trust::Unverified, folder: None }) => Authorities::unverified(),
        };
        let proxy = proxy.map(|text| ureq::Proxy::new(text).map_err(|_| unusable_proxy(text))).transpose()?;
        let agent = Agent::with_parts(self.agent_config(settings, proxy), connector(), NamingResolver::default());
        agents.insert(key, agent.clone());
        Ok((agent, is_proxied))
    }

    fn agent_config(&self, settings: ureq::tls::TlsConfig, proxy: Option<ureq::Proxy>) -> ureq::config::Config {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(settings)
            .user_agent(self.config.user_agent.as_str())
            .accept("")
            .accept_encoding("identity")
            .timeout_connect(Some(self.config.connect_timeout))
            .timeout_per_read(Some(self.config.idle_timeout))
            .timeout_per_write(Some(self.config.idle_timeout))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections_per_host(8)
            .build()
    }

    /// The proxy to go through for `url`; never for loopback.
    fn proxy(&self, url: &Url) -> Option<&str> {
        let proxy = &self.config.proxy;
        let text = if url.is_https() { proxy.https.as_deref() } else { proxy.http.as_deref() }?;
        let is_direct = text.is_empty()
            || url::is_loopback(url.host())
            || host_pattern::is_exempt(&proxy.no_proxy, url.host(), url.port());
        (!is_direct).then_some(text)
    }
}

impl Response {
    /// A header's text; the empty text if it is missing or odd.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `Content-Length`, if there is a sound one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length").parse().ok()
    }

    /// True for 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body, at most `limit` bytes and one more, so that the caller can tell when there was too much.
    pub(crate) fn read_body(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        (&mut self.body).take(limit + 1).read_to_end(&mut bytes).map_err(|why| self.broken(why))?;
        Ok(bytes)
    }

    /// Reads a little to the end, so that the connection can be used again; gives up on more.
    pub(crate) fn discard(mut self) {
        let _unimportant = io::copy(&mut (&mut self.body).take(ERROR_BODY), &mut io::sink());
    }

    /// The body as it comes.
    pub(crate) fn into_body(self) -> ureq::BodyReader<'static> {
        self.body
    }

    /// Turns an answer that is no success into an error, reading what it says.
    pub(crate) fn into_error(mut self) -> Error {
        let retry_after = crate::retry::retry_after(&self.headers);
        let (status, reason) = (self.status, reason(self.status));
        if !(400..500).contains(&status) {
            self.discard();
            return Error::UnexpectedStatus { status, reason, retry_after };
        }
        let body = self.read_body(ERROR_BODY).unwrap_or_default();
        if status == 401 && self.had_token {
            let errors = vec![crate::ApiError::standard("DENIED", true)];
            return Error::Registry { status, errors, retry_after };
        }
        match crate::api_error::parse(status, &body) {
            Ok(errors) => Error::Registry { status, errors, retry_after },
            Err(_) if status == 401 => {
                let errors = vec![crate::ApiError::standard("UNAUTHORIZED", true)];
                Error::Registry { status, errors, retry_after }
            }
            Err(why) => {
                let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BODY)]).into_owned();
                Error::NotJson { status, why, body, retry_after }
            }
        }
    }

    /// An error that says this answer is not what it should be.
    pub(crate) fn invalid(&self, why: impl fmt::Display) -> Error {
        Error::InvalidAnswer { method: self.method, url: self.url.to_string(), why: why.to_string() }
    }

    /// An error that says the body broke off.
    pub(crate) fn broken(&self, why: io::Error) -> Error {
        let cause = connection_error(ureq::Error::from(why), false);
        Error::Connection { method: self.method, url: self.url.to_string(), cause }
    }
}

/// Reads on, counts, and remembers a failure, which ureq would make look like one of the network.
struct Outgoing<'a, R> {
    content: io::Take<R>,
    sent: &'a (dyn Fn(u64) + Sync),
    failure: &'a RefCell<Option<io::Error>>,
}

impl<R: Read> Read for Outgoing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.content.read(buffer) {
            // ureq would wait for the rest for ever.
            Ok(0) if self.content.limit() > 0 && !buffer.is_empty() => {
                *self.failure.borrow_mut() = Some(io::ErrorKind::UnexpectedEof.into());
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(n) => {
                (self.sent)(n as u64);
                Ok(n)
            }
            Err(why) => {
                let kind = why.kind();
                *self.failure.borrow_mut() = Some(why);
                Err(kind.into())
            }
        }
    }
}

/// `Get`, `Head`, …: methods as Go's errors spell them.
pub(crate) fn go_name(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "Head",
        Method::POST => "Post",
        Method::PUT => "Put",
        Method::PATCH => "Patch",
        Method::DELETE => "Delete",
        _ => "Get",
    }
}

/// The standard name of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// Reads `count` bytes and forgets them.
pub(crate) fn skip(content: &mut dyn Read, count: u64) -> io::Result<()> {
    match io::copy(&mut content.take(count), &mut io::sink())? {
        skipped if skipped == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn with_body(mut head: http::Request<()>, body: SendBody<'_>, size: Option<u64>) -> http::Request<SendBody<'_>> {
    if let Some(size) = size {
        head.headers_mut().insert(http::header::CONTENT_LENGTH, size.into());
    }
    head.map(|()| body)
}

/// A proxy URL may hold a password: only its host is shown.
fn unusable_proxy(text: &str) -> Error {
    let host = text.rsplit('@').next().unwrap_or_default().to_owned();
    Error::Setting { what: "proxy", value: host }
}

/// 64 KiB: large enough that a system call per buffer does not matter, small enough for many connections.
const BUFFER: usize = 64 << 10;

/// 64 KiB: an error document beyond this says nothing worth reading.
const ERROR_BODY: u64 = 64 << 10;

/// 4 KiB: how much of a foreign body an error message shows.
const SHOWN_BODY: usize = 4 << 10;
