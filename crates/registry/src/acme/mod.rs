//! Certificates that the registry gets by itself. Source: RFC 8555 (ACME), RFC 8737 (TLS-ALPN-01), RFC 8738 (addresses).
//!
//! Account, certificates and what proves that we are whom a name means lie in the storage: of several servers one orders,
//! every one can answer the authority, and all of them show what came of it. Whatever fails here fails in the background;
//! the server goes on with the certificate that it has.

mod client;
mod keeper;
mod name;
mod order;
mod proof;
mod record;
mod validity;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use wharfie_oci::Digest;

pub(crate) use self::keeper::{keep_certificate, show_kept};
pub use self::name::Name;
pub(crate) use self::proof::{accept, answer};

/// Whom to ask for certificates, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What clients call this server: sorted, and none twice.
    pub names: Vec<Name>,
    /// Whom the authority may write to, as `mailto:ada@example.org`.
    pub contacts: Vec<String>,
    /// The address of the authority's directory.
    pub directory: String,
    /// Who vouches for the directory's own certificate, PEM; the system's authorities if not given.
    pub authorities: Option<Vec<u8>>,
    /// Where HTTP-01 is answered. If nowhere, the names are proven by TLS-ALPN-01 where the registry itself listens.
    pub http_addresses: Vec<SocketAddr>,
}

impl Options {
    /// What distinguishes these certificates from others of the same storage.
    fn id(&self) -> Digest {
        let names: Vec<String> = self.names.iter().map(Name::to_string).collect();
        Digest::of(format!("{}\n{}", self.directory, names.join("\n")).as_bytes())
    }

    /// The names, for people.
    fn told(&self) -> String {
        self.names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// What a running registry goes by.
pub(crate) struct Acme {
    pub(crate) options: Options,
    /// What waiting is counted in.
    unit: Duration,
}

impl Acme {
    pub(crate) fn new(options: Options, unit: Duration) -> Self {
        Self { options, unit }
    }

    /// True if the authority looks for a proof where the registry itself listens.
    pub(crate) fn is_proven_by_tls(&self) -> bool {
        self.options.http_addresses.is_empty()
    }
}

/// The certificate that clients are shown; none yet, and they are sent away.
#[derive(Debug, Default)]
pub(crate) struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    fn show(&self, certificate: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
