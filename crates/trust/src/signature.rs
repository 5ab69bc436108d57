//! A signature, and what it claims. It is worth nothing before a key was asked ([`Signature::is_by`]).

use wharfie_oci::{Digest, Reference};

use crate::key::{KeyId, PublicKey};
use crate::notation::Certified;

/// What somebody signed: that this content is that image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// The repository, and the tag if there is one. Cosign's bundles say neither.
    pub name: Option<Reference>,
    /// What the signer calls itself: for people, never for a decision.
    pub signer: Option<String>,
}

impl Claim {
    /// The tag that is claimed.
    pub fn tag(&self) -> Option<&str> {
        self.name.as_ref().and_then(Reference::tag)
    }
}

/// In which form something was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A simple signing payload under the tag `sha256-….sig`.
    Simple,
    /// An in-toto statement in a bundle that refers to the image.
    Bundle,
    /// Notation's envelope, which refers to the image.
    Notation,
}

/// A signature with what it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its form.
    pub form: Form,
    /// What it claims.
    pub claim: Claim,
    /// The bytes that were signed.
    pub message: Vec<u8>,
    /// The signature itself.
    pub bytes: Vec<u8>,
    /// Whose it says that it is: a key's id, which nobody has proven.
    pub hint: Option<KeyId>,
    /// What notation's envelopes have beside it.
    pub certified: Option<Box<Certified>>,
}

impl Signature {
    /// True if it was made with this key. What has a certificate is judged by that
    /// ([`Self::certified_by`](crate::notation)).
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.certified.is_none() && key.verifies(&self.message, &self.bytes)
    }
}
