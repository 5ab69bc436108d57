//! Proving who we are: challenges, tokens, and where credentials are kept.

mod authenticator;
pub(crate) mod challenge;
mod helper;
mod keychain;
mod secret;
pub(crate) mod token;

pub(crate) use authenticator::{Asked, Authenticator, Authorization, request_token};
pub use keychain::{Erased, Keychain, Stored, registry_key};
pub(crate) use keychain::{HUB_KEY, host_of};
pub use secret::{Credentials, Secret};
pub(crate) use secret::{basic, bearer};
