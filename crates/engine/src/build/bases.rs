//! The images that stages stand on and copy from: found here, or fetched.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use wharfie_archive::Layout;
use wharfie_build::plan::BoxError;
use wharfie_content::{Observer, Outcome, Subject, Task};
use wharfie_oci::{DiffId, Digest, ImageConfig, ImageId, Platform, Reference};
use wharfie_store::Lease;

use super::BuiltOn;
use super::request::{Build, Context};
use super::worker::lock;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::load::Load;
use crate::names;
use crate::pull::Pull;

/// An image that is here, and held.
#[derive(Debug, Clone)]
pub(super) struct BaseImage {
    pub(super) id: ImageId,
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<DiffId>,
    /// What it is called with its digest, if that is known.
    pub(super) pinned: String,
}

/// Finds images, each once.
pub(super) struct BaseImages<'a> {
    engine: &'a Engine,
    lease: &'a Lease<'a>,
    build: &'a Build,
    observer: &'a dyn Observer,
    found: Mutex<BTreeMap<(String, String), Arc<BaseImage>>>,
}

impl<'a> BaseImages<'a> {
    pub(super) fn new(engine: &'a Engine, lease: &'a Lease<'a>, build: &'a Build, observer: &'a dyn Observer) -> Self {
        Self { engine, lease, build, observer, found: Mutex::default() }
    }

    /// The image that `name` means for `platform`.
    pub(super) fn find(&self, name: &str, platform: &Platform) -> Result<Arc<BaseImage>> {
        // One after the other: what two stages stand on is fetched once.
        let mut found = lock(&self.found);
        let key = (name.to_owned(), platform.to_string());
        if let Some(image) = found.get(&key) {
            return Ok(Arc::clone(image));
        }
        let shown = name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.or_latest().canonical());
        let task = Task::begin(self.observer, Subject::Build(format!("[internal] load metadata for {shown}")));
        let image = self.look(name, platform).inspect_err(|why| task.end(Outcome::Broken(why.to_string())))?;
        task.end(Outcome::Done);
        let image = Arc::new(image);
        found.insert(key, Arc::clone(&image));
        Ok(image)
    }

    fn look(&self, name: &str, platform: &Platform) -> Result<BaseImage> {
        let store = self.engine.writer()?;
        let local = names::find_for(store, name, Some(platform)).and_then(|found| {
            // What is here and is not signed as it must be is asked for on its registry.
            let named = found.reference.as_ref();
            let checked = named.map(|named| self.engine.check_local_trust(named, &found.id, self.observer));
            checked.transpose().map(|_| found)
        });
        let id = match local {
            Ok(found) if !self.build.pull || found.reference.is_none() => found.id,
            other => {
                let reference: Reference = name.parse()?;
                let pull = Pull { reference, platform: Some(platform.clone()), trusted: None };
                match (self.engine.pull(&pull, self.observer), other) {
                    (Ok(pulled), _) => pulled.id,
                    (Err(Error::Cancelled), _) => return Err(Error::Cancelled),
                    (Err(answer), Err(Error::Trust(why))) if why.is_refusal() => {
                        return Err(why.here(name, &answer).into());
                    }
                    (Err(why @ Error::Trust(_)), _) => return Err(why),
                    // An image of another platform, or of none, is better than nothing; the plan warns of it.
                    (Err(why), Err(Error::OtherPlatform { .. })) if !self.build.pull => {
                        let found = names::find(store, name).map_err(|_| why)?;
                        // It is proven like any other: that its registry does not answer is no reason to believe it.
                        if let Some(named) = &found.reference {
                            self.engine.check_local_trust(named, &found.id, self.observer)?;
                        }
                        found.id
                    }
                    (Err(why), _) => return Err(why),
                }
            }
        };
        self.hold(name, id)
    }

    fn hold(&self, name: &str, id: ImageId) -> Result<BaseImage> {
        let store = self.engine.writer()?;
        self.lease.hold_blob(id.digest())?;
        let config = self.engine.config_of(store, &id)?;
        let layers = config.rootfs.diff_ids.clone();
        for layer in &layers {
            self.lease.hold_layer(layer)?.ok_or_else(|| wharfie_store::Error::MissingLayer(layer.clone()))?;
        }
        let pinned = match name.parse::<Reference>() {
            Ok(reference) => {
                let reference = reference.or_latest();
                let names = store.names_leading_to(&id)?;
                let any = names.iter().filter_map(|name| name.parse::<Reference>().ok()).find_map(|known| {
                    known.digest().filter(|_| known.repository() == reference.repository()).map(ToString::to_string)
                });
                let name = reference.canonical();
                // What the tag means now, before what the image is known by from another time.
                let meant = store.target(&name)?.filter(|target| names.contains(&name) && target != id.digest());
                let digest = meant.map(|target| target.to_string()).or(any);
                match digest.filter(|_| reference.digest().is_none()) {
                    Some(digest) => format!("{name}@{digest}"),
                    None => name,
                }
            }
            Err(_) => name.to_owned(),
        };
        Ok(BaseImage { id, config, layers, pinned })
    }

    /// The images that were found, with their digests where they are known.
    pub(super) fn materials(&self) -> Vec<(String, Option<Digest>)> {
        let found = lock(&self.found);
        let material = |image: &Arc<BaseImage>| match image.pinned.rsplit_once('@') {
            Some((name, digest)) => (name.to_owned(), digest.parse().ok()),
            None => (image.pinned.clone(), None),
        };
        let mut materials: Vec<_> = found.values().map(material).collect();
        materials.dedup();
        materials
    }

    /// Which of the images that were found has the lowest of `layers`. The one with the most.
    pub(super) fn beneath(&self, layers: &[DiffId]) -> Option<BuiltOn> {
        let found = lock(&self.found);
        let is_beneath = |image: &BaseImage| {
            !image.layers.is_empty() && image.layers.len() < layers.len() && layers.starts_with(&image.layers)
        };
        let fitting = found.iter().filter(|(_, image)| is_beneath(image));
        let longest = fitting.max_by_key(|(_, image)| image.layers.len());
        longest.map(|((name, _), image)| BuiltOn {
            name: name.clone(),
            digest: image.pinned.rsplit_once('@').and_then(|(_, digest)| digest.parse().ok()),
            layers: image.layers.len(),
        })
    }

    /// The image of an OCI layout for `platform`: the one called `wanted`, or the only one.
    pub(super) fn layout(&self, path: &Path, wanted: Option<&str>, platform: &Platform) -> Result<Arc<BaseImage>> {
        let mut found = lock(&self.found);
        let key = (format!("oci-layout://{}:{}", path.display(), wanted.unwrap_or_default()), platform.to_string());
        if let Some(image) = found.get(&key) {
            return Ok(Arc::clone(image));
        }
        let load = Load { platforms: vec![platform.clone()], is_whole: false };
        let loaded = self.engine.load_layout(&load, path, self.observer)?;
        let missing = || Error::NoSuchImage(key.0.clone());
        let id = match wanted {
            None => loaded.first().map(|image| image.id.clone()).ok_or_else(missing)?,
            Some(wanted) => {
                let root = match wanted.parse::<Digest>() {
                    Ok(digest) => digest,
                    Err(_) => Layout::open(path)?.named(wanted)?.ok_or_else(missing)?.digest,
                };
                names::variant(self.engine.writer()?, &key.0, &root, Some(platform))?.ok_or_else(missing)?
            }
        };
        let image = Arc::new(self.hold(&key.0, id)?);
        found.insert(key, Arc::clone(&image));
        Ok(image)
    }
}

impl wharfie_build::Bases for BaseImages<'_> {
    fn config(&self, reference: &str, platform: &Platform) -> std::result::Result<ImageConfig, BoxError> {
        Ok(self.find(reference, platform)?.config.clone())
    }

    fn context(&self, name: &str, platform: &Platform) -> std::result::Result<Option<ImageConfig>, BoxError> {
        match self.build.contexts.get(name) {
            Some(Context::Image(image)) => Ok(Some(self.find(image, platform)?.config.clone())),
            Some(Context::Layout(path, wanted)) => {
                Ok(Some(self.layout(path, wanted.as_deref(), platform)?.config.clone()))
            }
            _ => Ok(None),
        }
    }
}
