//! The store as the sink of a graph. What arrives is held by a lease and not visible before it is recorded
//! ([`Lease::record`]).

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};

use wharfie_content::place::{BoxError, Place, Plan, of_stream};
use wharfie_content::{Cancel, Counted, Document, Event, Outcome, Part, Sink, Source, Verified, Watch};
use wharfie_layer::seekable::{self, End, Index};
use wharfie_oci::{Descriptor, DiffId, Digest, ImageId};

use crate::error::Error;
use crate::ingest::Ingest;
use crate::lease::Lease;
use crate::partial::{self, Resumed};

/// Takes content under a lease.
pub struct StoreSink<'a> {
    lease: &'a Lease<'a>,
}

impl<'a> StoreSink<'a> {
    /// What arrives is held by `lease`.
    pub fn new(lease: &'a Lease<'a>) -> Self {
        Self { lease }
    }

    fn put_layer(
        &self,
        part: &Part,
        diff_id: &DiffId,
        source: &dyn Source,
        watch: Watch<'_>,
    ) -> Result<Outcome, BoxError> {
        let Part { descriptor, .. } = part;
        let index = index_of(part, source, watch);
        let ingest = Ingest { blob: Some(descriptor), diff_id: Some(diff_id), index: index.as_ref() };
        let arrived = || watch.observer.observe(Event::Verified { task: watch.task });
        let store = self.lease.store();
        // What somebody else left is tried once: it may be wrong, whoever put it there.
        let mut may_go_on = descriptor.size >= partial::LEAST;
        loop {
            let partial = match descriptor.size >= partial::LEAST {
                true => store.partial(&descriptor.digest)?,
                false => None,
            };
            let had = partial.as_ref().map_or(0, |partial| partial.have);
            let mut resumed = Resumed::new(partial.as_ref(), source, part, watch).map_err(Error::Source)?;
            resumed.open()?;
            let mut counted = Counted::new(&mut resumed, Some(descriptor.size), watch.task, watch.observer);
            let why = match self.lease.ingest_into(partial, &mut counted, ingest, &arrived) {
                Ok(_) => {
                    // A plain layer needs no blob.
                    drop(resumed);
                    store.discard_partial(&descriptor.digest);
                    return Ok(Outcome::Done);
                }
                Err(why) => why,
            };
            let is_called_off = watch.observer.cancel().is_some_and(Cancel::is_cancelled);
            let (has_broken_off, is_disowned) = (resumed.has_broken_off() || is_called_off, resumed.disown());
            // It shares the lock of the file.
            drop(resumed);
            // What broke off is kept for the next time; what is wrong or does not fit is not, whoever found out.
            if !has_broken_off || why.is_full() {
                store.discard_partial(&descriptor.digest);
            }
            match why {
                why if has_broken_off => return Err(passed_on(why)),
                _ if had > 0 && may_go_on && !why.is_full() => may_go_on = false,
                Error::Mismatch(_) if is_disowned => {}
                why => return Err(passed_on(why)),
            }
        }
    }

    fn put_blob(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> Result<Outcome, BoxError> {
        let Part { descriptor, .. } = part;
        if self.lease.has_blob(&descriptor.digest)? {
            return Ok(Outcome::Exists);
        }
        loop {
            let mut opened = source.open(part, watch)?;
            let mut verified = Verified::new(&mut opened, descriptor);
            return match self.lease.put_verified(descriptor, &mut verified) {
                Ok(()) => Ok(Outcome::Done),
                Err(Error::Mismatch(_)) if opened.disown() => continue,
                Err(Error::Source(why)) => Err(of_source(why)),
                Err(why) => Err(why.into()),
            };
        }
    }
}

impl Sink for StoreSink<'_> {
    /// A layer that is here is known by its diff id, whatever blob it came in. Docker tells of one as existing only while all
    /// below it are, and does not count what only removed images have.
    fn plan(&self, config: &Descriptor, parts: &[Part], _is_known: bool) -> Result<Vec<Plan>, BoxError> {
        let id = ImageId::new(config.digest.clone());
        let is_visible = self.lease.store().image(&id)?.is_some();
        let mut seen = BTreeSet::new();
        let mut below_is_here = true;
        let mut plans = Vec::with_capacity(parts.len());
        for part in parts {
            let Some(diff_id) = &part.diff_id else {
                plans.push(Plan::Move);
                continue;
            };
            let held = self.lease.hold_layer(diff_id)?;
            let is_here = held.is_some();
            if !seen.insert(&part.descriptor.digest) || (is_visible && is_here) {
                plans.push(Plan::Pass);
                continue;
            }
            below_is_here &= held.is_some_and(|layer| !layer.is_only_kept);
            plans.push(match is_here {
                _ if below_is_here => Plan::Exists,
                true => Plan::Arrives,
                false => Plan::Move,
            });
        }
        Ok(plans)
    }

    fn put(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> Result<Outcome, BoxError> {
        match &part.diff_id {
            Some(diff_id) => self.put_layer(part, diff_id, source, watch),
            None => self.put_blob(part, source, watch),
        }
    }

    fn put_document(&self, document: &Document, _place: Place) -> Result<(), BoxError> {
        let Document { descriptor, bytes, .. } = document;
        if !self.lease.has_blob(&descriptor.digest)? {
            self.lease.put_verified(descriptor, &mut Verified::new(Cursor::new(bytes), descriptor))?;
        }
        Ok(())
    }
}

/// The index of a layer, if its descriptor names one and the source can give its end: it is no more than a help.
fn index_of(part: &Part, source: &dyn Source, watch: Watch<'_>) -> Option<Index> {
    let Descriptor { size, .. } = part.descriptor;
    let wanted: Digest = part.descriptor.annotations.as_ref()?.get(seekable::ANNOTATION)?.parse().ok()?;
    let last = |len: u64| -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut opened = source.open_from(part, size.checked_sub(len)?, watch).ok()?;
        (&mut opened).take(len).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == len).then_some(bytes)
    };
    let guess = GUESS.max(size / PART_OF_BLOB).min(size);
    let mut bytes = last(guess)?;
    let end = End::read(&bytes, size).filter(|end| end.digest == wanted)?;
    let tail = match guess.checked_sub(end.tail()) {
        Some(from) => bytes.split_off(usize::try_from(from).ok()?),
        None => last(end.tail())?,
    };
    end.index(&tail).ok()
}

/// The index is 0.3 % of a layer, a little more of one with many small files; asking for a little too much is better than asking twice.
const PART_OF_BLOB: u64 = 150;
/// 16 KiB.
const GUESS: u64 = 16 << 10;

fn passed_on(why: Error) -> BoxError {
    match why {
        Error::Source(why) => of_source(why),
        why => why.into(),
    }
}

/// The source's own reason if it has one, else what happened to its stream.
fn of_source(why: io::Error) -> BoxError {
    match why.get_ref() {
        Some(_) => of_stream(why),
        None => Error::Source(why).into(),
    }
}

impl Lease<'_> {
    /// Stores bytes that prove themselves while they are read, as the blob `descriptor`.
    ///
    /// # Errors
    /// When they cannot be read, are not what they should be, or the store cannot be written.
    pub fn put_verified(&self, descriptor: &Descriptor, bytes: &mut dyn Read) -> Result<(), Error> {
        let file = self.blob_file(&descriptor.digest)?;
        io::copy(bytes, &mut file.file()).map_err(|why| match why.get_ref() {
            None if matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Error::io("write", self.store().blob_path(&descriptor.digest))(why)
            }
            _ => Error::of_source(why),
        })?;
        self.place_blob(file, &descriptor.digest, descriptor.size)
    }
}
