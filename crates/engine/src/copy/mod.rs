//! Copy: images from one place to another, byte for byte, with the signatures and other documents that are about them. Between
//! registries and layouts nothing stops in the store; archives are read through it, since their layers come before their meaning.

mod companions;
mod narrow;
mod roots;
mod sync;
mod target;

use std::collections::BTreeSet;
use std::path::PathBuf;

use wharfie_archive::Layout;
use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::{BoxError, Document, Event, Observer, Opened, Part, Sink, Source, Subject, Warning, Watch};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, Fault, Kind, Platform, Reference, Repository};
use wharfie_remote::Destination;
use wharfie_store::StoreSource;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::trust::TrustError;
use companions::{Companions, InLayout, InRepository, InStore, Nowhere};
use roots::{Root, What};
pub use sync::{Meant, Pattern};
use target::Target;

/// Where images come from or go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A registry.
    Registry(Reference),
    /// The store of this machine; as a source by name or id, as a destination under a name, or the source's if it is empty.
    Store(String),
    /// An archive, as `save` writes them; the name is what the image is called in it.
    Archive {
        /// The file.
        path: PathBuf,
        /// `REPOSITORY:TAG`; as a source also the tag alone that an `index.json` gives, or a manifest's digest.
        name: Option<String>,
    },
    /// A directory that is an OCI image layout.
    Layout {
        /// The directory.
        path: PathBuf,
        /// What `index.json` calls the image: a tag, or a whole reference.
        name: Option<String>,
    },
}

/// What to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// From where.
    pub from: Place,
    /// To where.
    pub to: Place,
    /// All tags of the repository, or all that a layout lists.
    pub all_tags: bool,
    /// Only these platforms of an index; all if there are none, but for the store, where this machine's is taken.
    pub platforms: Vec<Platform>,
    /// True to take along what refers to the images.
    pub companions: bool,
}

/// An image that is where it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What it is called there, if it has a name.
    pub name: Option<String>,
    /// Its manifest or index.
    pub digest: Digest,
    /// True if it was there under that name already.
    pub is_old: bool,
    /// How many signatures, SBOMs and the like came with it.
    pub companions: usize,
}

/// What came of a copy.
#[derive(Debug, Default)]
pub struct Copies {
    /// What is where it should be.
    pub copied: Vec<Copied>,
    /// Of all tags, those that could not be copied: what they are called where they come from, and why not.
    pub failed: Vec<(String, Error)>,
}

/// What can be copied from somewhere.
struct Offer<'a> {
    source: &'a dyn Source,
    companions: &'a dyn Companions,
    roots: Vec<Root>,
    /// Where blobs of the same registry can be mounted from.
    repository: Option<&'a Repository>,
}

impl Engine {
    /// Copies images. What the destination has is not copied again, so that a copy that broke off goes on.
    ///
    /// # Errors
    /// When there is no such image, one of the two places fails or refuses, or something is not what its digest says.
    pub fn copy(&self, copy: &Copy, observer: &dyn Observer) -> Result<Copies> {
        let copied = self.copy_now(copy, observer).map_err(|why| why.of_work(observer));
        for warning in self.remote().take_warnings() {
            observer.observe(Event::Warned(warning));
        }
        copied
    }

    fn copy_now(&self, copy: &Copy, observer: &dyn Observer) -> Result<Copies> {
        match &copy.from {
            Place::Registry(reference) => {
                let client = self.remote().repository(reference.repository());
                let offer = Offer {
                    source: &client,
                    companions: &InRepository::new(&client),
                    roots: roots::in_repository(&client, reference, copy.all_tags)?,
                    repository: Some(reference.repository()),
                };
                self.deliver(copy, &offer, observer)
            }
            Place::Layout { path, name } => {
                let layout = Layout::open(path)?;
                let offer = Offer {
                    source: &layout,
                    companions: &InLayout::new(&layout)?,
                    roots: roots::in_layout(&layout, path, name.as_deref(), copy.all_tags)?,
                    repository: None,
                };
                self.deliver(copy, &offer, observer)
            }
            Place::Store(name) => {
                let store = self.writer()?;
                let lease = store.lease()?;
                let roots = roots::in_store(&lease, name, copy)?;
                let source = StoreSource::new(store);
                let offer = Offer { source: &source, companions: &InStore(store), roots, repository: None };
                self.deliver(copy, &offer, observer)
            }
            Place::Archive { path, name } => {
                let store = self.writer()?;
                let lease = store.lease()?;
                let roots = vec![self.root_in_archive(path, name.as_deref(), copy, &lease, observer)?];
                let source = StoreSource::new(store);
                self.deliver(copy, &Offer { source: &source, companions: &Nowhere, roots, repository: None }, observer)
            }
        }
    }

    fn deliver(&self, copy: &Copy, offer: &Offer<'_>, observer: &dyn Observer) -> Result<Copies> {
        let delivery = Delivery { engine: self, copy, offer, observer };
        match &copy.to {
            Place::Archive { path, name } => {
                let name = name.as_deref().map(str::parse::<Reference>).transpose()?.map(Reference::or_latest);
                crate::save::check_output(path)?;
                crate::save::write_aside(path, crate::save::Readers::Anyone, |file| {
                    let target = Target::archive(file, name.as_ref())?;
                    let copied = delivery.all(&target)?;
                    target.finish()?;
                    Ok(copied)
                })
            }
            Place::Registry(reference) => {
                let client = self.remote().repository(reference.repository());
                delivery.all(&Target::Registry { client, to: reference })
            }
            Place::Layout { path, name } => {
                delivery.all(&Target::Layout { layout: Layout::create(path)?, name: name.as_deref() })
            }
            Place::Store(name) => {
                let lease = self.writer()?.lease()?;
                delivery.all(&Target::store(&lease, name)?)
            }
        }
    }
}

/// A copy under way.
struct Delivery<'a> {
    engine: &'a Engine,
    copy: &'a Copy,
    offer: &'a Offer<'a>,
    observer: &'a dyn Observer,
}

impl Delivery<'_> {
    /// Copies all that is offered.
    fn all(&self, target: &Target<'_>) -> Result<Copies> {
        let mut names = BTreeSet::new();
        for root in &self.offer.roots {
            if matches!(root.what, What::Odd { .. }) {
                continue;
            }
            // What has several names where it comes from may have one where it goes: nothing is to be lost by that.
            if let Some(name) = target.name_of(root, self.copy.all_tags)?.shown()
                && !names.insert(name.clone())
            {
                return Err(Error::SeveralRoots(vec![name.clone(), name]));
            }
        }
        let mut copies = Copies::default();
        for root in &self.offer.roots {
            match self.one(target, root) {
                Ok(copied) => copies.copied.push(copied),
                // One odd tag of many keeps nobody from the rest; a place that is away would fail for each of them.
                Err(why) if self.copy.all_tags && is_of_one(&why) => copies.failed.push((root.shown(), why)),
                Err(why) => return Err(why),
            }
        }
        Ok(copies)
    }

    fn one(&self, target: &Target<'_>, root: &Root) -> Result<Copied> {
        self.observer.check().map_err(|_| Error::Cancelled)?;
        let name = match root.what {
            What::Odd { .. } => target::Name::default(),
            _ => target.name_of(root, self.copy.all_tags)?,
        };
        // A copy is no way around what somebody has to have signed.
        let trusted = match (&root.what, &root.name) {
            (What::Asked { client, .. }, Some(name)) => {
                self.engine.trusted_source(name, self.observer)?.map(|trusted| (client, trusted))
            }
            _ => None,
        };
        let found = match &root.what {
            What::Known(document) => document.descriptor.clone(),
            What::Listed(descriptor) => descriptor.clone(),
            What::Image(config) => {
                self.send(target, self.offer.source, config, &name)?;
                let digest = config.digest.clone();
                return Ok(Copied { name: name.shown(), digest, is_old: false, companions: 0 });
            }
            What::Odd { repository, tag } => {
                // Saying it once more says why.
                Reference::tagged(repository.clone(), tag)?;
                return Err(Error::NoSuchReference);
            }
            What::Asked { client, word, name } => match &trusted {
                Some((_, trusted)) => trusted.found.clone(),
                None => client.resolve(word).map_err(|source| Error::Pull { reference: name.clone(), source })?,
            },
        };
        // Who has it under that name has all of it: a copy of what has not changed asks for nothing else.
        let is_old = self.copy.platforms.is_empty() && target.has(&name, &found)?;
        if is_old && !self.copy.companions {
            return Ok(Copied { name: name.shown(), digest: found.digest, is_old, companions: 0 });
        }
        let document = match &root.what {
            What::Known(document) => document.clone(),
            _ => self.offer.source.document(&found, true)?,
        };
        let document = match self.copy.to {
            Place::Store(_) => document,
            _ => narrow::to_platforms(self.offer.source, document, &self.copy.platforms)?,
        };
        let root = &document.descriptor;
        let copied = match is_old {
            true => members(&document),
            false => self.send(target, &Rooted { source: self.offer.source, root: &document }, root, &name)?,
        };
        let companions = match (&trusted, target) {
            // Under its new name nobody would doubt what is said of it: of what needs signatures those alone are taken.
            (Some((client, trusted)), Target::Store { .. }) => self.engine.keep_trusted(client, trusted)?,
            _ if self.copy.companions => self.companions(target, copied)?,
            _ => 0,
        };
        target.tell(self.observer);
        Ok(Copied { name: name.shown(), digest: root.digest.clone(), is_old, companions })
    }

    /// Copies one image, and tells which documents that made.
    fn send(
        &self,
        target: &Target<'_>,
        source: &dyn Source,
        root: &Descriptor,
        name: &target::Name,
    ) -> Result<Vec<Digest>> {
        let upload = |part: &Part| Subject::Upload { diff_id: diff_id(part), size: Some(part.descriptor.size) };
        let fetch = |part: &Part| Subject::Fetch(part.descriptor.clone());
        let save = |part: &Part| Subject::Save(diff_id(part));
        let (naming, images): (graph::Naming<'_>, Images) = match target {
            Target::Registry { .. } => (&upload, Images::Ignored),
            Target::Layout { .. } => (&save, Images::Ignored),
            Target::Archive { .. } => (&save, Images::Known),
            Target::Store { .. } => (&fetch, Images::Required),
        };
        let platforms = match (target, self.copy.platforms.as_slice()) {
            (Target::Store { .. }, []) => Platforms::Closest(&self.engine.config().store.platform),
            (Target::Store { .. }, wanted) => Platforms::Present(wanted),
            _ => Platforms::All,
        };
        let options = Options { platforms, naming: Some(naming), images, ..self.options() };
        let mut work = |sink: &dyn Sink| Ok(graph::copy(source, sink, root, &options)?);
        let copied = target.with_sink(self.offer.repository, name, &mut work)?;
        target.name(&copied, name, self.observer)?;
        let documents = copied.iter().filter_map(|copied| copied.document.as_ref());
        Ok(documents.map(|document| document.descriptor.digest.clone()).collect())
    }

    /// Copies what refers to these documents, and what refers to that. Returns how many there were.
    fn companions(&self, target: &Target<'_>, subjects: Vec<Digest>) -> Result<usize> {
        let options = self.options();
        let mut waiting: Vec<(Digest, usize)> = subjects.iter().map(|subject| (subject.clone(), 0)).collect();
        let mut seen = subjects;
        let mut count = 0;
        while let Some((subject, depth)) = waiting.pop() {
            let mut referrers = Vec::new();
            let found = self.offer.companions.of(&subject)?;
            if !target.listens(&subject, &found)? {
                continue;
            }
            for companion in found {
                if count == MAX_COMPANIONS {
                    let text =
                        format!("WARNING: more than {MAX_COMPANIONS} documents are about it: the rest is left out");
                    self.observer.observe(Event::Warned(Warning::Note(text)));
                    return Ok(count);
                }
                let root = &companion.descriptor;
                match (target, &companion.tag) {
                    // What others have signed there stays.
                    (Target::Registry { client, .. }, Some(tag)) => {
                        let document = self.offer.source.document(root, false)?;
                        let destination = Destination::new(client, &|_| Vec::new());
                        self.engine.carry_tagged(self.offer.source, (client, &destination), tag, &document)?;
                    }
                    _ => {
                        let name = target::Name::default();
                        target.with_sink(self.offer.repository, &name, &mut |sink| {
                            Ok(graph::copy(self.offer.source, sink, root, &options)?)
                        })?;
                    }
                }
                if !target.list_companion(&companion, &subject)? {
                    continue;
                }
                count += 1;
                if depth < MAX_DEPTH && !seen.contains(&root.digest) {
                    waiting.push((root.digest.clone(), depth + 1));
                    seen.push(root.digest.clone());
                }
                if companion.tag.is_none() {
                    referrers.push(companion.descriptor);
                }
            }
            target.refer(&subject, &referrers)?;
        }
        Ok(count)
    }

    /// Everything, as it is, and nobody is told.
    fn options(&self) -> Options<'_> {
        Options {
            platforms: Platforms::All,
            jobs: self.engine.config().jobs,
            observer: self.observer,
            naming: None,
            order: Order::BottomFirst,
            images: Images::Ignored,
            check: &|_| Ok(()),
        }
    }
}

/// True if something is wrong with what is copied, rather than with one of the two places.
fn is_of_one(why: &Error) -> bool {
    matches!(why, Error::Trust(TrustError::NoData { .. } | TrustError::Untrusted { .. }))
        || matches!(why.kind(), Kind::NotFound | Kind::Invalid | Kind::Corrupt | Kind::Unsupported)
}

/// A document and those that it names.
fn members(document: &Document) -> Vec<Digest> {
    let members = match &document.content {
        AnyManifest::Index(index) => index.manifests.as_slice(),
        AnyManifest::Manifest(_) => &[],
    };
    members.iter().map(|member| &member.digest).chain([&document.descriptor.digest]).cloned().collect()
}

/// A source in which one document was made here.
struct Rooted<'a> {
    source: &'a dyn Source,
    root: &'a Document,
}

impl Source for Rooted<'_> {
    fn document(&self, descriptor: &Descriptor, is_root: bool) -> Result<Document, BoxError> {
        match descriptor.digest == self.root.descriptor.digest {
            true => Ok(self.root.clone()),
            false => self.source.document(descriptor, is_root),
        }
    }

    fn has(&self, member: &Descriptor) -> Result<bool, BoxError> {
        self.source.has(member)
    }

    fn open<'a>(&'a self, part: &Part, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        self.source.open(part, watch)
    }

    fn open_from<'a>(&'a self, part: &Part, from: u64, watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        self.source.open_from(part, from, watch)
    }
}

/// What a layer is called while it moves, if nothing says its diff id.
fn diff_id(part: &Part) -> DiffId {
    part.diff_id.clone().unwrap_or_else(|| DiffId::new(part.descriptor.digest.clone()))
}

/// What a copy does with a sink.
type Work<'a> = &'a mut dyn FnMut(&dyn Sink) -> Result<Vec<graph::Copied>>;

/// 3: an image's SBOM, its signature, and what is said of that.
const MAX_DEPTH: usize = 3;
/// 1,000 documents about one image.
const MAX_COMPANIONS: usize = 1000;
