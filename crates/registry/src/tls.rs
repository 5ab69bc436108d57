//! Encryption with certificates that were given.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

/// What a registry proves who it is with, as PEM texts.
#[derive(Clone)]
pub struct Tls {
    /// Its certificate, then those that lead to an authority.
    pub certificates: Vec<u8>,
    /// The key of the first one.
    pub key: Vec<u8>,
    /// Authorities of clients: only clients with a certificate of theirs are let in.
    pub client_authorities: Option<Vec<u8>>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no PEM, or has nothing of what is needed.
    #[error("no {0} is in the file")]
    Pem(&'static str),
    /// The parts do not fit together.
    #[error("the certificate cannot be used")]
    Unusable(#[source] rustls::Error),
    /// Those of clients cannot be.
    #[error("the authorities of clients cannot be used: {0}")]
    Clients(String),
}

impl Tls {
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::Unusable)?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(text) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(text)? {
                    roots.add(certificate).map_err(Error::Unusable)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|why| Error::Clients(why.to_string()))?)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| Error::Pem("private key"))?;
        let mut config = builder.with_single_cert(certificates(&self.certificates)?, key).map_err(Error::Unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(Error::Pem("certificate"))
}
