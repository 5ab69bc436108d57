//! What users and API clients read: documents with docker's fields, in docker's order, with docker's zero values.
//!
//! The engine fills them in; the command line renders them as tables, templates and JSON, and every other face serialises
//! them as they are. Nothing here knows where a document comes from or how it is shown.

pub mod container;
pub mod event;
pub mod image;
pub mod network;
mod span;
pub mod system;
pub mod volume;
mod words;

pub use span::span;
pub use words::{Duration, Moment, NEVER, NilList, NilMap};
