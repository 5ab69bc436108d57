//! A stage: one step after the other, and the image after each.

use std::collections::BTreeMap;
use std::sync::Arc;

use wharfie_build::plan::{Action, Base, Plan, Stage, Step as Planned};
use wharfie_content::{Outcome, Step, Subject, Task};
use wharfie_oci::config::{History, RootFs};
use wharfie_oci::{DiffId, Digest, ImageConfig, ImageId, Platform, Timestamp};
use wharfie_store::NewImage;
use wharfie_store::images::Recording;

use super::error::BuildError;
use super::key::Key;
use super::request::{Context, HistoryStyle, NoCache};
use super::worker::{Done, Ground, Worker};
use crate::error::{Error, Result};

/// A stage that is done.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    /// What a container of it would run; its layers are in it.
    pub(super) config: ImageConfig,
    /// Its image; `None` for nothing at all.
    pub(super) image: Option<ImageId>,
    /// Bottom first.
    pub(super) layers: Vec<DiffId>,
}

/// A stage that is being done.
struct Growing {
    config: ImageConfig,
    image: Option<ImageId>,
    layers: Vec<DiffId>,
    /// The image that the stage stands on, with its digest if that is known.
    base: String,
    base_layers: usize,
    /// Images that are not visible yet, oldest first.
    new: Vec<NewImage>,
    /// Under which keys they will be found again.
    keys: Vec<(Digest, ImageId)>,
}

/// What history says of images that BuildKit's language made.
const COMMENT: &str = "buildkit.dockerfile.v0";

impl Worker<'_, '_> {
    /// Does a stage. What was finished stays, also of a stage that fails.
    pub(super) fn stage(&self, position: usize) -> Result<Finished> {
        let stage = &self.plan.stages[position];
        let mut growing = self.begin(stage)?;
        let done = self.steps(stage, &mut growing);
        // Also of a stage that failed: its last image is where the failure is looked for.
        let shown = self.show(&mut growing);
        done.and(shown)?;
        let Growing { config, image, layers, .. } = growing;
        Ok(Finished { config, image, layers })
    }

    fn begin(&self, stage: &Stage) -> Result<Growing> {
        let mut standing = String::new();
        let (label, base) = match &stage.base {
            Base::Scratch => (stage.label.clone(), None),
            Base::Stage(position) => (None, Some((*self.stages.wait(*position, self.observer)?).clone())),
            Base::Image(name) => {
                let image = self.bases.find(name, &stage.platform)?;
                let digest = image.pinned.rsplit_once('@').map(|(_, digest)| format!("@{digest}")).unwrap_or_default();
                standing.clone_from(&image.pinned);
                (stage.label.clone().map(|label| label + &digest), Some(of_image(&image)))
            }
            Base::Context(name) => {
                let image = match self.build.contexts.get(name) {
                    Some(Context::Image(image)) => self.bases.find(image, &stage.platform)?,
                    Some(Context::Layout(path, wanted)) => {
                        self.bases.layout(path, wanted.as_deref(), &stage.platform)?
                    }
                    _ => return Err(BuildError::NoContext(name.clone()).into()),
                };
                (stage.label.clone(), Some(of_image(&image)))
            }
        };
        let step = Step {
            label,
            written: stage.written.clone(),
            number: self.number(stage, 0),
            total: self.total(),
            triggers: stage.steps.iter().filter(|step| step.is_trigger).count(),
        };
        let task = Task::begin(self.observer, Subject::Step(Box::new(step)));
        let base_image = base.as_ref().and_then(|base| base.image.clone());
        let growing = match base {
            Some(base) => Growing {
                // What the plan starts with is the base's configuration, completed.
                config: ImageConfig { config: stage.start.config.clone(), ..base.config },
                image: base.image,
                base_layers: base.layers.len(),
                base: standing,
                layers: base.layers,
                new: Vec::new(),
                keys: Vec::new(),
            },
            None => Growing {
                config: ImageConfig {
                    architecture: stage.platform.architecture.clone(),
                    os: stage.platform.os.clone(),
                    variant: stage.platform.variant.clone(),
                    config: stage.start.config.clone(),
                    ..ImageConfig::default()
                },
                image: None,
                layers: Vec::new(),
                base: standing,
                base_layers: 0,
                new: Vec::new(),
                keys: Vec::new(),
            },
        };
        task.end(Outcome::Step { image: base_image, is_cached: false });
        Ok(growing)
    }

    fn steps(&self, stage: &Stage, growing: &mut Growing) -> Result<()> {
        let may_reuse = self.may_reuse(stage);
        for (index, planned) in stage.steps.iter().enumerate() {
            self.observer.check().map_err(|_| Error::Cancelled)?;
            let step = Step {
                label: planned.label.clone(),
                written: planned.written.clone(),
                number: self.number(stage, index + 1),
                total: self.total(),
                triggers: 0,
            };
            // A step that copies from other stages begins when they are done.
            for position in planned.action.stages() {
                self.stages.wait(position, self.observer)?;
            }
            let task = Task::begin(self.observer, Subject::Step(Box::new(step)));
            let slot = Key::new("slot")
                .with("Dockerfile", &self.build.dockerfile_name)
                .with("context", &self.place_name)
                .with("platform", stage.platform.to_string())
                .with("stage", stage.index.to_string())
                .with("step", index.to_string())
                .digest();
            let done = {
                let ground = Ground {
                    layers: &growing.layers,
                    base: Some(growing.base.as_str()).filter(|_| growing.layers.len() == growing.base_layers),
                    may_reuse,
                    slot,
                    text: planned.label.as_deref().unwrap_or(&planned.written),
                    platform: &stage.platform,
                    epoch: self.latest(),
                    task: &task,
                };
                self.act(planned, &ground)
            };
            let done = done.and_then(|done| self.grow(growing, planned, done.as_ref()));
            match done {
                Ok(is_cached) => {
                    task.end(Outcome::Step { image: growing.image.clone(), is_cached });
                }
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(Error::Build(BuildError::OtherFailed)) => return Err(BuildError::OtherFailed.into()),
                Err(why) => {
                    task.end(Outcome::Broken(why.to_string()));
                    let excerpt = super::excerpt(&self.build.dockerfile_name, self.text, &[planned.lines]);
                    let written = planned.written.clone();
                    return Err(BuildError::Step { excerpt, written, source: Box::new(why) }.into());
                }
            }
        }
        Ok(())
    }

    /// What the instruction does to the files; `None` if nothing.
    fn act(&self, planned: &Planned, ground: &Ground<'_>) -> Result<Option<Done>> {
        match &planned.action {
            Action::Metadata => Ok(None),
            Action::Workdir(workdir) => self.workdir(workdir, ground).map(Some),
            Action::Run(run) => self.run(run, ground).map(Some),
            Action::Copy(copy) => self.copy(copy, ground).map(Some),
        }
    }

    /// Makes the image after a step; true if the step was done before. Of one that does nothing to files that is known by the
    /// image: a build that was killed, or whose result went elsewhere, has left none.
    fn grow(&self, growing: &mut Growing, planned: &Planned, done: Option<&Done>) -> Result<bool> {
        let layer = done.and_then(|done| done.layer.clone());
        let made = done.map(|done| done.created);
        growing.layers.extend(layer.clone());
        let (is_empty, mut config) = (layer.is_none(), growing.config.clone());
        config.config = Some(planned.config.clone());
        config.author = planned.author.clone().or(config.author);
        config.rootfs = RootFs { diff_ids: growing.layers.clone(), ..RootFs::default() };
        (config.container, config.docker_version, config.comment) = (None, None, None);
        let created_by = match (self.build.history, &planned.created_by) {
            (HistoryStyle::BuildKit, created_by) => created_by.clone(),
            (HistoryStyle::Classic, Some(created_by)) => Some(classic(created_by, planned, layer.as_ref())),
            // ONBUILD, of which BuildKit's history says nothing.
            (HistoryStyle::Classic, None) => {
                let trigger = planned.config.on_build.as_deref().and_then(<[String]>::last);
                trigger.map(|trigger| classic(&format!("ONBUILD {trigger}"), planned, None))
            }
        };
        if created_by.is_some() {
            config.history.push(History {
                created: None,
                author: planned.author.clone(),
                created_by,
                comment: (self.build.history == HistoryStyle::BuildKit).then(|| COMMENT.to_owned()),
                empty_layer: is_empty,
            });
        }
        let was_there = self.make_image(growing, config, made)?;
        Ok(done.map_or(was_there, |done| done.is_cached))
    }

    /// Makes an image of `config`, whose last entry of history has no time yet. One that was made of the same before is taken,
    /// with its time: so a build that changes nothing gives the image that was there.
    fn make_image(&self, growing: &mut Growing, mut config: ImageConfig, made: Option<Timestamp>) -> Result<bool> {
        config.created = None;
        let text = serde_json::to_string(&config).map_err(Error::Document)?;
        let epoch = self.epoch().map(|epoch| epoch.to_string()).unwrap_or_default();
        let parent = growing.image.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = Key::new("image").with("parent", parent).with("configuration", text).with("epoch", epoch).digest();
        if let Some(id) = self.store.built_image(&key)?
            && self.lease.hold_blob(id.digest())?.is_some()
        {
            growing.config = self.engine.config_of(self.store, &id)?;
            self.exports.image(key, id.digest().clone());
            growing.image = Some(id);
            return Ok(true);
        }
        if let Some(text) = self.imports.image(&key)
            && let Ok(theirs) = serde_json::from_str::<ImageConfig>(text)
            && is_alike(&theirs, &config)
        {
            // A cache says when an image was made, and nothing else of it.
            let id = ImageId::new(self.lease.put_blob(text.as_bytes())?);
            self.add_image(growing, key, id, theirs);
            return Ok(true);
        }
        let epoch = self.epoch().map(|seconds| Timestamp { seconds, nanos: 0 });
        let created = epoch.or(made).unwrap_or_else(|| self.store.now());
        config.created = Some(created.to_string());
        if let Some(last) = config.history.last_mut().filter(|last| last.created.is_none()) {
            last.created = Some(created.to_string());
        }
        let bytes = serde_json::to_vec(&config).map_err(Error::Document)?;
        let id = ImageId::new(self.lease.put_blob(&bytes)?);
        self.add_image(growing, key, id, config);
        Ok(false)
    }

    fn add_image(&self, growing: &mut Growing, key: Digest, id: ImageId, config: ImageConfig) {
        let created = config.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        growing.new.push(NewImage {
            id: id.clone(),
            created: created.map(|created| created.seconds),
            platform: config.platform(),
            layers: growing.layers.clone(),
            parent: growing.image.clone(),
        });
        self.exports.image(key.clone(), id.digest().clone());
        growing.keys.push((key, id.clone()));
        growing.config = config;
        growing.image = Some(id);
    }

    /// Makes the images visible that were made.
    fn show(&self, growing: &mut Growing) -> Result<()> {
        if growing.new.is_empty() || !self.build.is_image_wanted() {
            return Ok(());
        }
        let images = std::mem::take(&mut growing.new);
        self.lease.record(&Recording { images, ..Recording::default() })?;
        self.store.record_built_images(&std::mem::take(&mut growing.keys))?;
        Ok(())
    }

    /// The target's image as it is asked for: with labels from outside.
    pub(super) fn complete(&self, finished: &Finished) -> Result<Finished> {
        let mut growing = Growing {
            config: finished.config.clone(),
            image: finished.image.clone(),
            layers: finished.layers.clone(),
            base: String::new(),
            base_layers: 0,
            new: Vec::new(),
            keys: Vec::new(),
        };
        let mut config = growing.config.clone();
        if !self.build.platforms.is_empty() {
            // What was asked for is what it is, whatever its base says.
            let Platform { os, architecture, variant, .. } = self.platform.clone();
            (config.os, config.architecture, config.variant) = (os, architecture, variant);
        }
        if !self.build.labels.is_empty() {
            let labels = config.config.get_or_insert_default().labels.get_or_insert_default();
            labels.extend(self.build.labels.clone());
        }
        if config != growing.config {
            let created = config.created.as_deref().and_then(|text| text.parse().ok());
            self.make_image(&mut growing, config, created)?;
            self.show(&mut growing)?;
        }
        let Growing { config, image, layers, .. } = growing;
        Ok(Finished { config, image, layers })
    }

    /// Whether results of earlier builds are taken for a stage.
    fn may_reuse(&self, stage: &Stage) -> bool {
        match &self.build.no_cache {
            NoCache::Nowhere => true,
            NoCache::Everywhere => false,
            NoCache::Stages(names) => {
                let (name, index) = (stage.name.as_deref(), stage.index.to_string());
                !names.iter().any(|one| Some(one.to_lowercase().as_str()) == name || *one == index)
            }
        }
    }

    /// Tells of what stands before the first FROM: it does nothing by itself, and is counted.
    pub(super) fn tell_globals(&self) {
        for (index, written) in self.plan.globals.iter().enumerate() {
            let (number, total) = (index + 1, self.total());
            let step = Step { label: None, written: written.clone(), number, total, triggers: 0 };
            Task::begin(self.observer, Subject::Step(Box::new(step))).end(Outcome::Done);
        }
    }

    /// Which of all instructions up to the target one is, from 1, of a stage's first `steps` steps the last; 0 is FROM.
    fn number(&self, stage: &Stage, steps: usize) -> usize {
        let before = self.plan.stages.iter().take_while(|other| other.index != stage.index);
        let before: usize = before.map(|stage| 1 + own(&stage.steps)).sum();
        self.plan.globals.len() + before + 1 + own(&stage.steps[..steps])
    }

    fn total(&self) -> usize {
        self.plan.globals.len() + self.plan.stages.iter().map(|stage| 1 + own(&stage.steps)).sum::<usize>()
    }
}

/// Adds the step that labels from outside are for the classic builder: the last one, as if it stood in the file.
pub(super) fn add_labels(plan: &mut Plan, labels: &BTreeMap<String, String>) {
    let Some(stage) = plan.stages.get_mut(plan.target).filter(|_| !labels.is_empty()) else { return };
    let written = labels.iter().fold("LABEL".to_owned(), |text, (name, value)| format!("{text} {name}={value}"));
    let last = stage.steps.last();
    let config = last.map(|step| step.config.clone()).or_else(|| stage.start.config.clone());
    let mut config = config.unwrap_or_default();
    config.labels.get_or_insert_default().extend(labels.clone());
    let (author, arguments) = last.map(|step| (step.author.clone(), step.arguments.clone())).unwrap_or_default();
    stage.steps.push(Planned {
        lines: stage.lines,
        created_by: Some(written.clone()),
        written,
        label: None,
        action: Action::Metadata,
        config,
        author,
        is_trigger: false,
        arguments,
    });
}

/// What the classic builder's history says of a step that is `created_by` in BuildKit's words: the shell's command for RUN, and
/// for all else a command that does nothing. Files are named by the digest of the layer that they came to be.
fn classic(created_by: &str, planned: &Planned, layer: Option<&DiffId>) -> String {
    let text = created_by.strip_suffix(" # buildkit").unwrap_or(created_by);
    let shell = planned.config.shell.clone().filter(|shell| !shell.is_empty());
    let shell = shell.map_or_else(|| "/bin/sh -c".to_owned(), |shell| shell.join(" "));
    match &planned.action {
        Action::Run(_) => text.strip_prefix("RUN ").unwrap_or(text).to_owned(),
        Action::Copy(_) => {
            let words: Vec<&str> = text.split(' ').collect();
            let (head, sources) =
                words.split_at(words.iter().skip(1).take_while(|word| word.starts_with("--")).count() + 1);
            let digest = layer.map_or_else(String::new, |layer| layer.digest().hex().to_owned());
            let kind = if sources.len() > 2 { "multi" } else { "file" };
            format!("{shell} #(nop) {} {kind}:{digest} in {} ", head.join(" "), sources.last().unwrap_or(&"/"))
        }
        Action::Workdir(_) => format!("{shell} #(nop) {text}"),
        Action::Metadata if text.starts_with("WORKDIR ") => format!("{shell} #(nop) {text}"),
        Action::Metadata => format!("{shell} #(nop)  {text}"),
    }
}

/// Whether `made` is what `wanted` becomes once it is known when its last step was done.
fn is_alike(made: &ImageConfig, wanted: &ImageConfig) -> bool {
    let mut made = made.clone();
    made.created = None;
    if let (Some(last), Some(History { created: None, .. })) = (made.history.last_mut(), wanted.history.last()) {
        last.created = None;
    }
    made == *wanted
}

/// How many of the steps stand in the Dockerfile.
fn own(steps: &[Planned]) -> usize {
    steps.iter().filter(|step| !step.is_trigger).count()
}

fn of_image(image: &Arc<super::bases::BaseImage>) -> Finished {
    Finished { config: image.config.clone(), image: Some(image.id.clone()), layers: image.layers.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_says_when_and_nothing_else() {
        let entry = |created: Option<&str>| History { created: created.map(str::to_owned), ..History::default() };
        let wanted = ImageConfig { history: vec![entry(Some("1")), entry(None)], ..ImageConfig::default() };
        let made = ImageConfig {
            created: Some("2".to_owned()),
            history: vec![entry(Some("1")), entry(Some("2"))],
            ..wanted.clone()
        };
        assert!(is_alike(&made, &wanted));
        assert!(!is_alike(&ImageConfig { author: Some("eve".to_owned()), ..made.clone() }, &wanted));
        assert!(!is_alike(&ImageConfig { history: vec![entry(Some("3")), entry(Some("2"))], ..made.clone() }, &wanted));
        // What leaves no entry changes no entry's time.
        let silent = ImageConfig { history: vec![entry(Some("1")), entry(Some("2"))], ..wanted };
        assert!(is_alike(&made, &silent));
    }
}
