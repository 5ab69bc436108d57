//! BuildKit's plain lines, one part after the other as they speak.

use std::sync::Mutex;

use wharfie_content::{Event, Observer};
use wharfie_engine::build::transcript::Transcript;

use crate::render::progress::{Clock, Out, Progress, lock, put};
use crate::render::sanitise::{Layout, sanitise};

/// Plain lines.
pub(super) struct Lines {
    clock: Clock,
    state: Mutex<(Transcript, Out)>,
}

impl Lines {
    pub(super) fn new(out: Out, clock: Clock) -> Self {
        Self { clock, state: Mutex::new((Transcript::default(), out)) }
    }
}

impl Progress for Lines {
    fn line(&self, text: &str) {
        put(&mut lock(&self.state).1, &format!("{text}\n"));
    }
}

impl Observer for Lines {
    fn observe(&self, event: Event) {
        let (transcript, out) = &mut *lock(&self.state);
        let text = transcript.tell(&event, (self.clock)());
        if !text.is_empty() {
            // What a command writes is foreign text.
            put(out, &sanitise(&text, Layout::Lines));
        }
    }
}
