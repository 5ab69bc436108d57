//! Writing the archive that `save` makes: one tar that is a docker-archive and an OCI layout at once.
//! The same images give the same bytes, always.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wharfie_content::event::{Event, Outcome};
use wharfie_content::graph::CopiedImage;
use wharfie_content::place::{BoxError, Place};
use wharfie_content::{Counted, Document, Part, Sink, Source, Verified, Watch};
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::Writer;
use wharfie_oci::{Descriptor, Digest, ImageId, Index, Manifest, MediaType, Platform, Reference};

use crate::docker::ManifestEntry;
use crate::error::{Error, Result};
use crate::oci;

/// An image whose parts are in the archive.
#[derive(Debug, Clone)]
pub struct SavedImage {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers as they are in the archive, bottom first.
    pub layers: Vec<Descriptor>,
    /// What it runs on.
    pub platform: Platform,
    /// The image it was made from.
    pub parent: Option<ImageId>,
}

impl SavedImage {
    /// An image that was copied into the archive as it travels.
    pub fn of(image: &CopiedImage) -> Self {
        Self {
            config: Descriptor::new(MediaType::OCI_CONFIG, image.id.digest().clone(), image.bytes.len() as u64),
            layers: image.layers.iter().map(|layer| layer.descriptor.clone()).collect(),
            platform: image.config.platform(),
            parent: None,
        }
    }
}

/// What goes by the same names: an image, or several for different platforms, the one that is meant by default first.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The document that was put into the archive for them; one is made if there is none.
    pub root: Option<Descriptor>,
    /// The images.
    pub images: Vec<SavedImage>,
    /// Their tags; digests are not kept in archives.
    pub references: Vec<Reference>,
}

/// An archive that parts of images are written into as they come, one after the other.
pub struct ArchiveSink<'a> {
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    tar: Writer<&'a File>,
    written: BTreeSet<Digest>,
}

impl<'a> ArchiveSink<'a> {
    /// Begins an archive in `output`, a file or a pipe.
    ///
    /// # Errors
    /// When writing fails.
    pub fn new(output: &'a File) -> Result<Self> {
        let mut tar = Writer::new(output);
        for directory in ["blobs/", "blobs/sha256/"] {
            tar.append(&entry(directory, Kind::Directory, 0o755, 0), io::empty()).map_err(Error::Write)?;
        }
        Ok(Self { inner: Mutex::new(Inner { tar, written: BTreeSet::new() }) })
    }

    /// Writes what the parts mean, and ends the archive.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self, saved: &[Saved]) -> Result<()> {
        let documents = Documents::of(saved)?;
        let mut inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (digest, bytes) in &documents.blobs {
            if inner.written.insert(digest.clone()) {
                document(&mut inner.tar, &oci::path(digest), bytes)?;
            }
        }
        let mut tar = inner.tar;
        document(&mut tar, "index.json", &documents.index)?;
        document(&mut tar, "manifest.json", &documents.manifest)?;
        document(&mut tar, "oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
        if let Some(repositories) = &documents.repositories {
            document(&mut tar, "repositories", repositories)?;
        }
        tar.finish().map_err(Error::Write)?;
        Ok(())
    }

    fn inner(&self) -> MutexGuard<'_, Inner<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for ArchiveSink<'_> {
    fn put(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> std::result::Result<Outcome, BoxError> {
        let Descriptor { digest, size, .. } = &part.descriptor;
        let mut inner = self.inner();
        if !inner.written.insert(digest.clone()) {
            return Ok(Outcome::Exists);
        }
        let mut opened = source.open(part, watch)?;
        let entry = entry(&oci::path(digest), Kind::File, 0o644, *size);
        match opened.as_file() {
            // From file to file or pipe the standard library lets the kernel copy: no byte passes through here.
            Some((file, len)) if len == *size => {
                let mut told = |done| {
                    watch.observer.observe(Event::Advanced { task: watch.task, done, total: Some(*size) });
                };
                inner.tar.append_aligned(&entry, file, &mut told).map_err(Error::Write)?;
            }
            _ => {
                let counted = Counted::new(&mut opened, Some(*size), watch.task, watch.observer);
                let mut verified = Verified::new(counted, &part.descriptor);
                inner.tar.append(&entry, &mut verified).map_err(Error::Write)?;
                // Only its end proves what was read.
                verified.read(&mut [0]).map_err(Error::Read)?;
            }
        }
        Ok(Outcome::Done)
    }

    fn put_document(&self, document: &Document, _place: Place) -> std::result::Result<(), BoxError> {
        let mut inner = self.inner();
        let Document { descriptor, bytes, .. } = document;
        if inner.written.insert(descriptor.digest.clone()) {
            self::document(&mut inner.tar, &oci::path(&descriptor.digest), bytes)?;
        }
        Ok(())
    }
}

struct Documents {
    blobs: Vec<(Digest, Vec<u8>)>,
    index: Vec<u8>,
    manifest: Vec<u8>,
    repositories: Option<Vec<u8>>,
}

impl Documents {
    fn of(saved: &[Saved]) -> Result<Self> {
        let mut blobs = Vec::new();
        let mut members = Vec::new();
        let mut entries = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let all = || saved.iter().flat_map(|saved| &saved.images);
        let ids: BTreeSet<&Digest> = all().map(|image| &image.config.digest).collect();
        for Saved { root, images, references } in saved {
            let mut manifests = Vec::with_capacity(images.len());
            for (n, image) in images.iter().enumerate() {
                if root.is_none() {
                    let manifest = to_json(&oci_manifest(image))?;
                    let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &manifest);
                    blobs.push((descriptor.digest.clone(), manifest));
                    manifests.push(Descriptor { platform: Some(image.platform.clone()), ..descriptor });
                }
                // A name means one image there: the first.
                let mut names: Vec<String> = references.iter().map(Reference::familiar).filter(|_| n == 0).collect();
                names.sort();
                entries.push(ManifestEntry {
                    config: oci::path(&image.config.digest),
                    repo_tags: (!names.is_empty()).then_some(names),
                    layers: Some(image.layers.iter().map(|layer| oci::path(&layer.digest)).collect()),
                    parent: image
                        .parent
                        .as_ref()
                        .filter(|parent| ids.contains(parent.digest()))
                        .map(|parent| parent.as_str().to_owned()),
                });
            }
            let descriptor = match (root, manifests.as_slice()) {
                (Some(root), _) => root.clone(),
                (None, [only]) => Descriptor { platform: None, ..only.clone() },
                (None, _) => {
                    let index = to_json(&index(manifests))?;
                    let descriptor = Descriptor::of(MediaType::OCI_INDEX, &index);
                    blobs.push((descriptor.digest.clone(), index));
                    descriptor
                }
            };
            for reference in references {
                let tag = reference.tag().unwrap_or_default().to_owned();
                members.push(Descriptor {
                    annotations: Some(BTreeMap::from([
                        (oci::IMAGE_NAME.to_owned(), reference.canonical()),
                        (oci::REF_NAME.to_owned(), tag.clone()),
                    ])),
                    ..descriptor.clone()
                });
                if let Some(top) = images.first().and_then(|image| image.layers.last()) {
                    let tags = repositories.entry(reference.repository().familiar()).or_default();
                    tags.insert(tag, top.digest.hex().to_owned());
                }
            }
            if references.is_empty() {
                members.push(descriptor);
            }
        }
        Ok(Self {
            blobs,
            index: to_json(&index(members))?,
            manifest: to_json(&entries)?,
            repositories: (!repositories.is_empty()).then(|| to_json(&repositories)).transpose()?,
        })
    }
}

fn index(manifests: Vec<Descriptor>) -> Index {
    Index { schema_version: 2, media_type: Some(MediaType::OCI_INDEX), manifests, annotations: None }
}

fn oci_manifest(image: &SavedImage) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config: image.config.clone(),
        layers: image.layers.clone(),
        subject: None,
        annotations: None,
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(Error::Document)
}

/// An entry with nothing in it that changes from one save to the next.
fn entry(name: &str, kind: Kind, mode: u16, size: u64) -> Entry {
    Entry { path: name.as_bytes().to_vec(), kind, mode, size, ..Entry::default() }
}

fn document(tar: &mut Writer<&File>, name: &str, bytes: &[u8]) -> Result<()> {
    tar.append(&entry(name, Kind::File, 0o644, bytes.len() as u64), bytes).map_err(Error::Write)
}
