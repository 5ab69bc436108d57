//! Load: images from an archive into the store.

use std::io::Read;

use wharfie_archive::{ArchivedImage, Intake, StoredLayer, Taken};
use wharfie_content::event::{Event, Subject, task};
use wharfie_content::{BoxError, Counted, Observer, Outcome, Warning};
use wharfie_oci::{DiffId, ImageId, Platform, Reference, Timestamp};
use wharfie_store::{Ingest, Lease, NewImage};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::check_platform;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Which.
    pub id: ImageId,
    /// The names it has now, in the archive's order.
    pub references: Vec<Reference>,
}

/// What to take from an archive.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Platform to choose from indexes, and which other images must be for; the machine's own and any if not given.
    pub platform: Option<Platform>,
}

impl Engine {
    /// Loads every image of the archive that `source` yields, in the archive's order. Nothing is visible before the
    /// whole archive was read and checked.
    ///
    /// # Errors
    /// When the archive is damaged or contradicts itself, or the store cannot be written.
    pub fn load(&self, load: &Load, source: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<Vec<Loaded>> {
        let store = self.writer()?;
        let lease = store.lease()?;
        let mut intake = LeaseIntake { lease: &lease, observer };
        let wanted = load.platform.as_ref().unwrap_or(&self.config.platform);
        let images = wharfie_archive::read(source, &mut intake, wanted)?;
        let mut checked = Vec::with_capacity(images.len());
        for image in images {
            let names = image.names.iter().map(|name| tag(name)).collect::<Result<Vec<_>>>()?;
            let shown = image.names.first().map_or("archive", String::as_str);
            check_platform(shown, &image.parsed, load.platform.as_ref())?;
            checked.push((image, names));
        }
        let mut records = Vec::with_capacity(checked.len());
        for (image, references) in checked {
            records.push((store_documents(&lease, &image)?, references));
        }
        let borrowed: Vec<_> = records.iter().map(|(image, references)| (image, references.as_slice())).collect();
        let loaded = borrowed.iter().map(|(image, names)| {
            let name = names.first().map_or_else(|| image.id.as_str().to_owned(), Reference::familiar);
            crate::events::of_image(&image.id, "load", &name)
        });
        let recorded = lease.store().noting(loaded.collect(), |_| lease.record_all(&borrowed))?;
        for (name, old) in recorded.into_iter().flat_map(|recorded| recorded.moved) {
            let reference = name.parse::<Reference>().map_or(name, |reference| reference.familiar());
            observer.observe(Event::Warned(Warning::Renamed { reference, old: old.to_string() }));
        }
        Ok(records.into_iter().map(|(image, references)| Loaded { id: image.id, references }).collect())
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

/// Stores an image's configuration and manifest; its layers are there already.
fn store_documents(lease: &Lease<'_>, image: &ArchivedImage) -> Result<NewImage> {
    let id = ImageId::new(lease.put_blob(&image.config)?);
    let mut manifests = Vec::new();
    if let Some((media_type, bytes)) = &image.manifest {
        manifests.push((media_type.clone(), lease.put_blob(bytes)?));
    }
    Ok(NewImage {
        id,
        created: created(image.parsed.created.as_deref()),
        layers: image.parsed.rootfs.diff_ids.clone(),
        parent: image.parent.clone().map(ImageId::new),
        manifests,
    })
}

/// When an image was made; docker's zero time counts as unknown.
pub(crate) fn created(text: Option<&str>) -> Option<i64> {
    let moment: Timestamp = text?.parse().ok()?;
    (moment.seconds > Timestamp::ZERO.seconds + SECONDS_PER_YEAR).then_some(moment.seconds)
}

/// The whole year 1 is "never".
const SECONDS_PER_YEAR: i64 = 365 * 86_400;

struct LeaseIntake<'a> {
    lease: &'a Lease<'a>,
    observer: &'a dyn Observer,
}

impl Intake for LeaseIntake<'_> {
    fn layer(&mut self, bytes: &mut (dyn Read + Send), size: u64, name: &str) -> Result<Taken, BoxError> {
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

    fn has(&mut self, diff_id: &DiffId) -> Result<bool, BoxError> {
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
