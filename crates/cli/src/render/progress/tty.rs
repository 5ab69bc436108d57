//! Progress on a terminal: every layer has a line that changes in place, in the block below the last line that scrolled.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use wharfie_content::{Event, Observer, Outcome, Subject, TaskId};

use super::bar::{Pace, bar};
use super::{Clock, MIN_REDRAW, Out, Progress, Streams, Width, lock, put, words};
use crate::render::ellipsis;

/// The width of a terminal that does not tell.
const UNKNOWN_WIDTH: usize = 200;

/// Lines that change in place.
pub struct Tty {
    clock: Clock,
    width: Width,
    state: Mutex<State>,
}

struct State {
    streams: Streams,
    tasks: BTreeMap<TaskId, Task>,
    /// The lines of the block, from the top, by what stands before their colon.
    block: Vec<String>,
}

struct Task {
    what: Subject,
    /// When its bar began to move, and where it stood: what an earlier try fetched says nothing about speed.
    start: Option<(Duration, u64)>,
    /// When its bar was last drawn.
    drawn: Option<Duration>,
    /// Whether all bytes are here.
    verified: bool,
}

impl Tty {
    /// Data goes to `out`, which is a terminal, warnings to `err`.
    pub fn new(out: Out, err: Out, clock: Clock, width: Width) -> Tty {
        let streams = Streams { out, err };
        Tty { clock, width, state: Mutex::new(State { streams, tasks: BTreeMap::new(), block: Vec::new() }) }
    }

    fn columns(&self) -> usize {
        match (self.width)() {
            0 => UNKNOWN_WIDTH,
            width => width,
        }
    }
}

impl Progress for Tty {
    fn line(&self, text: &str) {
        lock(&self.state).scroll(text);
    }
}

impl Observer for Tty {
    fn observe(&self, event: Event) {
        let mut state = lock(&self.state);
        match event {
            Event::Began { task, what, .. } => {
                let words = words::began(&what);
                state.tasks.insert(task, Task { what, start: None, drawn: None, verified: false });
                if let Some(words) = words {
                    state.say(task, &words, "", self.columns());
                }
            }
            Event::Advanced { task, done, total } => {
                let now = (self.clock)();
                if let Some((words, bar)) = state.advance(task, done, total, now, self.columns()) {
                    state.say(task, words, &bar, self.columns());
                }
            }
            Event::Verified { task } => {
                if let Some(task) = state.tasks.get_mut(&task) {
                    // What follows is another piece of work with a speed of its own.
                    (task.verified, task.start, task.drawn) = (true, None, None);
                }
                state.say(task, "Verifying Checksum", "", self.columns());
                state.say(task, "Download complete", "", self.columns());
            }
            Event::Retrying { task, seconds } => {
                state.say(task, &words::retrying(seconds), "", self.columns());
            }
            Event::Output { bytes, .. } => {
                for line in words::output(&bytes) {
                    state.scroll(&line);
                }
            }
            Event::Warned(warning) => {
                state.block.clear();
                state.streams.warn(&warning);
            }
            Event::Ended { task, outcome } => state.end(task, &outcome, self.columns()),
            // Facts that are younger than this renderer.
            _ => {}
        }
    }
}

impl State {
    /// A line of its own; what is above stays as it is from now on.
    fn scroll(&mut self, text: &str) {
        self.block.clear();
        self.streams.line(text);
    }

    /// The words and the bar of a task, if it is time to draw it again.
    fn advance(
        &mut self,
        task: TaskId,
        done: u64,
        total: Option<u64>,
        now: Duration,
        width: usize,
    ) -> Option<(&'static str, String)> {
        let task = self.tasks.get_mut(&task)?;
        let words = words::moving(&task.what, task.verified)?;
        let (start, before) = task.start.filter(|&(_, before)| before <= done).unwrap_or((now, done));
        task.start = Some((start, before));
        let is_full = total.is_some_and(|total| done >= total);
        if !is_full && task.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < MIN_REDRAW) {
            return None;
        }
        task.drawn = Some(now);
        let pace = Pace { elapsed: now.saturating_sub(start), moved: done - before };
        Some((words, bar(done, total, pace, width)))
    }

    /// Shows a task's state: in place for layers, as a line of its own for the rest.
    fn say(&mut self, task: TaskId, words: &str, bar: &str, width: usize) {
        let Some(Task { what, .. }) = self.tasks.get(&task) else {
            return;
        };
        let label = words::label(what);
        match (what, label) {
            (Subject::Resolve { .. }, Some(label)) => self.scroll(&format!("{label}: {words}")),
            (Subject::Push { .. }, _) => self.scroll(words),
            // A line of the block needs a name; the bar of an import is the only one without.
            (Subject::Import { .. }, _) => self.replace("", &format!("{words} {bar}"), width),
            (_, Some(label)) => self.replace(&label, &format!("{words} {bar}"), width),
            (_, None) => {}
        }
    }

    /// Writes over the line called `label`, opening it first if it is new. The cursor ends below the block.
    fn replace(&mut self, label: &str, text: &str, width: usize) {
        let mut out = String::new();
        let index = self.block.iter().position(|line| line == label).unwrap_or_else(|| {
            out.push('\n');
            self.block.push(label.to_owned());
            self.block.len() - 1
        });
        let up = self.block.len() - index;
        let line = if label.is_empty() { text.to_owned() } else { format!("{label}: {text}") };
        // A line that wraps would be two, and all others would move.
        let line = ellipsis::fit(&line, width);
        out += &format!("\x1b[{up}A\x1b[2K\r{line}\r\x1b[{up}B");
        put(&mut self.streams.out, &out);
    }

    fn end(&mut self, task: TaskId, outcome: &Outcome, width: usize) {
        let Some(Task { what, .. }) = self.tasks.get(&task) else {
            return;
        };
        match words::ended(what, outcome) {
            // A digest is the image's: it scrolls.
            Some(words) if matches!(what, Subject::Resolve { .. } | Subject::Tag(_)) => self.scroll(&words),
            Some(words) => self.say(task, &words, "", width),
            None => {}
        }
        self.tasks.remove(&task);
    }
}

#[cfg(test)]
mod tests;
