//! What cannot be read, opened or made.

use wharfie_oci::{Fault, Kind};

/// Results of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a key, a signature or a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of keys that is none.
    #[error("it is not a key in PEM")]
    NoPem,
    /// A block of PEM that holds something else.
    #[error("it holds {0:?} and no key that wharfie reads")]
    OtherPem(String),
    /// A file of a private key that is none.
    #[error("it is not a private key in PEM")]
    NoPrivateKey,
    /// A block of PEM that holds something else than a private key that is read here.
    #[error("it holds {0:?} and no private key that wharfie reads")]
    OtherPrivateKey(String),
    /// A public key of a kind that nothing here verifies.
    #[error("it is no public key that wharfie can verify with")]
    PublicKey,
    /// A private key that nothing here signs with.
    #[error("it is no private key of ECDSA over P-256")]
    PrivateKey,
    /// An encrypted key that is not in cosign's format, or asks for more memory than it may.
    #[error("it is not a key that cosign or wharfie encrypted: {0}")]
    Sealed(&'static str),
    /// The wrong passphrase, or a damaged file.
    #[error("the passphrase is wrong, or the key is damaged")]
    Passphrase,
    /// The system has no random numbers, or the key cannot sign.
    #[error("the key cannot be used")]
    Signing,
    /// A signed document that is not what it should be.
    #[error("the signature cannot be understood: {0}")]
    Document(String),
    /// A policy that is not understood.
    #[error("the policy cannot be understood: {0}")]
    Policy(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoPem | Self::OtherPem(_) | Self::PublicKey | Self::PrivateKey | Self::Policy(_) => Kind::Invalid,
            Self::NoPrivateKey | Self::OtherPrivateKey(_) => Kind::Invalid,
            Self::Sealed(_) | Self::Document(_) => Kind::Corrupt,
            Self::Passphrase => Kind::Denied,
            Self::Signing => Kind::Internal,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoPem | Self::OtherPem(_) => Some(
                "public keys are in PEM, as `wharfie trust key generate`, `cosign generate-key-pair` and `openssl` write them"
                    .to_owned(),
            ),
            Self::PublicKey => Some("use a key of ECDSA (P-256, P-384), RSA (2048 bits or more) or Ed25519".to_owned()),
            Self::NoPrivateKey | Self::OtherPrivateKey(_) | Self::PrivateKey => Some(
                "private keys are of ECDSA over P-256, in PEM: in the clear (PKCS#8 or SEC 1, as openssl writes them) or as \
                 `wharfie trust key generate` and cosign encrypt them"
                    .to_owned(),
            ),
            Self::Passphrase => {
                Some("the passphrase is asked for, or taken from DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE".to_owned())
            }
            Self::Policy(_) | Self::Sealed(_) | Self::Document(_) | Self::Signing => None,
        }
    }
}
