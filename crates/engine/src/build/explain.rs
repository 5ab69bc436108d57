//! Why a step was done: what it was made of the last time, held against what it is made of now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharfie_oci::{Digest, Timestamp};

use super::copy::FILES;
use super::key::{Key, Part, SO_FAR};

/// What a step was made of when it was last met at its place: the same Dockerfile, platform, stage and position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// Its key.
    pub(crate) key: String,
    /// What the key was made of.
    pub(crate) parts: Vec<Part>,
    /// The image that the stage stands on, if nothing else is below the step.
    #[serde(default)]
    pub(crate) base: Option<String>,
    /// The build that met it.
    pub(crate) build: String,
    /// When.
    pub(crate) at: i64,
    /// The files that it copied.
    pub(crate) files: FileNotes,
}

/// What a file was, by its name in the layer.
pub(crate) type FileNotes = BTreeMap<String, String>;

/// The files of a layer, for telling which of them changed.
#[derive(Debug)]
pub(crate) struct FileList {
    /// Of all of them.
    pub(crate) digest: Digest,
    notes: FileNotes,
}

impl Default for FileList {
    fn default() -> Self {
        Self { digest: Digest::of(b""), notes: FileNotes::new() }
    }
}

/// 20,000 files: what is compared one by one. Of more only the number is known to differ.
const MAX_FILES: usize = 20_000;

impl FileList {
    /// One more file. `digest` is that of everything that counts of it.
    pub(crate) fn add(&mut self, name: String, digest: &Digest) {
        if self.notes.len() < MAX_FILES {
            self.notes.insert(name, digest.short().to_owned());
        }
    }

    /// What is known of each.
    pub(crate) fn notes(&self) -> &FileNotes {
        &self.notes
    }

    /// What is to be remembered.
    pub(crate) fn into_notes(self) -> FileNotes {
        self.notes
    }
}

/// What differs between the last time and now, the first thing with the time since when.
pub(crate) fn differences(
    before: Option<&Trace>,
    now: &Key,
    base: Option<&str>,
    files: Option<&FileNotes>,
) -> Vec<String> {
    let Some(before) = before else {
        return vec!["not cached: this step of this Dockerfile was never built here".to_owned()];
    };
    let mut all = all_differences(before, now, base, files);
    if all.is_empty() {
        all.push("it is as it was, and its result is not here any more".to_owned());
    }
    all[0] = format!(
        "not cached: {}, since build {} of {}",
        all[0],
        before.build,
        Timestamp { nanos: 0, ..Timestamp::from_nanos(before.at) }
    );
    all.iter_mut().skip(1).for_each(|text| text.insert_str(0, "and "));
    all
}

fn all_differences(before: &Trace, now: &Key, base: Option<&str>, files: Option<&FileNotes>) -> Vec<String> {
    let old: BTreeMap<&str, &str> = before.parts.iter().map(|part| (part.name.as_str(), part.value.as_str())).collect();
    let mut all = Vec::new();
    for part in now.parts() {
        match old.get(part.name.as_str()) {
            Some(value) if *value == part.value => {}
            Some(_) if part.name == SO_FAR => all.push(match (&before.base, base) {
                (Some(old), Some(new)) => format!("the base image changed: {old} → {new}"),
                _ => "an earlier step came to something else".to_owned(),
            }),
            Some(_) if part.name == FILES => all.extend(changed_files(&before.files, files)),
            Some(value) => all.push(format!("{} changed: {} → {}", part.name, shown(value), shown(&part.value))),
            None => all.push(format!("{} is new: {}", part.name, shown(&part.value))),
        }
    }
    let is_known = |name: &str| now.parts().iter().any(|part| part.name == name);
    let gone = before.parts.iter().filter(|part| !is_known(&part.name));
    all.extend(gone.map(|part| format!("{} is gone: {}", part.name, shown(&part.value))));
    all
}

/// The first file that differs and how many others do; then some of the others.
fn changed_files(before: &FileNotes, now: Option<&FileNotes>) -> Vec<String> {
    let Some(now) = now else { return vec!["the files changed".to_owned()] };
    let mut changed: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, note) in now {
        match before.get(name) {
            Some(old) if old == note => {}
            Some(_) => drop(changed.insert(name, "changed")),
            None => drop(changed.insert(name, "was added")),
        }
    }
    changed.extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| (name.as_str(), "was removed")));
    let Some((name, how)) = changed.pop_first() else {
        return vec!["one of the files changed, of more than are compared one by one".to_owned()];
    };
    let mut all = match changed.len() {
        0 => vec![format!("/{name} {how}")],
        more => vec![format!("/{name} {how}, and {more} more")],
    };
    all.extend(changed.iter().take(MAX_LISTED).map(|(name, how)| format!("/{name} {how}")));
    all
}

/// 20 files: who has changed more knows of it.
const MAX_LISTED: usize = 20;

/// A value on one line and of a length that can be read.
fn shown(value: &str) -> String {
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN).collect();
    let end = if line.len() < value.len() { "…" } else { "" };
    match line.as_str() {
        "" => "(nothing)".to_owned(),
        line => format!("{line}{end}"),
    }
}

/// 72 characters: a digest with its algorithm.
const MAX_SHOWN: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(key: &Key, files: &[(&str, &str)]) -> Trace {
        let files = files.iter().map(|(name, note)| ((*name).to_owned(), (*note).to_owned())).collect();
        Trace { key: String::new(), parts: key.parts().to_vec(), base: None, build: "b1".to_owned(), at: 0, files }
    }

    fn check(before: &Trace, now: &Key, files: &[(&str, &str)], expected: &str) {
        let files = trace(now, files).files;
        let texts = differences(Some(before), now, None, Some(&files));
        assert_eq!(texts[0], format!("not cached: {expected}, since build b1 of 1970-01-01T00:00:00Z"));
    }

    #[test]
    fn the_first_thing_that_differs_is_named() {
        let run = |command: &str| Key::new("RUN").with("the command", command);
        check(&trace(&run("a"), &[]), &run("b"), &[], "the command changed: a → b");
        check(&trace(&run("a"), &[]), &run("a").with("ARG V", "1"), &[], "ARG V is new: 1");
        check(&trace(&run("a").with("ARG V", ""), &[]), &run("a"), &[], "ARG V is gone: (nothing)");
        check(&trace(&run("a"), &[]), &run("a"), &[], "it is as it was, and its result is not here any more");
        assert!(differences(None, &run("a"), None, None)[0].contains("never built here"));
    }

    #[test]
    fn of_files_the_first_is_named_and_how_many_others() {
        let copy = |files: &str| Key::new("COPY").with(FILES, files);
        let before = trace(&copy("1"), &[("a", "x"), ("b", "y")]);
        check(&before, &copy("2"), &[("a", "x"), ("b", "z")], "/b changed");
        check(&before, &copy("2"), &[("a", "x")], "/b was removed");
        check(&before, &copy("2"), &[("a", "x"), ("aa", "n"), ("b", "y")], "/aa was added");
        check(&before, &copy("2"), &[("b", "z"), ("c", "n")], "/a was removed, and 2 more");
        let now = trace(&copy("2"), &[("b", "z"), ("c", "n")]).files;
        let texts = differences(Some(&before), &copy("2"), None, Some(&now));
        assert_eq!(texts[1..], ["and /b changed".to_owned(), "and /c was added".to_owned()]);
    }
}
