//! The words of wharfie: digests, references, descriptors, manifests, configurations, platforms.
//!
//! Pure values. Nothing here opens a file, a socket or a clock, so everything compiles in a moment,
//! can be fuzzed at full speed and means the same in every room.

pub mod config;
pub mod descriptor;
pub mod digest;
pub mod duration;
pub mod fault;
pub mod ids;
pub mod index;
pub mod json;
pub mod manifest;
pub mod media_type;
pub mod object;
pub mod path;
pub mod pattern;
pub mod platform;
pub mod reference;
pub mod retention;
pub mod size;
pub mod time;

pub use config::ImageConfig;
pub use descriptor::Descriptor;
pub use digest::{Digest, Digester};
pub use fault::{Fault, Kind, Speaker};
pub use ids::{ChainId, DiffId, ImageId};
pub use index::Index;
pub use manifest::Manifest;
pub use media_type::MediaType;
pub use object::{ContainerId, ContainerName, NetworkId, NetworkName, VolumeName};
pub use platform::Platform;
pub use reference::{Reference, Repository};
pub use time::Timestamp;
