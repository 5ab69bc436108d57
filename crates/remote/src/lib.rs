//! Registries over the network: endpoints, authentication, pull, push, search.
//!
//! A [`Remote`] knows how to reach registries; a [`RepositoryClient`] speaks for one repository on one of them. Everything is
//! blocking and may be used from many threads. Nothing is opened before it is needed: asking a registry on this machine
//! whether a tag moved is one connection and one request.
//!
//! Bytes of blobs are *not* verified here (see [`wharfie_content::Verified`]); manifests are, over their raw bytes.
//! The environment, the home folder and the clock are not read: they arrive in [`Config`].

mod api_error;
mod auth;
mod auths;
mod blobs;
mod certificates;
mod config;
mod connection_error;
mod connector;
mod destination;
mod docker_config;
mod download;
mod endpoint;
mod error;
mod exchange;
mod host_pattern;
mod json_text;
mod login;
mod manifests;
mod ranges;
mod referrers;
mod remote;
mod response;
mod retry;
mod search;
mod tags;
mod tls;
mod tls_error;
mod transport;
mod upload;
mod url;
mod verifier;
mod warnings;

pub use api_error::ApiError;
#[doc(hidden)]
pub use auth::challenge::read as read_challenges;
pub use auth::{Credentials, Erased, Keychain, Secret, Stored, registry_key};
pub use blobs::BlobReader;
pub use config::{Config, Proxy};
pub use connection_error::ConnectionError;
pub use destination::{Destination, Origins};
pub use docker_config::{DockerConfig, ParseWarning};
pub use download::Download;
pub use error::Error;
pub use login::LoginOutcome;
pub use referrers::MAX_REFERRERS;
pub use remote::{Remote, RepositoryClient};
pub use retry::Retry;
pub use search::SearchResult;
pub use transport::Reopen;
