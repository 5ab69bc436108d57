//! Cache that travels: what steps came to, and what their cache mounts hold, taken to another machine and found there.
//!
//! It is an artifact of OCI's: a configuration of our own media type that lists steps by their keys, and the layers that they
//! added as blobs. So it lies in a registry or a layout beside images. An image can carry the list itself, as a note on its
//! manifest (*inline*): its layers are the blobs then.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use wharfie_archive::Layout;
use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::{Document, Event, Observer, Outcome, Part, Source, Subject, Task, Warning, Watch};
use wharfie_layer::compression::{Decoder, gzip_encoder};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, Manifest, MediaType, Reference, Timestamp};
use wharfie_remote::Destination;
use wharfie_store::build_cache::StepRow;
use wharfie_store::{Ingest, Lease, StoreSource};

use super::error::BuildError;
use super::fetch::file_error;
use super::mounts::pack_directory;
use super::worker::lock;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::outgoing;

/// Where cache is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTo {
    /// The place.
    pub to: CachePlace,
    /// The steps of all stages, and not only of the target's.
    pub all: bool,
    /// What cache mounts hold as well.
    pub mounts: bool,
}

/// A place for cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// A tag of a registry.
    Registry(Reference),
    /// An OCI layout in a directory, under a tag.
    Local(PathBuf, String),
    /// The image that is built.
    Inline,
}

impl std::fmt::Display for CachePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => f.write_str(&reference.canonical()),
            Self::Local(path, tag) => write!(f, "local:{}:{tag}", path.display()),
            Self::Inline => f.write_str("inline"),
        }
    }
}

/// The list of what is in a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    version: u32,
    steps: Vec<ListedStep>,
    /// Configurations of images, by the keys that they were made under.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    images: BTreeMap<Digest, String>,
    /// In which blob each layer is.
    blobs: BTreeMap<DiffId, Digest>,
    /// What cache mounts hold: in which blob each is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    mounts: BTreeMap<String, Digest>,
}

/// The version of [`Listing`]; another one is not read.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ListedStep {
    key: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<DiffId>,
    size: u64,
    /// Nanoseconds since 1970.
    created: i64,
    text: String,
    kind: String,
}

/// The media type of the list, and of the artifact.
const MEDIA_TYPE: &str = "application/vnd.wharfie.cache.v1+json";
/// The note on the manifest of an image that carries the list.
pub(super) const ANNOTATION: &str = "io.wharfie.cache.v1";

/// The caches that a build takes steps from.
pub(super) struct Imports<'a> {
    engine: &'a Engine,
    found: Vec<Import>,
}

struct Import {
    source: Box<dyn Source + Send>,
    listing: Listing,
    /// Where in the list each step is.
    places: BTreeMap<Digest, usize>,
    blobs: BTreeMap<Digest, Descriptor>,
}

impl<'a> Imports<'a> {
    /// Finds out what the caches have. One that cannot be read is told of, and the build goes on without.
    pub(super) fn open(engine: &'a Engine, places: &[CachePlace], observer: &dyn Observer) -> Result<Self> {
        let mut found = Vec::new();
        for place in places {
            let task = Task::begin(observer, Subject::Build(format!("importing cache manifest from {place}")));
            match open(engine, place) {
                Ok(import) => {
                    task.end(Outcome::Done);
                    found.push(import);
                }
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(why) => task.end(Outcome::Broken(why.to_string())),
            }
        }
        Ok(Self { engine, found })
    }

    /// The step with this key, whose layer is brought here.
    pub(super) fn find(&self, lease: &Lease<'_>, key: &Digest, observer: &dyn Observer) -> Result<Option<StepRow>> {
        for import in &self.found {
            let Some(step) = import.places.get(key).map(|place| &import.listing.steps[*place]) else { continue };
            if let Some(layer) = &step.layer
                && lease.hold_layer(layer)?.is_none()
                && let Err(why) = import.fetch(lease, layer, observer)
            {
                if matches!(why, Error::Cancelled) {
                    return Err(why);
                }
                // A cache is a help: a broken one hinders nobody.
                let text = format!("the cache lacks a layer of {}: {why}", step.text);
                observer.observe(Event::Warned(Warning::Note(text)));
                continue;
            }
            let now = self.engine.writer()?.now();
            let row = StepRow {
                key: step.key.clone(),
                layer: step.layer.clone(),
                size: step.size,
                created: Timestamp::from_nanos(step.created),
                used: now,
                uses: 0,
                text: step.text.clone(),
                kind: step.kind.clone(),
            };
            lease.store().record_step(&row)?;
            return Ok(Some(row));
        }
        Ok(None)
    }

    /// The configuration of the image that was made under this key.
    pub(super) fn image(&self, key: &Digest) -> Option<&str> {
        self.found.iter().find_map(|import| import.listing.images.get(key)).map(String::as_str)
    }

    /// Fills an empty directory with what a cache mount held; false if no cache has it.
    pub(super) fn fill_mount(&self, id: &str, directory: &std::fs::File) -> Result<bool> {
        use std::os::fd::AsFd;
        for import in &self.found {
            let Some(blob) = import.listing.mounts.get(id).and_then(|digest| import.blobs.get(digest)) else {
                continue;
            };
            let part = Part { descriptor: blob.clone(), diff_id: None };
            let opened = import.source.open(&part, Watch::silent()).map_err(of_place)?;
            let verified = wharfie_content::Verified::new(opened, blob);
            let (_, mut tar) = Decoder::detect(io::BufReader::new(verified)).map_err(super::copy::of_layer)?;
            wharfie_layer::unpack::unpack(&mut tar, directory.as_fd()).map_err(super::copy::of_layer)?;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Import {
    fn fetch(&self, lease: &Lease<'_>, layer: &DiffId, observer: &dyn Observer) -> Result<()> {
        let blob = self.listing.blobs.get(layer).and_then(|digest| self.blobs.get(digest));
        let blob = blob.ok_or_else(|| wharfie_store::Error::MissingLayer(layer.clone()))?;
        let task = Task::begin(observer, Subject::Fetch(blob.clone()));
        let part = Part { descriptor: blob.clone(), diff_id: Some(layer.clone()) };
        let mut opened = self.source.open(&part, Watch { observer, task: task.id() }).map_err(of_place)?;
        lease
            .ingest(&mut opened, Ingest { blob: Some(blob), diff_id: Some(layer), index: None }, &|| task.verified())?;
        task.end(Outcome::Done);
        Ok(())
    }
}

fn open(engine: &Engine, place: &CachePlace) -> Result<Import> {
    let (source, root): (Box<dyn Source + Send>, Document) = match place {
        CachePlace::Registry(reference) => {
            let client = engine.remote().repository(reference.repository());
            let asked = reference.digest().map_or_else(|| reference.tag().unwrap_or_default(), Digest::as_str);
            let document = client.manifest(asked, None)?;
            (Box::new(client), document)
        }
        CachePlace::Local(path, tag) => {
            let layout = Layout::open(path)?;
            let root = layout.named(tag)?.ok_or_else(|| BuildError::NoCache(place.to_string()))?;
            let document = layout.document(&root, true).map_err(of_place)?;
            (Box::new(layout), document)
        }
        // It has a name where it is.
        CachePlace::Inline => return Err(BuildError::NoCache(place.to_string()).into()),
    };
    let root = match &root.content {
        AnyManifest::Manifest(_) => root,
        // The caches of several platforms.
        AnyManifest::Index(index) => {
            let host = &engine.writer()?.options().platform;
            let fits = |member: &&Descriptor| {
                member.platform.as_ref().is_some_and(|platform| platform.distance(host) == Some(0))
            };
            let member = index.manifests.iter().find(fits).or(index.manifests.first());
            let member = member.ok_or_else(|| BuildError::NoCache(place.to_string()))?;
            source.document(member, false).map_err(of_place)?
        }
    };
    let AnyManifest::Manifest(manifest) = root.content else {
        return Err(BuildError::NoCache(place.to_string()).into());
    };
    let text = match manifest.annotations.as_ref().and_then(|notes| notes.get(ANNOTATION)) {
        Some(text) => text.clone().into_bytes(),
        None if manifest.config.media_type.as_str() == MEDIA_TYPE => {
            wharfie_content::place::read(&*source, &manifest.config)
                .map_err(|why| BuildError::BadCache { place: place.to_string(), why: why.to_string() })?
        }
        None => return Err(BuildError::NoCache(place.to_string()).into()),
    };
    let bad = |why: String| BuildError::BadCache { place: place.to_string(), why };
    let listing: Listing = serde_json::from_slice(&text).map_err(|why| bad(why.to_string()))?;
    if listing.version != VERSION {
        return Err(bad(format!("it is of version {}", listing.version)).into());
    }
    let blobs = manifest.layers.into_iter().map(|blob| (blob.digest.clone(), blob)).collect();
    // Of two of one key the first counts.
    let places = listing.steps.iter().enumerate().rev().map(|(place, step)| (step.key.clone(), place)).collect();
    Ok(Import { source, listing, places, blobs })
}

fn of_place(why: wharfie_content::place::BoxError) -> Error {
    Error::File { doing: "read", path: "a cache".into(), source: io::Error::other(why) }
}

/// What a build did and took, as far as it is taken elsewhere.
#[derive(Default)]
pub(super) struct Exports {
    steps: Mutex<BTreeMap<Digest, StepRow>>,
    images: Mutex<BTreeMap<Digest, Digest>>,
    mounts: Mutex<BTreeSet<(String, String)>>,
}

impl Exports {
    pub(super) fn step(&self, step: &StepRow) {
        lock(&self.steps).insert(step.key.clone(), step.clone());
    }

    pub(super) fn image(&self, key: Digest, image: Digest) {
        lock(&self.images).insert(key, image);
    }

    /// A cache mount that was used, with its directory's name.
    pub(super) fn mount(&self, id: &str, directory: &str) {
        lock(&self.mounts).insert((id.to_owned(), directory.to_owned()));
    }

    /// The list of what was done, or of what is in `layers` if not `all` is wanted. Blobs are made where there are none.
    fn listing(
        &self,
        lease: &Lease<'_>,
        layers: &BTreeSet<DiffId>,
        all: bool,
    ) -> Result<(Listing, BTreeMap<Digest, Descriptor>)> {
        let (mut listing, mut blobs) = (Listing { version: VERSION, ..Listing::default() }, BTreeMap::new());
        for step in lock(&self.steps).values() {
            if !all && step.layer.as_ref().is_some_and(|layer| !layers.contains(layer)) {
                continue;
            }
            if let Some(layer) = &step.layer {
                let blob = outgoing::compressed(lease, layer)?;
                listing.blobs.insert(layer.clone(), blob.digest.clone());
                blobs.insert(blob.digest.clone(), Descriptor { media_type: MediaType::OCI_LAYER_GZIP, ..blob });
            }
            listing.steps.push(ListedStep {
                key: step.key.clone(),
                layer: step.layer.clone(),
                size: step.size,
                created: step.created.to_nanos(),
                text: step.text.clone(),
                kind: step.kind.clone(),
            });
        }
        for (key, image) in lock(&self.images).iter() {
            let id = wharfie_oci::ImageId::new(image.clone());
            let bytes = crate::inspect::config_bytes(lease.store(), &id)?;
            listing.images.insert(key.clone(), String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok((listing, blobs))
    }

    /// The note that an image carries with it.
    pub(super) fn inline(&self, lease: &Lease<'_>, layers: &[DiffId]) -> Result<String> {
        let (listing, _) = self.listing(lease, &layers.iter().cloned().collect(), false)?;
        serde_json::to_string(&listing).map_err(Error::Document)
    }

    /// Takes it where it is wanted.
    pub(super) fn give(
        &self,
        engine: &Engine,
        lease: &Lease<'_>,
        to: &CacheTo,
        layers: &BTreeSet<DiffId>,
        observer: &dyn Observer,
    ) -> Result<()> {
        let kind = match &to.to {
            CachePlace::Registry(_) => "registry",
            CachePlace::Local(..) => "local",
            // The image has it.
            CachePlace::Inline => return Ok(()),
        };
        let task = Task::begin(observer, Subject::Build(format!("exporting cache to {kind}")));
        let given = self.give_now(engine, lease, to, layers, &task);
        given.inspect_err(|why| task.end(Outcome::Broken(why.to_string())))?;
        task.end(Outcome::Done);
        Ok(())
    }

    fn give_now(
        &self,
        engine: &Engine,
        lease: &Lease<'_>,
        to: &CacheTo,
        layers: &BTreeSet<DiffId>,
        task: &Task<'_>,
    ) -> Result<()> {
        task.note("preparing build cache for export");
        let (mut listing, mut blobs) = self.listing(lease, layers, to.all)?;
        if to.mounts {
            for (id, directory) in lock(&self.mounts).iter() {
                let Some(blob) = mount_blob(lease, directory)? else { continue };
                task.note(format!("cache mount {id}: {} bytes", blob.size));
                listing.mounts.insert(id.clone(), blob.digest.clone());
                blobs.insert(blob.digest.clone(), blob);
            }
        }
        let bytes = serde_json::to_vec(&listing).map_err(Error::Document)?;
        let config = Descriptor::of(MediaType::new(MEDIA_TYPE), &bytes);
        lease.put_blob(&bytes)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            artifact_type: Some(MEDIA_TYPE.to_owned()),
            config,
            layers: blobs.into_values().collect(),
            subject: None,
            annotations: None,
        };
        let bytes = serde_json::to_vec(&manifest).map_err(Error::Document)?;
        let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
        task.note(format!("writing cache manifest {} done", descriptor.digest));
        let content = AnyManifest::Manifest(Box::new(manifest));
        let document = Document { descriptor: descriptor.clone(), bytes, content };
        let source = StoreSource::new(lease.store()).with(document);
        let naming = |part: &Part| Subject::Upload {
            diff_id: DiffId::new(part.descriptor.digest.clone()),
            size: Some(part.descriptor.size),
        };
        let parts = task.parts();
        let options = Options {
            platforms: Platforms::All,
            jobs: engine.config().jobs,
            observer: &parts,
            naming: Some(&naming),
            order: Order::BottomFirst,
            images: Images::Ignored,
            check: &|_| Ok(()),
        };
        match &to.to {
            CachePlace::Registry(reference) => {
                let client = engine.remote().repository(reference.repository());
                let store = lease.store();
                let host = reference.repository().host();
                let origins = |digest: &Digest| store.origins_of_blob(digest, host).unwrap_or_default();
                let to = Destination::new(&client, &origins).tagged(reference.tag().unwrap_or_default());
                graph::copy(&source, &to, &descriptor, &options)?;
            }
            CachePlace::Local(path, tag) => {
                let layout = Layout::create(path)?;
                graph::copy(&source, &layout, &descriptor, &options)?;
                layout.name(&descriptor, tag)?;
            }
            CachePlace::Inline => {}
        }
        Ok(())
    }
}

/// What a cache mount holds, as a compressed tar; `None` if it is not here: it was never used.
fn mount_blob(lease: &Lease<'_>, directory: &str) -> Result<Option<Descriptor>> {
    let path = lease.store().cache_mount_directory(directory).join("data");
    let top = match std::fs::File::open(&path) {
        Ok(top) => top,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(file_error("open", &path)(why)),
    };
    let (digest, size) = lease.put_stream(|out| {
        let encoder = gzip_encoder(io::BufWriter::with_capacity(BUFFER, out));
        let encoder = pack_directory(top, encoder).map_err(io::Error::other)?;
        encoder.finish()?.flush()
    })?;
    Ok(Some(Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size)))
}

/// 256 KiB at a time through the compressor.
const BUFFER: usize = 256 << 10;
