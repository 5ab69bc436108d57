//! Fixture builders, test registry, contract suites and host sandbox for wharfie's tests.

pub mod browser;
pub mod contract;
pub mod faulty_server;
pub mod host;
pub mod image;
pub mod moto;
pub mod needs;
pub mod pebble;
pub mod published;
pub mod registry;
pub mod tls;

pub use browser::Browser;
pub use faulty_server::{FaultyServer, Heard};
pub use host::{Host, Outcome};
pub use image::{Image, archive, file};
pub use moto::Moto;
pub use pebble::{Pebble, free_port};
pub use published::{Packing, Published};
pub use registry::TestRegistry;
pub use tls::Authority;
