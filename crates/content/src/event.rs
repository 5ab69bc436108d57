//! The event stream: what rooms report while they work. Facts, never prose.
//!
//! Renderers (terminal, plain lines, JSON, the Engine API) own rate, width and wording. A room never asks whether anyone
//! watches; `()` is the observer that does not.

use std::sync::atomic::{AtomicU64, Ordering};

use wharfie_oci::{Descriptor, DiffId, Digest, ImageId, Reference};

use crate::cancel::{Cancel, Cancelled};
use crate::task::Task;

/// Names one piece of work for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

impl TaskId {
    /// A name that nothing else in this process has.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The bare number, for machine-readable streams.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// What a task works on. Progress is counted in bytes everywhere but in `Collect`, which counts images.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A reference is being resolved on a registry: `tag` is the tag or digest asked for, `repository` the path there.
    Resolve {
        /// Tag or digest, or the familiar reference when asked by digest.
        tag: String,
        /// Repository path without host.
        repository: String,
    },
    /// A layer is on its way into the store: down the wire, verified, indexed.
    Fetch(Descriptor),
    /// A layer is on its way to a registry.
    Upload {
        /// The layer's name in the image.
        diff_id: DiffId,
        /// Bytes to send, if known.
        size: Option<u64>,
    },
    /// A push begins; holds the canonical repository name.
    Push {
        /// Canonical repository, without tag.
        repository: String,
    },
    /// A tag is being pointed at what was pushed; ends in [`Outcome::Manifest`].
    Tag(Reference),
    /// A layer is being read from an archive.
    Load {
        /// The layer's name in the image, when the archive tells it in time.
        diff_id: Option<DiffId>,
    },
    /// A layer is being written to an archive.
    Save(DiffId),
    /// A tar is being read from a URL or file.
    Import {
        /// Where from, as the user wrote it.
        from: String,
    },
    /// A part of a build that is no step of the Dockerfile: `[internal] load build context`. Holds its name.
    Build(String),
    /// A step of a build; ends in [`Outcome::Step`].
    Step(Box<Step>),
}

/// A step of a build, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How BuildKit names it: `[build 2/4] RUN make`. `None` for what only changes the configuration.
    pub label: Option<String>,
    /// The instruction as it is written.
    pub written: String,
    /// Which it is of those up to the target, from 1. What the base asks of its children (ONBUILD) has the number of FROM.
    pub number: usize,
    /// How many there are.
    pub total: usize,
    /// Of FROM: how many steps follow with its number.
    pub triggers: usize,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The work was done.
    Done,
    /// The result was there already.
    Exists,
    /// The registry took it over from the repository named here.
    Mounted(String),
    /// The image's manifest is at this digest (of this many bytes).
    Manifest {
        /// Digest that the registry knows it by.
        digest: Digest,
        /// Bytes.
        size: u64,
    },
    /// A step of a build is done.
    Step {
        /// What the stage's image would be now; `None` for nothing at all.
        image: Option<ImageId>,
        /// It had been done before.
        is_cached: bool,
    },
    /// It failed, and this is why.
    Broken(String),
    /// It failed; the error itself travels as the verb's result.
    Failed,
}

/// Something the user should know although the work goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// A registry's `Warning: 299` header.
    Registry(String),
    /// The image is for another platform than the one asked for.
    Platform {
        /// Familiar reference.
        reference: String,
        /// The image's platform.
        found: String,
        /// The one asked for.
        wanted: String,
    },
    /// `reference` named another image until now, which has lost that name.
    Renamed {
        /// Familiar reference.
        reference: String,
        /// Image id that had it.
        old: String,
    },
    /// Only so many requests are left at the registry.
    RateLimit {
        /// Requests left.
        remaining: u64,
    },
    /// Anything else, already worded.
    Note(String),
}

/// Which of its two streams a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The stream for results.
    Stdout,
    /// The stream for everything else.
    Stderr,
}

/// One fact about work going on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `task` began.
    Began {
        /// Its name from here on.
        task: TaskId,
        /// The task that it is a part of.
        parent: Option<TaskId>,
        /// What it works on.
        what: Subject,
    },
    /// `task` has done `done` of `total` bytes.
    Advanced {
        /// Which.
        task: TaskId,
        /// So far, from the start; may go back when a download starts over.
        done: u64,
        /// In all, if known.
        total: Option<u64>,
    },
    /// All bytes of a fetch have arrived and are what their digest says; indexing may still go on.
    Verified {
        /// Which.
        task: TaskId,
    },
    /// `task` waits `seconds` and then tries again.
    Retrying {
        /// Which.
        task: TaskId,
        /// From now.
        seconds: u64,
    },
    /// `task` runs a process in a container of its own.
    Started {
        /// Which.
        task: TaskId,
        /// The container's name: 12 digits.
        container: String,
    },
    /// A process that `task` runs has written something.
    Output {
        /// Which.
        task: TaskId,
        /// Where the process wrote it.
        stream: Stream,
        /// What it wrote, as it came: not always a whole line, nor always text.
        bytes: Vec<u8>,
    },
    /// Something the user should know.
    Warned(Warning),
    /// Something to know of a task.
    Note {
        /// The task.
        task: TaskId,
        /// What.
        text: String,
    },
    /// `task` ended.
    Ended {
        /// Which.
        task: TaskId,
        /// How.
        outcome: Outcome,
    },
}

/// Takes events as they happen, from any thread.
pub trait Observer: Send + Sync {
    /// Called once per event; must be quick.
    fn observe(&self, event: Event);

    /// What calls off the work that is observed, if anything can.
    fn cancel(&self) -> Option<&Cancel> {
        None
    }

    /// Goes on unless the work has been called off.
    ///
    /// # Errors
    /// When it has.
    fn check(&self) -> Result<(), Cancelled> {
        self.cancel().map_or(Ok(()), Cancel::check)
    }
}

impl Observer for () {
    fn observe(&self, _: Event) {}
}

impl<F: Fn(Event) + Send + Sync> Observer for F {
    fn observe(&self, event: Event) {
        self(event);
    }
}

/// Begins a task, runs `work` with its name, and reports how it ended: `Failed` if `work` does.
///
/// # Errors
/// Whatever `work` returns.
pub fn task<T, E>(
    observer: &dyn Observer,
    what: Subject,
    work: impl FnOnce(TaskId) -> Result<(T, Outcome), E>,
) -> Result<T, E> {
    let task = Task::begin(observer, what);
    let (value, outcome) = work(task.id())?;
    task.end(outcome);
    Ok(value)
}
