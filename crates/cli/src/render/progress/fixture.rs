//! A screen to look at and tasks to tell about.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use wharfie_content::{Event, Observer, Outcome, Stream, Subject, TaskId};
use wharfie_oci::{Descriptor, DiffId, Digest, MediaType};

use super::Out;

/// What was written.
#[derive(Clone, Default)]
pub(super) struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    pub(super) fn writer(&self) -> Out {
        Box::new(self.clone())
    }

    /// Everything so far.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A layer of a million bytes or so whose digest is one digit over and over.
pub(super) fn layer(hex: char) -> Descriptor {
    let digest = Digest::sha256(&hex.to_string().repeat(64)).unwrap();
    Descriptor::new(MediaType::default(), digest, 1_065_000)
}

pub(super) fn diff_id(hex: char) -> DiffId {
    DiffId::new(layer(hex).digest)
}

pub(super) fn upload(hex: char) -> Subject {
    Subject::Upload { diff_id: diff_id(hex), size: None }
}

/// Tells an observer about tasks.
pub(super) struct Tasks<'a>(&'a dyn Observer);

impl<'a> Tasks<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Tasks(observer)
    }

    pub(super) fn began(&mut self, what: Subject) -> TaskId {
        let task = TaskId::next();
        self.0.observe(Event::Began { task, parent: None, what });
        task
    }

    pub(super) fn began_within(&mut self, parent: TaskId, what: Subject) -> TaskId {
        let task = TaskId::next();
        self.0.observe(Event::Began { task, parent: Some(parent), what });
        task
    }

    /// Writes as a process of `task` would.
    pub(super) fn wrote(&mut self, task: TaskId, text: &str) {
        self.0.observe(Event::Output { task, stream: Stream::Stdout, bytes: text.as_bytes().to_vec() });
    }

    pub(super) fn advanced(&mut self, task: TaskId, done: u64, total: Option<u64>) {
        self.0.observe(Event::Advanced { task, done, total });
    }

    pub(super) fn verified(&mut self, task: TaskId) {
        self.0.observe(Event::Verified { task });
    }

    pub(super) fn retrying(&mut self, task: TaskId, seconds: u64) {
        self.0.observe(Event::Retrying { task, seconds });
    }

    pub(super) fn ended(&mut self, task: TaskId, outcome: Outcome) {
        self.0.observe(Event::Ended { task, outcome });
    }
}
