//! URLs as registries use them: parse, resolve a `Location`, compare origins, add to the query.

use std::fmt;
use std::net::IpAddr;

/// An absolute `http` or `https` URL. User information and fragments are dropped when parsing: neither may travel.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Url {
    is_https: bool,
    authority: Box<str>,
    /// Path and query, never empty.
    path: Box<str>,
}

/// Who answers at a URL: nothing secret may cross from one origin to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

impl Url {
    /// Reads an absolute URL; `None` for other schemes, missing hosts and characters that no request line may hold.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or_default();
        if authority.is_empty() || text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return None;
        }
        Some(Self { is_https, authority: authority.into(), path: absolute(path).into() })
    }

    /// `https://HOST/PATH`, or `http`.
    pub(crate) fn new(is_https: bool, authority: &str, path: &str) -> Self {
        Self { is_https, authority: authority.into(), path: absolute(path).into() }
    }

    /// Another path on the same host.
    pub(crate) fn at(&self, path: &str) -> Self {
        Self::new(self.is_https, &self.authority, path)
    }

    /// What `location` means in an answer to a request to this URL. Source: RFC 3986, section 5.2, without dot segments.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return Self::parse(location);
        }
        let scheme = if self.is_https { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let own = self.path.split('?').next().unwrap_or_default();
        let path = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{own}{location}"),
            Some(_) => format!("{}/{location}", own.rsplit_once('/').map_or("", |(folder, _)| folder)),
            None => self.path.to_string(),
        };
        Self::parse(&format!("{scheme}://{}{path}", self.authority))
    }

    /// Adds `key=value` to the query; the value is escaped.
    pub(crate) fn with_query(&self, key: &str, value: &str) -> Self {
        let separator = match self.path.as_bytes().last() {
            Some(b'?' | b'&') => "",
            _ if self.path.contains('?') => "&",
            _ => "?",
        };
        Self { path: format!("{}{separator}{key}={}", self.path, escape(value)).into(), ..self.clone() }
    }

    /// The URL without its query, for messages: queries of storage services are keys.
    pub(crate) fn without_query(&self) -> Self {
        Self { path: self.path.split('?').next().unwrap_or_default().into(), ..self.clone() }
    }

    /// Who answers there.
    pub(crate) fn origin(&self) -> Origin {
        Origin { is_https: self.is_https, host: self.host().to_ascii_lowercase(), port: self.port() }
    }

    /// True for `https`.
    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// `host:port` as written.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without port and brackets.
    pub(crate) fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    /// The port, filled in from the scheme.
    pub(crate) fn port(&self) -> u16 {
        split_port(&self.authority).1.unwrap_or(if self.is_https { 443 } else { 80 })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.is_https { "https" } else { "http" }, self.authority, self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Cuts `host[:port]` apart; brackets of IPv6 addresses go.
pub(crate) fn split_port(authority: &str) -> (&str, Option<u16>) {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or((rest, ""));
        return (address, port.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

/// True for 127.0.0.0/8, ::1 and `localhost`: this machine, without asking anyone.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Escapes a value of a query or form, as Go's `url.QueryEscape`: blanks become `+`.
pub(crate) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        fn check(location: &str, expected: Option<&str>) {
            let base = Url::parse("http://h:5000/v2/a/blobs/uploads/?x=1").unwrap();
            assert_eq!(base.join(location).map(|url| url.to_string()).as_deref(), expected, "{location}");
        }
        check("/v2/u?_state=a%3D", Some("http://h:5000/v2/u?_state=a%3D"));
        check("https://other/x", Some("https://other/x"));
        check("//other:1/x", Some("http://other:1/x"));
        check("abc", Some("http://h:5000/v2/a/blobs/uploads/abc"));
        check("?y=2", Some("http://h:5000/v2/a/blobs/uploads/?y=2"));
        check("https://user:secret@other/x#top", Some("https://other/x"));
        check("ftp://other/x", None);
        check("/a b", None);
        check("/next?u=http://x/y", Some("http://h:5000/next?u=http://x/y"));
    }

    #[test]
    fn origins_fill_in_ports_and_ignore_case() {
        let same = |a: &str, b: &str| Url::parse(a).unwrap().origin() == Url::parse(b).unwrap().origin();
        assert!(same("https://H/a", "https://h:443/b"));
        assert!(!same("https://h/a", "http://h/a"));
        assert!(!same("http://h:1/a", "http://h:2/a"));
        assert!(same("http://[::1]:80/", "http://[::1]/"));
    }

    #[test]
    fn queries_grow() {
        let url = Url::parse("http://h/p").unwrap().with_query("digest", "sha256:ab").with_query("q", "a b/c");
        assert_eq!(url.to_string(), "http://h/p?digest=sha256%3Aab&q=a+b%2Fc");
    }

    #[test]
    fn loopback_is_known_without_asking() {
        for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["128.0.0.1", "localhost.example", "::2", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
