//! Load: images from an archive into the store.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use wharfie_archive::{Archive, Intake, Layout, Root, StoredLayer, Taken};
use wharfie_content::event::{Event, Subject, task};
use wharfie_content::graph::{self, Copied, Found, Images, Options, Order, Platforms};
use wharfie_content::{BoxError, Counted, Observer, Outcome, Part, Source, Warning};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{DiffId, Digest, ImageId, Platform, Reference};
use wharfie_store::images::{Name, Recording};
use wharfie_store::{Ingest, Lease, StoreSink};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::check_platform;
use crate::record::recording;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Which; of several platforms the one that is meant on this machine.
    pub id: ImageId,
    /// The names it has now, in the archive's order.
    pub references: Vec<Reference>,
}

/// What to take from an archive.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// The platforms to take from indexes, and which other images must be for; all and any if there are none.
    pub platforms: Vec<Platform>,
    /// All that is there, also what is no image: attestations go with what they are about.
    pub is_whole: bool,
}

impl Engine {
    /// Loads every image of the archive that `source` yields, in the archive's order. Nothing is visible before the
    /// whole archive was read and checked.
    ///
    /// # Errors
    /// When the archive is damaged or contradicts itself, or the store cannot be written.
    pub fn load(&self, load: &Load, source: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<Vec<Loaded>> {
        self.load_now(load, source, observer).map_err(|why| why.of_work(observer))
    }

    fn load_now(&self, load: &Load, source: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<Vec<Loaded>> {
        let store = self.writer()?;
        let lease = store.lease()?;
        let intake = LeaseIntake { lease: &lease, observer };
        let archive = Archive::read(source, &intake)?;
        // The layers came as the archive was read; nobody need be told of them again.
        let check = |image: &Found<'_>| archive.check(image, &intake);
        self.take(
            &Offer { source: &archive, roots: archive.roots(), check: &check, naming: None },
            load,
            &lease,
            observer,
        )
    }

    /// Loads what the OCI image layout in the directory `path` lists, as [`Self::load`] does.
    ///
    /// # Errors
    /// When there is no layout, it is damaged or contradicts itself, or the store cannot be written.
    pub fn load_layout(&self, load: &Load, path: &Path, observer: &dyn Observer) -> Result<Vec<Loaded>> {
        self.load_layout_now(load, path, observer).map_err(|why| why.of_work(observer))
    }

    fn load_layout_now(&self, load: &Load, path: &Path, observer: &dyn Observer) -> Result<Vec<Loaded>> {
        let layout = Layout::open(path)?;
        let roots = layout.roots()?;
        let naming = |part: &Part| Subject::Load { diff_id: part.diff_id.clone() };
        let offer = Offer { source: &layout, roots: &roots, check: &|_| Ok(()), naming: Some(&naming) };
        let lease = self.writer()?.lease()?;
        self.take(&offer, load, &lease, observer)
    }

    /// Takes what an archive has under `lease` alone: nobody sees it, and it goes with the lease.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn hold_archive(
        &self,
        load: &Load,
        source: &mut (dyn Read + Send),
        chosen: Option<&str>,
        lease: &Lease<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<Copied>> {
        Ok(self.hold_named_archive(load, source, chosen, lease, observer)?.0)
    }

    /// As [`Self::hold_archive`], with the names that it has in the archive.
    pub(crate) fn hold_named_archive(
        &self,
        load: &Load,
        source: &mut (dyn Read + Send),
        chosen: Option<&str>,
        lease: &Lease<'_>,
        observer: &dyn Observer,
    ) -> Result<(Vec<Copied>, Vec<String>)> {
        let intake = LeaseIntake { lease, observer };
        let archive = Archive::read(source, &intake)?;
        let check = |image: &Found<'_>| archive.check(image, &intake);
        let offer = Offer { source: &archive, roots: archive.roots(), check: &check, naming: None };
        let root = self::chosen(&offer, chosen)?;
        let copied = self.copy_root(&offer, root, load, lease, observer)?;
        Ok((copied, root.names.clone()))
    }

    /// As [`Self::hold_archive`], of the layout in a directory.
    ///
    /// # Errors
    /// As [`Self::load_layout`].
    pub(crate) fn hold_layout(
        &self,
        load: &Load,
        path: &Path,
        chosen: Option<&str>,
        lease: &Lease<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<Copied>> {
        let layout = Layout::open(path)?;
        let roots = layout.roots()?;
        let naming = |part: &Part| Subject::Load { diff_id: part.diff_id.clone() };
        let offer = Offer { source: &layout, roots: &roots, check: &|_| Ok(()), naming: Some(&naming) };
        self.copy_root(&offer, self::chosen(&offer, chosen)?, load, lease, observer)
    }

    /// Copies what is offered, and makes it visible at once.
    fn take(&self, offer: &Offer<'_>, load: &Load, lease: &Lease<'_>, observer: &dyn Observer) -> Result<Vec<Loaded>> {
        let store = lease.store();
        let mut recording = Recording::default();
        let mut notes = Vec::new();
        let mut loaded: Vec<(ImageId, Digest, Vec<Reference>)> = Vec::new();
        let mut places: HashMap<Digest, usize> = HashMap::new();
        for root in offer.images() {
            let references = root.names.iter().map(|name| tag(name)).collect::<Result<Vec<_>>>()?;
            let copied = self.copy_root(offer, root, load, lease, observer)?;
            let found = self::recording(&copied);
            // One configuration may come under several roots: it is one image.
            let Some(first) = found.images.first() else { continue };
            let (id, target) = (first.id.clone(), target(&copied, &first.id));
            let name = references.first().map_or_else(|| id.as_str().to_owned(), Reference::familiar);
            match places.get(&target) {
                Some(&at) => loaded[at].2.extend(references),
                None => {
                    places.insert(target.clone(), loaded.len());
                    notes.push(crate::events::of_image(&id, "load", &name));
                    loaded.push((id, target, references));
                }
            }
            let parent = root.parent.clone();
            recording.manifests.extend(found.manifests);
            recording.images.extend(
                found.images.into_iter().map(|image| wharfie_store::NewImage { parent: parent.clone(), ..image }),
            );
        }
        for (_, target, references) in &loaded {
            recording.names.extend(references.iter().map(|reference| Name::new(reference.clone(), target.clone())));
        }
        self.take_companions(lease, offer.source, offer.roots, &mut recording, observer)?;
        let recorded = store.noting(notes, |_| lease.record(&recording))?;
        for (name, old) in recorded.moved {
            let reference = name.parse::<Reference>().map_or(name, |reference| reference.familiar());
            observer.observe(Event::Warned(Warning::Renamed { reference, old: old.to_string() }));
        }
        loaded
            .into_iter()
            .map(|(id, target, references)| {
                let meant = crate::names::variant(store, "", &target, None)?;
                Ok(Loaded { id: meant.unwrap_or(id), references })
            })
            .collect()
    }
}

/// The one image that is offered, or the one that is `chosen` by its name, its digest, or its tag alone if no other has that.
fn chosen<'a>(offer: &'a Offer<'_>, chosen: Option<&str>) -> Result<&'a Root> {
    let images = offer.images();
    let name = |root: &&Root| root.names.first().cloned().unwrap_or_else(|| root.descriptor.digest.to_string());
    let Some(wanted) = chosen else {
        return match images.as_slice() {
            [] => Err(wharfie_archive::Error::NoManifest.into()),
            [root] => Ok(*root),
            several => Err(Error::SeveralImages(several.iter().map(name).collect())),
        };
    };
    let reference = |name: &str| name.parse::<Reference>().ok().map(Reference::or_latest);
    let asked = reference(wanted);
    let is_it = |root: &&Root| {
        let has_name = |name: &String| name == wanted || (asked.is_some() && reference(name) == asked);
        root.descriptor.digest.to_string() == wanted || root.names.iter().any(has_name)
    };
    if let Some(root) = images.iter().find(|root| is_it(root)) {
        return Ok(root);
    }
    let is_tagged = |root: &&&Root| {
        let mut names = root.names.iter().filter_map(|name| reference(name));
        root.tags.iter().any(|tag| tag == wanted) || names.any(|name| name.tag() == Some(wanted))
    };
    match images.iter().filter(is_tagged).collect::<Vec<_>>().as_slice() {
        [] => Err(Error::NoSuchImage(wanted.to_owned())),
        [root] => Ok(root),
        several => Err(Error::SeveralImages(several.iter().map(|root| name(root)).collect())),
    }
}

/// What can be loaded from somewhere.
struct Offer<'a> {
    source: &'a dyn Source,
    roots: &'a [Root],
    /// Asked about every image.
    check: &'a dyn Fn(&Found<'_>) -> std::result::Result<(), wharfie_archive::Error>,
    /// What is told of layers that are still to come.
    naming: Option<graph::Naming<'a>>,
}

impl Offer<'_> {
    /// What is offered, without the signatures and other documents about images that may be listed beside them.
    fn images(&self) -> Vec<&Root> {
        let is_image = |root: &&Root| {
            if !root.names.is_empty() || root.descriptor.media_type.is_config() {
                return true;
            }
            match self.source.document(&root.descriptor, true).map(|document| document.content) {
                Ok(AnyManifest::Manifest(manifest)) => manifest.subject.is_none() && manifest.is_image(),
                // What is wrong with it is found when it is copied.
                Ok(AnyManifest::Index(_)) | Err(_) => true,
            }
        };
        let images: Vec<&Root> = self.roots.iter().filter(is_image).collect();
        if images.is_empty() { self.roots.iter().collect() } else { images }
    }
}

/// What a name of the root is to stand for.
fn target(copied: &[Copied], id: &ImageId) -> Digest {
    let root = copied.last().and_then(|root| root.document.as_ref());
    root.map_or_else(|| id.digest().clone(), |document| document.descriptor.digest.clone())
}

impl Engine {
    /// Takes what a root leads to.
    fn copy_root(
        &self,
        offer: &Offer<'_>,
        root: &Root,
        load: &Load,
        lease: &Lease<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<Copied>> {
        let shown = root.names.first().map_or("archive", String::as_str);
        let check = |image: &Found<'_>| -> std::result::Result<(), BoxError> {
            (offer.check)(image)?;
            // Where there are too few layers nobody can say which entry is about which.
            let told = image.config.history.iter().filter(|entry| !entry.empty_layer).count();
            if told > image.config.rootfs.diff_ids.len() {
                return Err(Error::History.into());
            }
            let fits = |platform: &Platform| check_platform(shown, image.config, Some(platform));
            if let (false, Some(first)) = (image.is_member, load.platforms.first())
                && !load.platforms.iter().any(|platform| fits(platform).is_ok())
            {
                fits(first)?;
            }
            Ok(())
        };
        let (platforms, images) = match load.is_whole {
            true => (Platforms::Here, Images::Known),
            false => (Platforms::Present(&load.platforms), Images::Required),
        };
        let options = Options {
            platforms,
            jobs: self.config().jobs,
            observer,
            naming: offer.naming,
            order: Order::BottomFirst,
            images,
            check: &check,
        };
        graph::copy(offer.source, &StoreSink::new(lease), &root.descriptor, &options).map_err(of_archive)
    }
}

/// What is wrong with a graph of an archive, in the words for archives.
fn of_archive(why: graph::Error) -> Error {
    use wharfie_archive::Error as Archive;
    match why {
        graph::Error::NoPlatform(wanted) => Archive::Platform(wanted).into(),
        graph::Error::LayerCount { layers, diff_ids } => {
            Archive::LayerCount { expected: layers, actual: diff_ids }.into()
        }
        graph::Error::Config { id, source } => {
            Archive::Json { member: wharfie_archive::oci::path(id.digest()), source }.into()
        }
        why => why.into(),
    }
}

/// A name that an archive gives. It may not contain a digest: whoever asks for content must not get what somebody called so.
fn tag(name: &str) -> Result<Reference> {
    let reference = name.parse::<Reference>()?;
    if reference.digest().is_some() {
        return Err(Error::InvalidTag(name.to_owned()));
    }
    Ok(reference.or_latest())
}

struct LeaseIntake<'a> {
    lease: &'a Lease<'a>,
    observer: &'a dyn Observer,
}

impl Intake for LeaseIntake<'_> {
    fn layer(&self, bytes: &mut (dyn Read + Send), size: u64, name: &str) -> Result<Taken, BoxError> {
        let diff_id = name.parse::<DiffId>().ok();
        let observer = self.observer;
        let stored = task(observer, Subject::Load { diff_id }, |id| -> Result<_, Error> {
            let mut counted = Counted::new(bytes, Some(size), id, observer);
            let ingested = self.lease.ingest(&mut counted, Ingest::default(), &|| ())?;
            let diff_id = ingested.layer.diff_id;
            let blob = ingested.blob.map_or_else(|| diff_id.digest().clone(), |blob| blob.digest);
            Ok((StoredLayer { diff_id, blob }, Outcome::Done))
        });
        match stored {
            Ok(layer) => Ok(Taken::Layer(layer)),
            // Whatever the archive's manifest does not name as a layer may look like one and be none.
            Err(Error::Store(why)) if is_about_bytes(&why) => Ok(Taken::Refused(why.into())),
            Err(why) => Err(why.into()),
        }
    }

    fn has(&self, diff_id: &DiffId) -> Result<bool, BoxError> {
        // What this archive brought, or what only removed images have, is not here as far as anyone is told.
        Ok(self.lease.hold_layer(diff_id)?.is_some_and(|layer| !layer.is_only_kept))
    }
}

/// True if the bytes were no layer; false if something here went wrong.
fn is_about_bytes(why: &wharfie_store::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match why {
        wharfie_store::Error::Layer(why) => !matches!(why, wharfie_layer::Error::Io { .. }),
        wharfie_store::Error::Source(why) => matches!(why.kind(), InvalidData | InvalidInput | UnexpectedEof),
        _ => false,
    }
}
