//! Why there is no TLS with a server, in the words that docker's users search for.

use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error};

use crate::ConnectionError;

/// A failure of TLS in docker's words.
pub(crate) fn tls_error(why: &Error) -> ConnectionError {
    ConnectionError::Tls(match why {
        Error::InvalidCertificate(bad) => return ConnectionError::Certificate(format!("x509: {}", certificate(bad))),
        Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        Error::AlertReceived(alert) => format!("remote error: tls: {}", spoken(*alert)),
        Error::PeerIncompatible(_) => "tls: server has no protocol version or cipher suite that we have".to_owned(),
        Error::PeerMisbehaved(_) => "tls: server breaks the protocol".to_owned(),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "tls: unexpected message".to_owned()
        }
        Error::DecryptError => "tls: bad record MAC".to_owned(),
        Error::NoCertificatesPresented => "tls: server sent no certificate".to_owned(),
        _ => "tls: handshake failure".to_owned(),
    })
}

/// What is wrong with a certificate.
fn certificate(bad: &CertificateError) -> String {
    use CertificateError as Bad;
    match bad {
        Bad::UnknownIssuer | Bad::BadSignature => "certificate signed by unknown authority",
        Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid"
        }
        Bad::NotValidForNameContext { expected, presented } => return other_names(&expected.to_str(), presented),
        Bad::NotValidForName => "certificate is valid for another name",
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "certificate specifies an incompatible key usage",
        Bad::BadEncoding => "malformed certificate",
        Bad::UnhandledCriticalExtension => "unhandled critical extension",
        Bad::UnsupportedSignatureAlgorithmContext { .. }
        | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "cannot verify signature: algorithm unimplemented"
        }
        Bad::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => "certificate is for an authority, not for a server",
            Some(webpki::Error::NameConstraintViolation) => "certificate's authority may not sign for this name",
            _ => "certificate cannot be used",
        },
        _ => "certificate cannot be used",
    }
    .to_owned()
}

/// That none of the names in a certificate is `expected`; `presented` is how webpki shows them: `DnsName("a.test")`,
/// `IpAddress(127.0.0.2)`.
fn other_names(expected: &str, presented: &[String]) -> String {
    let is_address = expected.parse::<IpAddr>().is_ok();
    let (start, end) = if is_address { ("IpAddress(", ")") } else { ("DnsName(\"", "\")") };
    let names: Vec<&str> =
        presented.iter().filter_map(|name| name.strip_prefix(start).and_then(|name| name.strip_suffix(end))).collect();
    match (names.is_empty(), is_address) {
        (true, true) => format!("cannot validate certificate for {expected} because it doesn't contain any IP SANs"),
        (true, false) => format!("certificate is not valid for any names, but wanted to match {expected}"),
        (false, _) => format!("certificate is valid for {}, not {expected}", names.join(", ")),
    }
}

/// An alert as Go writes it.
fn spoken(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CloseNotify => "close notify",
        Alert::UnexpectedMessage => "unexpected message",
        Alert::BadRecordMac => "bad record MAC",
        Alert::DecryptionFailed => "decryption failed",
        Alert::RecordOverflow => "record overflow",
        Alert::DecompressionFailure => "decompression failure",
        Alert::HandshakeFailure => "handshake failure",
        Alert::BadCertificate => "bad certificate",
        Alert::UnsupportedCertificate => "unsupported certificate",
        Alert::CertificateRevoked => "revoked certificate",
        Alert::CertificateExpired => "expired certificate",
        Alert::CertificateUnknown => "unknown certificate",
        Alert::IllegalParameter => "illegal parameter",
        Alert::UnknownCA => "unknown certificate authority",
        Alert::AccessDenied => "access denied",
        Alert::DecodeError => "error decoding message",
        Alert::DecryptError => "error decrypting message",
        Alert::ExportRestriction => "export restriction",
        Alert::ProtocolVersion => "protocol version not supported",
        Alert::InsufficientSecurity => "insufficient security level",
        Alert::InternalError => "internal error",
        Alert::InappropriateFallback => "inappropriate fallback",
        Alert::UserCanceled => "user canceled",
        Alert::NoRenegotiation => "no renegotiation",
        Alert::MissingExtension => "missing extension",
        Alert::UnsupportedExtension => "unsupported extension",
        Alert::CertificateUnobtainable => "certificate unobtainable",
        Alert::UnrecognisedName => "unrecognized name",
        Alert::BadCertificateStatusResponse => "bad certificate status response",
        Alert::BadCertificateHashValue => "bad certificate hash value",
        Alert::UnknownPSKIdentity => "unknown PSK identity",
        Alert::CertificateRequired => "certificate required",
        Alert::NoApplicationProtocol => "no application protocol",
        other => return format!("alert({})", u8::from(other)),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_in_docker() {
        fn check(expected: &str, presented: &[&str], text: &str) {
            let presented: Vec<String> = presented.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(other_names(expected, &presented), text);
        }
        let both = ["DnsName(\"a.test\")", "IpAddress(127.0.0.2)", "DnsName(\"*.b.test\")"];
        check("reg.test", &both, "certificate is valid for a.test, *.b.test, not reg.test");
        check("10.0.0.1", &both, "certificate is valid for 127.0.0.2, not 10.0.0.1");
        check("reg.test", &[], "certificate is not valid for any names, but wanted to match reg.test");
        let text = "cannot validate certificate for ::1 because it doesn't contain any IP SANs";
        check("::1", &["DnsName(\"a.test\")", "Unsupported(0x81)"], text);
    }

    #[test]
    fn alerts_read_as_in_docker() {
        fn check(alert: AlertDescription, text: &str) {
            assert_eq!(tls_error(&Error::AlertReceived(alert)).to_string(), format!("remote error: tls: {text}"));
        }
        check(AlertDescription::CertificateRequired, "certificate required");
        check(AlertDescription::UnknownCA, "unknown certificate authority");
        check(AlertDescription::Unknown(200), "alert(200)");
    }
}
