//! No progress: warnings only.

use std::sync::Mutex;

use wharfie_content::{Event, Observer};

use super::{Out, Progress, Streams, lock};

/// Warnings only.
pub struct Quiet {
    streams: Mutex<Streams>,
}

impl Quiet {
    /// Warnings go to `err`, except those that are part of a command's output.
    pub fn new(out: Out, err: Out) -> Quiet {
        Quiet { streams: Mutex::new(Streams { out, err }) }
    }
}

impl Progress for Quiet {
    fn line(&self, text: &str) {
        lock(&self.streams).line(text);
    }
}

impl Observer for Quiet {
    fn observe(&self, event: Event) {
        if let Event::Warned(warning) = event {
            lock(&self.streams).warn(&warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use wharfie_content::{Outcome, Subject, Warning};

    use super::super::fixture::{Screen, Tasks, layer};
    use super::*;

    #[test]
    fn warnings_pass() {
        let (out, err) = (Screen::default(), Screen::default());
        let quiet = Quiet::new(out.writer(), err.writer());
        let mut tasks = Tasks::new(&quiet);
        let task = tasks.began(Subject::Fetch(layer('1')));
        tasks.verified(task);
        tasks.ended(task, Outcome::Done);
        quiet.observe(Event::Warned(Warning::Note("mind the gap".to_owned())));
        quiet.line("docker.io/library/web:latest");
        assert_eq!((out.text().as_str(), err.text().as_str()), ("docker.io/library/web:latest\n", "mind the gap\n"));
    }
}
