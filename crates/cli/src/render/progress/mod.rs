//! Progress as people and machines see it: renderers of one stream of events.
//!
//! They own wording, rate and width. Time and the terminal's width come through functions given to them, so that tests choose both. A line
//! that a command prints between events goes through [`Progress::line`], which knows where the cursor stands. Writing never fails: whoever
//! closed the pipe does not want to hear about it.

mod bar;
pub mod build;
mod json;
mod plain;
mod quiet;
mod tty;
mod words;

#[cfg(test)]
mod fixture;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wharfie_content::Observer;

pub use json::Json;
pub use plain::Plain;
pub use quiet::Quiet;
pub use tty::Tty;

/// Anything to write to, from any thread.
pub type Out = Box<dyn Write + Send>;

/// The time since some fixed moment; never goes back.
pub type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// The terminal's width in columns; 0 if unknown.
pub type Width = Box<dyn Fn() -> usize + Send + Sync>;

/// An observer that shares its stream with the lines of a command.
pub trait Progress: Observer {
    /// Prints a line of the command's own, such as `Status: …`, without moving what is above it.
    fn line(&self, text: &str);
}

/// How progress is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Lines that change in place.
    Tty,
    /// One line per fact.
    Plain,
    /// One JSON object per fact.
    Json,
    /// Warnings only.
    Quiet,
}

/// The renderer for `style`: data goes to `out`, warnings to `err`.
pub fn renderer(style: Style, out: Out, err: Out, clock: Clock, width: Width) -> Box<dyn Progress> {
    match style {
        Style::Tty => Box::new(Tty::new(out, err, clock, width)),
        Style::Plain => Box::new(Plain::new(out, err)),
        Style::Json => Box::new(Json::new(out, clock)),
        Style::Quiet => Box::new(Quiet::new(out, err)),
    }
}

/// Ten a second: more cannot be read, and costs time that the work needs.
const MIN_REDRAW: Duration = Duration::from_millis(100);

/// A panic elsewhere is no reason to stop showing progress.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes and flushes; failures are ignored as the module promises.
fn put(out: &mut Out, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The two streams of a renderer.
struct Streams {
    out: Out,
    err: Out,
}

impl Streams {
    fn line(&mut self, text: &str) {
        put(&mut self.out, &format!("{text}\n"));
    }

    fn warn(&mut self, warning: &wharfie_content::Warning) {
        let (text, is_error) = words::warning(warning);
        put(if is_error { &mut self.err } else { &mut self.out }, &format!("{text}\n"));
    }
}
