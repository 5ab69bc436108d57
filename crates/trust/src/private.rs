//! Private keys: what signatures are made with. ECDSA over P-256, as cosign makes them.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use x509_cert::der::asn1::{AnyRef, OctetStringRef};
use x509_cert::der::oid::db::rfc5912::{ID_EC_PUBLIC_KEY, SECP_256_R_1};
use x509_cert::der::{self, Encode, Tag};
use x509_cert::spki::AlgorithmIdentifierRef;

use crate::error::{Error, Result};
use crate::key::{P256_SPKI, PublicKey};
use crate::pem;
use crate::sealed;

/// A key that signs. Random numbers are the system's: keys and signatures may have no others.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ***)", self.public.id())
    }
}

impl PrivateKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self> {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(|_| Error::Signing)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads an unencrypted PKCS#8 document.
    ///
    /// # Errors
    /// When it is no key of ECDSA over P-256.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes, &SystemRandom::new())
            .map_err(|_| Error::PrivateKey)?;
        let spki = [P256_SPKI, pair.public_key().as_ref()].concat();
        Ok(Self { public: PublicKey::from_spki(&spki)?, pair, pkcs8: bytes.to_vec() })
    }

    /// Reads a key as `openssl ecparam -genkey` writes it. Source: SEC 1, appendix C.4; RFC 5915.
    ///
    /// # Errors
    /// When it is no key of ECDSA over P-256, or lacks its public half.
    fn from_sec1(bytes: &[u8]) -> Result<Self> {
        Self::from_pkcs8(&in_pkcs8(bytes).map_err(|_| Error::PrivateKey)?)
    }

    /// Reads PEM: a key that cosign or wharfie encrypted, or PKCS#8 or SEC 1 in the clear. `passphrase` is asked for only if there
    /// is one to be known.
    ///
    /// # Errors
    /// When it is no such key, or the passphrase is wrong.
    pub fn from_pem<E: From<Error>>(text: &str, passphrase: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Self, E> {
        // openssl says before a key which curve it is of; the key says so too.
        let mut blocks = pem::read_all(text).into_iter();
        let block = blocks.find(|block| block.label != "EC PARAMETERS").ok_or(Error::NoPrivateKey)?;
        match block.label.as_str() {
            "EC PRIVATE KEY" if block.header("DEK-Info").is_none() => Ok(Self::from_sec1(&block.bytes)?),
            "PRIVATE KEY" => Ok(Self::from_pkcs8(&block.bytes)?),
            label if sealed::LABELS.contains(&label) => {
                let sealed = sealed::Sealed::parse(&block.bytes)?;
                Ok(Self::from_pkcs8(&sealed.open(&passphrase()?)?)?)
            }
            _ => Err(Error::OtherPrivateKey(block.label).into()),
        }
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its PKCS#8 document, in the clear.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Signs SHA-256 of `message`: a signature in DER.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| Error::Signing)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// PKCS#8 around the key of SEC 1. Source: RFC 5208, section 5. Where the key names another curve itself, whoever reads it refuses it.
fn in_pkcs8(sec1: &[u8]) -> der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef { oid: ID_EC_PUBLIC_KEY, parameters: Some((&SECP_256_R_1).into()) };
    let parts = [0_u8.to_der()?, algorithm.to_der()?, OctetStringRef::new(sec1)?.to_der()?];
    AnyRef::new(Tag::Sequence, &parts.concat())?.to_der()
}
