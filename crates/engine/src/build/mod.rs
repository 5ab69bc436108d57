//! Build: a Dockerfile and a context become an image.
//!
//! The language is `wharfie_build`'s: it says what the target needs done, as values. Here it is done: stages side by side, each
//! step once, whoever asks for it. See `docs/build.md`.

mod agents;
mod attestation;
mod bases;
mod cache;
mod call;
mod contexts;
mod copy;
mod error;
mod explain;
pub mod export;
mod fetch;
mod files;
mod history;
mod key;
mod looks;
mod mounts;
pub mod output;
mod placing;
mod platforms;
mod provenance;
mod record;
mod request;
mod run;
mod stage;
pub mod stream;
pub mod transcript;
mod travel;
mod worker;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use wharfie_build::dockerfile::{Dockerfile, Lines};
use wharfie_build::plan::{GitSource, Plan};
use wharfie_build::{Ignore, Request};
use wharfie_content::{Cancel, Cancelled, Event, Observer, Subject, Task};
use wharfie_oci::{DiffId, Digest, ImageId, Platform};
use wharfie_store::Store;
use wharfie_store::gc::Kept;

pub use cache::{CacheFilters, PruneBuildCache};
pub use call::{Answer, Call};
pub use error::BuildError;
pub use history::BuildSummary;
pub use provenance::Provenance;
pub use request::{
    AgentSource, Allowed, Build, Context, Definition, HistoryStyle, NoCache, SecretSource, StepNetwork, Terminal,
};
pub use travel::{CachePlace, CacheTo};
pub use wharfie_runtime::Resources;

use self::agents::Agents;
use self::bases::BaseImages;
use self::contexts::{Contexts, MAIN};
use self::output::Outgoing;
use self::provenance::Facts;
use self::record::Recorder;
use self::stage::Finished;
use self::travel::{Exports, Imports};
use self::worker::{Cached, Permits, Stages, Worker, lock};
use crate::container::random;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What a build came to.
#[derive(Debug, Clone)]
pub struct Built {
    /// The build's own name.
    pub build: String,
    /// The images, in the order in which platforms were asked for.
    pub images: Vec<BuiltImage>,
    /// What its names stand for: an image, a manifest or an index; of what was pushed, what the registry has.
    pub digest: Option<Digest>,
    /// What docker's checks found, without repetition.
    pub warnings: Vec<wharfie_build::lint::Warning>,
    /// Build arguments that no ARG consumed.
    pub unused_args: Vec<String>,
}

/// What was built for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// What it runs on.
    pub platform: Platform,
    /// The image.
    pub id: ImageId,
    /// Its layers, bottom first.
    pub layers: Vec<DiffId>,
    /// What it was built from, if that is an image.
    pub base: Option<BuiltOn>,
}

/// An image that another one was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltOn {
    /// As the Dockerfile calls it.
    pub name: String,
    /// What that name meant then: its index or manifest, if it has one.
    pub digest: Option<Digest>,
    /// How many of the layers are its own.
    pub layers: usize,
}

impl Engine {
    /// Builds an image.
    ///
    /// # Errors
    /// When the Dockerfile cannot be built, a base is not to be had, a step fails, or the store cannot be written. Steps that
    /// were finished are taken by the next build.
    pub fn build(&self, build: &Build, observer: &dyn Observer) -> Result<Built> {
        self.build_now(build, observer).map_err(|why| why.of_work(observer))
    }

    fn build_now(&self, build: &Build, observer: &dyn Observer) -> Result<Built> {
        let store = self.writer()?;
        self.forget_lost_steps(store)?;
        let id = name()?;
        let recorder = Recorder::begin(store, &id, build, observer)?;
        let built = self.build_all(build, &id, &recorder);
        recorder.end(built.as_ref())?;
        built
    }

    fn build_all(&self, build: &Build, id: &str, observer: &dyn Observer) -> Result<Built> {
        let store = self.writer()?;
        let (lease, started) = (store.lease()?, store.now());
        let bases = BaseImages::new(self, &lease, build, observer);
        let contexts = Contexts::new(self, &lease, build, &bases, observer);
        if build.measures_context {
            let size = contexts.size()?;
            Task::begin(observer, Subject::Build("[internal] measure build context".to_owned()))
                .advance(size, Some(size));
        }
        let text = contexts.definition()?;
        let located = |why: wharfie_build::Error| BuildError::Plan {
            excerpt: excerpt(&build.dockerfile_name, &text, why.places()),
            source: Box::new(why),
        };
        let dockerfile = Dockerfile::read(&text).map_err(located)?;
        let ignore = contexts.ignore()?;
        let agents = Agents::start(&build.agents)?;
        let (imports, exports) = (Imports::open(self, &build.cache_from, observer)?, Exports::default());
        let host = store.options().platform.clone();
        let platforms = if build.platforms.is_empty() { vec![host.clone()] } else { build.platforms.clone() };
        let mut built = Built {
            build: id.to_owned(),
            images: Vec::new(),
            digest: None,
            warnings: Vec::new(),
            unused_args: Vec::new(),
        };
        for platform in &platforms {
            let request = request_of(build, &host, platform, ignore.clone());
            let mut plan = wharfie_build::plan::plan(&dockerfile, &request, &bases).map_err(located)?;
            if build.history == HistoryStyle::Classic {
                stage::add_labels(&mut plan, &build.labels);
            }
            for warning in &plan.warnings {
                if !built.warnings.contains(warning) {
                    built.warnings.push(warning.clone());
                }
            }
            built.unused_args.clone_from(&plan.unused_args);
            if plan.stages.iter().flat_map(|stage| &stage.steps).any(|step| step.action.needs_context()) {
                contexts.open(MAIN, platform)?;
            }
            let shared = Shared {
                engine: self,
                store,
                lease: &lease,
                build,
                bases: &bases,
                contexts: &contexts,
                imports: &imports,
                exports: &exports,
                agents: &agents,
                id,
                text: &text,
            };
            let finished = shared.build_plan(&plan, platform, observer)?;
            let image = finished.image.clone().ok_or(BuildError::NoImage)?;
            let base = bases.beneath(&finished.layers);
            built.images.push(BuiltImage { platform: platform.clone(), id: image, layers: finished.layers, base });
        }
        let facts = Facts { build, id, started, finished: store.now(), materials: bases.materials(), host };
        Outgoing { engine: self, lease: &lease, build, exports: &exports, facts, observer }.give(&mut built)?;
        let layers = built.images.iter().flat_map(|image| image.layers.iter().cloned()).collect();
        for to in &build.cache_to {
            exports.give(self, &lease, to, &layers, observer)?;
        }
        Ok(built)
    }

    /// Takes away what steps of killed builds have left on the machine.
    fn forget_lost_steps(&self, store: &Store) -> Result<()> {
        for name in store.lost_steps()? {
            run::forget(self, &name, None);
            let _ = std::fs::remove_file(store.root().join("steps").join(name));
        }
        Ok(())
    }
}

/// What the builds for all platforms share.
struct Shared<'a, 's> {
    engine: &'a Engine,
    store: &'a Store,
    lease: &'a wharfie_store::Lease<'s>,
    build: &'a Build,
    bases: &'a BaseImages<'a>,
    contexts: &'a Contexts<'a, 's>,
    imports: &'a Imports<'a>,
    exports: &'a Exports,
    agents: &'a Agents,
    id: &'a str,
    /// What the Dockerfile says.
    text: &'a [u8],
}

impl Shared<'_, '_> {
    fn build_plan(&self, plan: &Plan, platform: &Platform, observer: &dyn Observer) -> Result<Finished> {
        let joint = Joint { observer, cancel: Cancel::default() };
        let worker = Worker {
            engine: self.engine,
            store: self.store,
            lease: self.lease,
            build: self.build,
            plan,
            bases: self.bases,
            contexts: self.contexts,
            platform: platform.clone(),
            imports: self.imports,
            exports: self.exports,
            agents: self.agents,
            id: self.id,
            place_name: self.build.context.place(),
            text: self.text,
            observer: &joint,
            stages: Stages::new(plan.stages.len()),
            permits: Permits::new(self.build.jobs),
            cache: Cached::default(),
        };
        worker.tell_globals();
        let failure: Mutex<Option<Error>> = Mutex::default();
        let one = |position: usize| match worker.stage(position) {
            Ok(finished) => worker.stages.set(position, Ok(Arc::new(finished))),
            Err(why) => {
                let mut failure = lock(&failure);
                // What failed because another stage did is not what is told.
                let is_consequence = matches!(why, Error::Cancelled | Error::Build(BuildError::OtherFailed));
                if failure.is_none() || matches!(&*failure, Some(Error::Cancelled)) && !is_consequence {
                    *failure = Some(why);
                }
                worker.stages.set(position, Err(()));
                joint.cancel.cancel();
            }
        };
        match plan.stages.len() {
            // One stage needs no thread of its own.
            1 => one(0),
            count => std::thread::scope(|scope| {
                for position in 0..count {
                    let one = &one;
                    scope.spawn(move || one(position));
                }
            }),
        }
        let settled = worker.settle();
        if let Some(why) = lock(&failure).take() {
            return Err(why);
        }
        settled?;
        let finished = worker.stages.wait(plan.target, &joint)?;
        let complete = worker.complete(&finished)?;
        if worker.has_waste() {
            self.store.collect(Kept::Expired)?;
        }
        Ok(complete)
    }
}

/// The user's observer, and the end of all stages when one fails.
struct Joint<'a> {
    observer: &'a dyn Observer,
    cancel: Cancel,
}

impl Observer for Joint<'_> {
    fn observe(&self, event: Event) {
        self.observer.observe(event);
    }

    fn cancel(&self) -> Option<&Cancel> {
        Some(&self.cancel)
    }

    fn check(&self) -> std::result::Result<(), Cancelled> {
        self.observer.check()?;
        self.cancel.check()
    }
}

/// What an ignore file says.
fn ignore_of(text: &str) -> Result<Ignore> {
    Ignore::parse(text).map_err(|why| BuildError::Ignore(why).into())
}

/// What a text means that names a git repository as a context: `URL#REFERENCE:DIRECTORY`.
fn git_source(text: &str) -> Result<GitSource> {
    let (remote, fragment) = text.split_once('#').map_or((text, None), |(remote, rest)| (remote, Some(rest)));
    let (reference, below) = match fragment.map(|rest| rest.split_once(':').unwrap_or((rest, ""))) {
        Some((reference, below)) => (Some(reference), Some(below)),
        None => (None, None),
    };
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(GitSource {
        remote: remote.to_owned(),
        reference: text(reference),
        subdirectory: text(below),
        with_submodules: true,
        ..GitSource::default()
    })
}

/// A name for a build: 25 letters and digits.
fn name() -> Result<String> {
    let bytes = random::bytes::<25>()?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect())
}

/// 32 of them, so that none comes more often than another.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What is asked of a plan for one platform.
fn request_of(build: &Build, host: &Platform, platform: &Platform, ignore: Ignore) -> Request {
    Request {
        build_args: build.build_args.clone(),
        target: build.target.clone(),
        platform: platform.clone(),
        is_platform_given: !build.platforms.is_empty(),
        is_multi_platform: build.platforms.len() > 1,
        contexts: build.contexts.keys().cloned().collect::<BTreeSet<String>>(),
        ignore,
        ..Request::new(host.clone())
    }
}

/// The lines of the Dockerfile that something is about, as BuildKit shows them.
fn excerpt(name: &str, text: &[u8], places: &[Lines]) -> String {
    wharfie_build::dockerfile::excerpt(name, &String::from_utf8_lossy(text), places)
}
