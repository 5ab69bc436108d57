//! Making connections, and saying precisely why one could not be made: ureq alone would only say "refused".

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};

use crate::ConnectionError;
use crate::tls::Greeting;
use crate::tls_error::tls_error;

/// A connector for plain and TLS connections, through a CONNECT proxy or not.
pub(crate) fn connector(tls: Arc<ClientConfig>) -> impl Connector {
    ().chain(ConnectProxyConnector::default()).chain(Dialling(TcpConnector::default())).chain(Greeting(tls))
}

/// Looks names up and says which one has no address.
#[derive(Debug, Default)]
pub(crate) struct NamingResolver(DefaultResolver);

impl Resolver for NamingResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|why| match why {
            ureq::Error::Io(_) | ureq::Error::HostNotFound => {
                // The standard library keeps the resolver's code to itself; its text tells a missing name from a silent server.
                let is_missing = !why.to_string().contains("Temporary failure");
                wrap(ConnectionError::Lookup { name: uri.host().unwrap_or_default().to_owned(), is_missing })
            }
            other => other,
        })
    }
}

/// Opens the socket and says which address refused.
#[derive(Debug)]
struct Dialling<C>(C);

impl<In: Transport, C: Connector<In>> Connector<In> for Dialling<C> {
    type Out = C::Out;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let is_mine = chained.is_none();
        self.0.connect(details, chained).map_err(|why| {
            let source = match why {
                ureq::Error::Io(source) => source,
                ureq::Error::Timeout(_) => io::Error::from(io::ErrorKind::TimedOut),
                other => return other,
            };
            match details.addrs.iter().last() {
                Some(address) if is_mine => wrap(ConnectionError::Dial { address: *address, source }),
                _ => ureq::Error::Io(source),
            }
        })
    }
}

pub(crate) fn wrap(why: ConnectionError) -> ureq::Error {
    ureq::Error::Other(Box::new(why))
}

/// What went wrong in a request, ureq's view turned into ours.
pub(crate) fn connection_error(why: ureq::Error, is_proxied: bool) -> ConnectionError {
    match why {
        ureq::Error::Other(inner) => match inner.downcast::<ConnectionError>() {
            Ok(known)
                if is_proxied && matches!(*known, ConnectionError::Dial { .. } | ConnectionError::Lookup { .. }) =>
            {
                ConnectionError::Proxy(known.to_string())
            }
            Ok(known) => *known,
            Err(other) => ConnectionError::Protocol(other.to_string()),
        },
        ureq::Error::Io(source) if source.kind() == io::ErrorKind::TimedOut => ConnectionError::Timeout,
        // With TLS 1.3 a server looks at our certificate, or misses it, only after the handshake.
        ureq::Error::Io(source) => match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(alert @ rustls::Error::AlertReceived(_)) => tls_error(alert),
            Some(other) => ConnectionError::Broken(io::Error::new(source.kind(), tls_error(other).to_string())),
            None => ConnectionError::Broken(source),
        },
        ureq::Error::Timeout(_) => ConnectionError::Timeout,
        ureq::Error::ConnectProxyFailed(why) => ConnectionError::Proxy(why),
        other => ConnectionError::Protocol(other.to_string()),
    }
}
