//! The verbs: what people do with images, one file each, from a plain request to a plain outcome.
//!
//! This is the only room that knows several places: it moves content between the store, registries and archives, and
//! decides what docker's users expect of names, removals and filters. It prints nothing and reads no environment.

mod arrivals;
pub mod build;
pub mod change;
pub mod container;
pub mod copy;
pub mod disk;
pub mod engine;
pub mod error;
pub mod events;
pub mod filter;
pub mod fsck;
pub mod glob;
mod help;
pub mod import;
pub mod info;
pub mod insight;
pub mod inspect;
pub mod job;
pub mod list;
pub mod load;
pub mod login;
pub mod maintain;
pub mod mount;
pub mod names;
pub mod networks;
mod outgoing;
pub mod patterns;
pub mod prune;
pub mod publish;
pub mod pull;
pub mod push;
mod record;
pub mod remove;
pub mod restore;
pub mod retain;
pub mod save;
pub mod search;
pub mod served;
pub mod tag;
pub mod tags;
pub mod trust;
pub mod upstream;
pub mod version;
pub mod volumes;
mod watch;

pub use engine::{Config, Engine};
pub use error::{Error, Result};
