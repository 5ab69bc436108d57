//! Public keys: what signatures are verified with.

use std::fmt;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use wharfie_oci::Digest;

use crate::der;
use crate::error::{Error, Result};
use crate::pem::{self, Block};

/// SHA-256 of a public key's SPKI, in hexadecimal: what keys are called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, as tables show it.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::sha256(text).ok().map(|digest| Self(digest.hex().to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key of one of the kinds that cosign signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    kind: Kind,
    /// What the algorithm takes: a point, an RSA key, 32 bytes.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Rsa,
    Ed25519,
}

/// How something in JWS was signed. Source: RFC 7518, section 3.1, as far as notation takes it and something here verifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JwsAlgorithm {
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

impl JwsAlgorithm {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            _ => return None,
        })
    }
}

/// The label of a public key in PEM.
const LABEL: &str = "PUBLIC KEY";
/// 1.2.840.10045.2.1
pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.3.101.112
const ED25519_ID: &[u8] = &[0x2b, 0x65, 0x70];
/// Everything before the point in the SPKI of a key over P-256.
pub(crate) const P256_SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl PublicKey {
    /// Reads PEM.
    ///
    /// # Errors
    /// When it is none, or of a kind that nothing here verifies.
    pub fn from_pem(text: &str) -> Result<Self> {
        let block = pem::read(text).ok_or(Error::NoPem)?;
        if block.label != LABEL {
            return Err(Error::OtherPem(block.label));
        }
        Self::from_spki(&block.bytes)
    }

    /// Reads a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn from_spki(spki: &[u8]) -> Result<Self> {
        let (kind, bytes) = parts(spki).ok_or(Error::PublicKey)?;
        Ok(Self { spki: spki.to_vec(), kind, bytes: bytes.to_vec() })
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(&self.spki).hex().to_owned())
    }

    /// Its `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// As a file has it.
    pub fn to_pem(&self) -> String {
        pem::write(&Block { label: LABEL.to_owned(), headers: Vec::new(), bytes: self.spki.clone() })
    }

    /// True if `signature` was made over `message` with this key. The message is hashed with SHA-256, as cosign does whatever
    /// the curve is.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.kind {
            Kind::P256 => &ECDSA_P256_SHA256_ASN1,
            Kind::P384 => &ECDSA_P384_SHA256_ASN1,
            Kind::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

impl PublicKey {
    /// As [`Self::verifies`], of JWS: the algorithm has to be one of the key's kind.
    pub(crate) fn verifies_jws(&self, algorithm: JwsAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, algorithm) {
            (Kind::P256, JwsAlgorithm::Es256) => &ECDSA_P256_SHA256_FIXED,
            (Kind::P384, JwsAlgorithm::Es384) => &ECDSA_P384_SHA384_FIXED,
            (Kind::Rsa, JwsAlgorithm::Ps256) => &RSA_PSS_2048_8192_SHA256,
            (Kind::Rsa, JwsAlgorithm::Ps384) => &RSA_PSS_2048_8192_SHA384,
            (Kind::Rsa, JwsAlgorithm::Ps512) => &RSA_PSS_2048_8192_SHA512,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

/// What kind of key it is, and what its algorithm takes.
fn parts(spki: &[u8]) -> Option<(Kind, &[u8])> {
    let (content, rest) = der::expect(spki, der::SEQUENCE)?;
    let (algorithm, after) = der::expect(content, der::SEQUENCE)?;
    let (bits, end) = der::expect(after, der::BITS)?;
    let (&0, key) = bits.split_first()? else { return None };
    let (name, parameters) = der::expect(algorithm, der::OBJECT)?;
    let kind = match name {
        EC => match der::expect(parameters, der::OBJECT)?.0 {
            P256 if key.len() == 65 => Kind::P256,
            P384 if key.len() == 97 => Kind::P384,
            _ => return None,
        },
        RSA if key.len() >= 256 => Kind::Rsa,
        ED25519_ID if key.len() == 32 => Kind::Ed25519,
        _ => return None,
    };
    (rest.is_empty() && end.is_empty()).then_some((kind, key))
}
