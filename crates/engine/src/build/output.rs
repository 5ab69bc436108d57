//! What becomes of a build's result: names in the store, registries, archives, layouts, plain files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use wharfie_archive::{ArchiveSink, Layout, Saved, SavedImage};
use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::{Document, Observer, Outcome, Part, Subject, Task};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Index, MediaType, Platform, Reference};
use wharfie_store::images::{Name, Recording};
use wharfie_store::{Lease, NewManifest, StoreSource};

use super::attestation::{Predicate, SPDX, attest};
use super::error::BuildError;
use super::provenance::{Facts, PREDICATE};
use super::request::Build;
use super::travel::{ANNOTATION, CachePlace, Exports};
use super::{Built, BuiltImage};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::push::Push;
use crate::save;
use crate::trust::{Demand, Next};
use crate::{events, outgoing};

/// What becomes of a build's result.
#[derive(Debug)]
pub enum Output {
    /// An image in the store, under these names.
    Image {
        /// The names.
        names: Vec<Reference>,
        /// Whether it goes to the registries of its names as well.
        push: bool,
    },
    /// An archive that is docker's and an OCI layout at once.
    Archive {
        /// The names in it.
        names: Vec<Reference>,
        /// Where it goes.
        to: save::Output,
    },
    /// An OCI layout in a directory.
    Layout {
        /// The names in it.
        names: Vec<Reference>,
        /// The directory.
        to: PathBuf,
    },
    /// The files of the image as a tar.
    Tar(save::Output),
    /// The files of the image in a directory.
    Directory(PathBuf),
}

/// Notes on what is built: on the manifest of each platform, and on the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// On manifests, those of one platform only with it.
    pub manifest: Vec<(Option<Platform>, String, String)>,
    /// On what an index says of a manifest.
    pub descriptor: Vec<(Option<Platform>, String, String)>,
    /// On the index.
    pub index: BTreeMap<String, String>,
}

impl Annotations {
    fn of(list: &[(Option<Platform>, String, String)], platform: &Platform) -> BTreeMap<String, String> {
        let counts = |only: &Option<Platform>| only.as_ref().is_none_or(|only| only.distance(platform) == Some(0));
        list.iter().filter(|(only, ..)| counts(only)).map(|(_, key, value)| (key.clone(), value.clone())).collect()
    }

    fn is_empty(&self) -> bool {
        self.manifest.is_empty() && self.descriptor.is_empty() && self.index.is_empty()
    }
}

/// A result on its way out.
pub(super) struct Outgoing<'a, 's> {
    pub(super) engine: &'a Engine,
    pub(super) lease: &'a Lease<'s>,
    pub(super) build: &'a Build,
    pub(super) exports: &'a Exports,
    pub(super) facts: Facts<'a>,
    pub(super) observer: &'a dyn Observer,
}

impl Outgoing<'_, '_> {
    /// Does all that is asked for with what was built.
    pub(super) fn give(&self, built: &mut Built) -> Result<()> {
        for output in &self.build.outputs {
            let label = match output {
                Output::Image { .. } => "exporting to image",
                Output::Archive { .. } | Output::Layout { .. } => "exporting to oci image format",
                Output::Tar(_) => "exporting to client tarball",
                Output::Directory(_) => "exporting to client directory",
            };
            let task = Task::begin(self.observer, Subject::Build(label.to_owned()));
            let given = match output {
                Output::Image { names, push } => self.image(built, names, *push, &task),
                Output::Archive { names, to } => self.archive(built, names, to),
                Output::Layout { names, to } => self.layout(built, names, to),
                Output::Tar(to) => self.tar(built, to),
                Output::Directory(to) => self.directory(built, to),
            };
            given.inspect_err(|why| task.end(Outcome::Broken(why.to_string())))?;
            task.end(Outcome::Done);
        }
        Ok(())
    }

    fn image(&self, built: &mut Built, names: &[Reference], push: bool, task: &Task<'_>) -> Result<()> {
        let store = self.lease.store();
        task.note("exporting layers done");
        let target = match self.document(built, names)? {
            Some(document) => {
                let kind = match &document.content {
                    AnyManifest::Index(_) => "manifest list",
                    AnyManifest::Manifest(_) => "manifest",
                };
                task.note(format!("exporting {kind} {} done", document.descriptor.digest));
                document.descriptor.digest
            }
            None => built.images[0].id.digest().clone(),
        };
        for image in &built.images {
            task.note(format!("writing image {} done", image.id));
        }
        for name in names {
            let events =
                built.images.iter().map(|image| events::of_image(&image.id, "tag", &name.familiar())).collect();
            let row = Name::new(name.clone(), target.clone());
            store.noting(events, |store| store.set_reference(&row))?;
            task.note(format!("naming to {} done", name.canonical()));
        }
        built.digest = Some(target);
        if push {
            let is_signed = self.engine.trust.as_ref().is_some_and(|settings| settings.demand == Demand::Always);
            let next = if is_signed { Next::Sign } else { Next::Nothing };
            for name in names {
                let push = Push { reference: name.clone(), all_tags: false, platform: None, next };
                let pushed = self.engine.push(&push, self.observer)?;
                task.note("pushing layers done");
                if let Some(pushed) = pushed.last() {
                    task.note(format!("pushing manifest for {}@{} done", name.canonical(), pushed.digest));
                    built.digest = Some(pushed.digest.clone());
                }
            }
        }
        Ok(())
    }

    /// The manifest or index that names stand for; `None` if the bare image is enough.
    fn document(&self, built: &Built, names: &[Reference]) -> Result<Option<Document>> {
        let notes = &self.build.annotations;
        match built.images.as_slice() {
            [_] if notes.is_empty() && !self.is_inline() && !self.is_attested() => Ok(None),
            [image] if !self.is_attested() => {
                let own = self.notes(image)?;
                let document = outgoing::annotated(self.lease, &image.id, &image.layers, own)?;
                Ok(Some(document))
            }
            images => {
                let (mut members, mut attestations) = (Vec::with_capacity(images.len()), Vec::new());
                for image in images {
                    let own = self.notes(image)?;
                    let manifest = outgoing::annotated(self.lease, &image.id, &image.layers, own)?;
                    let about = Annotations::of(&notes.descriptor, &image.platform);
                    let names: Vec<String> = names.iter().map(|name| package(name, &image.platform)).collect();
                    if self.is_attested() {
                        let (said, subject) = (self.predicates(image)?, &manifest.descriptor.digest);
                        attestations.push(attest(self.lease, &said, subject, &names)?);
                    }
                    members.push(Descriptor {
                        platform: Some(image.platform.clone()),
                        annotations: Some(about).filter(|about| !about.is_empty()),
                        ..manifest.descriptor
                    });
                }
                members.extend(attestations);
                let annotations = Some(notes.index.clone()).filter(|notes| !notes.is_empty());
                self.index(members, annotations).map(Some)
            }
        }
    }

    fn is_attested(&self) -> bool {
        self.build.sbom || self.build.provenance.is_some()
    }

    /// What is said of an image beside it.
    fn predicates(&self, image: &BuiltImage) -> Result<Vec<Predicate>> {
        let mut predicates = Vec::new();
        if self.build.sbom {
            let text = self.engine.spdx(self.lease.store(), &image.id, &image.layers, crate::version::VERSION)?;
            let body = serde_json::from_str(&text).map_err(Error::Document)?;
            predicates.push(Predicate { kind: SPDX, body });
        }
        if let Some(provenance) = self.build.provenance {
            predicates.push(Predicate { kind: PREDICATE, body: self.facts.predicate(provenance) });
        }
        Ok(predicates)
    }

    fn is_inline(&self) -> bool {
        self.build.cache_to.iter().any(|to| to.to == CachePlace::Inline)
    }

    /// The notes on an image's manifest.
    fn notes(&self, image: &BuiltImage) -> Result<BTreeMap<String, String>> {
        let mut notes = Annotations::of(&self.build.annotations.manifest, &image.platform);
        if self.is_inline() {
            notes.insert(ANNOTATION.to_owned(), self.exports.inline(self.lease, &image.layers)?);
        }
        Ok(notes)
    }

    fn index(&self, manifests: Vec<Descriptor>, annotations: Option<BTreeMap<String, String>>) -> Result<Document> {
        let index = Index { schema_version: 2, media_type: Some(MediaType::OCI_INDEX), manifests, annotations };
        let text = serde_json::to_string(&index).map_err(Error::Document)?;
        let bytes = wharfie_oci::json::indented(&text, "  ").into_bytes();
        let descriptor = Descriptor::of(MediaType::OCI_INDEX, &bytes);
        self.lease.put_blob(&bytes)?;
        let content = AnyManifest::Index(index);
        let row = NewManifest::of(descriptor.media_type.clone(), descriptor.digest.clone(), &content);
        self.lease.record(&Recording { manifests: vec![row], ..Recording::default() })?;
        Ok(Document { descriptor, bytes, content })
    }

    fn archive(&self, built: &Built, names: &[Reference], to: &save::Output) -> Result<()> {
        // What is said of images stands in documents: then those go, over layers as they travel.
        let document = match self.is_attested() || !self.build.annotations.is_empty() {
            true => self.document(built, names)?,
            false => None,
        };
        self.write_file(to, |file| {
            let sink = ArchiveSink::new(file)?;
            if let Some(document) = document {
                let root = document.descriptor.clone();
                let copied = self.copy(&root, Some(document), &sink)?;
                let images = copied.iter().filter_map(|copied| copied.image.as_ref()).map(SavedImage::of).collect();
                return Ok(sink.finish(&[Saved { root: Some(root), images, references: names.to_vec() }])?);
            }
            let mut images = Vec::with_capacity(built.images.len());
            for image in &built.images {
                images.push(self.copy_plain(image, &sink)?);
            }
            Ok(sink.finish(&[Saved { root: None, images, references: names.to_vec() }])?)
        })
    }

    /// Copies an image's configuration and plain layers.
    fn copy_plain(&self, image: &BuiltImage, sink: &dyn wharfie_content::Sink) -> Result<SavedImage> {
        let store = self.lease.store();
        let size = crate::inspect::config_size(store, &image.id)?;
        let config = Descriptor::new(MediaType::OCI_CONFIG, image.id.digest().clone(), size);
        let copied = self.copy(&config, None, sink)?;
        let layers = copied.into_iter().filter_map(|copied| copied.image).flat_map(|image| image.layers);
        Ok(SavedImage {
            config,
            layers: layers.map(|layer| layer.descriptor).collect(),
            platform: image.platform.clone(),
            parent: None,
        })
    }

    fn copy(
        &self,
        root: &Descriptor,
        document: Option<Document>,
        sink: &dyn wharfie_content::Sink,
    ) -> Result<Vec<graph::Copied>> {
        let source = match document {
            Some(document) => StoreSource::new(self.lease.store()).with(document),
            None => StoreSource::new(self.lease.store()),
        };
        let naming = |part: &Part| {
            Subject::Save(part.diff_id.clone().unwrap_or_else(|| DiffId::new(part.descriptor.digest.clone())))
        };
        let options = Options {
            platforms: Platforms::All,
            jobs: 1,
            observer: self.observer,
            naming: Some(&naming),
            order: Order::BottomFirst,
            images: Images::Known,
            check: &|_| Ok(()),
        };
        Ok(graph::copy(&source, sink, root, &options)?)
    }

    fn layout(&self, built: &Built, names: &[Reference], to: &std::path::Path) -> Result<()> {
        let layout = Layout::create(to)?;
        let document = match self.document(built, names)? {
            Some(document) => document,
            None => {
                let image = &built.images[0];
                outgoing::annotated(self.lease, &image.id, &image.layers, BTreeMap::new())?
            }
        };
        self.copy(&document.descriptor.clone(), Some(document.clone()), &layout)?;
        match names {
            [] => layout.name(&document.descriptor, DEFAULT_NAME)?,
            names => {
                for name in names {
                    layout.name(&document.descriptor, name.tag().unwrap_or(DEFAULT_NAME))?;
                }
            }
        }
        Ok(())
    }

    fn tar(&self, built: &Built, to: &save::Output) -> Result<()> {
        let [image] = built.images.as_slice() else { return Err(BuildError::SeveralPlatforms.into()) };
        self.write_file(to, |file| self.engine.export_layers(&image.layers, std::io::BufWriter::new(file)))
    }

    fn directory(&self, built: &Built, to: &std::path::Path) -> Result<()> {
        for image in &built.images {
            let own = match built.images.len() {
                1 => to.to_owned(),
                // As BuildKit calls them.
                _ => to.join(image.platform.to_string().replace('/', "_")),
            };
            self.engine.unpack_layers(&image.layers, &own)?;
        }
        Ok(())
    }

    /// Writes a file that is seen when it is whole, or into one that is open.
    fn write_file(&self, to: &save::Output, write: impl FnOnce(&File) -> Result<()>) -> Result<()> {
        let path = match to {
            save::Output::Open(file) => return write(file),
            save::Output::Path(path) => path,
        };
        save::check_output(path)?;
        save::write_aside(path, save::Readers::Anyone, write)
    }
}

/// An image as a package URL, which attestations are about.
fn package(name: &Reference, platform: &Platform) -> String {
    let tag = name.tag().unwrap_or(DEFAULT_NAME);
    let platform = platform.to_string().replace('/', "%2F");
    format!("pkg:docker/{}@{tag}?platform={platform}", name.repository().familiar())
}

/// What an image without a name is called in a layout.
const DEFAULT_NAME: &str = "latest";
