//! Push: an image from the store to a registry.
//!
//! What came from a registry goes back byte for byte: its compressed layers and its manifest are still here. Layers that
//! have no compressed form yet are compressed once and kept, so that a second push finds them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use wharfie_content::event::{Event, Subject, TaskId, task};
use wharfie_content::{Observer, Outcome, Task};
use wharfie_layer::compression::gzip_encoder;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageId, Manifest, MediaType, Reference, Repository};
use wharfie_remote::{RepositoryClient, Watch};
use wharfie_store::{Lease, Store};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::config_bytes;
use crate::names;

/// What to push.
#[derive(Debug, Clone)]
pub struct Push {
    /// Which repository and, unless `all_tags`, which tag.
    pub reference: Reference,
    /// Every local tag of the repository.
    pub all_tags: bool,
}

/// One tag that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Which.
    pub reference: Reference,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Bytes of its manifest.
    pub size: u64,
}

impl Engine {
    /// Pushes one tag, or all local tags of a repository.
    ///
    /// # Errors
    /// When there is nothing to push, the registry refuses or cannot be reached, or the store is damaged.
    pub fn push(&self, push: &Push, observer: &dyn Observer) -> Result<Vec<Pushed>> {
        if push.reference.digest().is_some() {
            return Err(Error::PushDigest);
        }
        let repository = push.reference.repository();
        let what = Subject::Push { repository: repository.canonical() };
        let begun = Task::begin(observer, what);
        let store = self.reader()?;
        let mut pushed = Vec::new();
        for reference in tags_to_push(store, push)? {
            let id = store.resolve(&reference.canonical())?;
            let id = id.ok_or_else(|| Error::NothingToPush(repository.familiar()))?;
            pushed.push(self.push_one(&reference, &id, observer)?);
        }
        for warning in self.remote().take_warnings() {
            observer.observe(Event::Warned(warning));
        }
        begun.end(Outcome::Done);
        Ok(pushed)
    }

    fn push_one(&self, reference: &Reference, id: &ImageId, observer: &dyn Observer) -> Result<Pushed> {
        let store = self.writer()?;
        let lease = store.lease()?;
        let repository = reference.repository();
        let tag = reference.tag().unwrap_or_default();
        let client = self.remote().repository(repository);
        let image = Outgoing::of(&lease, id)?;

        // A registry that has the manifest has everything it names.
        let known =
            client.resolve(image.manifest.digest.as_str()).is_ok_and(|found| found.digest == image.manifest.digest);
        let uploads = Uploads { client: &client, lease: &lease, repository, observer, is_known: known };
        uploads.layers(&image.layers, self.config().jobs)?;
        if !known {
            let config = config_bytes(store, id)?;
            if !client.has_blob(&image.config.digest)? {
                let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(io::Cursor::new(config.clone()))) };
                client.upload(&image.config, &open, Watch::silent())?;
            }
        }
        let image = match client.put_manifest(tag, &image.manifest.media_type, &image.bytes) {
            // Registries that were made before OCI take docker's own types only.
            Err(why) if !image.manifest.media_type.is_docker() && refuses_type(&why) => {
                let image = image.in_dockers_types(&lease, id)?;
                let quiet = Uploads { observer: &(), ..uploads };
                quiet.layers(&image.layers, self.config().jobs)?;
                client.put_manifest(tag, &image.manifest.media_type, &image.bytes)?;
                image
            }
            result => result.map(|_| image)?,
        };
        let digests: Vec<Digest> = image.layers.iter().map(|(_, blob)| blob.digest.clone()).collect();
        store.record_origins(repository, &digests)?;
        let event = crate::events::of_name("push", &reference.familiar());
        let digested = Reference::digested(repository.clone(), image.manifest.digest.clone());
        store.noting(vec![event], |store| store.set_reference(&digested, id))?;
        let pushed =
            Pushed { reference: reference.clone(), digest: image.manifest.digest.clone(), size: image.manifest.size };
        let what = Subject::Tag(reference.clone());
        let outcome = Outcome::Manifest { digest: pushed.digest.clone(), size: pushed.size };
        task(observer, what, |_| -> Result<_> { Ok(((), outcome)) })?;
        Ok(pushed)
    }
}

/// True if a registry did not take the manifest for what it is, whatever its words.
fn refuses_type(why: &wharfie_remote::Error) -> bool {
    match why.status() {
        Some(415) => true,
        Some(400..=499) => ["MANIFEST_INVALID", "UNSUPPORTED"].iter().any(|code| why.has_code(code)),
        _ => false,
    }
}

fn tags_to_push(store: &Store, push: &Push) -> Result<Vec<Reference>> {
    if !push.all_tags {
        return Ok(vec![push.reference.clone().or_latest()]);
    }
    let prefix = format!("{}:", push.reference.repository().canonical());
    let rows = store.references()?.into_iter().filter(|row| !row.is_digest && row.name.starts_with(&prefix));
    let tags = rows.map(|row| names::reference(&row)).collect::<Result<Vec<_>>>()?;
    if tags.is_empty() {
        return Err(Error::NothingToPush(push.reference.repository().familiar()));
    }
    Ok(tags)
}

/// An image ready to be sent.
struct Outgoing {
    manifest: Descriptor,
    bytes: Vec<u8>,
    config: Descriptor,
    /// Bottom first: what each layer is here and as it travels.
    layers: Vec<(DiffId, Descriptor)>,
}

impl Outgoing {
    /// The manifest the image came with, if all of its layers are still here as they came; else one that is made now.
    fn of(lease: &Lease<'_>, id: &ImageId) -> Result<Self> {
        let store = lease.store();
        let diff_ids: Vec<DiffId> = store.layers_of(id)?.into_iter().map(|layer| layer.diff_id).collect();
        for diff_id in &diff_ids {
            lease.hold_layer(diff_id)?;
        }
        lease.hold_blob(id.digest())?;
        for (media_type, digest) in store.manifests_of(id)? {
            let Ok(bytes) = std::fs::read(store.blob_path(&digest)) else { continue };
            let Ok(AnyManifest::Manifest(manifest)) = AnyManifest::parse(&bytes, &media_type) else { continue };
            if manifest.config.digest != *id.digest() || manifest.layers.len() != diff_ids.len() {
                continue;
            }
            let is_whole = manifest.layers.iter().zip(&diff_ids).all(|(layer, diff_id)| {
                layer.is_elsewhere() || layer.digest == *diff_id.digest() || store.blob_path(&layer.digest).exists()
            });
            if is_whole {
                lease.hold_blob(&digest)?;
                let manifest_descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
                let layers = diff_ids.into_iter().zip(manifest.layers).collect();
                return Ok(Self { manifest: manifest_descriptor, bytes, config: manifest.config, layers });
            }
        }
        Self::made(lease, id, diff_ids)
    }

    /// A Docker manifest over gzip layers, as docker would push it.
    fn made(lease: &Lease<'_>, id: &ImageId, diff_ids: Vec<DiffId>) -> Result<Self> {
        let store = lease.store();
        let size = config_bytes(store, id)?.len() as u64;
        let config = Descriptor::new(MediaType::DOCKER_CONFIG, id.digest().clone(), size);
        let mut layers = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let blob = compressed(lease, &diff_id)?;
            layers.push((diff_id, Descriptor::new(MediaType::DOCKER_LAYER_GZIP, blob.digest, blob.size)));
        }
        let image = Self::described(config, layers)?;
        lease.put_blob(&image.bytes)?;
        lease.record_manifest(id, &MediaType::DOCKER_MANIFEST, &image.manifest.digest)?;
        Ok(image)
    }

    /// The same image under docker's types: the same blobs, but for layers in a compression that docker has no type for.
    fn in_dockers_types(self, lease: &Lease<'_>, id: &ImageId) -> Result<Self> {
        let config = Descriptor::new(MediaType::DOCKER_CONFIG, id.digest().clone(), self.config.size);
        let mut layers = Vec::with_capacity(self.layers.len());
        for (diff_id, blob) in self.layers {
            let blob = match &blob.media_type {
                _ if blob.is_elsewhere() => Descriptor { media_type: MediaType::DOCKER_FOREIGN_LAYER, ..blob },
                _ if blob.digest == *diff_id.digest() => {
                    Descriptor::new(MediaType::DOCKER_LAYER, blob.digest, blob.size)
                }
                kind if kind.as_str().ends_with("gzip") => {
                    Descriptor::new(MediaType::DOCKER_LAYER_GZIP, blob.digest, blob.size)
                }
                _ => {
                    let gzip = compressed(lease, &diff_id)?;
                    Descriptor::new(MediaType::DOCKER_LAYER_GZIP, gzip.digest, gzip.size)
                }
            };
            layers.push((diff_id, blob));
        }
        Self::described(config, layers)
    }

    fn described(config: Descriptor, layers: Vec<(DiffId, Descriptor)>) -> Result<Self> {
        let document = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::DOCKER_MANIFEST),
            artifact_type: None,
            config: config.clone(),
            layers: layers.iter().map(|(_, blob)| blob.clone()).collect(),
            subject: None,
            annotations: None,
        };
        let bytes = indented(&document)?;
        let manifest = Descriptor::of(MediaType::DOCKER_MANIFEST, &bytes);
        Ok(Self { manifest, bytes, config, layers })
    }
}

/// Docker indents its manifests by three blanks.
fn indented(document: &Manifest) -> Result<Vec<u8>> {
    let text = serde_json::to_string(document).map_err(Error::Document)?;
    Ok(wharfie_oci::json::indented(&text, "   ").into_bytes())
}

/// The gzip form of a layer, made now if there is none.
fn compressed(lease: &Lease<'_>, diff_id: &DiffId) -> Result<Descriptor> {
    let store = lease.store();
    let known = store.blobs_of_layer(diff_id)?;
    if let Some(gzip) = known
        .into_iter()
        .find(|blob| blob.media_type == MediaType::OCI_LAYER_GZIP || blob.media_type == MediaType::DOCKER_LAYER_GZIP)
    {
        lease.hold_blob(&gzip.digest)?;
        return Ok(gzip);
    }
    let (mut file, offset, size) = store.open_tar(diff_id)?;
    let (digest, size) = lease.put_stream(|out| {
        file.seek(SeekFrom::Start(offset))?;
        let mut encoder = gzip_encoder(io::BufWriter::with_capacity(BUFFER, out));
        let mut tar = io::BufReader::with_capacity(BUFFER, file.take(size));
        io::copy(&mut tar, &mut encoder)?;
        encoder.finish()?.flush()
    })?;
    let blob = Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size);
    lease.record_blob_of_layer(&blob, diff_id)?;
    Ok(blob)
}

/// 256 KiB at a time through the compressor.
const BUFFER: usize = 256 << 10;

struct Uploads<'a> {
    client: &'a RepositoryClient,
    lease: &'a Lease<'a>,
    repository: &'a Repository,
    observer: &'a dyn Observer,
    /// The registry has the manifest, and so every layer.
    is_known: bool,
}

impl Uploads<'_> {
    /// Sends what the registry lacks. Layers are told of top first, as docker does, each distinct one once.
    fn layers(&self, layers: &[(DiffId, Descriptor)], jobs: usize) -> Result<()> {
        let mut begun: Vec<(Task<'_>, &DiffId, &Descriptor)> = Vec::new();
        for (diff_id, blob) in layers.iter().rev() {
            if begun.iter().any(|(_, known, _)| *known == diff_id) || blob.is_elsewhere() {
                continue;
            }
            let what = Subject::Upload { diff_id: diff_id.clone(), size: Some(blob.size) };
            begun.push((Task::begin(self.observer, what), diff_id, blob));
        }
        wharfie_content::copy::in_parallel(&begun, jobs, |_, (task, diff_id, blob)| {
            let result = self.layer(task.id(), diff_id, blob);
            task.end(result.as_ref().map_or(Outcome::Failed, Clone::clone));
            result
        })?;
        Ok(())
    }

    fn layer(&self, id: TaskId, diff_id: &DiffId, blob: &Descriptor) -> Result<Outcome> {
        if self.is_known || self.has(&blob.digest)? {
            return Ok(Outcome::Exists);
        }
        let store = self.lease.store();
        for path in store.origins_of_blob(&blob.digest, self.repository.host())? {
            if path != self.repository.path() && self.client.mount(&blob.digest, &path)? {
                return Ok(Outcome::Mounted(path));
            }
        }
        let open = || -> io::Result<Box<dyn Read + Send>> {
            if blob.digest == *diff_id.digest() {
                let (mut file, offset, size) = store.open_tar(diff_id).map_err(io::Error::other)?;
                file.seek(SeekFrom::Start(offset))?;
                return Ok(Box::new(file.take(size)));
            }
            Ok(Box::new(File::open(store.blob_path(&blob.digest))?))
        };
        self.client.upload(blob, &open, Watch { observer: self.observer, task: id })?;
        Ok(Outcome::Done)
    }

    /// True if the registry has the blob. An answer to `HEAD` has no body to give a reason in: when it refuses, the upload
    /// that follows is refused as well, and hears why.
    fn has(&self, digest: &Digest) -> Result<bool> {
        match self.client.has_blob(digest) {
            Err(why) if why.status().is_some_and(|status| (400..500).contains(&status)) => Ok(false),
            answer => Ok(answer?),
        }
    }
}
