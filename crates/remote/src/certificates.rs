//! Certificates: the system's authorities, and what `certs.d` adds per host. Nothing is read before the first TLS connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ALL_VERSIONS, ClientConfig, ConfigBuilder, client::WantsClientCert};

use crate::Error;
use crate::verifier::{Gullible, Verifier};

type Certificates = Vec<CertificateDer<'static>>;

/// The system's authorities, read at most once.
#[derive(Default)]
pub(crate) struct Authorities(OnceLock<Arc<Certificates>>);

impl Authorities {
    fn system(&self) -> &Arc<Certificates> {
        // Files that cannot be read are not worth an error: a connection that needs them says so itself.
        self.0.get_or_init(|| Arc::new(rustls_native_certs::load_native_certs().certs))
    }

    /// TLS settings for hosts that have no folder of their own.
    pub(crate) fn settings(&self) -> Arc<ClientConfig> {
        Arc::new(trusting(Some(Arc::clone(self.system()))).with_no_client_auth())
    }

    /// TLS settings that accept anyone: for hosts configured as insecure.
    pub(crate) fn unverified() -> Arc<ClientConfig> {
        Arc::new(trusting(None).with_no_client_auth())
    }

    /// TLS settings for a host with the folder `folder`: its `*.crt` are trusted besides the system's, and the first pair
    /// `NAME.cert` + `NAME.key` proves who we are.
    ///
    /// # Errors
    /// When a file there cannot be read or is no PEM, or a key is not that of its certificate.
    pub(crate) fn settings_of(&self, folder: &Path, is_verified: bool) -> Result<Arc<ClientConfig>, Error> {
        let unusable = |path: &Path, why: String| Error::Certificate { path: path.to_owned(), why };
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|why| unusable(folder, why.to_string()))?;
        files.sort();
        let read = |path: &Path| fs::read(path).map_err(|why| unusable(path, why.to_string()));
        let mut roots = if is_verified { self.system().to_vec() } else { Vec::new() };
        let mut client = None;
        for path in &files {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => roots.extend(certificates(&read(path)?).map_err(|why| unusable(path, why))?),
                Some("cert") if client.is_none() => {
                    let chain = certificates(&read(path)?).map_err(|why| unusable(path, why))?;
                    let key = path.with_extension("key");
                    if !key.exists() {
                        let name = key.file_name().unwrap_or_default().to_string_lossy();
                        return Err(unusable(path, format!("missing key {name} for client certificate")));
                    }
                    let private = PrivateKeyDer::from_pem_slice(&read(&key)?)
                        .map_err(|_| unusable(&key, "no private key in it".to_owned()))?;
                    client = Some((chain, private, key));
                }
                _ => {}
            }
        }
        let builder = trusting(is_verified.then(|| Arc::new(roots)));
        let Some((chain, private, key)) = client else { return Ok(Arc::new(builder.with_no_client_auth())) };
        let settings = builder.with_client_auth_cert(chain, private).map_err(|why| {
            let why = match why {
                rustls::Error::InconsistentKeys(_) => "tls: private key does not match public key",
                _ => "tls: failed to parse private key",
            };
            unusable(&key, why.to_owned())
        })?;
        Ok(Arc::new(settings))
    }
}

/// The start of settings that trust these authorities, or anyone.
fn trusting(authorities: Option<Arc<Certificates>>) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider: CryptoProvider = ring::default_provider();
    let verifier: Arc<dyn ServerCertVerifier> = match authorities {
        Some(authorities) => Arc::new(Verifier::new(authorities, provider.signature_verification_algorithms)),
        None => Arc::new(Gullible),
    };
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(ALL_VERSIONS)
        .expect("ring has ciphers for all versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
}

/// The folder for `authority` (`host` or `host:port`), if one of `roots` has it.
pub(crate) fn folder_of(roots: &[PathBuf], authority: &str) -> Option<PathBuf> {
    if authority.contains('/') || authority.starts_with('.') {
        return None;
    }
    roots.iter().map(|root| root.join(authority)).find(|folder| folder.is_dir())
}

fn certificates(pem: &[u8]) -> Result<Certificates, String> {
    let found: Certificates =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| "it is no valid PEM".to_owned())?;
    if found.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(found) }
}
