//! Bake files: HCL, JSON and compose become targets to build, as `docker buildx bake` reads them.
//!
//! [`read`] takes files and what the user asked for to a [`Bake`]: targets with everything that they inherit and that
//! `--set` changes. [`print`], [`list_targets`] and [`list_variables`] give what the flags print;
//! [`Entitlements`] say what targets have to be allowed. Pure values: no file is
//! read, nothing is printed or built here, and time, randomness, the environment and files that others name arrive with the
//! [`Request`]. Files are foreign: depth and work are bounded.

mod compose;
mod csv;
mod definition;
mod entitlements;
mod error;
mod evaluate;
mod files;
mod functions;
mod list;
mod overrides;
mod path;
mod print;
mod request;
mod select;
mod sizes;
mod syntax;
mod target;
mod value;

pub use definition::Variable;
pub use entitlements::{Entitlements, Files, Prompt, Prompted};
pub use error::{Diagnostic, Error, Place, Result};
pub use files::default_files;
pub use functions::Means;
pub use list::{List, Listed, list_targets, list_variables};
pub use print::print;
pub use request::{Bake, Request, read};
pub use select::Granted;
pub use target::{Attest, CacheEntry, Export, Group, Policy, Resources, Secret, SshKey, Target};
