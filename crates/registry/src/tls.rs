//! Encryption, with certificates that were given or that the registry gets by itself.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::acme::{self, Shown};

/// How a registry encrypts.
#[derive(Clone)]
pub struct Tls {
    /// What it proves who it is with.
    pub identity: Identity,
    /// Authorities of clients, PEM: only clients with a certificate of theirs are let in.
    pub client_authorities: Option<Vec<u8>>,
}

/// What a registry proves who it is with.
#[derive(Clone)]
pub enum Identity {
    /// PEM texts.
    Given {
        /// Its certificate, then those that lead to an authority.
        certificates: Vec<u8>,
        /// The key of the first one.
        key: Vec<u8>,
    },
    /// It gets its certificates.
    Acme(acme::Options),
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
    /// How it gets certificates, if it does.
    pub(crate) fn acme(&self) -> Option<&acme::Options> {
        match &self.identity {
            Identity::Given { .. } => None,
            Identity::Acme(options) => Some(options),
        }
    }

    /// What agrees on encryption; `shown` is the certificate of a registry that gets its own.
    pub(crate) fn acceptor(&self, shown: &Arc<Shown>) -> Result<TlsAcceptor, Error> {
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
        let mut config = match &self.identity {
            Identity::Acme(options) => {
                // Better told now than in the background.
                options.authorities.as_deref().map(certificates).transpose()?;
                builder.with_cert_resolver(Arc::<Shown>::clone(shown))
            }
            Identity::Given { certificates: chain, key } => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::Pem("private key"))?;
                builder.with_single_cert(certificates(chain)?, key).map_err(Error::Unusable)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// The certificates of a PEM text, of which there is one at least.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(Error::Pem("certificate"))
}
