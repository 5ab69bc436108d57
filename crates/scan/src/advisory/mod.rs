//! Advisories: what is known to be wrong with which versions, as OSV publishes it, and which of it holds for an inventory.

mod builder;
mod ecosystem;
mod feeds;
mod index;
mod matching;
mod record;
mod severity;

pub use builder::{Builder, Source};
pub use feeds::{EPSS, Epss, Exploited, KEV, is_extra};
pub use index::{EcosystemMeta, Index, Meta};
pub use matching::{Finding, consulted, find, unchecked};
pub use record::Advisory;
pub use severity::Severity;

#[cfg(test)]
mod tests;
