//! Who does the steps of a build: what they share, and the rule by which a step is done once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wharfie_build::plan::{Origin, Plan};
use wharfie_content::{Observer, Task};
use wharfie_oci::{DiffId, Digest, Platform, Timestamp};
use wharfie_store::build_cache::StepRow;
use wharfie_store::{Lease, Store};

use super::agents::Agents;
use super::bases::BaseImages;
use super::contexts::{Contexts, MAIN};
use super::error::BuildError;
use super::explain::{FileList, Trace, differences};
use super::files::Files;
use super::key::Key;
use super::request::Build;
use super::stage::Finished;
use super::travel::{Exports, Imports};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What the steps of one platform's build share.
pub(super) struct Worker<'a, 's> {
    pub(super) engine: &'a Engine,
    pub(super) store: &'a Store,
    pub(super) lease: &'a Lease<'s>,
    pub(super) build: &'a Build,
    pub(super) plan: &'a Plan,
    pub(super) bases: &'a BaseImages<'a>,
    pub(super) contexts: &'a Contexts<'a, 's>,
    pub(super) imports: &'a Imports<'a>,
    pub(super) exports: &'a Exports,
    pub(super) agents: &'a Agents,
    /// What is built for.
    pub(super) platform: Platform,
    /// The build's own name.
    pub(super) id: &'a str,
    /// Where the build context is: two projects' Dockerfiles are not one.
    pub(super) place_name: String,
    /// What the Dockerfile says.
    pub(super) text: &'a [u8],
    /// The user's, who can call it off; so can any stage that fails.
    pub(super) observer: &'a dyn Observer,
    pub(super) stages: Stages,
    pub(super) permits: Permits,
    pub(super) cache: Cached,
}

/// What a step stands on.
pub(super) struct Ground<'a> {
    /// The stage's layers so far, bottom first.
    pub(super) layers: &'a [DiffId],
    /// The image that the stage stands on, while nothing else is below.
    pub(super) base: Option<&'a str>,
    /// Whether results of earlier builds are taken.
    pub(super) may_reuse: bool,
    /// The step's place: the same in every build of the same Dockerfile.
    pub(super) slot: Digest,
    /// What it is, for people.
    pub(super) text: &'a str,
    /// What the stage is for.
    pub(super) platform: &'a Platform,
    /// The time that what is made gets; `None`: now.
    pub(super) epoch: Option<i64>,
    /// What tells of it.
    pub(super) task: &'a Task<'a>,
}

/// What a step came to.
pub(super) struct Done {
    /// The layer that it added.
    pub(super) layer: Option<DiffId>,
    /// When.
    pub(super) created: Timestamp,
    /// Whether it had been done before.
    pub(super) is_cached: bool,
}

/// How stages are doing.
pub(super) struct Stages {
    state: Mutex<Vec<State>>,
    changed: Condvar,
}

/// How a stage is doing: nobody knows yet, it is done, or it failed.
type State = Option<std::result::Result<Arc<Finished>, ()>>;

/// How many steps are done at once.
pub(super) struct Permits {
    left: Mutex<usize>,
    freed: Condvar,
}

/// What is written down about the cache at the end.
#[derive(Default)]
pub(super) struct Cached {
    notes: Mutex<Vec<(Digest, Vec<u8>)>>,
    used: Mutex<Vec<Digest>>,
    has_waste: AtomicBool,
}

/// What a mutex holds; a panic elsewhere is no reason to stop.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 10 ms before the first look at a step that another build does; each wait is half as long again as the one before, up to
/// [`LONGEST_LOOK`].
const LOOK: Duration = Duration::from_millis(10);
/// 200 ms.
const LONGEST_LOOK: Duration = Duration::from_millis(200);

impl Worker<'_, '_> {
    /// Does a step unless its result is here, or comes from whoever does it now. `turn` is what two builds that do the same
    /// agree on; `recall` finds the result; `work` makes it.
    pub(super) fn once(
        &self,
        turn: &Digest,
        ground: &Ground<'_>,
        recall: &dyn Fn() -> Result<Option<(Key, StepRow)>>,
        work: impl FnOnce() -> Result<(Key, StepRow, bool, Option<FileList>)>,
    ) -> Result<Done> {
        let mut look = LOOK;
        let held = loop {
            self.observer.check().map_err(|_| Error::Cancelled)?;
            if ground.may_reuse
                && let Some((key, step)) = recall()?
            {
                return self.taken(ground, &key, step, None);
            }
            if let Some(held) = self.store.try_step(turn)? {
                break held;
            }
            match self.observer.cancel() {
                Some(cancel) => cancel.pause(look).map_err(|_| Error::Cancelled)?,
                None => std::thread::sleep(look),
            }
            look = (look * 3 / 2).min(LONGEST_LOOK);
        };
        // Somebody may have finished it between our looking and our turn.
        let recalled = if ground.may_reuse { recall() } else { Ok(None) };
        let done = match recalled {
            Ok(Some((key, step))) => self.taken(ground, &key, step, None),
            Err(why) => Err(why),
            Ok(None) => {
                let permit = self.permits.take(self.observer)?;
                let made = work();
                drop(permit);
                made.and_then(|(key, step, is_cached, files)| match is_cached {
                    true => self.taken(ground, &key, step, files),
                    false => self.made(ground, &key, step, files),
                })
            }
        };
        self.store.end_step(turn, held);
        done
    }

    /// The result of the step with this key: from here, or from a cache elsewhere.
    pub(super) fn find_step(&self, key: &Digest) -> Result<Option<StepRow>> {
        match self.lease.find_step(key)? {
            Some(step) => Ok(Some(step)),
            None => self.imports.find(self.lease, key, self.observer),
        }
    }

    fn taken(&self, ground: &Ground<'_>, key: &Key, step: StepRow, files: Option<FileList>) -> Result<Done> {
        lock(&self.cache.used).push(step.key.clone());
        self.exports.step(&step);
        self.trace(ground, key, files)?;
        Ok(Done { layer: step.layer, created: step.created, is_cached: true })
    }

    fn made(&self, ground: &Ground<'_>, key: &Key, step: StepRow, files: Option<FileList>) -> Result<Done> {
        self.trace(ground, key, files)?;
        self.exports.step(&step);
        Ok(Done { layer: step.layer, created: step.created, is_cached: false })
    }

    /// Notes what the step was made of.
    fn trace(&self, ground: &Ground<'_>, key: &Key, files: Option<FileList>) -> Result<()> {
        let before = self.last_trace(ground)?;
        let digest = key.digest().to_string();
        if before.as_ref().is_some_and(|before| before.key == digest) {
            return Ok(());
        }
        let files = files.map(FileList::into_notes);
        let trace = Trace {
            key: digest,
            parts: key.parts().to_vec(),
            base: ground.base.map(str::to_owned),
            build: self.id.to_owned(),
            at: self.store.now().to_nanos(),
            files: files.unwrap_or_default(),
        };
        self.note(ground.slot.clone(), serde_json::to_vec(&trace).map_err(Error::Document)?);
        Ok(())
    }

    /// Says why a step is done: `key` is what it is made of now.
    pub(super) fn explain(&self, ground: &Ground<'_>, key: &Key, files: Option<&FileList>) -> Result<()> {
        let before = self.last_trace(ground)?;
        match (ground.may_reuse, before) {
            // That what is new is done is news only to who asked.
            (true, None) if !self.build.explain => {}
            (true, before) => {
                let all = differences(before.as_ref(), key, ground.base, files.map(FileList::notes));
                let shown = if self.build.explain { all.len() } else { 1 };
                all.into_iter().take(shown).for_each(|text| ground.task.note(text));
            }
            (false, _) => ground.task.note("not cached: nothing of earlier builds is taken"),
        }
        Ok(())
    }

    fn last_trace(&self, ground: &Ground<'_>) -> Result<Option<Trace>> {
        let found = self.store.build_note(&ground.slot)?;
        // What cannot be read was written by another version: it is as if it were not there.
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// A step's result, as it is written down.
    pub(super) fn result(&self, key: &Key, layer: Option<&DiffId>, size: u64, ground: &Ground<'_>) -> StepRow {
        let now = self.store.now();
        StepRow {
            key: key.digest(),
            layer: layer.cloned(),
            size,
            created: now,
            used: now,
            uses: 0,
            text: ground.text.to_owned(),
            kind: "regular".to_owned(),
        }
    }

    /// Keeps something for later builds.
    pub(super) fn note(&self, name: Digest, value: Vec<u8>) {
        lock(&self.cache.notes).push((name, value));
    }

    /// Something was written that nobody needs.
    pub(super) fn wasted(&self) {
        self.cache.has_waste.store(true, Ordering::Relaxed);
    }

    /// Writes down what was noted.
    pub(super) fn settle(&self) -> Result<()> {
        self.store.set_build_notes(&std::mem::take(&mut *lock(&self.cache.notes)))?;
        self.store.touch_steps(&std::mem::take(&mut *lock(&self.cache.used)))?;
        Ok(())
    }

    /// True if something was written that nobody needs.
    pub(super) fn has_waste(&self) -> bool {
        self.cache.has_waste.load(Ordering::Relaxed)
    }

    /// The time of what is made, in seconds since 1970.
    pub(super) fn moment(&self) -> i64 {
        self.epoch().unwrap_or_else(|| self.store.now().seconds)
    }

    /// The time that no file is younger than.
    pub(super) fn latest(&self) -> Option<i64> {
        self.epoch().filter(|_| self.build.rewrite_timestamps)
    }

    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub(super) fn epoch(&self) -> Option<i64> {
        self.build.epoch.or_else(|| self.plan.source_date_epoch.as_deref()?.parse().ok())
    }

    /// A directory that is gone after the build.
    pub(super) fn place(&self) -> Result<PathBuf> {
        self.contexts.place()
    }

    /// The files that an instruction copies from.
    pub(super) fn files(&self, origin: Option<&Origin>, platform: &Platform) -> Result<Arc<Files>> {
        match origin {
            None => self.contexts.open(MAIN, platform),
            Some(Origin::Context(name)) => self.contexts.open(name, platform),
            Some(Origin::Stage(position)) => self.of_layers(&self.stages.wait(*position, self.observer)?.layers),
            Some(Origin::Image(name)) => self.of_layers(&self.bases.find(name, platform)?.layers),
            Some(Origin::Scratch) => self.of_layers(&[]),
        }
    }

    fn of_layers(&self, layers: &[DiffId]) -> Result<Arc<Files>> {
        Ok(Arc::new(self.contexts.of_layers(layers, false)?))
    }
}

impl Ground<'_> {
    /// The files that an instruction copies from.
    pub(super) fn files(&self, worker: &Worker<'_, '_>, origin: Option<&Origin>) -> Result<Arc<Files>> {
        worker.files(origin, self.platform)
    }

    /// What the key says of the time; it counts only if somebody chose it.
    pub(super) fn epoch_word(&self) -> String {
        self.epoch.map(|epoch| epoch.to_string()).unwrap_or_default()
    }
}

impl Stages {
    pub(super) fn new(count: usize) -> Self {
        Self { state: Mutex::new(vec![None; count]), changed: Condvar::new() }
    }

    /// Says what became of a stage.
    pub(super) fn set(&self, position: usize, result: std::result::Result<Arc<Finished>, ()>) {
        lock(&self.state)[position] = Some(result);
        self.changed.notify_all();
    }

    /// Waits for a stage.
    pub(super) fn wait(&self, position: usize, observer: &dyn Observer) -> Result<Arc<Finished>> {
        let mut state = lock(&self.state);
        loop {
            match &state[position] {
                Some(Ok(finished)) => return Ok(Arc::clone(finished)),
                Some(Err(())) => return Err(BuildError::OtherFailed.into()),
                None => {}
            }
            observer.check().map_err(|_| Error::Cancelled)?;
            state = self.changed.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// 100 ms between looks whether the work was called off.
const PAUSE: Duration = Duration::from_millis(100);

impl Permits {
    pub(super) fn new(count: usize) -> Self {
        Self { left: Mutex::new(count.max(1)), freed: Condvar::new() }
    }

    /// Waits until one more step may be done.
    pub(super) fn take(&self, observer: &dyn Observer) -> Result<Permit<'_>> {
        let mut left = lock(&self.left);
        while *left == 0 {
            observer.check().map_err(|_| Error::Cancelled)?;
            left = self.freed.wait_timeout(left, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        *left -= 1;
        Ok(Permit(self))
    }
}

/// A step that may be done.
pub(super) struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.left) += 1;
        self.0.freed.notify_one();
    }
}
