//! A task as a value: it begins when it is made and ends once, whatever happens to the work.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::event::{Event, Observer, Outcome, Stream, Subject, TaskId};

/// A piece of work that an observer was told of. Whoever drops it without [`Task::end`] has failed, and the observer is
/// told so: an early return leaves no task open.
pub struct Task<'a> {
    observer: &'a dyn Observer,
    id: TaskId,
    is_over: AtomicBool,
}

impl<'a> Task<'a> {
    /// Begins a task, which is no part of another unless `observer` is of [`Parts`].
    pub fn begin(observer: &'a dyn Observer, what: Subject) -> Self {
        let id = TaskId::next();
        observer.observe(Event::Began { task: id, parent: None, what });
        Self { observer, id, is_over: AtomicBool::new(false) }
    }

    /// Whom to tell of what is a part of this task.
    pub fn parts(&self) -> Parts<'a> {
        Parts { whole: self.id, observer: self.observer }
    }

    /// The task's name in events.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Whom the task tells.
    pub fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// Tells that `done` of `total` are done.
    pub fn advance(&self, done: u64, total: Option<u64>) {
        self.observer.observe(Event::Advanced { task: self.id, done, total });
    }

    /// Tells that all bytes are here and are what their digest says.
    pub fn verified(&self) {
        self.observer.observe(Event::Verified { task: self.id });
    }

    /// Passes on what a process of this task wrote.
    pub fn output(&self, stream: Stream, bytes: &[u8]) {
        self.observer.observe(Event::Output { task: self.id, stream, bytes: bytes.to_vec() });
    }

    /// Tells that a process runs for it, in a container of this name.
    pub fn started(&self, container: &str) {
        self.observer.observe(Event::Started { task: self.id, container: container.to_owned() });
    }

    /// Ends the task. Only the first call counts: a task ends once.
    pub fn end(&self, outcome: Outcome) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.observer.observe(Event::Ended { task: self.id, outcome });
        }
    }
}

impl Task<'_> {
    /// Tells something to know of it.
    pub fn note(&self, text: impl Into<String>) {
        self.observer.observe(Event::Note { task: self.id, text: text.into() });
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Failed);
    }
}

/// Tells an observer of the parts of a task: what begins without a parent has this one.
pub struct Parts<'a> {
    /// The task.
    pub whole: TaskId,
    /// Whom to tell.
    pub observer: &'a dyn Observer,
}

impl Observer for Parts<'_> {
    fn observe(&self, event: Event) {
        self.observer.observe(match event {
            Event::Began { task, parent: None, what } => Event::Began { task, parent: Some(self.whole), what },
            event => event,
        });
    }

    fn cancel(&self) -> Option<&Cancel> {
        self.observer.cancel()
    }
}

/// Reads on, and tells of the bytes that passed: the first ones at once, then after every [`STEP`] or [`PAUSE`], whichever
/// comes first, and the last ones once.
pub struct Counted<'a, R> {
    inner: R,
    task: TaskId,
    observer: &'a dyn Observer,
    total: Option<u64>,
    done: u64,
    told: u64,
    told_at: Option<Instant>,
}

/// 1 MiB: on a fast line finer steps are not seen, and cost time.
const STEP: u64 = 1 << 20;

/// 200 ms: on a slow line a person wants to see at least two steps a second.
const PAUSE: Duration = Duration::from_millis(200);

impl<'a, R> Counted<'a, R> {
    /// Tells `observer` of what is read of `inner`, which yields `total` bytes if that is known.
    pub fn new(inner: R, total: Option<u64>, task: TaskId, observer: &'a dyn Observer) -> Self {
        Self { inner, task, observer, total, done: 0, told: 0, told_at: None }
    }

    fn is_due(&self, is_at_end: bool) -> bool {
        if self.done == self.told {
            return false;
        }
        is_at_end
            || Some(self.done) == self.total
            || self.done - self.told >= STEP
            || self.told_at.is_none_or(|told_at| told_at.elapsed() >= PAUSE)
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.observer.check()?;
        let n = self.inner.read(buffer)?;
        self.done += n as u64;
        if self.is_due(n == 0 && !buffer.is_empty()) {
            (self.told, self.told_at) = (self.done, Some(Instant::now()));
            self.observer.observe(Event::Advanced { task: self.task, done: self.done, total: self.total });
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Keeps what it is told.
    #[derive(Default)]
    struct Notes(Mutex<Vec<Event>>);

    impl Observer for Notes {
        fn observe(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    impl Notes {
        fn taken(&self) -> Vec<Event> {
            std::mem::take(&mut self.0.lock().unwrap())
        }

        /// The bytes of each `Advanced`.
        fn steps(&self) -> Vec<u64> {
            let done = |event| if let Event::Advanced { done, .. } = event { Some(done) } else { None };
            self.taken().into_iter().filter_map(done).collect()
        }
    }

    fn import() -> Subject {
        Subject::Import { from: "-".to_owned() }
    }

    #[test]
    fn a_task_that_is_dropped_has_failed() {
        let notes = Notes::default();
        let work = |observer: &dyn Observer| -> Result<TaskId, TaskId> {
            let task = Task::begin(observer, import());
            Err(task.id())
        };
        let task = work(&notes).unwrap_err();
        let began = Event::Began { task, parent: None, what: import() };
        assert_eq!(notes.taken(), [began, Event::Ended { task, outcome: Outcome::Failed }]);
    }

    #[test]
    fn a_task_ends_once() {
        let notes = Notes::default();
        let task = Task::begin(&notes, import());
        let id = task.id();
        notes.taken();
        task.end(Outcome::Exists);
        task.end(Outcome::Done);
        drop(task);
        assert_eq!(notes.taken(), [Event::Ended { task: id, outcome: Outcome::Exists }]);
    }

    #[test]
    fn parts_name_what_they_are_a_part_of_and_end_before_it() {
        let notes = Notes::default();
        let ids = {
            let whole = Task::begin(&notes, Subject::Push { repository: "x".to_owned() });
            let parts = whole.parts();
            let part = Task::begin(&parts, import());
            part.advance(1, Some(2));
            part.verified();
            part.output(Stream::Stderr, b"so far");
            (whole.id(), part.id())
        };
        let (parent, task) = ids;
        assert_eq!(
            notes.taken()[1..],
            [
                Event::Began { task, parent: Some(parent), what: import() },
                Event::Advanced { task, done: 1, total: Some(2) },
                Event::Verified { task },
                Event::Output { task, stream: Stream::Stderr, bytes: b"so far".to_vec() },
                Event::Ended { task, outcome: Outcome::Failed },
                Event::Ended { task: parent, outcome: Outcome::Failed },
            ]
        );
    }

    #[test]
    fn the_first_bytes_and_the_last_are_told_once() {
        let notes = Notes::default();
        let bytes = vec![0; 3 << 20];
        let total = bytes.len() as u64;
        for known in [Some(total), None] {
            let mut counted = Counted::new(&bytes[..], known, TaskId::next(), &notes);
            let mut buffer = vec![0; 64 << 10];
            while counted.read(&mut buffer).unwrap() > 0 {}
            let steps = notes.steps();
            assert_eq!((steps[0], *steps.last().unwrap()), (64 << 10, total));
            assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
        }
    }

    #[test]
    fn a_slow_line_is_told_of_although_few_bytes_pass() {
        let notes = Notes::default();
        let mut counted = Counted::new(io::repeat(0), None, TaskId::next(), &notes);
        let mut buffer = [0; 10];
        for _ in 0..2 {
            counted.read_exact(&mut buffer).unwrap();
            // As if the pause had passed since the last word.
            counted.told_at = counted.told_at.and_then(|told_at| told_at.checked_sub(PAUSE));
        }
        assert_eq!(notes.steps(), [10, 20]);
    }

    /// Calls the work off as soon as it moves.
    #[derive(Default)]
    struct Impatient(Cancel);

    impl Observer for Impatient {
        fn observe(&self, event: Event) {
            if matches!(event, Event::Advanced { .. }) {
                self.0.cancel();
            }
        }

        fn cancel(&self) -> Option<&Cancel> {
            Some(&self.0)
        }
    }

    #[test]
    fn work_that_is_called_off_reads_no_further_also_as_a_part() {
        let whole = Impatient::default();
        let parts = Parts { whole: TaskId::next(), observer: &whole };
        let mut counted = Counted::new(io::repeat(0), None, TaskId::next(), &parts);
        assert_eq!(counted.read(&mut [0; 10]).unwrap(), 10);
        let why = counted.read(&mut [0; 10]).unwrap_err();
        assert!(why.kind() == io::ErrorKind::Other && why.to_string() == "context canceled", "{why:?}");
    }
}
