//! What is on this machine: blobs, layers, images, references, leases, and the collection of what nothing needs.
//!
//! The disk format is specified in `docs/store.md`. Many processes may use one store at once; a process killed anywhere
//! leaves a store that opens clean: files appear whole or not at all, and rows follow files, never the other way round.
//! Knows nothing of networks, archives or terminals.

pub mod build_cache;
mod container_lock;
mod container_state;
pub mod containers;
mod conveyor;
pub mod ends;
pub mod error;
pub mod fsck;
pub mod gc;
pub mod graph;
pub mod images;
pub mod ingest;
pub mod journal;
pub mod lease;
mod migration;
pub mod mounts;
pub mod networks;
mod partial;
mod privacy;
pub mod prune;
pub mod rebuild;
pub mod references;
mod removal;
mod schema;
pub mod scratch;
mod seams;
pub mod sink;
pub mod snapshots;
pub mod source;
pub mod store;
mod temp;
pub mod trash;
pub mod volumes;

pub use container_lock::ContainerLock;
pub use error::{Error, Result};
pub use graph::{NewManifest, Variant};
pub use images::{ImageRow, NewImage};
pub use ingest::{Ingest, Ingested};
pub use lease::Lease;
pub use mounts::MAX_LAYERS;
pub use references::ReferenceRow;
pub use removal::remove_own_tree;
pub use scratch::{LeasedScratch, Scratch};
pub use sink::StoreSink;
pub use source::StoreSource;
pub use store::{Options, RESERVE_BYTES, Store};
