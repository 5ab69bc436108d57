//! The text of the builder before BuildKit, which scripts read. Steps that are done at once are told one after the other.

use std::collections::BTreeMap;
use std::sync::Mutex;

use wharfie_content::{Event, Observer, Outcome, Step, Stream, Subject, TaskId, Warning};

use crate::render::progress::{Out, Progress, Streams, lock, put};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::size;

/// The classic text.
pub(super) struct Classic {
    state: Mutex<State>,
}

struct State {
    streams: Streams,
    steps: BTreeMap<TaskId, Step>,
    /// What later steps have to say, by their numbers.
    waiting: BTreeMap<usize, String>,
    /// Steps that are done although earlier ones are not.
    done: Vec<usize>,
    /// The step whose turn it is.
    turn: usize,
    /// The containers of steps.
    containers: BTreeMap<TaskId, String>,
    /// How many triggers of the base are still to be done, by the number of FROM.
    triggers: BTreeMap<usize, usize>,
}

impl Classic {
    pub(super) fn new(out: Out, err: Out) -> Self {
        Self {
            state: Mutex::new(State {
                streams: Streams { out, err },
                steps: BTreeMap::new(),
                waiting: BTreeMap::new(),
                done: Vec::new(),
                turn: 1,
                containers: BTreeMap::new(),
                triggers: BTreeMap::new(),
            }),
        }
    }
}

impl Progress for Classic {
    fn line(&self, text: &str) {
        lock(&self.state).streams.line(text);
    }
}

impl Observer for Classic {
    fn observe(&self, event: Event) {
        let mut state = lock(&self.state);
        match event {
            Event::Began { task, what: Subject::Step(step), .. } => {
                let written = sanitise(&step.written, Layout::OneLine).into_owned();
                let text = format!("Step {}/{} : {written}\n", step.number, step.total);
                let number = step.number;
                state.steps.insert(task, *step);
                // A trigger was told of with FROM.
                if !state.triggers.contains_key(&number) {
                    state.say(number, &text);
                }
            }
            Event::Started { task, container } => {
                if let Some(number) = state.number(task) {
                    state.say(number, &format!(" ---> Running in {container}\n"));
                    state.containers.insert(task, container);
                }
            }
            Event::Output { task, stream, bytes } => {
                if let Some(number) = state.number(task) {
                    let text = String::from_utf8_lossy(&bytes);
                    let text = sanitise(&text, Layout::Lines);
                    match stream {
                        Stream::Stdout => state.say(number, &text),
                        // Red, with a terminal or without: so it was.
                        Stream::Stderr => state.say(number, &format!("\x1b[91m{text}\x1b[0m")),
                    }
                }
            }
            Event::Advanced { done, total: Some(total), .. } if done == total && state.steps.is_empty() => {
                let text = format!("Sending build context to Docker daemon  {}\n", size::long(total));
                put(&mut state.streams.out, &text);
            }
            Event::Ended { task, outcome } => state.end(task, &outcome),
            Event::Warned(Warning::Note(text)) => put(&mut state.streams.err, &format!("{text}\n")),
            Event::Warned(warning) => state.streams.warn(&warning),
            _ => {}
        }
    }
}

impl State {
    fn number(&self, task: TaskId) -> Option<usize> {
        self.steps.get(&task).map(|step| step.number)
    }

    /// Says something of a step, at once if it is its turn.
    fn say(&mut self, number: usize, text: &str) {
        if number == self.turn {
            put(&mut self.streams.out, text);
        } else {
            self.waiting.entry(number).or_default().push_str(text);
        }
    }

    /// True if triggers of the base are to be done before the image after FROM is told.
    fn has_triggers(&mut self, step: &Step) -> bool {
        if step.triggers > 0 {
            self.triggers.insert(step.number, step.triggers);
            return true;
        }
        let Some(left) = self.triggers.get_mut(&step.number) else { return false };
        *left -= 1;
        let is_last = *left == 0;
        if is_last {
            self.triggers.remove(&step.number);
        }
        !is_last
    }

    fn end(&mut self, task: TaskId, outcome: &Outcome) {
        let Some(step) = self.steps.remove(&task) else { return };
        let mut text = String::new();
        // Of a step that failed nothing more is said.
        if let Some(container) = self.containers.remove(&task)
            && matches!(outcome, Outcome::Step { .. })
        {
            text.push_str(&format!(" ---> Removed intermediate container {container}\n"));
        }
        if let Outcome::Step { image, is_cached } = outcome {
            if *is_cached {
                text.push_str(" ---> Using cache\n");
            }
            if self.has_triggers(&step) {
                let (count, s) = (step.triggers, if step.triggers == 1 { "" } else { "s" });
                if count > 0 {
                    text.push_str(&format!("# Executing {count} build trigger{s}\n"));
                }
                return self.say(step.number, &text);
            }
            let image = image.as_ref().map(|image| image.digest().short().to_owned()).unwrap_or_default();
            text.push_str(&format!(" ---> {image}\n"));
        }
        self.say(step.number, &text);
        self.done.push(step.number);
        while let Some(at) = self.done.iter().position(|number| *number == self.turn) {
            self.done.swap_remove(at);
            self.turn += 1;
            if let Some(text) = self.waiting.remove(&self.turn) {
                put(&mut self.streams.out, &text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::Screen;
    use super::*;

    #[test]
    fn steps_at_once_are_told_in_the_order_of_the_file() {
        let (out, err) = (Screen::default(), Screen::default());
        let classic = Classic::new(out.writer(), err.writer());
        let step = |number, written: &str| {
            let step = Step { label: None, written: written.to_owned(), number, total: 2, triggers: 0 };
            let task = TaskId::next();
            classic.observe(Event::Began { task, parent: None, what: Subject::Step(Box::new(step)) });
            task
        };
        let end = |task| {
            classic.observe(Event::Ended { task, outcome: Outcome::Step { image: None, is_cached: true } });
        };
        let (one, two) = (step(1, "FROM scratch"), step(2, "RUN make"));
        let container = "0123456789ab".to_owned();
        classic.observe(Event::Started { task: two, container });
        classic.observe(Event::Output { task: two, stream: Stream::Stderr, bytes: b"hm\n".to_vec() });
        end(two);
        assert_eq!(out.text(), "Step 1/2 : FROM scratch\n");
        end(one);
        assert_eq!(
            out.text(),
            "Step 1/2 : FROM scratch\n ---> Using cache\n ---> \nStep 2/2 : RUN make\n ---> Running in 0123456789ab\n\
             \x1b[91mhm\n\x1b[0m ---> Removed intermediate container 0123456789ab\n ---> Using cache\n ---> \n"
        );
    }
}
