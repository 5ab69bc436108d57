//! What a certificate says its key is for. Source: RFC 5280, sections 4.1 and 4.2.1; notaryproject/specifications,
//! signature-specification.md, "Certificate Requirements".
//!
//! Signatures along a chain are proven elsewhere. What reads paths there asks nothing of an anchor: that somebody trusts a certificate
//! does not make it one that may name others.

use std::collections::HashSet;

use x509_cert::certificate::{TbsCertificate, Version};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::rfc4519::{
    CN, COUNTRY_NAME, LOCALITY_NAME, ORGANIZATION_NAME, ORGANIZATIONAL_UNIT_NAME, ST, STREET,
};
use x509_cert::der::oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_KP_CODE_SIGNING, ID_KP_EMAIL_PROTECTION, ID_KP_SERVER_AUTH, ID_KP_TIME_STAMPING,
};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::time::Time;

/// A certificate with the extensions that are asked here, each with whether it is critical.
#[derive(Debug)]
pub(crate) struct Certificate {
    whole: x509_cert::Certificate,
    basic: Option<(bool, BasicConstraints)>,
    usage: Option<(bool, KeyUsage)>,
    extended: Option<Vec<ObjectIdentifier>>,
}

/// Checks a chain, the signer's first: whole, in order, valid at `now`, and each for what it does.
///
/// # Errors
/// Why not, for people.
pub(crate) fn check_chain(chain: &[Vec<u8>], now: i64) -> Result<(), &'static str> {
    let chain = chain.iter().map(|der| Certificate::read(der)).collect::<Option<Vec<_>>>();
    let chain = chain.ok_or("one of its chain cannot be read")?;
    for (at, certificate) in chain.iter().enumerate() {
        // The last one names itself.
        let above = chain.get(at + 1).unwrap_or(certificate);
        if certificate.body().issuer() != above.body().subject() {
            return Err("its chain is not in order, or does not end in a root");
        }
        if at + 1 < chain.len() && certificate.body().issuer() == certificate.body().subject() {
            return Err("its chain goes on after a root");
        }
        // Both moments belong to it.
        let validity = certificate.body().validity();
        if now < seconds(validity.not_before) || seconds(validity.not_after) < now {
            return Err("one of its chain is not valid now");
        }
        match at.checked_sub(1) {
            None => certificate.check_signer()?,
            Some(between) => certificate.check_issuer(between)?,
        }
    }
    Ok(())
}

impl Certificate {
    /// Reads one; `None` if it is none of version 3, or has an extension twice.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let whole = x509_cert::Certificate::from_der(bytes).ok()?;
        let body = whole.tbs_certificate();
        let mut known = HashSet::new();
        let is_twice = |extension: &Extension| !known.insert(extension.extn_id);
        if body.version() != Version::V3 || body.extensions().into_iter().flatten().any(is_twice) {
            return None;
        }
        let basic = body.get_extension().ok()?;
        let usage = body.get_extension().ok()?;
        let extended = body.get_extension::<ExtendedKeyUsage>().ok()?.map(|(_, ids)| ids.0);
        Some(Self { basic, usage, extended, whole })
    }

    fn body(&self) -> &TbsCertificate {
        self.whole.tbs_certificate()
    }

    /// What of it was signed, and the signature; `None` if that is no whole number of bytes.
    pub(crate) fn signed(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((self.body().to_der().ok()?, self.whole.signature().as_bytes()?.to_vec()))
    }

    /// The attributes of its subject that are asked for, by the names that people give them; `None` if one is no text.
    pub(crate) fn subject(&self) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        for attribute in self.body().subject().iter() {
            let known = NAMES.iter().find(|(oid, _)| attribute.oid == *oid);
            if let Some((_, name)) = known
                && TEXTS.contains(&attribute.value.tag())
            {
                found.push(((*name).to_owned(), String::from_utf8(attribute.value.value().to_vec()).ok()?));
            }
        }
        Some(found)
    }

    /// Whether it may sign what is no certificate.
    fn check_signer(&self) -> Result<(), &'static str> {
        if self.basic.as_ref().is_some_and(|(_, basic)| basic.ca) {
            return Err("it is of an authority, which signs certificates only");
        }
        match &self.usage {
            Some((true, usage)) if usage.digital_signature() => {
                if !(KeyUsages::DigitalSignature | KeyUsages::NonRepudiation).contains(usage.0) {
                    return Err("its key is for other things than signatures as well");
                }
            }
            _ => return Err("its key is not said to be for signatures (keyUsage)"),
        }
        match &self.extended {
            Some(uses) if !uses.contains(&ID_KP_CODE_SIGNING) => Err("it is not for signing code (extendedKeyUsage)"),
            Some(uses) if uses.iter().any(|id| FORBIDDEN.contains(id)) => {
                Err("it is for other things than signing code as well (extendedKeyUsage)")
            }
            _ => Ok(()),
        }
    }

    /// Whether it may sign certificates with so many others between it and the signer's.
    fn check_issuer(&self, between: usize) -> Result<(), &'static str> {
        match &self.basic {
            Some((true, basic)) if basic.ca => {
                if basic.path_len_constraint.is_some_and(|most| usize::from(most) < between) {
                    return Err("its chain is longer than an issuer allows");
                }
            }
            _ => return Err("an issuer is no authority (basicConstraints)"),
        }
        if !self.usage.as_ref().is_some_and(|(is_critical, usage)| *is_critical && usage.key_cert_sign()) {
            return Err("an issuer may not sign certificates (keyUsage)");
        }
        match &self.extended {
            Some(uses) if !uses.contains(&ID_KP_CODE_SIGNING) && !uses.contains(&ANY_EXTENDED_KEY_USAGE) => {
                Err("an issuer may not name who signs code (extendedKeyUsage)")
            }
            _ => Ok(()),
        }
    }
}

/// Seconds since 1970.
fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

/// Any, serverAuth, emailProtection, timeStamping: a certificate that signs must not be for these (notation).
const FORBIDDEN: [ObjectIdentifier; 4] =
    [ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH, ID_KP_EMAIL_PROTECTION, ID_KP_TIME_STAMPING];
/// Attributes of names.
pub(crate) const NAMES: [(ObjectIdentifier, &str); 7] = [
    (CN, "CN"),
    (COUNTRY_NAME, "C"),
    (LOCALITY_NAME, "L"),
    (ST, "ST"),
    (STREET, "STREET"),
    (ORGANIZATION_NAME, "O"),
    (ORGANIZATIONAL_UNIT_NAME, "OU"),
];
const TEXTS: [Tag; 3] = [Tag::Utf8String, Tag::PrintableString, Tag::Ia5String];
