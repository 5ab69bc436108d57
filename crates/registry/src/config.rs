//! What a registry is told when it starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use wharfie_oci::Timestamp;

use crate::event::Log;
use crate::storage::Place;

/// Everything there is to say; nothing is read from files or the environment.
#[derive(Clone)]
pub struct Config {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Where it keeps what it has.
    pub place: Place,
    /// What clients may ask of it.
    pub limits: Limits,
    /// The time.
    pub clock: fn() -> Timestamp,
    /// Who is told what it does.
    pub log: Arc<dyn Log>,
    /// How long requests may go on when it ends.
    pub patience: Duration,
}

/// Bounds on what clients may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// Uploads that receive at once; more are told to come again.
    pub uploads: usize,
    /// The largest blob, in bytes.
    pub blob_bytes: u64,
    /// The largest manifest, in bytes. Source: distribution-spec, "Pushing Manifests": at least 4 MiB.
    pub manifest_bytes: u64,
    /// How long a client may say nothing in the middle of a request.
    pub idle: Duration,
    /// How long the head of a request may take, and how long a connection may wait for the next one.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            uploads: 128,
            blob_bytes: u64::MAX,
            manifest_bytes: 4 << 20,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(30),
        }
    }
}
