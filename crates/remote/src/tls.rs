//! TLS on top of a connection. ureq has this too, but leaves nobody a say in which servers are believed.

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::http::Uri;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::ConnectionError;
use crate::connector::wrap;
use crate::tls_error::tls_error;

/// Agrees on TLS where the URL asks for it, and says what is wrong with the other side's certificate.
#[derive(Debug)]
pub(crate) struct Greeting(pub(crate) Arc<ClientConfig>);

impl<In: Transport> Connector<In> for Greeting {
    type Out = Either<In, Encrypted>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        match chained {
            None => Ok(None),
            Some(open) if !details.needs_tls() || open.is_tls() => Ok(Some(Either::A(open))),
            Some(open) => self.greet(details, open.boxed()).map(Either::B).map(Some),
        }
    }
}

impl Greeting {
    fn greet(&self, details: &ConnectionDetails, open: Box<dyn Transport>) -> Result<Encrypted, ureq::Error> {
        let refused = |why: &rustls::Error| wrap(tls_error(why));
        let mut connection =
            ClientConnection::new(Arc::clone(&self.0), name(details.uri)?).map_err(|why| refused(&why))?;
        let mut socket = TransportAdapter::new(open, details.current_time.clone());
        socket.set_timeout(remaining(details));
        connection.complete_io(&mut socket).map_err(|why| {
            let problem = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(refused);
            problem.unwrap_or_else(|| why.into())
        })?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Encrypted { buffers, stream: StreamOwned::new(connection, socket) })
    }
}

/// What dialling has left of the time for making a connection.
fn remaining(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    let now = (details.current_time)();
    if let (Duration::Exact(limit), Instant::Exact(start), Instant::Exact(now)) = (timeout.after, details.now, now) {
        timeout.after = Duration::Exact(limit.saturating_sub(now.saturating_duration_since(start)));
    }
    timeout
}

/// The name that the server's certificate has to have.
fn name(uri: &Uri) -> Result<ServerName<'static>, ureq::Error> {
    let host = uri.host().unwrap_or_default();
    // URLs have IPv6 addresses in brackets, certificates do not.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned())
        .map_err(|_| wrap(ConnectionError::Tls(format!("tls: no certificate can be for {host}"))))
}

/// A connection with TLS.
pub(crate) struct Encrypted {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").field("open", self.stream.sock.inner()).finish()
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
