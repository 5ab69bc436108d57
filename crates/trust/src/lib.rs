//! Trust: keys, what was signed with them, and whose signatures an image needs.
//!
//! Signatures are cosign's (simple signing, and in-toto statements in sigstore's bundles) and notation's. Everything here is a value or a reader of
//! bytes: where signatures lie, and what is fetched for them, is the engine's business. Bytes are hostile until a key says
//! otherwise, and a signature that is not understood is none.

pub mod bundle;
mod certificate;
pub mod containers;
pub mod dsse;
pub mod error;
pub mod identity;
pub mod key;
pub mod notation;
pub mod pattern;
pub mod pem;
pub mod policy;
pub mod private;
pub mod sealed;
pub mod signature;
pub mod simple;
mod strict;

pub use error::{Error, Result};
pub use identity::{Identity, Wanted};
pub use key::{KeyId, PublicKey};
pub use policy::{Mode, Policy, Rule};
pub use private::PrivateKey;
pub use signature::{Claim, Signature};

/// 1 MiB: what a signed document has at most. Real ones have a few hundred bytes, bundles with certificates some thousand.
pub const MAX_DOCUMENT: u64 = 1 << 20;
