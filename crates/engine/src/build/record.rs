//! Builds as they are remembered: what was built, how it ended, and everything that was written meanwhile.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use wharfie_content::{Cancel, Cancelled, Event, Observer, Outcome, Warning, in_words};
use wharfie_oci::Timestamp;
use wharfie_store::Store;
use wharfie_store::build_cache::BuildRow;

use super::fetch::file_error;
use super::history::{CANCELED, RUNNING};
use super::output::Output;
use super::request::Build;
use super::transcript::Transcript;
use super::worker::lock;
use super::{Built, BuiltImage, BuiltOn};
use crate::error::{Error, Result};

/// What is known of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BuildDocument {
    /// What it is called: the first tag, or the Dockerfile.
    pub name: String,
    /// The Dockerfile.
    pub dockerfile: String,
    /// Its target, if one was chosen.
    #[serde(default)]
    pub target: String,
    /// `Running`, `Completed`, `Error` or `Canceled`.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub error: String,
    /// Steps that were begun.
    pub total_steps: u64,
    /// Steps whose results were there.
    pub cached_steps: u64,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<BuiltFrom>,
}

/// An image, and what it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BuiltFrom {
    /// The image's id.
    pub id: String,
    /// The base, as the Dockerfile calls it.
    pub base: String,
    /// What that meant then, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How many layers are the base's.
    pub layers: usize,
}

/// Writes down what is observed, and hands it on.
pub(super) struct Recorder<'a> {
    store: &'a Store,
    observer: &'a dyn Observer,
    id: String,
    document: BuildDocument,
    started: Timestamp,
    began: Instant,
    log: Mutex<(Transcript, BufWriter<File>)>,
    total: AtomicU64,
    cached: AtomicU64,
}

/// 50: how many builds are remembered.
const KEPT: usize = 50;

impl<'a> Recorder<'a> {
    /// Begins to write.
    pub(super) fn begin(store: &'a Store, id: &str, build: &Build, observer: &'a dyn Observer) -> Result<Self> {
        let directory = store.build_directory(id);
        std::fs::create_dir_all(&directory).map_err(file_error("create", &directory))?;
        let path = directory.join(LOG);
        let log = File::create(&path).map_err(file_error("create", &path))?;
        // As long as it is locked, the build goes on.
        flock(&log, FlockOperation::LockExclusive).map_err(|why| file_error("lock", &path)(why.into()))?;
        let named = build.outputs.iter().find_map(|output| match output {
            Output::Image { names, .. } | Output::Archive { names, .. } | Output::Layout { names, .. } => names.first(),
            Output::Tar(_) | Output::Directory(_) => None,
        });
        let name = named.map_or_else(|| build.dockerfile_name.clone(), |name| name.familiar());
        let document = BuildDocument {
            name,
            dockerfile: build.dockerfile_name.clone(),
            target: build.target.clone().unwrap_or_default(),
            status: RUNNING.to_owned(),
            ..BuildDocument::default()
        };
        let recorder = Self {
            store,
            observer,
            id: id.to_owned(),
            document,
            started: store.now(),
            began: Instant::now(),
            log: Mutex::new((Transcript::default(), BufWriter::new(log))),
            total: AtomicU64::new(0),
            cached: AtomicU64::new(0),
        };
        recorder.write(&recorder.document, None)?;
        Ok(recorder)
    }

    fn write(&self, document: &BuildDocument, finished: Option<Timestamp>) -> Result<()> {
        let document = serde_json::to_string(document).map_err(Error::Document)?;
        let row = BuildRow { id: self.id.clone(), started: self.started, finished, document };
        Ok(self.store.record_build(&row)?)
    }

    /// Writes down how it ended.
    pub(super) fn end(self, built: std::result::Result<&Built, &Error>) -> Result<()> {
        let _ = lock(&self.log).1.flush();
        let (status, error) = match built {
            Ok(_) => ("Completed", String::new()),
            Err(Error::Cancelled) => (CANCELED, String::new()),
            Err(why) => ("Error", why.to_string()),
        };
        let images = built.map(|built| built.images.as_slice()).unwrap_or_default();
        let built_from = |image: &BuiltImage| {
            let BuiltOn { name, digest, layers } = image.base.clone()?;
            let digest = digest.map(|digest| digest.to_string());
            Some(BuiltFrom { id: image.id.as_str().to_owned(), base: name, digest, layers })
        };
        let document = BuildDocument {
            status: status.to_owned(),
            error,
            total_steps: self.total.load(Ordering::Relaxed),
            cached_steps: self.cached.load(Ordering::Relaxed),
            images: images.iter().filter_map(built_from).collect(),
            ..self.document.clone()
        };
        self.write(&document, Some(self.store.now()))?;
        for old in self.store.builds()?.into_iter().filter(|build| build.finished.is_some()).skip(KEPT) {
            self.store.forget_build(&old.id)?;
        }
        Ok(())
    }
}

/// What the file with everything that was written is called, in the build's directory.
pub(super) const LOG: &str = "log";

/// The same event with the system's reasons in words alone.
fn worded(event: Event) -> Event {
    let words = |text: String| in_words(&text).into_owned();
    match event {
        Event::Ended { task, outcome: Outcome::Broken(why) } => {
            Event::Ended { task, outcome: Outcome::Broken(words(why)) }
        }
        Event::Note { task, text } => Event::Note { task, text: words(text) },
        Event::Warned(Warning::Note(text)) => Event::Warned(Warning::Note(words(text))),
        other => other,
    }
}

impl Observer for Recorder<'_> {
    fn observe(&self, event: Event) {
        let event = worded(event);
        if let Event::Ended { outcome: Outcome::Step { is_cached, .. }, .. } = &event {
            self.total.fetch_add(1, Ordering::Relaxed);
            self.cached.fetch_add(u64::from(*is_cached), Ordering::Relaxed);
        }
        {
            let (transcript, log) = &mut *lock(&self.log);
            let text = transcript.tell(&event, self.began.elapsed());
            // A full disk ends the build elsewhere; its log is not what it fails for.
            let _ = log.write_all(text.as_bytes());
        }
        self.observer.observe(event);
    }

    fn cancel(&self) -> Option<&Cancel> {
        self.observer.cancel()
    }

    fn check(&self) -> std::result::Result<(), Cancelled> {
        self.observer.check()
    }
}
