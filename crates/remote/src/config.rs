//! What the caller decides: every setting of the registry client as one value.

use std::path::PathBuf;
use std::time::Duration;

use crate::Retry;

/// Settings of a [`crate::Remote`].
#[derive(Debug, Clone)]
pub struct Config {
    /// `User-Agent` of every request; starts with the program's name and version.
    pub user_agent: String,
    /// Hosts that may be spoken to without verified certificates or without TLS: `host`, `host:port` or a CIDR.
    pub insecure: Vec<String>,
    /// Who is asked before a registry itself when something is read from it, in this order.
    pub mirrors: Vec<Mirror>,
    /// Folders like `/etc/docker/certs.d`, each with `<host:port>/{ca.crt,*.crt,NAME.cert,NAME.key}`; the first that has the
    /// host counts.
    pub certs: Vec<PathBuf>,
    /// Proxies.
    pub proxy: Proxy,
    /// Further headers for registries and token servers (`HttpHeaders` of config.json). Never sent to hosts that a registry
    /// redirects to.
    pub headers: Vec<(String, String)>,
    /// How often and how patiently to try again.
    pub retry: Retry,
    /// Blobs of more bytes than this are fetched in several ranges at once, where the registry allows it.
    pub range_threshold: u64,
    /// True to use ranges on loopback too, where they cost more than they bring.
    pub ranges_on_loopback: bool,
    /// How many ranges of one blob are under way at once.
    pub jobs: usize,
    /// A connection that takes longer to be made has failed.
    pub connect_timeout: Duration,
    /// A connection on which nothing moves for this long has failed.
    pub idle_timeout: Duration,
}

/// Somebody who has what a registry has, or gets it from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry's host as references write it, or [`Mirror::EVERY`].
    pub of: String,
    /// A URL, or a host.
    pub url: String,
    /// How it is told which of its upstreams is meant.
    pub naming: Naming,
}

/// How a mirror is told which registry it stands in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// Not at all: it mirrors one, as docker's mirrors do.
    Silent,
    /// By the query `ns=HOST`, as containerd does.
    Query,
    /// Repositories lie beneath this path.
    Prefix(String),
}

impl Mirror {
    /// Stands in for every registry but those on loopback.
    pub const EVERY: &str = "*";

    /// A mirror of Docker Hub, as docker's `registry-mirrors` names it.
    pub fn of_hub(url: &str) -> Self {
        Self { of: wharfie_oci::reference::DEFAULT_HOST.to_owned(), url: url.to_owned(), naming: Naming::Silent }
    }
}

/// Proxies, with the meaning of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. Loopback is never proxied.
#[derive(Clone, Default)]
pub struct Proxy {
    /// For `http` URLs.
    pub http: Option<String>,
    /// For `https` URLs.
    pub https: Option<String>,
    /// Comma-separated exceptions: `*`, host suffixes, addresses, CIDRs, each with an optional port.
    pub no_proxy: String,
}

impl std::fmt::Debug for Proxy {
    /// Says whether there are proxies, not which: their URLs may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |url: &Option<String>| url.as_ref().map(|_| "***");
        f.debug_struct("Proxy")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            user_agent: concat!("wharfie/", env!("CARGO_PKG_VERSION")).to_owned(),
            insecure: Vec::new(),
            mirrors: Vec::new(),
            certs: Vec::new(),
            proxy: Proxy::default(),
            headers: Vec::new(),
            retry: Retry::default(),
            // 32 MiB: below that one stream is done before a second one has got up to speed.
            range_threshold: 32 << 20,
            ranges_on_loopback: false,
            jobs: 4,
            connect_timeout: Duration::from_secs(30),
            // Registries may take minutes to move a large upload to where it belongs before they answer.
            idle_timeout: Duration::from_secs(180),
        }
    }
}
