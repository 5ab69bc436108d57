//! One HTTP exchange: a request goes out, the head of an answer comes back. No authentication, no redirects, no retries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Mutex;

use ureq::http::{self, HeaderMap, Method};
use ureq::{Agent, SendBody};

use crate::certificates::{self, Authorities};
use crate::connector::{NamingResolver, connection_error, connector};
use crate::host_pattern;
use crate::response::Response;
use crate::url::{self, Url};
use crate::{Config, Error};

/// What is to be sent.
pub trait Reopen {
    /// Opens it from the start, as often as needed.
    ///
    /// # Errors
    /// When it cannot be read.
    fn reopen(&self) -> io::Result<Box<dyn Read + Send + '_>>;
}

impl Reopen for &[u8] {
    fn reopen(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(*self))
    }
}

impl<F: Fn() -> io::Result<Box<dyn Read + Send>>> Reopen for F {
    fn reopen(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self()
    }
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// These bytes, which nobody but the host of the request may see.
    Secret(&'a [u8]),
    /// `size` bytes, beginning `from` bytes into what `open` gives.
    Stream {
        /// Opens it.
        open: &'a dyn Reopen,
        /// Bytes to skip.
        from: u64,
        /// Bytes to send.
        size: u64,
        /// Told how many more bytes have gone out; it may say that no more are wanted.
        sent: &'a (dyn Fn(u64) -> io::Result<()> + Sync),
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
            Payload::Bytes(bytes) | Payload::Secret(bytes) => {
                let mut bytes = bytes;
                let size = bytes.len() as u64;
                agent.run(with_body(head, SendBody::from_reader(&mut bytes), Some(size)))
            }
            Payload::Stream { open, from, size, sent } => {
                let mut content = open.reopen().map_err(Error::Local)?;
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
            is_elsewhere: false,
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
        let proxy = proxy.map(read_proxy).transpose()?;
        let agent = Agent::with_parts(self.agent_config(proxy), connector(settings), NamingResolver::default());
        agents.insert(key, agent.clone());
        Ok((agent, is_proxied))
    }

    fn agent_config(&self, proxy: Option<ureq::Proxy>) -> ureq::config::Config {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
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

/// Reads on, counts, and remembers a failure, which ureq would make look like one of the network.
struct Outgoing<'a, R> {
    content: io::Take<R>,
    sent: &'a (dyn Fn(u64) -> io::Result<()> + Sync),
    failure: &'a RefCell<Option<io::Error>>,
}

impl<R: Read> Read for Outgoing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer).and_then(|n| {
            (self.sent)(n as u64)?;
            Ok(n)
        });
        match read {
            // ureq would wait for the rest for ever.
            Ok(0) if self.content.limit() > 0 && !buffer.is_empty() => {
                *self.failure.borrow_mut() = Some(io::ErrorKind::UnexpectedEof.into());
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(n) => Ok(n),
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

/// Only HTTP proxies: with others, ureq as it is built here would silently go without.
fn read_proxy(text: &str) -> Result<ureq::Proxy, Error> {
    use ureq::ProxyProtocol::{Http, Https};
    ureq::Proxy::new(text).ok().filter(|proxy| matches!(proxy.protocol(), Http | Https)).ok_or_else(|| {
        // The URL may hold a password: only its host is shown.
        Error::Setting { what: "proxy", value: text.rsplit('@').next().unwrap_or_default().to_owned() }
    })
}

/// 64 KiB: large enough that a system call per buffer does not matter, small enough for many connections.
const BUFFER: usize = 64 << 10;
