//! Requests that this registry makes of others: hyper and rustls, as everything else here.

use std::io;
use std::time::Duration;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client that keeps connections open for a while; `B` is the body of requests.
pub(crate) type HttpsClient<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Makes a client that trusts the system's authorities.
///
/// # Errors
/// When the system has none that can be read.
pub(crate) fn https_client<B>() -> io::Result<HttpsClient<B>>
where
    B: hyper::body::Body + Send,
    B::Data: Send,
{
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector))
}

/// 20 s: services close connections that are idle for longer.
const IDLE: Duration = Duration::from_secs(20);
