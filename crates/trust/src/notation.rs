//! Notation's signatures in JWS, with a chain of certificates instead of a key. Source: notaryproject/specifications,
//! signature-specification.md, signature-envelope-jws.md and trust-store-trust-policy.md, version 1.
//!
//! A chain has to be whole, and to have a certificate that the user trusts, **now**: the moment that the signer names is only its own
//! word, and timestamps are not read. Whether certificates were revoked is asked of nobody. To trust a certificate is not to trust those
//! that it gives: each has to be made for what it does in the chain, the trusted one too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use wharfie_oci::{Descriptor, Timestamp};

use crate::certificate::{Certificate, NAMES, check_chain};
use crate::error::{Error, Result};
use crate::key::{JwsAlgorithm, KeyId, PublicKey};
use crate::signature::{Claim, Form, Signature};

/// What refers to an image and holds such a signature.
pub const ARTIFACT: &str = "application/vnd.cncf.notary.signature";
/// An envelope in JWS.
pub const JWS: &str = "application/jose+json";
const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
const SCHEME: &str = "notary.x509";
/// What a reader has to understand: the first always, the second if it is there.
const CRITICAL: [&str; 2] = ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"];
/// `id-kp-codeSigning`, 1.3.6.1.5.5.7.3.3, as webpki takes it.
const CODE_SIGNING: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 3];
/// 10 certificates: real chains have three.
const MAX_CHAIN: usize = 10;

/// What an envelope has beside the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// What was signed.
    pub target: Descriptor,
    algorithm: JwsAlgorithm,
    /// The signer's certificate first, in DER.
    chain: Vec<Vec<u8>>,
    /// Seconds since 1970 from which on it no longer counts.
    expiry: Option<i64>,
}

/// Whom a user trusts to name signers, and when that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots {
    /// In DER.
    pub certificates: Vec<Vec<u8>>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Whose certificates count for a repository, in notation's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trusted {
    /// `ca:NAME` each: directories of root certificates.
    pub trust_stores: Vec<String>,
    /// `x509.subject: C=…, ST=…, O=…` each, of which the signer's certificate must have all; or `*` alone.
    pub trusted_identities: Vec<String>,
}

/// A signer who has a certificate that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Its subject, for people.
    pub name: String,
    /// Of its key.
    pub id: KeyId,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
    protected: String,
    header: Header,
    signature: String,
}

#[derive(Deserialize)]
struct Header {
    x5c: Vec<String>,
}

#[derive(Deserialize)]
struct Protected {
    alg: String,
    cty: String,
    #[serde(rename = "io.cncf.notary.signingScheme")]
    scheme: String,
    #[serde(default, rename = "io.cncf.notary.expiry")]
    expiry: Option<String>,
    #[serde(default)]
    crit: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Descriptor,
}

/// Reads an envelope. Nothing is verified.
///
/// # Errors
/// When it is none, or asks for something that is not known here.
pub fn read(bytes: &[u8]) -> Result<Signature> {
    let broken = |why: &dyn std::fmt::Display| Error::Document(why.to_string());
    let other = |what: &str| Error::Document(what.to_owned());
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|why| broken(&why))?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| other("its bytes are no base64url"));
    let protected: Protected = serde_json::from_slice(&decode(&envelope.protected)?).map_err(|why| broken(&why))?;
    if protected.cty != PAYLOAD {
        return Err(other("what is signed is no payload of notation's"));
    }
    if protected.scheme != SCHEME {
        return Err(other("it is of another scheme than notary.x509"));
    }
    if protected.crit.iter().any(|name| !CRITICAL.contains(&name.as_str())) {
        return Err(other("it has critical attributes that are not known here"));
    }
    let count = |wanted: &str| protected.crit.iter().filter(|name| *name == wanted).count();
    if count(CRITICAL[0]) != 1 || count(CRITICAL[1]) != usize::from(protected.expiry.is_some()) {
        return Err(other("it does not say as it should which of its attributes are critical"));
    }
    let algorithm = JwsAlgorithm::parse(&protected.alg).ok_or_else(|| other("it is signed with another algorithm"))?;
    let payload: Payload = serde_json::from_slice(&decode(&envelope.payload)?).map_err(|why| broken(&why))?;
    let target = payload.target_artifact;
    if envelope.header.x5c.is_empty() || envelope.header.x5c.len() > MAX_CHAIN {
        return Err(Error::Document(format!("it has {} certificates", envelope.header.x5c.len())));
    }
    let chain = envelope.header.x5c.iter().map(|text| STANDARD.decode(text));
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|_| other("a certificate is no base64"))?;
    let expiry = protected.expiry.map(|text| text.parse::<Timestamp>()).transpose();
    let expiry = expiry.map_err(|_| other("the moment at which it expires is none"))?.map(|moment| moment.seconds);
    Ok(Signature {
        form: Form::Notation,
        claim: Claim { digest: target.digest.clone(), name: None, signer: None },
        message: format!("{}.{}", envelope.protected, envelope.payload).into_bytes(),
        bytes: decode(&envelope.signature)?,
        hint: None,
        certified: Some(Box::new(Certified { target, algorithm, chain, expiry })),
    })
}

impl Signature {
    /// Who made it, if it has a chain of certificates to one of the roots and was made with the first one's key.
    ///
    /// # Errors
    /// When it was not, or no longer counts: why, for people.
    pub fn certified_by(&self, roots: &Roots, trusted: &Trusted) -> Result<Signer, String> {
        let Some(certified) = &self.certified else { return Err("it has no certificate".to_owned()) };
        if certified.expiry.is_some_and(|end| end <= roots.now) {
            return Err("it has expired".to_owned());
        }
        let why = |why: &dyn std::fmt::Display| format!("its certificate does not count: {why}");
        let chain: Vec<CertificateDer<'_>> =
            certified.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let first = chain.first().ok_or("it has no certificate")?;
        let leaf = EndEntityCert::try_from(first).map_err(|why| format!("its certificate cannot be read: {why}"))?;
        check_chain(&certified.chain, roots.now).map_err(|text| why(&text))?;
        // One that is trusted and signs itself vouches for nobody else, and one that does not is no end of a chain.
        let may_vouch = |at: &usize| *at > 0 || chain.len() == 1;
        let at = (0..chain.len()).filter(may_vouch).find(|at| roots.certificates.contains(&certified.chain[*at]));
        let at = at.ok_or_else(|| why(&"nobody trusts its chain"))?;
        // What stands above it says who it is; whoever says so must have signed it.
        for pair in chain[at..].windows(2) {
            is_signed(&pair[0], &pair[1]).filter(|is_so| *is_so).ok_or_else(|| why(&"its chain is not whole"))?;
        }
        let anchor = anchor_from_trusted_cert(&chain[at]).map_err(|text| why(&text))?;
        let between = chain.get(1..at).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(roots.now.try_into().unwrap_or_default()));
        let usage = KeyUsage::required_if_present(CODE_SIGNING);
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], between, now, usage, None, None)
            .map_err(|text| why(&text))?;
        // What stands above the trusted one has to have signed it: the chain is whole up to its root.
        if let [_, between @ .., root] = chain.as_slice()
            && at < between.len() + 1
        {
            let root = anchor_from_trusted_cert(root).map_err(|text| why(&text))?;
            leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[root], between, now, usage, None, None)
                .map_err(|text| why(&text))?;
        }
        let key = PublicKey::from_spki(&leaf.subject_public_key_info()).map_err(|why| why.to_string())?;
        if !key.verifies_jws(certified.algorithm, &self.message, &self.bytes) {
            return Err("it was not made with the key of its certificate".to_owned());
        }
        let subject = Certificate::read(first).and_then(|first| first.subject());
        let subject = subject.ok_or("the subject of its certificate cannot be read")?;
        let shown: Vec<String> = subject.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // A name is anybody's words, and stands in a line of ours.
        let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
        let name: String = shown.join(",").chars().map(plain).collect();
        match trusted.trusts(&subject) {
            true => Ok(Signer { name, id: key.id() }),
            false => Err(format!("nobody trusts {name}")),
        }
    }
}

/// Whether a certificate was signed with the key of another; `None` if one of them cannot be read.
fn is_signed(one: &CertificateDer<'_>, by: &CertificateDer<'_>) -> Option<bool> {
    let (body, signature) = Certificate::read(one)?.signed()?;
    let by = EndEntityCert::try_from(by).ok()?;
    Some(ALL_VERIFICATION_ALGS.iter().any(|algorithm| by.verify_signature(*algorithm, &body, &signature).is_ok()))
}

impl Trusted {
    /// Refuses words that mean nothing: they must not open a door, nor seem to close one.
    ///
    /// # Errors
    /// When there is one, or there are none.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Policy(what));
        if self.trust_stores.is_empty() || self.trusted_identities.is_empty() {
            return wrong("notation needs trustStores and trustedIdentities".to_owned());
        }
        if let Some(store) = self.trust_stores.iter().find(|store| store_name(store).is_none()) {
            return wrong(format!("{store:?} is no trust store: write ca:NAME"));
        }
        for identity in &self.trusted_identities {
            let is_known = if identity == "*" { self.trusted_identities.len() == 1 } else { parse(identity).is_some() };
            if !is_known {
                return wrong(format!(
                    "{identity:?} is no identity: write \"x509.subject: C=…, ST=…, O=…\", or \"*\" alone"
                ));
            }
        }
        Ok(())
    }

    /// The names of the directories.
    pub fn stores(&self) -> impl Iterator<Item = &str> {
        self.trust_stores.iter().filter_map(|store| store_name(store))
    }

    fn trusts(&self, subject: &[(String, String)]) -> bool {
        self.trusted_identities.iter().any(|identity| {
            identity == "*"
                || parse(identity).is_some_and(|wanted| {
                    wanted.iter().all(|(name, value)| {
                        // Of a name that stands there twice nobody knows which one counts.
                        let mut found = subject.iter().filter(|(known, _)| known == name);
                        matches!((found.next(), found.next()), (Some((_, only)), None) if only == value)
                    })
                })
        })
    }
}

/// `NAME` of `ca:NAME`, which is a directory's name and nothing else.
fn store_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix("ca:")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)).then_some(name)
}

/// The attributes of an identity; `None` if it is none, or says nothing.
fn parse(identity: &str) -> Option<Vec<(String, String)>> {
    let text = identity.strip_prefix("x509.subject:")?;
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => parts.last_mut()?.push(letters.next()?),
            ',' => parts.push(String::new()),
            letter => parts.last_mut()?.push(letter),
        }
    }
    let pair = |part: &String| {
        let (name, value) = part.split_once('=')?;
        let name = name.trim().to_ascii_uppercase();
        let is_known = NAMES.iter().any(|(_, known)| *known == name);
        (is_known && !value.trim().is_empty()).then(|| (name, value.trim().to_owned()))
    };
    parts.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_parts_of_subjects() {
        let subject: Vec<(String, String)> = [("C", "US"), ("ST", "WA"), ("O", "acme, inc"), ("OU", "a"), ("OU", "b")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let check = |identity: &str, expected: Option<bool>| {
            let trusted =
                Trusted { trust_stores: vec!["ca:acme".to_owned()], trusted_identities: vec![identity.to_owned()] };
            assert_eq!(trusted.check().ok().map(|()| trusted.trusts(&subject)), expected, "{identity}");
        };
        check("*", Some(true));
        check("x509.subject: C=US, ST=WA, O=acme\\, inc", Some(true));
        check("x509.subject:C=US", Some(true));
        check("x509.subject: C=US, O=evil", Some(false));
        check("x509.subject: CN=x", Some(false));
        check("x509.subject: OU=a", Some(false));
        for bad in ["", "C=US", "x509.subject:", "x509.subject: C", "x509.subject: X=y", "x509.subject: C="] {
            check(bad, None);
        }
        for (store, expected) in [("ca:acme", Some("acme")), ("ca:", None), ("ca:../x", None), ("tsa:x", None)] {
            assert_eq!(store_name(store), expected);
        }
    }
}
