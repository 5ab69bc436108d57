//! Showing the authority that a name is ours: whatever server it asks finds the proof in the storage.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode, header};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use ring::digest;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::Acceptor;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::name::Name;
use crate::answer::answer as begin;
use crate::body::Body;
use crate::event::Event;
use crate::key::Key;
use crate::name::ProofName;
use crate::router::Registry;

/// Agrees on encryption. `None` if it was the authority, which has seen then what it came for.
///
/// # Errors
/// When the other side breaks off, or speaks something else.
pub(crate) async fn accept(
    registry: &Registry,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let (is_asked, name) = {
        let hello = start.client_hello();
        // Source: RFC 8737, 3: the only protocol that is offered.
        let mut protocols = hello.alpn().into_iter().flatten();
        let is_asked = protocols.next() == Some(PROTOCOL) && protocols.next().is_none();
        (is_asked, hello.server_name().map(str::to_ascii_lowercase))
    };
    if !is_asked {
        return start.into_stream(Arc::clone(acceptor.config())).await.map(Some);
    }
    let name = name.unwrap_or_default();
    let proving = async {
        let config = match ProofName::parse(&name) {
            Some(name) => proof(registry, &name).await?,
            None => None,
        };
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "nothing of that name is being proven");
        // It looks at the certificate and goes.
        start.into_stream(config.ok_or_else(unknown)?).await
    };
    if let Err(why) = proving.await {
        registry.note(&Event::Failed { what: format!("somebody wanted proof of {name:?}: {why}") });
    }
    Ok(None)
}

/// What a name is proven with. Source: RFC 8737, 3: a certificate of its own making, with a digest of what the authority knows.
async fn proof(registry: &Registry, greeting: &ProofName) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
    let Some(acme) = &registry.acme else { return Ok(None) };
    let Some(name) = acme.options.names.iter().find(|name| name.greeting() == greeting.as_str()) else {
        return Ok(None);
    };
    let stored = registry.storage.get(&Key::acme_greeting(greeting)).await.map_err(io::Error::other)?;
    let Some(stored) = stored else { return Ok(None) };
    certified(name, &stored.bytes).map(Some).map_err(io::Error::other)
}

fn certified(name: &Name, words: &[u8]) -> Result<Arc<rustls::ServerConfig>, Box<dyn std::error::Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(vec![name.to_string()])?;
    let digest = digest::digest(&digest::SHA256, words);
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let certificate = parameters.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Not looked at whether they fit: for that, the extension would have to be known, which only the authority does.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], provider.key_provider.load_private_key(key)?);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}

/// Answers what comes without encryption: the authority gets its proof, everybody else is sent to where there is encryption.
pub(crate) async fn answer(registry: &Registry, port: u16, request: &hyper::Request<Incoming>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return begin(StatusCode::METHOD_NOT_ALLOWED).header(header::ALLOW, "GET, HEAD").empty();
    }
    let path = request.uri().path();
    if let Some(token) = path.strip_prefix(PATH) {
        let Some(token) = ProofName::parse(token) else { return begin(StatusCode::NOT_FOUND).empty() };
        return match registry.storage.get(&Key::acme_token(&token)).await {
            // Source: RFC 8555, 8.3.
            Ok(Some(stored)) => begin(StatusCode::OK).bytes("application/octet-stream", stored.bytes),
            Ok(None) => begin(StatusCode::NOT_FOUND).empty(),
            Err(why) => {
                registry.note(&Event::Failed { what: why.told() });
                begin(StatusCode::SERVICE_UNAVAILABLE).header(header::RETRY_AFTER, "10").empty()
            }
        };
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    // Nobody is sent to where a stranger's header says.
    let names = registry.acme.iter().flat_map(|acme| &acme.options.names);
    let Some(name) = Name::parse(host).and_then(|host| names.into_iter().find(|name| **name == host)) else {
        return begin(StatusCode::MISDIRECTED_REQUEST).empty();
    };
    let place = match (name, port) {
        (Name::Ip(std::net::IpAddr::V6(address)), HTTPS) => format!("[{address}]"),
        (Name::Ip(std::net::IpAddr::V6(address)), port) => format!("[{address}]:{port}"),
        (name, HTTPS) => name.to_string(),
        (name, port) => format!("{name}:{port}"),
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    begin(StatusCode::PERMANENT_REDIRECT).header(header::LOCATION, &format!("https://{place}{path}")).empty()
}

/// Source: RFC 8737, 6.2.
const PROTOCOL: &[u8] = b"acme-tls/1";
/// Source: RFC 8555, 8.3.
const PATH: &str = "/.well-known/acme-challenge/";
const HTTPS: u16 = 443;
