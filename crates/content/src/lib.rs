//! How described bytes move: sources, sinks, verification, copying, and the events that tell of it.
//!
//! A place (registry, store, archive) implements [`Source`] or [`Sink`]; what follows from them is here, once.
//! Knows nothing of networks, disks or terminals.

pub mod cancel;
pub mod document;
pub mod event;
pub mod graph;
pub mod parallel;
pub mod place;
pub mod reason;
pub mod task;
pub mod verify;

pub use cancel::{Cancel, Cancelled};
pub use document::Document;
pub use event::{Event, Observer, Outcome, Step, Stream, Subject, TaskId, Warning};
pub use place::{BoxError, Opened, Part, Sink, Source, Watch};
pub use reason::in_words;
pub use task::{Counted, Parts, Task};
pub use verify::{Mismatch, Verified};
