//! The protocol over real sockets. Section names are distribution-spec's.

mod client;
mod crowd;
mod deleting;
mod hostile;
mod listing;
mod manifests;
mod pulling;
mod pushing;
mod referrers;
mod resuming;
mod words;
