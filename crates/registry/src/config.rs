//! What a registry is told when it starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use wharfie_oci::Timestamp;
use wharfie_oci::retention::Policy;

use crate::auth::Access;
use crate::event::Log;
use crate::quotas::Quota;
use crate::rates::Rate;
use crate::retention::Immutable;
use crate::storage::Place;
use crate::tls::Tls;
use crate::upstream::Cache;
use crate::webhooks::Webhook;

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
    /// Who may do what.
    pub access: Arc<Access>,
    /// Encryption; without it, whoever is in between reads and changes everything.
    pub tls: Option<Tls>,
    /// What stays and what goes.
    pub keeping: Keeping,
    /// How much may be kept.
    pub quotas: Vec<Quota>,
    /// Other registries, of which some repositories are caches.
    pub caches: Vec<Cache>,
    /// Who is told what was pushed and deleted.
    pub webhooks: Vec<Webhook>,
    /// How long it waits before it tries again to reach somebody else; longer each time.
    pub retry_unit: Duration,
    /// Who is told what it does.
    pub log: Arc<dyn Log>,
    /// How long requests may go on when it ends.
    pub patience: Duration,
}

/// What stays, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// How long what nobody can reach is kept: longer than any push takes.
    pub grace: Duration,
    /// How often it is collected; never if not given.
    pub every: Option<Duration>,
    /// Which tags stay.
    pub policies: Vec<Policy>,
    /// Tags that stand for one manifest for ever: they are neither moved nor deleted.
    pub immutable: Vec<Immutable>,
}

impl Default for Keeping {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { grace: hour, every: Some(hour), policies: Vec::new(), immutable: Vec::new() }
    }
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
    /// The largest head of a request, in bytes: 8 KiB at least. As much is read at once of a body.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// How often one client may ask.
    pub rate: Option<Rate>,
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
            head_bytes: 256 << 10,
            // Clients send twenty.
            headers: 100,
            rate: None,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(30),
        }
    }
}
