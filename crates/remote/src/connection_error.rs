//! What happens to connections, in the words of docker and thus of Go.

use std::io;
use std::net::SocketAddr;

/// What happened to a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Nobody answers at the address.
    #[error("dial tcp {address}: {}", reason("connect", source))]
    Dial {
        /// Tried last.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The name has no address.
    #[error("dial tcp: lookup {name}: {}", if *.is_missing { "no such host" } else { "server misbehaving" })]
    Lookup {
        /// The host.
        name: String,
        /// True if the name is known not to exist, false if nobody could be asked.
        is_missing: bool,
    },
    /// The certificate was not accepted.
    #[error("tls: failed to verify certificate: {0}")]
    Certificate(String),
    /// There was no agreement on TLS.
    #[error("{0}")]
    Tls(String),
    /// The proxy could not be reached or refused.
    #[error("proxyconnect tcp: {0}")]
    Proxy(String),
    /// Nothing moved for too long.
    #[error("net/http: timeout awaiting response headers")]
    Timeout,
    /// The connection broke.
    #[error("{}", reason(if .0.kind() == io::ErrorKind::BrokenPipe { "write" } else { "read" }, .0))]
    Broken(#[source] io::Error),
    /// What came back is no HTTP.
    #[error("net/http: HTTP/1.x transport connection broken: {0}")]
    Protocol(String),
}

impl ConnectionError {
    /// True if trying again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Dial { .. } | Self::Timeout | Self::Broken(_) | Self::Protocol(_) | Self::Proxy(_) => true,
            Self::Lookup { is_missing, .. } => !is_missing,
            Self::Certificate(_) | Self::Tls(_) => false,
        }
    }

    /// True if no connection was made: nobody has seen the request.
    pub(crate) fn is_unconnected(&self) -> bool {
        matches!(self, Self::Dial { .. } | Self::Lookup { .. } | Self::Certificate(_) | Self::Tls(_) | Self::Proxy(_))
    }
}

/// An operating system's reason in Go's words: `connect: connection refused`.
fn reason(call: &str, why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => return "i/o timeout".to_owned(),
        io::ErrorKind::UnexpectedEof => return "EOF".to_owned(),
        _ => {}
    }
    let text = why.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    let lower: String = chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect();
    if why.raw_os_error().is_some() { format!("{call}: {lower}") } else { lower }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn connections_fail_in_dockers_words() {
        fn check(cause: ConnectionError, expected: &str) {
            let error = Error::Connection { method: "Get", url: "http://h/v2/".to_owned(), cause };
            assert_eq!(error.to_string(), format!("Get \"http://h/v2/\": {expected}"));
        }
        let address = "127.0.0.1:5000".parse().unwrap();
        let refused = io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        check(
            ConnectionError::Dial { address, source: refused },
            "dial tcp 127.0.0.1:5000: connect: connection refused",
        );
        let timeout = io::Error::from(io::ErrorKind::TimedOut);
        check(ConnectionError::Dial { address, source: timeout }, "dial tcp 127.0.0.1:5000: i/o timeout");
        check(
            ConnectionError::Lookup { name: "nowhere".to_owned(), is_missing: true },
            "dial tcp: lookup nowhere: no such host",
        );
        let reset = io::Error::from_raw_os_error(rustix::io::Errno::CONNRESET.raw_os_error());
        check(ConnectionError::Broken(reset), "read: connection reset by peer");
    }
}
