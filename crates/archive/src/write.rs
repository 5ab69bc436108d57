//! Writing the archive that `save` makes: one tar that is a docker-archive and an OCI layout at once.
//! The same images give the same bytes, always.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use wharfie_content::{BoxError, Observer, Outcome, Subject, Task};
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::Writer;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageId, Index, Manifest, MediaType, Reference};

use crate::docker::ManifestEntry;
use crate::error::{Error, Result};
use crate::oci;

/// An image to be saved.
#[derive(Debug, Clone)]
pub struct SavedImage {
    /// Its configuration, byte for byte.
    pub config: Vec<u8>,
    /// Its tags; digests are not kept in archives.
    pub references: Vec<Reference>,
    /// Bottom first.
    pub layers: Vec<SavedLayer>,
    /// The image it was made from.
    pub parent: Option<ImageId>,
}

/// A layer to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedLayer {
    /// Which.
    pub diff_id: DiffId,
    /// Bytes of its plain tar.
    pub size: u64,
}

/// Where the bytes of layers come from.
pub trait Layers {
    /// A file, the offset at which the layer's plain tar begins in it, and the tar's length.
    ///
    /// # Errors
    /// When the layer is not there.
    fn open(&self, diff_id: &DiffId) -> Result<(File, u64, u64), BoxError>;
}

/// Writes `images` to `output`, a file or a pipe, and tells `observer` of each layer.
///
/// # Errors
/// When a layer is missing or writing fails.
pub fn write(output: &File, images: &[SavedImage], layers: &dyn Layers, observer: &dyn Observer) -> Result<()> {
    let documents = Documents::of(images)?;
    let mut tar = Writer::new(output);
    for directory in ["blobs/", "blobs/sha256/"] {
        tar.append(&entry(directory, Kind::Directory, 0o755, 0), io::empty()).map_err(Error::Write)?;
    }
    let mut blobs: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
    blobs.extend(images.iter().flat_map(|image| &image.layers).map(|layer| (layer.diff_id.digest().hex(), None)));
    blobs.extend(documents.blobs.iter().map(|(digest, bytes)| (digest.hex(), Some(bytes.as_slice()))));
    for (hex, bytes) in blobs {
        let name = format!("blobs/sha256/{hex}");
        match bytes {
            Some(bytes) => document(&mut tar, &name, bytes)?,
            None => {
                let digest = Digest::sha256(hex).expect("it is a digest's own text");
                let diff_id = DiffId::new(digest);
                let task = Task::begin(observer, Subject::Save(diff_id.clone()));
                let (mut file, offset, len) = layers.open(&diff_id).map_err(Error::Intake)?;
                file.seek(SeekFrom::Start(offset)).map_err(Error::Read)?;
                // From file to file or pipe the standard library lets the kernel copy: no byte passes through here.
                let mut told = |done| task.advance(done, Some(len));
                tar.append_aligned(&entry(&name, Kind::File, 0o644, len), &mut file, &mut told)
                    .map_err(Error::Write)?;
                task.end(Outcome::Done);
            }
        }
    }
    document(&mut tar, "index.json", &documents.index)?;
    document(&mut tar, "manifest.json", &documents.manifest)?;
    document(&mut tar, "oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
    if let Some(repositories) = &documents.repositories {
        document(&mut tar, "repositories", repositories)?;
    }
    tar.finish().map_err(Error::Write)?;
    Ok(())
}

struct Documents {
    blobs: Vec<(Digest, Vec<u8>)>,
    index: Vec<u8>,
    manifest: Vec<u8>,
    repositories: Option<Vec<u8>>,
}

impl Documents {
    fn of(images: &[SavedImage]) -> Result<Self> {
        let mut blobs = Vec::new();
        let mut members = Vec::new();
        let mut entries = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let ids: BTreeSet<Digest> = images.iter().map(|image| Digest::of(&image.config)).collect();
        for image in images {
            let config = Descriptor::of(MediaType::OCI_CONFIG, &image.config);
            let manifest = to_json(&oci_manifest(config.clone(), image))?;
            let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &manifest);
            for reference in &image.references {
                let tag = reference.tag().unwrap_or_default().to_owned();
                members.push(Descriptor {
                    annotations: Some(BTreeMap::from([
                        (oci::IMAGE_NAME.to_owned(), reference.canonical()),
                        (oci::REF_NAME.to_owned(), tag.clone()),
                    ])),
                    ..descriptor.clone()
                });
                if let Some(top) = image.layers.last() {
                    let tags = repositories.entry(reference.repository().familiar()).or_default();
                    tags.insert(tag, top.diff_id.digest().hex().to_owned());
                }
            }
            if image.references.is_empty() {
                members.push(descriptor.clone());
            }
            let mut names: Vec<String> = image.references.iter().map(Reference::familiar).collect();
            names.sort();
            entries.push(ManifestEntry {
                config: oci::path(&config.digest),
                repo_tags: (!names.is_empty()).then_some(names),
                layers: Some(image.layers.iter().map(|layer| oci::path(layer.diff_id.digest())).collect()),
                parent: image
                    .parent
                    .as_ref()
                    .filter(|parent| ids.contains(parent.digest()))
                    .map(|parent| parent.as_str().to_owned()),
            });
            blobs.push((config.digest, image.config.clone()));
            blobs.push((descriptor.digest, manifest));
        }
        let index =
            Index { schema_version: 2, media_type: Some(MediaType::OCI_INDEX), manifests: members, annotations: None };
        Ok(Self {
            blobs,
            index: to_json(&index)?,
            manifest: to_json(&entries)?,
            repositories: (!repositories.is_empty()).then(|| to_json(&repositories)).transpose()?,
        })
    }
}

fn oci_manifest(config: Descriptor, image: &SavedImage) -> Manifest {
    let layer = |layer: &SavedLayer| Descriptor::new(MediaType::OCI_LAYER, layer.diff_id.digest().clone(), layer.size);
    Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config,
        layers: image.layers.iter().map(layer).collect(),
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
