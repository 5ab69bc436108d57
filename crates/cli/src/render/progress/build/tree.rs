//! The live tree of a build on a terminal: what is done with its time, what is being done with the last lines of its log.
//! Lines that are finished and no longer fit scroll away above; what is below them is drawn anew.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wharfie_content::{Event, Observer, Outcome, Subject, TaskId, Warning};

use super::Size;
use crate::render::ellipsis;
use crate::render::progress::{Clock, MIN_REDRAW, Out, Progress, lock, put, words};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::size;

/// A live tree.
pub(super) struct Tree {
    shared: Arc<Shared>,
    ticking: Option<JoinHandle<()>>,
}

struct Shared {
    clock: Clock,
    size: Size,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    out: Out,
    parts: Vec<Part>,
    /// Lines of the last drawing, which the next one replaces.
    drawn: usize,
    drawn_at: Option<Duration>,
    is_over: bool,
}

struct Part {
    task: TaskId,
    label: String,
    began: Duration,
    ended: Option<(Duration, End)>,
    notes: Vec<String>,
    /// Layers that are on their way, with how much of them is here.
    layers: Vec<(TaskId, String, u64, Option<u64>, bool)>,
    log: VecDeque<String>,
    rest: Vec<u8>,
    /// Whether it stands above what is drawn anew.
    is_settled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Cached,
    Broken,
    Called,
}

/// 6 lines of a log, as BuildKit shows.
const LOG_LINES: usize = 6;
/// Columns and rows of a terminal that does not tell.
const UNKNOWN_SIZE: (usize, usize) = (80, 24);

impl Tree {
    pub(super) fn new(out: Out, clock: Clock, size: Size) -> Self {
        let state = State { out, parts: Vec::new(), drawn: 0, drawn_at: None, is_over: false };
        let shared = Arc::new(Shared { clock, size, state: Mutex::new(state), ended: Condvar::new() });
        let ticked = Arc::clone(&shared);
        // Times go on although nothing happens. Without a thread the tree is drawn when something does.
        let ticking = std::thread::Builder::new().spawn(move || ticked.tick()).ok();
        Self { shared, ticking }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.shared.state);
            state.is_over = true;
            self.shared.draw(&mut state);
        }
        self.shared.ended.notify_all();
        if let Some(ticking) = self.ticking.take() {
            let _ = ticking.join();
        }
    }
}

impl Progress for Tree {
    fn line(&self, text: &str) {
        self.shared.above(text);
    }
}

impl Observer for Tree {
    fn observe(&self, event: Event) {
        let now = (self.shared.clock)();
        if let Event::Warned(warning) = &event {
            let text = match warning {
                Warning::Note(text) => text.clone(),
                other => words::warning(other).0,
            };
            self.shared.above(&text);
            return;
        }
        let mut state = lock(&self.shared.state);
        state.take(event, now);
        if state.drawn_at.is_none_or(|at| now.saturating_sub(at) >= MIN_REDRAW) {
            self.shared.draw(&mut state);
        }
    }
}

impl Shared {
    fn tick(&self) {
        let mut state = lock(&self.state);
        while !state.is_over {
            state = self.ended.wait_timeout(state, MIN_REDRAW).unwrap_or_else(PoisonError::into_inner).0;
            let now = (self.clock)();
            let is_due = state.drawn_at.is_none_or(|at| now.saturating_sub(at) >= MIN_REDRAW);
            if !state.is_over && is_due && !state.parts.is_empty() {
                self.draw(&mut state);
            }
        }
    }

    /// Columns and rows of the terminal.
    fn size(&self) -> (usize, usize) {
        match (self.size)() {
            (0, _) | (_, 0) => UNKNOWN_SIZE,
            size => size,
        }
    }

    /// A line that stays, above the tree.
    fn above(&self, text: &str) {
        let mut state = lock(&self.state);
        let clear = clear(state.drawn);
        state.drawn = 0;
        let text = sanitise(text, Layout::Lines).into_owned();
        put(&mut state.out, &format!("{clear}{text}\n"));
        self.draw(&mut state);
    }

    fn draw(&self, state: &mut State) {
        let now = (self.clock)();
        let (columns, rows) = self.size();
        let mut text = clear(state.drawn);
        let mut lines = state.lines(now, columns);
        if lines.len() >= rows {
            // What has scrolled out of sight cannot be drawn again: what is finished stays where it is.
            for line in state.settle(now, columns) {
                let _ = writeln!(text, "{}", ellipsis::fit(&line, columns));
            }
            lines = state.lines(now, columns);
            let hidden = if state.is_over { 0 } else { lines.len().saturating_sub(rows.saturating_sub(1)) };
            lines.drain(1..1 + hidden.min(lines.len() - 1));
        }
        for line in &lines {
            let _ = writeln!(text, "{}", ellipsis::fit(line, columns));
        }
        state.drawn = lines.len();
        state.drawn_at = Some(now);
        put(&mut state.out, &text);
    }
}

/// Takes `count` lines away above the cursor.
fn clear(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!("\x1b[{count}A\x1b[J"),
    }
}

impl State {
    fn take(&mut self, event: Event, now: Duration) {
        match event {
            Event::Began { task, what, .. } => {
                let label = match what {
                    Subject::Build(label) => label,
                    Subject::Step(step) => match step.label {
                        Some(label) => label,
                        None => return,
                    },
                    Subject::Fetch(layer) => {
                        // The part that fetches is the one that was begun last and goes on.
                        if let Some(part) = self.parts.iter_mut().rev().find(|part| part.ended.is_none()) {
                            let name = layer.digest.short().to_owned();
                            part.layers.push((task, name, 0, Some(layer.size), false));
                        }
                        return;
                    }
                    _ => return,
                };
                self.parts.push(Part {
                    task,
                    label: sanitise(&label, Layout::OneLine).into_owned(),
                    began: now,
                    ended: None,
                    notes: Vec::new(),
                    layers: Vec::new(),
                    log: VecDeque::new(),
                    rest: Vec::new(),
                    is_settled: false,
                });
            }
            Event::Note { task, text } => {
                if let Some(part) = self.part(task) {
                    part.notes.push(sanitise(&text, Layout::OneLine).into_owned());
                }
            }
            Event::Output { task, bytes, .. } => {
                if let Some(part) = self.part(task) {
                    part.write(&bytes);
                }
            }
            Event::Advanced { task, done, total } => {
                for layer in self.parts.iter_mut().flat_map(|part| &mut part.layers).filter(|layer| layer.0 == task) {
                    (layer.2, layer.3) = (done, total.or(layer.3));
                }
            }
            Event::Ended { task, outcome } => {
                let end = match outcome {
                    Outcome::Step { is_cached: true, .. } | Outcome::Exists => End::Cached,
                    Outcome::Broken(_) => End::Broken,
                    Outcome::Failed => End::Called,
                    _ => End::Done,
                };
                for layer in self.parts.iter_mut().flat_map(|part| &mut part.layers).filter(|layer| layer.0 == task) {
                    layer.4 = true;
                }
                if let Some(part) = self.part(task) {
                    part.ended = Some((now, end));
                }
            }
            _ => {}
        }
    }

    /// The lines of finished parts above all others, which are not drawn again.
    fn settle(&mut self, now: Duration, columns: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for part in &mut self.parts {
            if part.ended.is_none() {
                break;
            }
            if !part.is_settled {
                part.lines(now, columns, true, &mut lines);
                part.is_settled = true;
            }
        }
        lines
    }

    fn part(&mut self, task: TaskId) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.task == task)
    }

    fn lines(&self, now: Duration, columns: usize) -> Vec<String> {
        let done = self.parts.iter().filter(|part| part.ended.is_some()).count();
        let begun = self.parts.first().map_or(now, |part| part.began);
        let is_broken = self.parts.iter().any(|part| matches!(part.ended, Some((_, End::Broken))));
        let end = if is_broken {
            " ERROR"
        } else if self.is_over {
            " FINISHED"
        } else {
            ""
        };
        let mut lines = vec![at_end(
            &format!(
                "[+] Building {:.1}s ({done}/{}){end}",
                (now.saturating_sub(begun)).as_secs_f64(),
                self.parts.len()
            ),
            "",
            columns,
        )];
        for part in self.parts.iter().filter(|part| !part.is_settled) {
            part.lines(now, columns, self.is_over, &mut lines);
        }
        lines
    }
}

impl Part {
    fn write(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        for line in whole[..end].split(|byte| *byte == b'\n') {
            if self.log.len() == LOG_LINES {
                self.log.pop_front();
            }
            // What stands behind the last return is what a terminal would show.
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = line.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line).replace('\t', "    ");
            self.log.push_back(sanitise(&line, Layout::OneLine).into_owned());
        }
    }

    fn lines(&self, now: Duration, columns: usize, is_over: bool, lines: &mut Vec<String>) {
        let (until, end) = match self.ended {
            Some((at, end)) => (at, Some(end)),
            None => (now, None),
        };
        let time = format!("{:.1}s", until.saturating_sub(self.began).as_secs_f64());
        let word = match end {
            Some(End::Cached) => "CACHED ",
            Some(End::Broken) => "ERROR ",
            Some(End::Called) => "CANCELED ",
            Some(End::Done) | None => "",
        };
        lines.push(at_end(&format!(" => {word}{}", self.label), &time, columns));
        for note in &self.notes {
            lines.push(format!(" => => {note}"));
        }
        for (_, name, done, total, is_done) in &self.layers {
            let text = match (is_done, total) {
                (true, Some(total)) => format!("{name} {} done", size::short(*total)),
                (true, None) => format!("{name} done"),
                (false, Some(total)) => format!("{name} {} / {}", size::short(*done), size::short(*total)),
                (false, None) => format!("{name} {}", size::short(*done)),
            };
            lines.push(format!(" => => {text}"));
        }
        if end.is_none() && !is_over {
            lines.extend(self.log.iter().map(|line| format!(" => => # {line}")));
        }
    }
}

/// A line with its time at the right edge.
fn at_end(left: &str, right: &str, columns: usize) -> String {
    if right.is_empty() {
        return left.to_owned();
    }
    let room = columns.saturating_sub(right.len() + 1);
    let left = ellipsis::fit(left, room);
    let used = crate::render::width::columns(&left);
    format!("{left}{}{right}", " ".repeat(columns.saturating_sub(used + right.len()).max(1)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use wharfie_content::{Step, Stream};

    use super::super::super::fixture::Screen;
    use super::*;

    #[test]
    fn what_is_done_has_its_time_and_what_is_being_done_its_last_lines() {
        let screen = Screen::default();
        let time = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&time);
        let clock: Clock = Box::new(move || Duration::from_millis(clock.load(Ordering::Relaxed)));
        let tree = Tree::new(screen.writer(), clock, Box::new(|| (30, 24)));
        let begin = |label: &str| {
            let step = Step { label: Some(label.to_owned()), written: String::new(), number: 1, total: 2, triggers: 0 };
            let task = TaskId::next();
            tree.observe(Event::Began { task, parent: None, what: Subject::Step(Box::new(step)) });
            task
        };
        let (one, two) = (begin("[1/2] FROM a"), begin("[2/2] RUN make"));
        time.store(1200, Ordering::Relaxed);
        tree.observe(Event::Ended { task: one, outcome: Outcome::Step { image: None, is_cached: true } });
        let bytes = (1..=8).map(|n| format!("line\t{n}\n")).collect::<String>().into_bytes();
        tree.observe(Event::Output { task: two, stream: Stream::Stdout, bytes });
        let lines = lock(&tree.shared.state).lines(Duration::from_millis(2000), 30);
        assert_eq!(lines[0], "[+] Building 2.0s (1/2)");
        assert_eq!(lines[1], " => CACHED [1/2] FROM a   1.2s");
        assert_eq!(lines[2], " => [2/2] RUN make        2.0s");
        assert_eq!((lines.len(), lines[3].as_str()), (9, " => => # line    3"));
        tree.observe(Event::Ended { task: two, outcome: Outcome::Broken("no".to_owned()) });
        let lines = lock(&tree.shared.state).lines(Duration::from_millis(3000), 30);
        assert_eq!((lines.len(), lines[0].as_str()), (3, "[+] Building 3.0s (2/2) ERROR"));
    }
}
