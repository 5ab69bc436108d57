//! Fixture builders, test registry, contract suites and host sandbox for wharfie's tests.

pub mod faulty_server;
pub mod registry;
pub mod tls;

pub use faulty_server::{FaultyServer, Heard};
pub use registry::TestRegistry;
pub use tls::Authority;
