//! Where a copy goes, and what it is called there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;

use wharfie_archive::{ArchiveSink, Layout, Saved, SavedImage, oci};
use wharfie_content::graph::Copied;
use wharfie_content::{Event, Observer, Warning};
use wharfie_oci::{Descriptor, Digest, Reference, Repository};
use wharfie_remote::{Destination, RepositoryClient};
use wharfie_store::images::{Name as StoreName, Recording};
use wharfie_store::{Lease, StoreSink};

use super::Work;
use super::companions::Companion;
use super::roots::Root;
use crate::arrivals::{Arrivals, Found};
use crate::error::{Error, Result};
use crate::record::recording;

/// A destination that is open.
pub(super) enum Target<'a> {
    Registry { client: RepositoryClient, to: &'a Reference },
    Layout { layout: Layout, name: Option<&'a str> },
    Archive { sink: ArchiveSink<'a>, name: Option<&'a Reference>, saved: RefCell<Vec<Saved>> },
    Store { lease: &'a Lease<'a>, name: Option<Reference>, arrivals: RefCell<Arrivals> },
}

/// What an image is to be called.
#[derive(Debug, Clone, Default)]
pub(super) struct Name {
    /// The tag, in a place that has tags.
    tag: Option<String>,
    /// The whole name.
    whole: Option<Reference>,
}

impl Name {
    /// What the user is told.
    pub(super) fn shown(&self) -> Option<String> {
        self.whole.as_ref().map(Reference::familiar).or_else(|| self.tag.clone())
    }
}

impl<'a> Target<'a> {
    /// An archive that is written into `file`.
    pub(super) fn archive(file: &'a File, name: Option<&'a Reference>) -> Result<Self> {
        Ok(Self::Archive { sink: ArchiveSink::new(file)?, name, saved: RefCell::default() })
    }

    /// The store; the name may be empty.
    pub(super) fn store(lease: &'a Lease<'a>, name: &str) -> Result<Self> {
        let name = (!name.is_empty()).then(|| crate::names::target(name)).transpose()?;
        Ok(Self::Store { lease, name, arrivals: RefCell::default() })
    }

    /// What `root` is to be called; with all of several the names of the source stay.
    pub(super) fn name_of(&self, root: &Root, is_all: bool) -> Result<Name> {
        Ok(match self {
            Self::Registry { to, .. } => {
                let tag = match to.tag().filter(|_| !is_all) {
                    Some(tag) => Some(tag.to_owned()),
                    None => root.tag.clone(),
                };
                let whole = match &tag {
                    Some(tag) => Reference::tagged(to.repository().clone(), tag)?,
                    None => (*to).clone(),
                };
                Name { tag, whole: Some(whole) }
            }
            Self::Layout { name, .. } => match name.filter(|_| !is_all) {
                Some(name) => {
                    let whole = name.contains('/').then(|| name.parse::<Reference>()).transpose()?;
                    Name { tag: Some(name.to_owned()), whole: whole.map(Reference::or_latest) }
                }
                None => Name { tag: root.tag.clone(), whole: None },
            },
            Self::Archive { name, .. } => {
                let whole = name.filter(|_| !is_all).cloned().or_else(|| root.name.clone());
                Name { tag: None, whole: whole.filter(|name| name.tag().is_some()) }
            }
            Self::Store { name, .. } => {
                let whole = name.clone().filter(|_| !is_all).or_else(|| root.name.clone());
                Name { tag: None, whole }
            }
        })
    }

    /// True if `root` is there under this name already.
    pub(super) fn has(&self, name: &Name, root: &Descriptor) -> Result<bool> {
        match (self, &name.tag) {
            (Self::Registry { client, .. }, Some(tag)) => {
                Ok(client.resolve(tag).is_ok_and(|found| found.digest == root.digest))
            }
            _ => Ok(false),
        }
    }

    /// Does `work` with the sink.
    pub(super) fn with_sink(&self, from: Option<&Repository>, name: &Name, work: Work<'_>) -> Result<Vec<Copied>> {
        match self {
            Self::Registry { client, .. } => {
                let from = from.filter(|from| from.host() == client.host());
                let origins = |_: &Digest| from.map(|from| from.path().to_owned()).into_iter().collect();
                let destination = Destination::new(client, &origins);
                match &name.tag {
                    Some(tag) => work(&destination.tagged(tag)),
                    None => work(&destination),
                }
            }
            Self::Layout { layout, .. } => work(layout),
            Self::Archive { sink, .. } => work(sink),
            Self::Store { lease, .. } => work(&StoreSink::new(lease)),
        }
    }

    /// Gives what was copied its name, where the sink did not.
    pub(super) fn name(&self, copied: &[Copied], name: &Name, observer: &dyn Observer) -> Result<()> {
        let root = copied.last().and_then(|root| root.document.as_ref()).map(|document| document.descriptor.clone());
        match self {
            Self::Registry { .. } => {}
            Self::Layout { layout, .. } => {
                let Some(root) = root else { return Ok(()) };
                match (&name.whole, &name.tag) {
                    (Some(whole), _) => layout.name_wholly(&root, whole)?,
                    (None, Some(tag)) => layout.name(&root, tag)?,
                    (None, None) => layout.list(&root)?,
                }
            }
            Self::Archive { saved, .. } => saved.borrow_mut().push(Saved {
                root,
                images: copied.iter().filter_map(|copied| copied.image.as_ref()).map(SavedImage::of).collect(),
                references: name.whole.clone().into_iter().collect(),
            }),
            Self::Store { lease, arrivals, .. } => {
                let mut recording = recording(copied);
                *arrivals.borrow_mut() = Arrivals::of(lease.store(), &mut recording)?;
                let first = recording.images.first().map(|image| image.id.clone());
                let id = first.ok_or_else(|| Error::NoPlatform(String::new()))?;
                let target = root.map_or_else(|| id.digest().clone(), |root| root.digest);
                recording.names.extend(name.whole.clone().map(|whole| StoreName::new(whole, target)));
                let shown = name.whole.as_ref().map_or_else(|| id.to_string(), Reference::familiar);
                let event = crate::events::of_image(&id, "load", &shown);
                let recorded = lease.store().noting(vec![event], |_| lease.record(&recording))?;
                for (name, old) in recorded.moved {
                    let reference = name.parse::<Reference>().map_or(name, |reference| reference.familiar());
                    observer.observe(Event::Warned(Warning::Renamed { reference, old: old.to_string() }));
                }
            }
        }
        Ok(())
    }

    /// True if what is about `subject` is taken here. The store remembers `found` of what it does not take.
    pub(super) fn listens(&self, subject: &Digest, found: &[Companion]) -> Result<bool> {
        let Self::Store { lease, arrivals, .. } = self else { return Ok(true) };
        let mut arrivals = arrivals.borrow_mut();
        for companion in found {
            arrivals.refuse(lease.store(), subject, &companion.descriptor.digest)?;
        }
        Ok(arrivals.is_new(subject))
    }

    /// Tells what was not taken.
    pub(super) fn tell(&self, observer: &dyn Observer) {
        if let Self::Store { arrivals, .. } = self {
            arrivals.take().tell("the source", observer);
        }
    }

    /// Makes a document about an image found, where the sink did not. True if what is about that is to come as well.
    pub(super) fn list_companion(&self, companion: &Companion, subject: &Digest) -> Result<bool> {
        let Companion { descriptor, tag } = companion;
        match self {
            Self::Registry { .. } => {}
            Self::Store { lease, arrivals, .. } => {
                let document = lease.store().document(&descriptor.digest, descriptor)?;
                let mut arrivals = arrivals.borrow_mut();
                let found = if tag.is_some() { Found::UnderTag } else { Found::Listed };
                let said = arrivals.said(lease.store(), &document, subject, found)?;
                let is_taken = said.is_some();
                lease.record(&Recording { manifests: said.into_iter().collect(), ..Recording::default() })?;
                return Ok(is_taken);
            }
            Self::Layout { layout, .. } => match tag {
                Some(tag) => layout.name(descriptor, tag)?,
                None => layout.list(descriptor)?,
            },
            Self::Archive { saved, .. } => {
                // A tag alone is no name: whoever loads the archive takes no signature for an image.
                let notes = tag.clone().map(|tag| BTreeMap::from([(oci::REF_NAME.to_owned(), tag)]));
                let listed = Descriptor { annotations: notes, ..descriptor.clone() };
                saved.borrow_mut().push(Saved { root: Some(listed), images: Vec::new(), references: Vec::new() });
            }
        }
        Ok(true)
    }

    /// Has a registry that does not list referrers itself list these.
    pub(super) fn refer(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<()> {
        match self {
            Self::Registry { client, .. } if !referrers.is_empty() => Ok(client.refer(subject, referrers)?),
            _ => Ok(()),
        }
    }

    /// Ends what is not whole without an end.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::Archive { sink, saved, .. } => Ok(sink.finish(&saved.into_inner())?),
            Self::Registry { .. } | Self::Layout { .. } | Self::Store { .. } => Ok(()),
        }
    }
}
