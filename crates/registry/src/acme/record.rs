//! What is kept in the storage (`docs/registry.md`, "Objects"). Private keys are in here: nothing of it is printed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use instant_acme::AccountCredentials;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use super::validity::validity;

/// A certificate and its key: `acme/certificates/ID`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// It and those that lead to an authority, PEM.
    certificates: String,
    /// PKCS #8, in base 64.
    key: String,
    /// The seconds since 1970 from which and until which it is good.
    from: i64,
    pub(super) until: i64,
}

impl Kept {
    /// What an authority has sent for a key; `None` if it sent no certificate.
    pub(super) fn new(certificates: String, key: &[u8]) -> Option<Self> {
        let first = CertificateDer::pem_slice_iter(certificates.as_bytes()).next()?.ok()?;
        let (from, until) = validity(&first)?;
        Some(Self { certificates, key: STANDARD.encode(key), from, until })
    }

    /// What clients are shown.
    ///
    /// # Errors
    /// Why it cannot be: it is no certificate, or not one for this key.
    pub(super) fn shown(&self) -> Result<Arc<CertifiedKey>, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificates.as_bytes()).collect();
        let chain = chain.map_err(|why| format!("the certificate is none: {why}"))?;
        let key = STANDARD.decode(&self.key).map_err(|_| "its key is none".to_owned())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(|why| why.to_string())
    }

    /// When another one should be had: two thirds of its time leave the last one for whatever goes wrong.
    pub(super) fn renewed_at(&self) -> i64 {
        self.from.saturating_add(self.until.saturating_sub(self.from) / 3 * 2)
    }
}

/// Who the authority knows us as: `acme/accounts/ID`.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) contacts: Vec<String>,
    pub(super) credentials: AccountCredentials,
}

/// Whose turn it is to order: `acme/turns/ID`. Without conditional writes two may take it at once; then there are two
/// certificates, and either is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    /// The server.
    pub(super) by: String,
    /// Seconds since 1970 until which the others wait.
    pub(super) until: i64,
    /// It failed, and the authority does not want to be asked again at once.
    pub(super) has_failed: bool,
}
