//! Progress where nothing can be overwritten: one line per fact, as in CI logs. Bars are left out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use wharfie_content::{Event, Observer, Outcome, Subject, TaskId, Warning};

use super::{Out, Progress, Streams, lock, words};

/// One line per fact.
pub struct Plain {
    state: Mutex<State>,
}

struct State {
    streams: Streams,
    tasks: BTreeMap<TaskId, Subject>,
    /// A fetch that began and has said nothing: if the layer turns out to be there already, it never does.
    silent: Option<TaskId>,
    /// Fetches in the order they began, and whether each is done. Layers complete from the bottom up, whichever was quicker.
    fetches: VecDeque<(TaskId, bool)>,
}

impl Plain {
    /// Data goes to `out`, warnings to `err`.
    pub fn new(out: Out, err: Out) -> Plain {
        let streams = Streams { out, err };
        Plain { state: Mutex::new(State { streams, tasks: BTreeMap::new(), silent: None, fetches: VecDeque::new() }) }
    }
}

impl Progress for Plain {
    fn line(&self, text: &str) {
        let mut state = lock(&self.state);
        state.speak();
        state.streams.line(text);
    }
}

impl Observer for Plain {
    fn observe(&self, event: Event) {
        let mut state = lock(&self.state);
        match event {
            Event::Began { task, what, .. } => state.begin(task, what),
            Event::Advanced { .. } => {}
            Event::Verified { task } => {
                state.say(task, "Verifying Checksum");
                state.say(task, "Download complete");
            }
            Event::Retrying { task, seconds } => state.say(task, &words::retrying(seconds)),
            Event::Output { task, bytes, .. } => {
                for line in words::output(&bytes) {
                    state.say(task, &line);
                }
            }
            Event::Warned(warning) => state.warn(&warning),
            Event::Ended { task, outcome } => state.end(task, &outcome),
            // Facts that are younger than this renderer.
            _ => {}
        }
    }
}

impl State {
    fn begin(&mut self, task: TaskId, what: Subject) {
        self.speak();
        let is_fetch = matches!(what, Subject::Fetch(_));
        let words = words::began(&what);
        self.tasks.insert(task, what);
        if is_fetch {
            self.fetches.push_back((task, false));
            self.silent = Some(task);
        } else if let Some(words) = words {
            self.say(task, &words);
        }
    }

    /// Lets the silent fetch say that it has begun.
    fn speak(&mut self) {
        if let Some(task) = self.silent.take() {
            self.say(task, "Pulling fs layer");
        }
    }

    fn say(&mut self, task: TaskId, words: &str) {
        self.speak();
        let Some(what) = self.tasks.get(&task) else {
            return;
        };
        match words::label(what) {
            Some(label) => self.streams.line(&format!("{label}: {words}")),
            None => self.streams.line(words),
        }
    }

    fn warn(&mut self, warning: &Warning) {
        self.speak();
        self.streams.warn(warning);
    }

    fn end(&mut self, task: TaskId, outcome: &Outcome) {
        if self.silent == Some(task) && *outcome == Outcome::Exists {
            self.silent = None;
        }
        self.speak();
        let Some(what) = self.tasks.get(&task) else {
            return;
        };
        let words = words::ended(what, outcome);
        match (what, outcome, words) {
            (Subject::Fetch(_), Outcome::Done, _) => {
                for fetch in self.fetches.iter_mut().filter(|(fetch, _)| *fetch == task) {
                    fetch.1 = true;
                }
                self.complete();
                return;
            }
            // A digest is the image's, not the tag's.
            (Subject::Resolve { .. }, _, Some(words)) => self.streams.line(&words),
            (_, _, Some(words)) => self.say(task, &words),
            (_, _, None) => {}
        }
        // After a failure nothing above it completes.
        if *outcome != Outcome::Failed {
            self.fetches.retain(|(fetch, _)| *fetch != task);
            self.complete();
        }
        self.tasks.remove(&task);
    }

    fn complete(&mut self) {
        while let Some(&(task, true)) = self.fetches.front() {
            self.fetches.pop_front();
            self.say(task, "Pull complete");
            self.tasks.remove(&task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Screen, Tasks, layer};
    use super::*;

    fn screen() -> (Plain, Screen, Screen) {
        let (out, err) = (Screen::default(), Screen::default());
        (Plain::new(out.writer(), err.writer()), out, err)
    }

    #[test]
    fn a_pull() {
        let (plain, out, err) = screen();
        let mut tasks = Tasks::new(&plain);
        plain.line("Using default tag: latest");
        let resolve = tasks.began(Subject::Resolve { tag: "latest".to_owned(), repository: "team/web".to_owned() });
        let present = tasks.began(Subject::Fetch(layer('7')));
        tasks.ended(present, Outcome::Exists);
        let bottom = tasks.began(Subject::Fetch(layer('8')));
        let top = tasks.began(Subject::Fetch(layer('9')));
        tasks.advanced(bottom, 10, Some(100));
        tasks.retrying(bottom, 2);
        tasks.retrying(bottom, 1);
        tasks.verified(top);
        tasks.ended(top, Outcome::Done);
        tasks.verified(bottom);
        tasks.ended(bottom, Outcome::Done);
        tasks.ended(resolve, Outcome::Manifest { digest: layer('a').digest, size: 1 });
        plain.line("Status: Downloaded newer image for 127.0.0.1:5611/team/web:latest");
        let digest = "a".repeat(64);
        let expected = format!(
            "Using default tag: latest
latest: Pulling from team/web
777777777777: Already exists
888888888888: Pulling fs layer
999999999999: Pulling fs layer
888888888888: Retrying in 2 seconds
888888888888: Retrying in 1 second
999999999999: Verifying Checksum
999999999999: Download complete
888888888888: Verifying Checksum
888888888888: Download complete
888888888888: Pull complete
999999999999: Pull complete
Digest: sha256:{digest}
Status: Downloaded newer image for 127.0.0.1:5611/team/web:latest
"
        );
        assert_eq!(out.text(), expected);
        assert_eq!(err.text(), "");
    }

    #[test]
    fn nothing_completes_above_a_failure() {
        let (plain, out, _) = screen();
        let mut tasks = Tasks::new(&plain);
        let bottom = tasks.began(Subject::Fetch(layer('8')));
        let top = tasks.began(Subject::Fetch(layer('9')));
        tasks.ended(bottom, Outcome::Failed);
        tasks.ended(top, Outcome::Done);
        let quick = tasks.began(Subject::Fetch(layer('a')));
        tasks.ended(quick, Outcome::Failed);
        plain.line("end");
        assert_eq!(
            out.text(),
            "888888888888: Pulling fs layer\n999999999999: Pulling fs layer\naaaaaaaaaaaa: Pulling fs layer\nend\n"
        );
    }

    #[test]
    fn a_push() {
        let (plain, out, _) = screen();
        let mut tasks = Tasks::new(&plain);
        let push = tasks.began(Subject::Push { repository: "127.0.0.1:5611/other/app2".to_owned() });
        let [d, e, f] = ['d', 'e', 'f'].map(|hex| tasks.began(super::super::fixture::upload(hex)));
        tasks.advanced(e, 1, Some(2));
        tasks.ended(d, Outcome::Mounted("ns/app".to_owned()));
        tasks.ended(f, Outcome::Exists);
        tasks.ended(e, Outcome::Done);
        tasks.ended(push, Outcome::Manifest { digest: layer('3').digest, size: 942 });
        plain.line("latest: digest: sha256:3ff1 size: 942");
        let expected = "The push refers to repository [127.0.0.1:5611/other/app2]
dddddddddddd: Preparing
eeeeeeeeeeee: Preparing
ffffffffffff: Preparing
dddddddddddd: Mounted from ns/app
ffffffffffff: Layer already exists
eeeeeeeeeeee: Pushed
latest: digest: sha256:3ff1 size: 942
";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn load_save_and_import_are_silent() {
        let (plain, out, err) = screen();
        let mut tasks = Tasks::new(&plain);
        for what in [
            Subject::Load { diff_id: None },
            Subject::Save(super::super::fixture::diff_id('1')),
            Subject::Import { from: "-".to_owned() },
        ] {
            let task = tasks.began(what);
            tasks.advanced(task, 1, None);
            tasks.ended(task, Outcome::Done);
        }
        assert_eq!(out.text() + &err.text(), "");
    }

    #[test]
    fn what_processes_write_is_shown_line_by_line_and_made_safe() {
        let (plain, out, _) = screen();
        let mut tasks = Tasks::new(&plain);
        let task = tasks.began(super::super::fixture::upload('d'));
        tasks.wrote(task, "one\n\x1b[2Jtwo\n");
        let expected = "dddddddddddd: Preparing\ndddddddddddd: one\ndddddddddddd: \u{fffd}[2Jtwo\n";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn warnings_go_where_docker_puts_them() {
        let (plain, out, err) = screen();
        let warn = |warning| plain.observe(Event::Warned(warning));
        warn(Warning::Renamed { reference: "web:1".to_owned(), old: "sha256:ab".to_owned() });
        warn(Warning::Platform {
            reference: "web:1".to_owned(),
            found: "linux/amd64".to_owned(),
            wanted: "linux/arm64".to_owned(),
        });
        warn(Warning::Registry("moves\x1b[2J soon".to_owned()));
        warn(Warning::RateLimit { remaining: 3 });
        warn(Warning::Note("as it is".to_owned()));
        assert_eq!(
            out.text(),
            "The image web:1 already exists, renaming the old one with ID sha256:ab to empty string\n"
        );
        assert_eq!(
            err.text(),
            "WARNING: image with reference web:1 was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)
WARNING: moves\u{fffd}[2J soon
WARNING: the registry allows 3 more pulls for now
as it is
"
        );
    }
}
