//! A build that failed, in BuildKit's words and shape: the last lines of the step, its place in the Dockerfile, the reason.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wharfie_content::{Cancel, Event, Observer, Outcome, Subject, TaskId};
use wharfie_engine::Error;
use wharfie_engine::build::BuildError;
use wharfie_oci::Reference;

use crate::compat::{DAEMON, engine_text};
use crate::failure::Failure;
use crate::render::progress::Progress;

/// Progress that remembers what a step said last.
pub(super) struct Remembering {
    progress: Box<dyn Progress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tails: BTreeMap<TaskId, Tail>,
    failed: Option<Tail>,
}

/// The end of what a step wrote.
struct Tail {
    label: String,
    began: Instant,
    lines: VecDeque<(Duration, String)>,
    /// Lines that were written before those.
    dropped: usize,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

/// 40: enough for what a compiler says last.
const KEPT: usize = 40;

impl Remembering {
    pub(super) fn new(progress: Box<dyn Progress>) -> Self {
        Self { progress, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the step that failed wrote, between BuildKit's lines.
    fn tail(&self) -> String {
        let state = self.state();
        let Some(tail) = &state.failed else { return String::new() };
        let mut text = format!("------\n > {}:\n", tail.label);
        if tail.dropped > 0 {
            text.push_str(&format!("[{} lines before; all of them: builder history logs]\n", tail.dropped));
        }
        for (at, line) in &tail.lines {
            text.push_str(&format!("{:.3} {line}\n", at.as_secs_f64()));
        }
        text + "------\n"
    }
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        for line in whole[..end].split(|byte| *byte == b'\n') {
            self.line(line);
        }
    }

    fn line(&mut self, line: &[u8]) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
            self.dropped += 1;
        }
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        self.lines.push_back((self.began.elapsed(), line));
    }
}

impl Observer for Remembering {
    fn observe(&self, event: Event) {
        match &event {
            Event::Began { task, what: Subject::Step(step), .. } => {
                let label = step.label.clone().unwrap_or_else(|| step.written.clone());
                let tail = Tail { label, began: Instant::now(), lines: VecDeque::new(), dropped: 0, rest: Vec::new() };
                self.state().tails.insert(*task, tail);
            }
            Event::Output { task, bytes, .. } => {
                if let Some(tail) = self.state().tails.get_mut(task) {
                    tail.push(bytes);
                }
            }
            Event::Ended { task, outcome } => {
                let mut state = self.state();
                if let (Some(mut tail), Outcome::Broken(_)) = (state.tails.remove(task), outcome) {
                    let rest = std::mem::take(&mut tail.rest);
                    if !rest.is_empty() {
                        tail.line(&rest);
                    }
                    state.failed.get_or_insert(tail);
                }
            }
            _ => {}
        }
        self.progress.observe(event);
    }

    fn cancel(&self) -> Option<&Cancel> {
        self.progress.cancel()
    }
}

/// The failure, as `build` tells it.
pub(super) fn failure(why: Error, progress: &Remembering) -> Failure {
    let (tail, excerpt) = match &why {
        Error::Build(BuildError::Step { excerpt, .. }) => (progress.tail(), excerpt.clone()),
        Error::Build(BuildError::Plan { excerpt, .. }) => (String::new(), excerpt.clone()),
        _ => (String::new(), String::new()),
    };
    let base = missing_base(&why).map(|base| {
        let name = base.reference.parse::<Reference>();
        let canonical = name.map_or_else(|_| base.reference.clone(), |name| name.or_latest().canonical());
        format!("{}failed to resolve source metadata for {canonical}: {}", base.before, base.text)
    });
    let failure = Failure::from(why);
    let text = format!("{tail}{excerpt}ERROR: failed to solve: {}", base.unwrap_or_else(|| failure.text.clone()));
    Failure { text, ..failure }
}

/// A base that could not be fetched.
struct MissingBase {
    /// What the plan says before, as the Dockerfile calls the base.
    before: String,
    reference: String,
    /// Why, as a pull says it.
    text: String,
}

fn missing_base(why: &Error) -> Option<MissingBase> {
    let Error::Build(BuildError::Plan { source, .. }) = why else { return None };
    let base = std::error::Error::source(&**source)?.downcast_ref::<Error>()?;
    let Error::Pull { reference, .. } = base else { return None };
    let told = source.to_string();
    let before = told.split_once(&base.to_string()).map(|(before, _)| before).unwrap_or_default();
    let text = engine_text(base);
    let text = text.strip_prefix(DAEMON).unwrap_or(&text).to_owned();
    Some(MissingBase { before: before.to_owned(), reference: reference.clone(), text })
}

/// As the classic builder tells it, whose exit code is the command's. `dockerfile` is what the file is called.
pub(super) fn classic(why: Error, dockerfile: &str) -> Failure {
    let (inner, written) = match &why {
        Error::Build(BuildError::Step { source, written, .. }) => match &**source {
            Error::Build(inner) => (Some(inner), written.as_str()),
            _ => (None, ""),
        },
        Error::Build(other) => (Some(other), ""),
        _ => (None, ""),
    };
    if let Some(MissingBase { text, .. }) = missing_base(&why) {
        // Said in the middle of the build, not in answer to the client.
        let Failure { help, missing, .. } = Failure::from(why);
        return Failure { help, missing, ..Failure::new(text) };
    }
    let told = match inner {
        Some(BuildError::Command { command, code }) => {
            Some(Failure::with_code(format!("The command '{command}' returned a non-zero code: {code}"), *code))
        }
        Some(BuildError::NoSource(path)) => Some(Failure::new(no_source(path, written))),
        Some(BuildError::Plan { source, .. }) => {
            let text = source.to_string();
            // Said in the middle of the build as well.
            Some(match in_a_step(&text) {
                Some(text) => Failure::new(text),
                None => Failure::daemon(daemons_words(&text, dockerfile)),
            })
        }
        Some(inner) => {
            let text = crate::compat::reasons(inner);
            let began =
                text.strip_prefix("process ").and_then(|rest| rest.split_once(" did not complete successfully: "));
            let loaded = text.strip_prefix("failed to load ").and_then(|rest| rest.split_once(": "));
            began
                .map(|(_, why)| why.to_owned())
                .or(loaded.map(|(_, why)| format!("ADD failed: {why}")))
                .map(Failure::new)
        }
        None => None,
    };
    match told {
        Some(told) => {
            let Failure { help, .. } = Failure::from(why);
            Failure { help, ..told }
        }
        None => Failure::from(why),
    }
}

/// COPY or ADD of what is not there; `path` is what was looked for, from the context's root.
fn no_source(path: &str, written: &str) -> String {
    let mut words = written.split_ascii_whitespace();
    let keyword = words.next().unwrap_or("COPY").to_ascii_uppercase();
    let path = path.trim_start_matches('/');
    let outside = words.find(|word| word.starts_with("../") && word.trim_start_matches("../") == path);
    match outside {
        Some(word) => format!("{keyword} failed: forbidden path outside the build context: {word} ()"),
        None if path.contains(['*', '?', '[']) => format!("{keyword} failed: no source files were specified"),
        None => format!(
            "{keyword} failed: file not found in build context or excluded by .dockerignore: stat {path}: file does not exist"
        ),
    }
}

/// What is wrong with an instruction that could be read, in the words of the builder that looked at it only when its turn came.
fn in_a_step(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("failed to parse stage name \"") {
        return Some(rest.split_once("\": ").map_or(text, |(_, why)| why).to_owned());
    }
    let begins = ["invalid containerPort: ", "invalid signal: ", "failed to parse platform ", "base name ("];
    begins.iter().any(|begin| text.starts_with(begin)).then(|| text.to_owned())
}

/// What BuildKit's parser says, as the daemon's said it before.
fn daemons_words(text: &str, dockerfile: &str) -> String {
    match text {
        "the Dockerfile cannot be empty" => return format!("the Dockerfile ({dockerfile}) cannot be empty"),
        "file with no instructions" | "ENV must have two arguments" | "LABEL must have two arguments" => {
            return format!("failed to parse {dockerfile}: {text}");
        }
        "dockerfile contains no stages to build" => return "no build stage in current context".to_owned(),
        _ => {}
    }
    let target = text.strip_prefix("target stage \"").and_then(|rest| rest.split_once("\" could not be found"));
    if let Some((target, _)) = target {
        return format!("failed to reach build target {target} in Dockerfile");
    }
    // It suggested nothing, and had its own way of naming a line.
    let text = text.rsplit_once(" (did you mean ").map_or(text, |(text, _)| text);
    text.replacen("parse error on line", "parse error line", 1)
}
