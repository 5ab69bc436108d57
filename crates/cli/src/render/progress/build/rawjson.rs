//! BuildKit's status objects, one on each line, as `--progress=rawjson` has them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wharfie_content::{Event, Observer, Outcome, Stream, Subject, TaskId, Warning};
use wharfie_oci::Digest;

use crate::env;
use crate::render::progress::{Out, Progress, lock, put};

/// Status objects.
pub(super) struct RawJson {
    state: Mutex<State>,
}

struct State {
    out: Out,
    vertexes: BTreeMap<TaskId, Vertex>,
}

struct Vertex {
    digest: String,
    name: String,
    started: String,
}

impl RawJson {
    pub(super) fn new(out: Out) -> Self {
        Self { state: Mutex::new(State { out, vertexes: BTreeMap::new() }) }
    }
}

impl Progress for RawJson {
    fn line(&self, _: &str) {}
}

impl Observer for RawJson {
    fn observe(&self, event: Event) {
        lock(&self.state).tell(event);
    }
}

impl State {
    fn write(&mut self, value: &Value) {
        put(&mut self.out, &format!("{value}\n"));
    }

    fn tell(&mut self, event: Event) {
        let now = env::now().to_string();
        match event {
            Event::Began { task, what, .. } => {
                let name = match what {
                    Subject::Build(name) => name,
                    Subject::Step(step) => match step.label {
                        Some(label) => label,
                        None => return,
                    },
                    _ => return,
                };
                let digest = Digest::of(format!("{} {name}", task.number()).as_bytes()).to_string();
                let vertex = Vertex { digest, name, started: now };
                self.write(&json!({"vertexes": [vertex.object()]}));
                self.vertexes.insert(task, vertex);
            }
            Event::Output { task, stream, bytes } => {
                let Some(vertex) = self.vertexes.get(&task) else { return };
                let stream = match stream {
                    Stream::Stdout => 1,
                    Stream::Stderr => 2,
                };
                let log = json!({
                    "vertex": vertex.digest, "stream": stream, "data": STANDARD.encode(&bytes), "timestamp": now,
                });
                self.write(&json!({"logs": [log]}));
            }
            Event::Note { task, text } => {
                let Some(vertex) = self.vertexes.get(&task) else { return };
                let status = json!({
                    "id": text, "vertex": vertex.digest, "name": text, "current": 0, "timestamp": now, "started": now,
                    "completed": now,
                });
                self.write(&json!({"statuses": [status]}));
            }
            Event::Warned(Warning::Note(text)) => {
                self.write(&json!({"warnings": [{"level": 1, "short": STANDARD.encode(text)}]}));
            }
            Event::Ended { task, outcome } => {
                let Some(vertex) = self.vertexes.remove(&task) else { return };
                let mut object = vertex.object();
                object["completed"] = json!(now);
                match outcome {
                    Outcome::Step { is_cached: true, .. } | Outcome::Exists => object["cached"] = json!(true),
                    Outcome::Broken(why) => object["error"] = json!(why),
                    Outcome::Failed => object["error"] = json!("context canceled"),
                    _ => {}
                }
                self.write(&json!({"vertexes": [object]}));
            }
            _ => {}
        }
    }
}

impl Vertex {
    fn object(&self) -> Value {
        json!({"digest": self.digest, "name": self.name, "started": self.started})
    }
}
