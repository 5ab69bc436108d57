//! An OCI registry on this machine's disk: `docs/registry.md` says how it keeps what it has, and why that needs no locks.
//!
//! [`Server::start`] begins to serve, on a runtime of its own: the only asynchronous code of the product begins and ends
//! with it. This room reports what it does as [`Event`]s and knows neither words for people nor the environment.

pub mod acme;
mod answer;
mod arriving;
pub mod auth;
mod blobs;
mod body;
mod client;
pub mod config;
mod document;
mod event;
mod file_body;
pub mod fsck;
pub mod gc;
mod key;
mod listing;
mod live;
mod maintenance;
mod manifests;
mod metrics;
mod name;
mod page;
mod parallel;
mod patient;
mod plain;
mod query;
mod quotas;
mod range;
mod rates;
mod record;
mod referrers;
mod refusal;
pub mod retention;
mod route;
mod router;
mod search;
mod server;
mod storage;
mod tags;
pub mod tls;
mod tokens;
mod uploads;
pub mod upstream;
mod webhooks;
mod wire;

pub use config::{Config, Limits};
pub use event::{Event, Log};
pub use maintenance::Maintenance;
pub use quotas::Quota;
pub use rates::Rate;
pub use server::{Error, Server};
pub use storage::{BucketOptions, Place};
pub use webhooks::Webhook;

/// What takes apart what comes over the network, for tests and fuzzing.
pub mod parsers {
    pub use crate::document::{Document, parse as manifest};
    pub use crate::page::Address;
    pub use crate::query::Query;
    pub use crate::range::{Wanted, chunk, wanted};
    pub use crate::refusal::{Code, Refusal};
    pub use crate::route::Route;
}
