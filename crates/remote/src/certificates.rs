//! Certificates: the system's authorities, and what `certs.d` adds per host. Nothing is read before the first TLS connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ureq::tls::PemItem;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::Error;

/// The system's authorities, read at most once.
#[derive(Default)]
pub(crate) struct Authorities(OnceLock<Arc<Vec<Certificate<'static>>>>);

impl Authorities {
    fn system(&self) -> &Arc<Vec<Certificate<'static>>> {
        self.0.get_or_init(|| {
            // Files that cannot be read are not worth an error: a connection that needs them says so itself.
            let found = rustls_native_certs::load_native_certs();
            Arc::new(found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
        })
    }

    /// TLS settings for hosts that have no folder of their own.
    pub(crate) fn settings(&self) -> TlsConfig {
        TlsConfig::builder().root_certs(RootCerts::Specific(Arc::clone(self.system()))).build()
    }

    /// TLS settings that accept anyone: for hosts configured as insecure.
    pub(crate) fn unverified() -> TlsConfig {
        // Authorities are named only so that none are read.
        TlsConfig::builder().root_certs(RootCerts::Specific(Arc::default())).disable_verification(true).build()
    }

    /// TLS settings for a host with the folder `folder`: its `*.crt` are trusted besides the system's, and the first pair
    /// `NAME.cert` + `NAME.key` proves who we are.
    ///
    /// # Errors
    /// When a file there cannot be read or is no PEM.
    pub(crate) fn settings_of(&self, folder: &Path, is_verified: bool) -> Result<TlsConfig, Error> {
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
                    let private = PrivateKey::from_pem(&read(&key)?).map_err(|why| unusable(&key, why.to_string()))?;
                    client = Some(ClientCert::new_with_certs(&chain, private));
                }
                _ => {}
            }
        }
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .client_cert(client)
            .disable_verification(!is_verified)
            .build())
    }
}

/// The folder for `authority` (`host` or `host:port`), if one of `roots` has it.
pub(crate) fn folder_of(roots: &[PathBuf], authority: &str) -> Option<PathBuf> {
    if authority.contains('/') || authority.starts_with('.') {
        return None;
    }
    roots.iter().map(|root| root.join(authority)).find(|folder| folder.is_dir())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let found: Vec<_> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(why) => Some(Err(why.to_string())),
        })
        .collect::<Result<_, _>>()?;
    if found.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(found) }
}
