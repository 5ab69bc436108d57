//! Digests: the names of bytes.
//! Source: image-spec, descriptor.md, "Digests".

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;
use sha2::digest::common::hazmat::SerializableState as _;

/// Hash algorithms that a [`Digest`] may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256: what everything uses.
    Sha256,
    /// SHA-512: registered by the specification, seldom seen.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits follow the colon.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// `algorithm:hex`, always lower case and of the algorithm's length.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Box<str>);

/// Why a text is no digest. The texts are the ones docker prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// No `algorithm:hex` at all, or characters that are not lower-case hexadecimal.
    #[error("invalid checksum digest format")]
    Format,
    /// Too many or too few digits for the algorithm.
    #[error("invalid checksum digest length")]
    Length,
    /// An algorithm that wharfie does not know.
    #[error("unsupported digest algorithm")]
    Algorithm,
}

impl Digest {
    /// What a tag is about that is written for signatures and the like of another manifest: `sha256-<hex>`, or with `.sig`, `.att`,
    /// `.sbom` or another word behind it. Source: distribution-spec, "Referrers Tag Schema"; cosign's specification of signatures.
    pub fn about(tag: &str) -> Option<Self> {
        let (algorithm, rest) = tag.split_once('-')?;
        let (hex, _kind) = rest.split_once('.').unwrap_or((rest, ""));
        format!("{algorithm}:{hex}").parse().ok()
    }

    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digester = Digester::new(Algorithm::Sha256);
        digester.update(bytes);
        digester.finish()
    }

    /// The SHA-256 digest with these 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// When `hex` is anything else.
    pub fn sha256(hex: &str) -> Result<Self, ParseDigestError> {
        format!("sha256:{hex}").parse()
    }

    /// The SHA-256 digest with these bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        encode("sha256:", bytes)
    }

    /// Its bytes: 32 of SHA-256, 64 of SHA-512.
    pub fn to_bytes(&self) -> Vec<u8> {
        unhex(self.hex()).expect("a digest is of hexadecimal digits")
    }

    /// Which algorithm made it.
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }

    /// The digits after the colon.
    pub fn hex(&self) -> &str {
        &self.0[self.algorithm().as_str().len() + 1..]
    }

    /// The first twelve digits: what tables show.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a text of its own.
    pub fn into_string(self) -> String {
        self.0.into_string()
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (algorithm, hex) = text.split_once(':').ok_or(ParseDigestError::Format)?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            "" => return Err(ParseDigestError::Format),
            _ => return Err(ParseDigestError::Algorithm),
        };
        if hex.len() != algorithm.hex_len() {
            return Err(ParseDigestError::Length);
        }
        // Every digit is looked at, which a processor does many at a time: lists read thousands of digests.
        let is_digit = |b: u8| (b.wrapping_sub(b'0') < 10) | (b.wrapping_sub(b'a') < 6);
        if !hex.bytes().fold(true, |all, b| all & is_digit(b)) {
            return Err(ParseDigestError::Format);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Digest {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Digest {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|why| serde::de::Error::custom(format_args!("{why}: {text:?}")))
    }
}

/// Computes a [`Digest`] from bytes as they pass.
#[derive(Clone)]
pub struct Digester(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
}

impl Digester {
    /// Starts with no bytes seen.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::new(sha2::Sha512::new())),
        })
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The algorithm and all that was taken in, as a text: another process can go on with it.
    pub fn save(&self) -> String {
        match &self.0 {
            State::Sha256(state) => hex("sha256:", &state.serialize()),
            State::Sha512(state) => hex("sha512:", &state.serialize()),
        }
    }

    /// Goes on with what [`Self::save`] wrote. `None` if it did not write it.
    pub fn restore(text: &str) -> Option<Self> {
        let (algorithm, digits) = text.split_once(':')?;
        let bytes = unhex(digits)?;
        Some(Self(match algorithm {
            "sha256" => State::Sha256(sha2::Sha256::deserialize(bytes.as_slice().try_into().ok()?).ok()?),
            "sha512" => State::Sha512(Box::new(sha2::Sha512::deserialize(bytes.as_slice().try_into().ok()?).ok()?)),
            _ => return None,
        }))
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => encode("sha256:", &state.finalize()),
            State::Sha512(state) => encode("sha512:", &state.finalize()),
        }
    }
}

impl Default for Digester {
    fn default() -> Self {
        Self::new(Algorithm::Sha256)
    }
}

fn encode(prefix: &str, hash: &[u8]) -> Digest {
    Digest(hex(prefix, hash).into())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(value(*pair.first()?)? << 4 | value(*pair.get(1)?)?)).collect()
}

fn hex(prefix: &str, hash: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(prefix.len() + hash.len() * 2);
    text.push_str(prefix);
    for byte in hash {
        text.push(HEX[usize::from(byte >> 4)].into());
        text.push(HEX[usize::from(byte & 15)].into());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn empty_bytes_have_the_well_known_digest() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
    }

    #[test]
    fn parts_add_up_to_the_text() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest.algorithm(), Algorithm::Sha256);
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!(format!("sha256:{}", digest.hex()), EMPTY);
    }

    #[test]
    fn sha512_is_named_by_its_own_length() {
        let mut digester = Digester::new(Algorithm::Sha512);
        digester.update(b"abc");
        let digest = digester.finish();
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        assert!(digest.hex().starts_with("ddaf35a193617aba"));
    }

    #[test]
    fn hashing_goes_on_elsewhere() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let bytes: Vec<u8> = (0..1000_u32).map(|n| n.to_le_bytes()[0]).collect();
            for at in [0, 1, 63, 64, 65, 127, 128, 500, 1000] {
                let mut first = Digester::new(algorithm);
                first.update(&bytes[..at]);
                let mut second = Digester::restore(&first.save()).unwrap();
                second.update(&bytes[at..]);
                first.update(&bytes[at..]);
                assert_eq!(second.finish(), first.finish());
            }
        }
        for bad in ["", "sha256:", "sha256:00", "md5:00", "sha512:zz"] {
            assert!(Digester::restore(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn refusals_use_dockers_words() {
        fn check(text: &str, why: ParseDigestError) {
            assert_eq!(text.parse::<Digest>(), Err(why), "{text}");
        }
        check("", ParseDigestError::Format);
        check("sha256", ParseDigestError::Format);
        check("sha256:abc", ParseDigestError::Length);
        check(&EMPTY.to_uppercase().replace("SHA", "sha"), ParseDigestError::Format);
        check("md5:d41d8cd98f00b204e9800998ecf8427e", ParseDigestError::Algorithm);
    }
}
