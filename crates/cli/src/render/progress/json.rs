//! Progress for machines: one JSON object per line, a superset of the Engine API's stream. `docs/events.md` is the reference.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Map, Value, json};
use wharfie_content::{Event, Observer, Outcome, Stream, Subject, TaskId, Warning};

use super::{Clock, MIN_REDRAW, Out, Progress, lock, put, words};

/// One object per fact.
pub struct Json {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    out: Out,
    tasks: BTreeMap<TaskId, Task>,
}

struct Task {
    what: Subject,
    written: Option<Duration>,
    verified: bool,
}

impl Json {
    /// Everything goes to `out`, warnings included.
    pub fn new(out: Out, clock: Clock) -> Json {
        Json { clock, state: Mutex::new(State { out, tasks: BTreeMap::new() }) }
    }
}

impl Progress for Json {
    fn line(&self, text: &str) {
        lock(&self.state).write(object("line", text));
    }
}

impl Observer for Json {
    fn observe(&self, event: Event) {
        let mut state = lock(&self.state);
        match event {
            Event::Began { task, parent, what } => {
                state.tasks.insert(task, Task { what, written: None, verified: false });
                state.began(task, parent);
            }
            Event::Advanced { task, done, total } => state.advanced(task, done, total, (self.clock)()),
            Event::Verified { task } => {
                if let Some(task) = state.tasks.get_mut(&task) {
                    task.verified = true;
                }
                state.told(task, "verified", "Download complete", |_| {});
            }
            Event::Retrying { task, seconds } => state.told(task, "retrying", &words::retrying(seconds), |object| {
                object.insert("seconds".to_owned(), json!(seconds));
            }),
            Event::Output { task, stream, bytes } => state.told(task, "output", "", |object| {
                object.insert("stream".to_owned(), json!(name_of(stream)));
                object.insert("data".to_owned(), json!(String::from_utf8_lossy(&bytes)));
            }),
            Event::Started { task, container } => state.told(task, "started", "", |object| {
                object.insert("container".to_owned(), json!(container));
            }),
            Event::Note { task, text } => state.told(task, "note", &text, |_| {}),
            Event::Warned(warning) => state.warned(&warning),
            Event::Ended { task, outcome } => state.ended(task, &outcome),
            // Facts that are younger than this renderer.
            _ => {}
        }
    }
}

fn object(event: &str, status: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(event));
    if !status.is_empty() {
        object.insert("status".to_owned(), json!(status));
    }
    object
}

impl State {
    fn write(&mut self, object: Map<String, Value>) {
        put(&mut self.out, &format!("{}\n", Value::Object(object)));
    }

    /// Writes a fact about a task, with what `more` adds.
    fn told(&mut self, task: TaskId, event: &str, status: &str, more: impl FnOnce(&mut Map<String, Value>)) {
        let Some(Task { what, .. }) = self.tasks.get(&task) else {
            return;
        };
        let mut object = object(event, status);
        object.insert("task".to_owned(), json!(task.number()));
        object.insert("subject".to_owned(), json!(subject(what)));
        if let Some(label) = words::label(what) {
            object.insert("id".to_owned(), json!(label));
        }
        if is_layer(what) {
            object.insert("progressDetail".to_owned(), json!({}));
        }
        more(&mut object);
        self.write(object);
    }

    fn began(&mut self, task: TaskId, parent: Option<TaskId>) {
        let Some(Task { what, .. }) = self.tasks.get(&task) else {
            return;
        };
        let what = what.clone();
        self.told(task, "began", &words::began(&what).unwrap_or_default(), |object| {
            if let Some(parent) = parent {
                object.insert("parent".to_owned(), json!(parent.number()));
            }
            describe(&what, object);
        });
    }

    fn advanced(&mut self, id: TaskId, done: u64, total: Option<u64>, now: Duration) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        let is_full = total.is_some_and(|total| done >= total);
        if !is_full && task.written.is_some_and(|written| now.saturating_sub(written) < MIN_REDRAW) {
            return;
        }
        task.written = Some(now);
        let status = words::moving(&task.what, task.verified).unwrap_or_default();
        let detail = match total {
            Some(total) => json!({"current": done, "total": total}),
            None => json!({"current": done}),
        };
        self.told(id, "advanced", status, |object| {
            object.insert("progressDetail".to_owned(), detail);
        });
    }

    fn ended(&mut self, task: TaskId, outcome: &Outcome) {
        let Some(Task { what, .. }) = self.tasks.get(&task) else {
            return;
        };
        let status = words::ended(what, outcome).unwrap_or_default();
        self.told(task, "ended", &status, |object| {
            let name = match outcome {
                Outcome::Done => "done",
                Outcome::Exists => "exists",
                Outcome::Mounted(from) => {
                    object.insert("from".to_owned(), json!(from));
                    "mounted"
                }
                Outcome::Manifest { digest, size } => {
                    object.insert("digest".to_owned(), json!(digest.as_str()));
                    object.insert("size".to_owned(), json!(size));
                    "manifest"
                }
                Outcome::Step { image, is_cached } => {
                    if let Some(image) = image {
                        object.insert("image".to_owned(), json!(image.to_string()));
                    }
                    object.insert("cached".to_owned(), json!(is_cached));
                    "step"
                }
                Outcome::Broken(why) => {
                    object.insert("error".to_owned(), json!(why));
                    "broken"
                }
                Outcome::Failed => "failed",
                _ => "other",
            };
            object.insert("outcome".to_owned(), json!(name));
        });
        self.tasks.remove(&task);
    }

    fn warned(&mut self, warning: &Warning) {
        let (text, _) = words::warning(warning);
        let kind = match warning {
            Warning::Registry(_) => "registry",
            Warning::Platform { .. } => "platform",
            Warning::Renamed { .. } => "renamed",
            Warning::RateLimit { .. } => "rateLimit",
            Warning::Note(_) => "note",
            _ => "other",
        };
        let mut object = object("warned", &text);
        object.insert("warning".to_owned(), json!(kind));
        self.write(object);
    }
}

/// Adds what only the first word about a task tells.
fn describe(what: &Subject, object: &mut Map<String, Value>) {
    match what {
        Subject::Resolve { repository, .. } | Subject::Push { repository } => {
            object.insert("repository".to_owned(), json!(repository));
        }
        Subject::Fetch(layer) => {
            object.insert("digest".to_owned(), json!(layer.digest.as_str()));
            object.insert("size".to_owned(), json!(layer.size));
        }
        Subject::Upload { diff_id, .. } | Subject::Load { diff_id: Some(diff_id) } | Subject::Save(diff_id) => {
            object.insert("digest".to_owned(), json!(diff_id.as_str()));
        }
        Subject::Build(name) => {
            object.insert("name".to_owned(), json!(name));
        }
        Subject::Step(step) => {
            object.insert("name".to_owned(), json!(step.label.as_ref().unwrap_or(&step.written)));
            object.insert("instruction".to_owned(), json!(step.written));
            object.insert("number".to_owned(), json!(step.number));
            object.insert("total".to_owned(), json!(step.total));
        }
        Subject::Import { from } => {
            object.insert("from".to_owned(), json!(from));
        }
        _ => {}
    }
}

fn name_of(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

fn subject(what: &Subject) -> &'static str {
    match what {
        Subject::Resolve { .. } => "resolve",
        Subject::Fetch(_) => "fetch",
        Subject::Upload { .. } => "upload",
        Subject::Push { .. } => "push",
        Subject::Tag(_) => "tag",
        Subject::Load { .. } => "load",
        Subject::Save(_) => "save",
        Subject::Import { .. } => "import",
        Subject::Build(_) => "build",
        Subject::Step(_) => "step",
        _ => "other",
    }
}

/// Whether clients of the Engine API expect the task on a line of its own.
fn is_layer(what: &Subject) -> bool {
    !matches!(what, Subject::Resolve { .. } | Subject::Push { .. } | Subject::Build(_) | Subject::Step(_))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Screen, Tasks, layer};
    use super::*;

    #[test]
    fn a_pull() {
        let out = Screen::default();
        let renderer = Json::new(out.writer(), Box::new(|| Duration::ZERO));
        let mut tasks = Tasks::new(&renderer);
        let resolve = tasks.began(Subject::Resolve { tag: "1".to_owned(), repository: "x".to_owned() });
        let fetch = tasks.began_within(resolve, Subject::Fetch(layer('7')));
        tasks.advanced(fetch, 10, Some(20));
        tasks.advanced(fetch, 15, Some(20));
        tasks.advanced(fetch, 20, Some(20));
        tasks.verified(fetch);
        tasks.retrying(fetch, 1);
        tasks.ended(fetch, Outcome::Done);
        let bytes = b"half a \xff".to_vec();
        renderer.observe(Event::Output { task: resolve, stream: Stream::Stderr, bytes });
        renderer.observe(Event::Warned(Warning::Note("n".to_owned())));
        tasks.ended(resolve, Outcome::Manifest { digest: layer('a').digest, size: 942 });
        renderer.line("x:1");
        let (a, b) = (resolve.number(), fetch.number());
        let (manifest, blob) = ("a".repeat(64), "7".repeat(64));
        let layer = format!(r#""subject":"fetch","task":{b}"#);
        let expected = format!(
            r#"{{"event":"began","id":"1","repository":"x","status":"Pulling from x","subject":"resolve","task":{a}}}
{{"digest":"sha256:{blob}","event":"began","id":"777777777777","parent":{a},"progressDetail":{{}},"size":1065000,"status":"Pulling fs layer",{layer}}}
{{"event":"advanced","id":"777777777777","progressDetail":{{"current":10,"total":20}},"status":"Downloading",{layer}}}
{{"event":"advanced","id":"777777777777","progressDetail":{{"current":20,"total":20}},"status":"Downloading",{layer}}}
{{"event":"verified","id":"777777777777","progressDetail":{{}},"status":"Download complete",{layer}}}
{{"event":"retrying","id":"777777777777","progressDetail":{{}},"seconds":1,"status":"Retrying in 1 second",{layer}}}
{{"event":"ended","id":"777777777777","outcome":"done","progressDetail":{{}},"status":"Pull complete",{layer}}}
{{"data":"half a �","event":"output","id":"1","stream":"stderr","subject":"resolve","task":{a}}}
{{"event":"warned","status":"n","warning":"note"}}
{{"digest":"sha256:{manifest}","event":"ended","id":"1","outcome":"manifest","size":942,"status":"Digest: sha256:{manifest}","subject":"resolve","task":{a}}}
{{"event":"line","status":"x:1"}}
"#
        );
        assert_eq!(out.text(), expected);
    }
}
