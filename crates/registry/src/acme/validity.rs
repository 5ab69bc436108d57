//! From when until when a certificate is good. Source: RFC 5280, 4.1.2.5.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

/// The first and the last second, since 1970, of a certificate in DER; `None` for what is none.
pub(super) fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
    Some((seconds(validity.not_before)?, seconds(validity.not_after)?))
}

#[cfg(test)]
mod tests {
    use wharfie_oci::Timestamp;

    use super::*;

    #[test]
    fn times_are_read_in_both_of_their_forms() {
        let mut parameters = rcgen::CertificateParams::new(vec!["images.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 11, 30);
        parameters.not_after = rcgen::date_time_ymd(2071, 1, 2);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let seconds = |text: &str| text.parse::<Timestamp>().unwrap().seconds;
        let expected = (seconds("2026-11-30T00:00:00Z"), seconds("2071-01-02T00:00:00Z"));
        assert_eq!(validity(certificate.der()), Some(expected));
        // Half a certificate is none, wherever it ends.
        for end in 0..certificate.der().len() {
            assert_eq!(validity(&certificate.der()[..end]), None);
        }
    }
}
