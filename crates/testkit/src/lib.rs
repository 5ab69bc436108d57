//! Fixture builders, test registry, contract suites and host sandbox for wharfie's tests.

pub mod browser;
pub mod buckets;
pub mod contract;
pub mod faulty_server;
mod garage;
pub mod host;
pub mod image;
mod moto;
pub mod needs;
pub mod pebble;
pub mod published;
pub mod registry;
pub mod service;
pub mod tls;

pub use browser::Browser;
pub use buckets::Buckets;
pub use faulty_server::{FaultyServer, Heard};
pub use host::{Host, Outcome};
pub use image::{Image, archive, file};
pub use pebble::{Pebble, free_port};
pub use published::{Packing, Published};
pub use registry::TestRegistry;
pub use tls::Authority;
