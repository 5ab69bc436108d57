//! Looking inside of images: which packages are in a file, what they are called elsewhere, and documents about them.
//!
//! Everything here reads bytes that somebody else found ([`content::Content`]) and gives values back. Which files an image has,
//! which layer brought them and where data bases lie is not known here. The bytes are hostile: each reader is bounded in what it
//! keeps and in how far it looks, and says what it could not read instead of failing the whole.

pub mod advisory;
pub mod analysis;
mod bounded;
pub mod budget;
pub mod check;
pub mod compare;
pub mod content;
pub mod distro;
pub mod exceptions;
pub mod inventory;
pub mod leak;
mod letters;
pub mod lifetime;
pub mod package;
pub mod purl;
pub mod sarif;
pub mod sbom;
pub mod version;
pub mod vex;
mod zip;

pub use content::Content;
pub use distro::Distro;
pub use inventory::{Found, Reader};
pub use package::{Base, Inventory, KnownBy, Layer, Package, PackageKind, Source, without_arguments};
