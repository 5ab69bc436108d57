//! How described bytes move: sources, sinks, verification, copying, and the events that tell of it.
//!
//! A place (registry, store, archive) implements [`Source`] or [`Sink`]; what follows from them is here, once.
//! Knows nothing of networks, disks or terminals.

pub mod copy;
pub mod event;
pub mod place;
pub mod task;
pub mod verify;

pub use event::{Event, Observer, Outcome, Stream, Subject, TaskId, Warning};
pub use place::{BoxError, Sink, Source};
pub use task::{Counted, Task};
pub use verify::{Mismatch, Verified};
