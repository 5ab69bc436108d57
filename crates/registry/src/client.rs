//! Requests that this registry makes of others: hyper and rustls, as everything else here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

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

/// As [`https_client`], but it trusts these authorities and no others.
///
/// # Errors
/// When there is no encryption to be had.
pub(crate) fn https_client_trusting<B>(authorities: Arc<RootCertStore>) -> Result<HttpsClient<B>, rustls::Error>
where
    B: hyper::body::Body + Send,
    B::Data: Send,
{
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector))
}

/// An error and what is behind it.
pub(crate) fn reasons(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut at = why.source();
    while let Some(why) = at {
        text = format!("{text}: {why}");
        at = why.source();
    }
    text
}

/// 20 s: services close connections that are idle for longer.
const IDLE: Duration = Duration::from_secs(20);
