//! The protocol over real sockets. Section names are distribution-spec's.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod bounds;
mod bucket;
mod caching;
mod client;
mod collecting;
mod crowd;
mod deleting;
mod hostile;
mod listing;
mod manifests;
mod pages;
mod pages_access;
mod pulling;
mod pushing;
mod referrers;
mod resuming;
mod webhooks;
mod words;
