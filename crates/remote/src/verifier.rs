//! Who is believed to be the server that was asked for.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Believes servers whose certificate an authority has signed, and servers whose certificate *is* one of the authorities:
/// docker's handbook makes registries' certificates like that (`openssl req -x509` writes `CA:TRUE` into them), and Go accepts
/// them. Dates, names and the handshake's signature count for both.
#[derive(Debug)]
pub(crate) struct Verifier {
    authorities: Arc<Vec<CertificateDer<'static>>>,
    /// The same, as webpki wants them; those that it cannot read are missing.
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(crate) fn new(authorities: Arc<Vec<CertificateDer<'static>>>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().map(|one| CertificateDer::from(one.as_ref())));
        Self { authorities, roots, algorithms }
    }

    /// Checks everything but the name.
    fn check(
        &self,
        certificate: &ParsedCertificate<'_>,
        chain: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), Error> {
        verify_server_cert_signed_by_trust_anchor(certificate, &self.roots, chain, at, self.algorithms.all)
    }

    /// True if the certificate's own dates are proven to include `now`.
    ///
    /// webpki tells dates only to those who ask at the wrong time, so it is asked at both ends of time. Should it ever find
    /// something else to say first, nothing is proven.
    fn is_current(&self, certificate: &ParsedCertificate<'_>, now: UnixTime) -> bool {
        let at = |seconds| self.check(certificate, &[], UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        let Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) = at(0) else {
            return false;
        };
        let Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) = at(u64::MAX) else {
            return false;
        };
        (not_before..=not_after).contains(&now)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        match self.check(&parsed, chain, now) {
            Ok(()) => {}
            Err(why) if !is_about_issuer(&why) => return Err(why),
            // Trusted itself: who signed it does not matter, nor what else it may be used for.
            Err(_) if self.authorities.contains(certificate) && self.is_current(&parsed, now) => {}
            Err(_) if is_self_issued(certificate) => return Err(CertificateError::UnknownIssuer.into()),
            Err(why) => return Err(why),
        }
        verify_server_name(&parsed, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// True for what being an authority makes up for: no known issuer, or being one.
fn is_about_issuer(why: &Error) -> bool {
    let Error::InvalidCertificate(bad) = why else { return false };
    match bad {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(other) => {
            matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|parsed| parsed.issuer() == parsed.subject())
}

/// Believes anyone: for hosts configured as insecure.
#[derive(Debug)]
pub(crate) struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// Also those that nobody here could check: the server's key decides.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
    use tempfile::TempDir;
    use wharfie_testkit::Authority;

    use super::*;

    fn read(path: &Path) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(path).unwrap()
    }

    fn trusting(authorities: &[&CertificateDer<'static>]) -> Verifier {
        let authorities = authorities.iter().map(|&one| one.clone()).collect();
        Verifier::new(Arc::new(authorities), default_provider().signature_verification_algorithms)
    }

    fn own(folder: &TempDir) -> (Authority, CertificateDer<'static>) {
        let authority = Authority::of_itself(folder.path(), "IP:127.0.0.1", ("20200101000000Z", "21200101000000Z"));
        let certificate = read(&authority.certificate());
        (authority, certificate)
    }

    fn ask(verifier: &Verifier, certificate: &CertificateDer<'_>, seconds: u64) -> Result<(), Error> {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let name = ServerName::try_from("127.0.0.1").unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], now).map(|_| ())
    }

    /// A whole handshake with a server that shows `certificate` and signs with `key`.
    fn shake_hands(
        verifier: Verifier,
        certificate: &CertificateDer<'static>,
        key: &Path,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), Error> {
        let provider = Arc::new(default_provider());
        let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_file(key).unwrap()).unwrap();
        let shown = SingleCertAndKey::from(CertifiedKey::new(vec![certificate.clone()], key));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[version]);
        let server = server.unwrap().with_no_client_auth().with_cert_resolver(Arc::new(shown));
        let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let client = client.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn whoever_shows_an_authority_has_to_have_its_key() {
        let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (authority, certificate) = own(&folder);
        let (other, _) = own(&elsewhere);
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            shake_hands(trusting(&[&certificate]), &certificate, &authority.server().1, version).unwrap();
            let refused = shake_hands(trusting(&[&certificate]), &certificate, &other.server().1, version);
            assert_eq!(refused, Err(CertificateError::BadSignature.into()));
        }
    }

    #[test]
    fn dates_count_to_the_second() {
        let folder = TempDir::new().unwrap();
        let (_, certificate) = own(&folder);
        let verifier = trusting(&[&certificate]);
        // 2020-01-01 and 2120-01-01.
        let (from, until) = (1_577_836_800, 4_733_510_400);
        ask(&verifier, &certificate, from).unwrap();
        ask(&verifier, &certificate, until).unwrap();
        let early = ask(&verifier, &certificate, from - 1);
        assert!(
            matches!(early, Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }))),
            "{early:?}"
        );
        let late = ask(&verifier, &certificate, until + 1);
        assert!(matches!(late, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. }))), "{late:?}");
        // Whatever else webpki may say one day about a certificate that is out of its time.
        let parsed = ParsedCertificate::try_from(&certificate).unwrap();
        let is_current = |at| verifier.is_current(&parsed, UnixTime::since_unix_epoch(Duration::from_secs(at)));
        assert_eq!([from - 1, from, until, until + 1].map(is_current), [false, true, true, false]);
    }

    #[test]
    fn only_the_very_certificate_is_trusted() {
        let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let ((_, mine), (_, theirs)) = (own(&folder), own(&elsewhere));
        let unknown = Err(CertificateError::UnknownIssuer.into());
        assert_eq!(ask(&trusting(&[]), &mine, NOW), unknown);
        assert_eq!(ask(&trusting(&[&theirs]), &mine, NOW), unknown);
        ask(&trusting(&[&theirs, &mine]), &mine, NOW).unwrap();
    }

    #[test]
    fn a_server_may_be_trusted_without_its_authority() {
        let folder = TempDir::new().unwrap();
        let server = read(&Authority::new(folder.path()).server().0);
        let now = UnixTime::now().as_secs();
        assert_eq!(ask(&trusting(&[]), &server, now), Err(CertificateError::UnknownIssuer.into()));
        ask(&trusting(&[&server]), &server, now).unwrap();
    }

    #[test]
    fn authorities_below_a_known_one_are_no_servers() {
        let folder = TempDir::new().unwrap();
        let known = read(&Authority::new(folder.path()).certificate());
        fs::write(folder.path().join("below"), "basicConstraints=CA:TRUE\nsubjectAltName=IP:127.0.0.1\n").unwrap();
        for arguments in [
            "req -new -key server.key -subj /CN=below -out below.csr",
            "x509 -req -CA ca.crt -CAkey ca.key -days 9 -extfile below -in below.csr -out below.crt",
        ] {
            let mut openssl = Command::new("openssl");
            openssl.args(arguments.split(' ')).current_dir(folder.path());
            assert!(openssl.output().unwrap().status.success());
        }
        let below = read(&folder.path().join("below.crt"));
        let now = UnixTime::now().as_secs();
        let refused = ask(&trusting(&[&known]), &below, now).unwrap_err();
        let text = "tls: failed to verify certificate: x509: certificate is for an authority, not for a server";
        assert_eq!(crate::tls_error::tls_error(&refused).to_string(), text);
        ask(&trusting(&[&known, &below]), &below, now).unwrap();
    }

    /// 2026.
    const NOW: u64 = 1_790_000_000;
}
