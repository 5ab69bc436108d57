//! A build's events as text, as BuildKit's plain progress has it: numbered parts, times, and the output of each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use wharfie_content::{Event, Outcome, Subject, TaskId, Warning};

/// Turns events into lines. Lines of different parts are not mixed: what belongs to a line stays with it.
#[derive(Debug, Default)]
pub struct Transcript {
    parts: BTreeMap<TaskId, Part>,
    /// Whose part each task is that has no line of its own.
    next: usize,
    /// Whose line was the last.
    last: Option<usize>,
}

#[derive(Debug)]
struct Part {
    number: usize,
    label: String,
    began: Duration,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl Transcript {
    /// What there is to say of an event that comes at `now`, with newlines.
    pub fn tell(&mut self, event: &Event, now: Duration) -> String {
        let mut text = String::new();
        match event {
            Event::Began { task, what, .. } => self.begin(*task, what, now, &mut text),
            Event::Output { task, bytes, .. } => self.output(*task, bytes, now, &mut text),
            Event::Note { task, text: note } => self.say(*task, note, &mut text),
            Event::Ended { task, outcome } => self.end(*task, outcome, now, &mut text),
            Event::Warned(Warning::Note(note)) => self.whole(&format!("WARN: {note}"), &mut text),
            _ => {}
        }
        text
    }

    fn begin(&mut self, task: TaskId, what: &Subject, now: Duration, text: &mut String) {
        let label = match what {
            Subject::Build(label) => label.clone(),
            Subject::Step(step) => match &step.label {
                Some(label) => label.clone(),
                None => return,
            },
            _ => return,
        };
        self.next += 1;
        let part = Part { number: self.next, label, began: now, line: Vec::new() };
        self.parts.insert(task, part);
        self.introduce(task, text);
    }

    /// The line that names a part, before its first one and whenever another part has spoken meanwhile.
    fn introduce(&mut self, task: TaskId, text: &mut String) {
        let Some(part) = self.parts.get_mut(&task) else { return };
        if self.last != Some(part.number) {
            if self.last.is_some() {
                text.push('\n');
            }
            let _ = writeln!(text, "#{} {}", part.number, part.label);
            self.last = Some(part.number);
        }
    }

    fn say(&mut self, task: TaskId, note: &str, text: &mut String) {
        self.introduce(task, text);
        if let Some(part) = self.parts.get(&task) {
            for line in note.lines() {
                let _ = writeln!(text, "#{} {line}", part.number);
            }
        }
    }

    fn output(&mut self, task: TaskId, bytes: &[u8], now: Duration, text: &mut String) {
        let Some(part) = self.parts.get_mut(&task) else { return };
        part.line.extend_from_slice(bytes);
        let Some(end) = part.line.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = part.line.drain(..=end).collect();
        let (number, seconds) = (part.number, now.saturating_sub(part.began).as_secs_f64());
        self.introduce(task, text);
        for line in whole[..end].split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let _ = writeln!(text, "#{number} {seconds:.3} {}", String::from_utf8_lossy(line));
        }
    }

    fn end(&mut self, task: TaskId, outcome: &Outcome, now: Duration, text: &mut String) {
        let Some(part) = self.parts.get_mut(&task) else { return };
        if !part.line.is_empty() {
            let rest = [&std::mem::take(&mut part.line)[..], b"\n"].concat();
            self.output(task, &rest, now, text);
        }
        self.introduce(task, text);
        let Some(part) = self.parts.remove(&task) else { return };
        let seconds = now.saturating_sub(part.began).as_secs_f64();
        let _ = match outcome {
            Outcome::Step { is_cached: true, .. } | Outcome::Exists => writeln!(text, "#{} CACHED", part.number),
            Outcome::Broken(why) => writeln!(text, "#{} ERROR: {why}", part.number),
            Outcome::Failed => writeln!(text, "#{} CANCELED", part.number),
            _ => writeln!(text, "#{} DONE {seconds:.1}s", part.number),
        };
    }

    fn whole(&mut self, line: &str, text: &mut String) {
        let _ = writeln!(text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use wharfie_content::{Step, Stream};

    use super::*;

    #[test]
    fn parts_are_numbered_and_their_lines_are_whole() {
        let mut transcript = Transcript::default();
        let at = Duration::from_millis;
        let (one, two) = (TaskId::next(), TaskId::next());
        let step = |label: &str| {
            let label = Some(label.to_owned());
            Subject::Step(Box::new(Step { label, written: String::new(), number: 1, total: 2, triggers: 0 }))
        };
        let began = |task, what| Event::Began { task, parent: None, what };
        let output = |task, bytes: &[u8]| Event::Output { task, stream: Stream::Stdout, bytes: bytes.to_vec() };
        let events = [
            (began(one, Subject::Build("[internal] load build context".to_owned())), 0),
            (Event::Note { task: one, text: "transferring context: 2B".to_owned() }, 10),
            (Event::Ended { task: one, outcome: Outcome::Done }, 100),
            (began(two, step("[1/2] RUN make")), 100),
            (output(two, b"half"), 200),
            (output(two, b" a line\nrest"), 300),
            (Event::Ended { task: two, outcome: Outcome::Broken("exit code: 1".to_owned()) }, 400),
        ];
        let text: String = events.iter().map(|(event, time)| transcript.tell(event, at(*time))).collect();
        let expected = "#1 [internal] load build context\n#1 transferring context: 2B\n#1 DONE 0.1s\n\n\
                        #2 [1/2] RUN make\n#2 0.200 half a line\n#2 0.300 rest\n#2 ERROR: exit code: 1\n";
        assert_eq!(text, expected);
    }
}
