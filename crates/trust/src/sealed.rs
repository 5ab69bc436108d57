//! Private keys in files: cosign's format. A passphrase becomes a key by scrypt, and NaCl's secretbox (XSalsa20 and Poly1305) hides a
//! PKCS#8 document with it; all of it is JSON in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::pem::{self, Block};
use crate::private::PrivateKey;

/// What such files are called; the first is written.
pub const LABELS: &[&str] = &["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// An encrypted key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    log_n: u8,
    r: u32,
    salt: Vec<u8>,
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// 2^16: what cosign uses; with blocks of eight it takes 64 MiB.
const LOG_N: u8 = 16;
/// Blocks of 1 KiB.
const R: u32 = 8;
/// 128 MiB: what a file may have us take.
const MAX_MEMORY: u64 = 128 << 20;
/// Bytes of Poly1305's tag, which stands before what it is about.
const TAG: usize = 16;

impl Sealed {
    /// Reads the document within PEM.
    ///
    /// # Errors
    /// When it is not in this format, or would take more than 128 MiB.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(json).map_err(|_| Error::Sealed("it has another shape"))?;
        let Document { kdf, cipher, ciphertext } = document;
        if kdf.name != "scrypt" || cipher.name != "nacl/secretbox" {
            return Err(Error::Sealed("its algorithms are other ones"));
        }
        let Params { n, r, p } = kdf.params;
        let memory = u64::from(n) * u64::from(r) * 128;
        if !n.is_power_of_two() || n < 2 || r == 0 || p != 1 || memory > MAX_MEMORY {
            return Err(Error::Sealed("its parameters are out of bounds"));
        }
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| Error::Sealed("its bytes are no base64"));
        let nonce = bytes(&cipher.nonce)?.try_into().map_err(|_| Error::Sealed("its nonce has not 24 bytes"))?;
        let log_n = u8::try_from(n.ilog2()).expect("a u32 has few bits");
        Ok(Self { log_n, r, salt: bytes(&kdf.salt)?, nonce, ciphertext: bytes(&ciphertext)? })
    }

    /// The PKCS#8 document.
    ///
    /// # Errors
    /// When the passphrase is wrong or the file damaged.
    pub fn open(&self, passphrase: &[u8]) -> Result<Vec<u8>> {
        let (tag, hidden) = self.ciphertext.split_at_checked(TAG).ok_or(Error::Sealed("it is too short"))?;
        let (mut stream, one_time) = self.stream(passphrase)?;
        let actual = Poly1305::new(&one_time.into()).compute_unpadded(hidden);
        // All bytes are compared, so that time tells nothing.
        let difference = actual.iter().zip(tag).fold(0, |all, (a, b)| all | (a ^ b));
        if difference != 0 {
            return Err(Error::Passphrase);
        }
        let mut plain = hidden.to_vec();
        stream.apply_keystream(&mut plain);
        Ok(plain)
    }

    /// Hides a key with a passphrase.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn seal(key: &PrivateKey, passphrase: &[u8]) -> Result<Self> {
        let (mut salt, mut nonce) = (vec![0; 32], [0; 24]);
        let random = SystemRandom::new();
        random.fill(&mut salt).and_then(|()| random.fill(&mut nonce)).map_err(|_| Error::Signing)?;
        let mut sealed = Self { log_n: LOG_N, r: R, salt, nonce, ciphertext: Vec::new() };
        let (mut stream, one_time) = sealed.stream(passphrase)?;
        let mut hidden = key.pkcs8().to_vec();
        stream.apply_keystream(&mut hidden);
        let tag = Poly1305::new(&one_time.into()).compute_unpadded(&hidden);
        sealed.ciphertext = [tag.as_slice(), &hidden].concat();
        Ok(sealed)
    }

    /// As a file has it; `role` is the key's name, where docker has it too.
    pub fn to_pem(&self, role: &str) -> String {
        let document = Document {
            kdf: Kdf {
                name: "scrypt".to_owned(),
                params: Params { n: 1 << self.log_n, r: self.r, p: 1 },
                salt: STANDARD.encode(&self.salt),
            },
            cipher: Cipher { name: "nacl/secretbox".to_owned(), nonce: STANDARD.encode(self.nonce) },
            ciphertext: STANDARD.encode(&self.ciphertext),
        };
        let bytes = serde_json::to_vec(&document).expect("texts and numbers can be written");
        let headers = Some(("role".to_owned(), role.to_owned())).filter(|_| !role.is_empty());
        pem::write(&Block { label: LABELS[0].to_owned(), headers: headers.into_iter().collect(), bytes })
    }

    /// The key stream of secretbox: its first 32 bytes are Poly1305's key, what follows hides the message.
    fn stream(&self, passphrase: &[u8]) -> Result<(XSalsa20, [u8; 32])> {
        let broken = |_| Error::Sealed("its parameters are out of bounds");
        let parameters = scrypt::Params::new(self.log_n, self.r, 1).map_err(broken)?;
        let mut key = [0; 32];
        scrypt::scrypt(passphrase, &self.salt, &parameters, &mut key)
            .map_err(|_| Error::Sealed("its parameters are out of bounds"))?;
        let mut stream = XSalsa20::new(&key.into(), &self.nonce.into());
        let mut one_time = [0; 32];
        stream.apply_keystream(&mut one_time);
        Ok((stream, one_time))
    }
}
