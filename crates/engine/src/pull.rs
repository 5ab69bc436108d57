//! Pull: an image from a registry into the store.
//!
//! One round trip if nothing changed; else manifest, configuration and the layers that are missing, several at once.
//! Children before parents, names last: nothing is visible before all of it is there and proven.

use std::collections::BTreeSet;
use std::io::Read;

use wharfie_content::event::{Event, Subject, TaskId, task};
use wharfie_content::{Counted, Mismatch, Observer, Outcome, Task, Verified, Warning};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageConfig, ImageId, Manifest, MediaType, Platform, Reference, index};
use wharfie_remote::{RepositoryClient, Watch};
use wharfie_store::{Ingest, Lease, NewImage};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::check_platform;
use crate::load::created;

/// What to pull.
#[derive(Debug, Clone)]
pub struct Pull {
    /// By tag or by digest.
    pub reference: Reference,
    /// What it must run on; the engine's platform if not given.
    pub platform: Option<Platform>,
}

/// What a pull came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub id: ImageId,
    /// Digest of the manifest or index that the reference stands for.
    pub digest: Digest,
    /// True if the reference did not stand for this image before.
    pub is_newer: bool,
}

impl Engine {
    /// Pulls one image.
    ///
    /// # Errors
    /// When the registry does not have it, refuses, lies, or cannot be reached; or when the store cannot be written.
    pub fn pull(&self, pull: &Pull, observer: &dyn Observer) -> Result<Pulled> {
        let reference = pull.reference.clone().without_redundant_tag().or_latest();
        if reference.repository().canonical() == "docker.io/library/scratch" {
            return Err(Error::Scratch);
        }
        let client = self.remote().repository(reference.repository());
        let asked = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.as_str(),
            (None, tag) => tag.unwrap_or_default(),
        };
        let found = client.resolve(asked).map_err(|source| Error::Pull { reference: reference.familiar(), source })?;
        let tag = reference.tag().map_or_else(|| reference.familiar(), str::to_owned);
        let what = Subject::Resolve { tag, repository: reference.repository().path().to_owned() };
        let result = task(observer, what, |_| -> Result<_> {
            let (id, is_newer) = match self.unchanged(&reference, &found, pull)? {
                Some(id) => (id, false),
                None => self.fetch(&client, &reference, &found, pull, observer)?,
            };
            let outcome = Outcome::Manifest { digest: found.digest.clone(), size: found.size };
            Ok((Pulled { id, digest: found.digest.clone(), is_newer }, outcome))
        });
        for warning in self.remote().take_warnings() {
            observer.observe(Event::Warned(warning));
        }
        result
    }

    /// The image, if `reference` stands for what the registry has already.
    fn unchanged(&self, reference: &Reference, found: &Descriptor, pull: &Pull) -> Result<Option<ImageId>> {
        let store = self.reader()?;
        let by_digest = Reference::digested(reference.repository().clone(), found.digest.clone());
        let Some(id) = store.resolve(&by_digest.canonical())? else { return Ok(None) };
        // A damaged image is brought back by pulling it, so it cannot count as up to date.
        if store.resolve(&reference.canonical())?.as_ref() != Some(&id) || !store.is_whole(&id)? {
            return Ok(None);
        }
        // Another platform of the same index may be here. What is no index is what it is, unless the user asks.
        let wanted = match &pull.platform {
            Some(wanted) => wanted,
            None if found.media_type.is_index() => &self.config().platform,
            None => return Ok(Some(id)),
        };
        let index = std::fs::read(store.blob_path(&found.digest)).ok();
        let index = index.and_then(|bytes| AnyManifest::parse(&bytes, &found.media_type).ok());
        if let Some(AnyManifest::Index(index)) = index
            && let Some(chosen) = index.select(wanted)
        {
            let is_here = store.manifests_of(&id)?.iter().any(|(_, digest)| *digest == chosen.digest);
            return Ok(is_here.then_some(id));
        }
        let fits = wanted.distance(&self.config_of(store, &id)?.platform()).is_some();
        Ok(fits.then_some(id))
    }

    fn fetch(
        &self,
        client: &RepositoryClient,
        reference: &Reference,
        found: &Descriptor,
        pull: &Pull,
        observer: &dyn Observer,
    ) -> Result<(ImageId, bool)> {
        let wanted = pull.platform.as_ref().unwrap_or(&self.config().platform);
        let store = self.writer()?;
        let lease = store.lease()?;
        let mut manifests = Vec::new();
        let manifest = choose(client, &lease, found, wanted, &mut manifests)?;
        let config_bytes = fetch_config(client, &manifest)?;
        let config = ImageConfig::parse(&config_bytes)
            .map_err(|source| Error::Config { id: ImageId::new(manifest.config.digest.clone()), source })?;
        if manifest.layers.len() != config.rootfs.diff_ids.len() {
            return Err(Error::LayerCount { layers: manifest.layers.len(), diff_ids: config.rootfs.diff_ids.len() });
        }
        // What could not be recorded in the end need not be downloaded first.
        if config.rootfs.diff_ids.len() > wharfie_store::MAX_LAYERS {
            return Err(wharfie_store::Error::MaxDepth.into());
        }
        if manifests.len() == 1
            && let (Some(asked), Err(_)) = (&pull.platform, check_platform("", &config, pull.platform.as_ref()))
        {
            observer.observe(Event::Warned(Warning::Platform {
                reference: reference.familiar(),
                found: config.platform().to_string(),
                wanted: asked.to_string(),
            }));
        }
        let id = ImageId::new(manifest.config.digest.clone());
        let is_visible = store.image(&id)?.is_some();
        let was = store.resolve(&reference.canonical())?;
        Layers { client, lease: &lease, observer, jobs: self.config().jobs, is_visible }
            .fetch(&manifest.layers, &config.rootfs.diff_ids)?;
        lease.put_blob(&config_bytes)?;

        let mut references = vec![Reference::digested(reference.repository().clone(), found.digest.clone())];
        if reference.digest().is_none() {
            references.push(reference.clone());
        }
        let image = NewImage {
            id: id.clone(),
            created: created(config.created.as_deref()),
            layers: config.rootfs.diff_ids,
            parent: None,
            manifests,
        };
        let event = crate::events::of_name("pull", &pull.reference.familiar());
        store.noting(vec![event], |_| lease.record(&image, &references))?;
        let digests: Vec<Digest> = manifest.layers.iter().map(|layer| layer.digest.clone()).collect();
        store.record_origins(reference.repository(), &digests)?;
        Ok((id.clone(), was != Some(id)))
    }
}

/// Fetches the manifest for `wanted`, through indexes if need be, and keeps every document on the way.
fn choose(
    client: &RepositoryClient,
    lease: &Lease<'_>,
    found: &Descriptor,
    wanted: &Platform,
    manifests: &mut Vec<(MediaType, Digest)>,
) -> Result<Manifest> {
    let mut next = found.clone();
    for _ in 0..index::MAX_DEPTH {
        // What the registry said of the size of the first is no promise: the digest is.
        let expected = Some(&next).filter(|_| !manifests.is_empty());
        let fetched = client.manifest(next.digest.as_str(), expected)?;
        lease.put_blob(&fetched.bytes)?;
        manifests.push((fetched.descriptor.media_type.clone(), fetched.descriptor.digest.clone()));
        match fetched.content {
            AnyManifest::Manifest(manifest) => return Ok(*manifest),
            AnyManifest::Index(index) => {
                let chosen = index.select_by(wanted, |member| platform_of(client, member))?;
                next = chosen.cloned().ok_or_else(|| Error::NoPlatform(wanted.to_string()))?;
            }
        }
    }
    Err(Error::NoPlatform(wanted.to_string()))
}

/// What an image is for that its index says nothing about; `None` for what is no image.
fn platform_of(client: &RepositoryClient, member: &Descriptor) -> Result<Option<Platform>> {
    let fetched = client.manifest(member.digest.as_str(), Some(member))?;
    let AnyManifest::Manifest(manifest) = fetched.content else { return Ok(None) };
    match fetch_config(client, &manifest) {
        Ok(bytes) => Ok(ImageConfig::parse(&bytes).ok().map(|config| config.platform())),
        Err(Error::NoImage(_)) => Ok(None),
        Err(why) => Err(why),
    }
}

fn fetch_config(client: &RepositoryClient, manifest: &Manifest) -> Result<Vec<u8>> {
    let config = &manifest.config;
    if !config.media_type.may_be_config() {
        return Err(Error::NoImage(config.media_type.to_string()));
    }
    if config.size > wharfie_oci::manifest::MAX_MANIFEST_BYTES {
        return Err(Error::TooLarge { what: "configuration", size: config.size });
    }
    loop {
        let mut bytes = Vec::new();
        let mut blob = client.blob(config, Watch::silent())?;
        match Verified::new(&mut blob, config).read_to_end(&mut bytes) {
            Ok(_) => return Ok(bytes),
            Err(why) if Mismatch::within(&why).is_some() && blob.came_from_a_mirror() => {}
            Err(why) => return Err(of_transfer("image config", config, why)),
        }
    }
}

/// Where layers come from and go to.
struct Layers<'a> {
    client: &'a RepositoryClient,
    lease: &'a Lease<'a>,
    observer: &'a dyn Observer,
    jobs: usize,
    /// The image can be seen already: nothing about its layers is news.
    is_visible: bool,
}

impl Layers<'_> {
    /// Fetches what is missing of `layers`, which must unpack to `diff_ids`. Tells of every layer in order.
    fn fetch(&self, layers: &[Descriptor], diff_ids: &[DiffId]) -> Result<()> {
        let mut begun: Vec<(Task<'_>, &Descriptor, &DiffId, bool)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut below_is_here = true;
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let held = self.lease.hold_layer(diff_id)?;
            if !seen.insert(&layer.digest) {
                continue;
            }
            let is_here = held.is_some();
            if self.is_visible && is_here {
                continue;
            }
            // As far as anyone is told, what only removed images have is not here.
            below_is_here &= held.is_some_and(|layer| !layer.is_only_kept);
            let task = Task::begin(self.observer, Subject::Fetch(layer.clone()));
            if below_is_here {
                task.end(Outcome::Exists);
            } else {
                begun.push((task, layer, diff_id, is_here));
            }
        }
        wharfie_content::copy::in_parallel(&begun, self.jobs, |_, (task, layer, diff_id, is_here)| {
            let result = if *is_here { Ok(()) } else { self.fetch_one(task.id(), layer, diff_id) };
            if *is_here {
                task.verified();
            }
            task.end(if result.is_ok() { Outcome::Done } else { Outcome::Failed });
            result
        })?;
        Ok(())
    }

    fn fetch_one(&self, id: TaskId, layer: &Descriptor, diff_id: &DiffId) -> Result<()> {
        self.lease.hold_blob(&layer.digest)?;
        let watch = Watch { observer: self.observer, task: id };
        let observer = self.observer;
        let ingest = Ingest { blob: Some(layer), diff_id: Some(diff_id) };
        let arrived = || observer.observe(Event::Verified { task: id });
        loop {
            let mut blob = self.client.blob(layer, watch)?;
            let mut counted = Counted::new(&mut blob, Some(layer.size), id, observer);
            return match self.lease.ingest(&mut counted, ingest, &arrived) {
                Ok(_) => Ok(()),
                Err(wharfie_store::Error::Mismatch(_)) if blob.came_from_a_mirror() => continue,
                Err(wharfie_store::Error::Source(why)) => Err(of_transfer("filesystem layer", layer, why)),
                Err(wharfie_store::Error::Mismatch(_)) => Err(verification("filesystem layer", layer)),
                Err(why) => Err(why.into()),
            };
        }
    }
}

fn verification(what: &'static str, blob: &Descriptor) -> Error {
    Error::Verification { what, digest: blob.digest.clone() }
}

/// Sorts what went wrong while bytes came in: wrong bytes, or the registry's own failure.
fn of_transfer(what: &'static str, blob: &Descriptor, why: std::io::Error) -> Error {
    if Mismatch::within(&why).is_some() {
        return verification(what, blob);
    }
    match why.downcast::<wharfie_remote::Error>() {
        Ok(remote) => remote.into(),
        Err(why) => wharfie_store::Error::Source(why).into(),
    }
}

impl Engine {
    /// The tags of a repository, in the registry's order.
    ///
    /// # Errors
    /// When the registry does not have the repository, refuses, or cannot be reached.
    pub fn tags(&self, repository: &wharfie_oci::Repository) -> Result<Vec<String>> {
        let client = self.remote().repository(repository);
        client.tags().map_err(|source| Error::Pull { reference: repository.familiar(), source })
    }
}
