//! Trust: whose signatures an image needs before it is fetched or run, and making, showing and revoking them.
//!
//! What is signed and by whom is judged by `wharfie_trust`, which is given bytes. This is where they come from: the store, the
//! registry, and the user's directory of keys with its policy.

pub(crate) mod archived;
mod error;
mod evidence;
mod guard;
mod inspect;
mod keys;
mod policy;
mod revoke;
mod sign;
mod travel;

use std::path::PathBuf;

pub use error::TrustError;
pub(crate) use evidence::{about, is_signature_tag, local, plain};
pub(crate) use guard::asked;
pub use guard::{Next, Trusted};
pub use inspect::{SignedTag, TrustReport, UntrustedTag};
pub use keys::KeyFile;
pub use policy::{check_name, check_signer};
pub use revoke::{Revoke, Revoked};
pub(crate) use sign::artifact;
pub use sign::{Sign, Signed, Signing};
pub use wharfie_trust::{Error as KeyError, KeyId, Mode, Policy, PrivateKey, PublicKey, Rule, policy::ADMIN};

/// What a user wants of signatures.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Keys and the policy: `trust` in docker's configuration directory.
    pub directory: PathBuf,
    /// Whether somebody asked for signatures.
    pub demand: Demand,
    /// Podman's `policy.json`, if the user wants it to count.
    pub containers_policy: Option<PathBuf>,
}

/// Whether somebody asked for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// Nobody: the policy says which repositories need them.
    #[default]
    ByPolicy,
    /// All images need them, but those that the policy leaves out.
    Always,
    /// No image needs them, whatever the policy says. Podman's policy is not ours to turn off.
    Never,
}
