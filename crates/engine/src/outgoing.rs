//! Images made ready to be sent: the manifest that each goes out with.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;

use wharfie_content::{Document, graph};
use wharfie_layer::seekable::{self, END_LEN, End};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageId, Manifest, MediaType};
use wharfie_store::graph::ManifestRow;
use wharfie_store::{Lease, NewManifest, Store, StoreSource};

use crate::error::{Error, Result};
use crate::inspect::config_bytes;

/// The index `target`, if it is one and everything that it leads to is here.
pub(crate) fn whole_index(store: &Store, target: &Digest) -> Result<Option<Document>> {
    let Some(row) = store.manifest(target)? else { return Ok(None) };
    let Some(document) = document(store, &row)? else { return Ok(None) };
    let is_whole = matches!(document.content, AnyManifest::Index(_)) && is_whole(store, &document)?;
    Ok(is_whole.then_some(document))
}

/// The manifest or index `digest`, if it is recorded and its bytes are here and make sense.
pub(crate) fn recorded(store: &Store, digest: &Digest) -> Result<Option<Document>> {
    store.manifest(digest)?.map_or(Ok(None), |row| document(store, &row))
}

/// A recorded document, if its bytes are here and make sense.
fn document(store: &Store, row: &ManifestRow) -> Result<Option<Document>> {
    let announced = Descriptor::new(row.media_type.clone(), row.digest.clone(), 0);
    match store.document(&row.digest, &announced) {
        Ok(document) => Ok(Some(document)),
        Err(wharfie_store::Error::MissingBlob(_) | wharfie_store::Error::Document { .. }) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// The manifests that a target leads to.
fn meant(store: &Store, target: &Digest) -> Result<Vec<Digest>> {
    let members = match recorded(store, target)?.map(|document| document.content) {
        Some(AnyManifest::Index(index)) => index.manifests.into_iter().map(|member| member.digest).collect(),
        Some(AnyManifest::Manifest(_)) | None => Vec::new(),
    };
    Ok(members.into_iter().chain([target.clone()]).collect())
}

/// True if each layer of a manifest has been seen to unpack to the diff id that it is said to.
fn is_proven(store: &Store, manifest: &Manifest, diff_ids: &[DiffId]) -> Result<bool> {
    if manifest.layers.len() != diff_ids.len() {
        return Ok(false);
    }
    for (layer, diff_id) in manifest.layers.iter().zip(diff_ids) {
        let is_plain = layer.digest == *diff_id.digest();
        if !is_plain && !store.blobs_of_layer(diff_id)?.iter().any(|blob| blob.digest == layer.digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// True if everything that a document leads to is here as it says.
pub(crate) fn is_whole(store: &Store, document: &Document) -> Result<bool> {
    let has = |one: &Descriptor| {
        let layer = DiffId::new(one.digest.clone());
        Ok(store.blob_path(&one.digest).exists() || store.layer_path(&layer).exists())
    };
    // What cannot be read is as good as not there: another manifest is made.
    Ok(graph::is_whole(&StoreSource::new(store), &document.descriptor, &has).unwrap_or(false))
}

/// The manifest that an image came with, if all of its layers are still here as they came; else one that is made now: docker's,
/// over gzip layers, as docker would push it. The lease holds all of it.
///
/// An image may have come with several manifests: the one that `target` is, or leads to, is taken if it can be. None is taken whose
/// layers are not known to unpack to those of the configuration: a manifest is recorded also if its layers were here already
/// and nobody has looked at the blobs that it names.
pub(crate) fn of_image(lease: &Lease<'_>, id: &ImageId, target: Option<&Digest>) -> Result<Document> {
    let store = lease.store();
    let diff_ids: Vec<DiffId> = store.layers_of(id)?.into_iter().map(|layer| layer.diff_id).collect();
    lease.hold_all(diff_ids.iter().map(DiffId::digest).chain([id.digest()]))?;
    let meant = match target {
        Some(target) => meant(store, target)?,
        None => Vec::new(),
    };
    let mut rows = store.manifests_of(id)?;
    rows.sort_by_key(|row| !meant.contains(&row.digest));
    for row in rows {
        let Some(document) = document(store, &row)? else { continue };
        let AnyManifest::Manifest(manifest) = &document.content else { continue };
        if is_proven(store, manifest, &diff_ids)? && is_whole(store, &document)? {
            lease.hold_all([&row.digest])?;
            return Ok(document);
        }
    }
    let size = config_bytes(store, id)?.len() as u64;
    let config = Descriptor::new(MediaType::DOCKER_CONFIG, id.digest().clone(), size);
    let mut layers = Vec::with_capacity(diff_ids.len());
    for diff_id in &diff_ids {
        layers.push(Descriptor { media_type: MediaType::DOCKER_LAYER_GZIP, ..compressed(lease, diff_id)? });
    }
    described(lease, MediaType::DOCKER_MANIFEST, config, layers, BTreeMap::new())
}

/// A manifest of OCI's for an image that was made here, with these annotations, over gzip layers.
pub(crate) fn annotated(
    lease: &Lease<'_>,
    id: &ImageId,
    diff_ids: &[DiffId],
    annotations: BTreeMap<String, String>,
) -> Result<Document> {
    let config =
        Descriptor::new(MediaType::OCI_CONFIG, id.digest().clone(), config_bytes(lease.store(), id)?.len() as u64);
    let layers = diff_ids.iter().map(|diff_id| {
        compressed(lease, diff_id).map(|blob| Descriptor { media_type: MediaType::OCI_LAYER_GZIP, ..blob })
    });
    described(lease, MediaType::OCI_MANIFEST, config, layers.collect::<Result<_>>()?, annotations)
}

/// The same image under docker's types: the same blobs, but for layers in a compression that docker has no type for.
pub(crate) fn in_dockers_types(lease: &Lease<'_>, root: &Document) -> Result<Document> {
    let AnyManifest::Manifest(manifest) = &root.content else { return Ok(root.clone()) };
    let config = Descriptor::new(MediaType::DOCKER_CONFIG, manifest.config.digest.clone(), manifest.config.size);
    let diff_ids = lease.store().layers_of(&ImageId::new(config.digest.clone()))?;
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (layer, blob) in diff_ids.iter().zip(manifest.layers.iter().cloned()) {
        layers.push(match &blob.media_type {
            _ if blob.is_elsewhere() => Descriptor { media_type: MediaType::DOCKER_FOREIGN_LAYER, ..blob },
            _ if blob.digest == *layer.diff_id.digest() => {
                Descriptor::new(MediaType::DOCKER_LAYER, blob.digest, blob.size)
            }
            kind if kind.as_str().ends_with("gzip") => Descriptor { media_type: MediaType::DOCKER_LAYER_GZIP, ..blob },
            _ => Descriptor { media_type: MediaType::DOCKER_LAYER_GZIP, ..compressed(lease, &layer.diff_id)? },
        });
    }
    described(lease, MediaType::DOCKER_MANIFEST, config, layers, BTreeMap::new())
}

/// A manifest over these parts, kept with its image.
fn described(
    lease: &Lease<'_>,
    media_type: MediaType,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
) -> Result<Document> {
    let image = ImageId::new(config.digest.clone());
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type.clone()),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: Some(annotations).filter(|notes| !notes.is_empty()),
    };
    let bytes = indented(&manifest)?;
    let descriptor = Descriptor::of(media_type, &bytes);
    lease.put_blob(&bytes)?;
    let content = AnyManifest::Manifest(Box::new(manifest));
    let mut row = NewManifest::of(descriptor.media_type.clone(), descriptor.digest.clone(), &content);
    row.image = Some(image);
    lease.record_manifest(&row)?;
    Ok(Document { descriptor, bytes, content })
}

/// Docker indents its manifests by three blanks.
fn indented(document: &Manifest) -> Result<Vec<u8>> {
    let text = serde_json::to_string(document).map_err(Error::Document)?;
    Ok(wharfie_oci::json::indented(&text, "   ").into_bytes())
}

/// The gzip form of a layer, made now if there is none; with an annotation that names its index, if it has one.
pub(crate) fn compressed(lease: &Lease<'_>, diff_id: &DiffId) -> Result<Descriptor> {
    let store = lease.store();
    let known = store.blobs_of_layer(diff_id)?;
    if let Some(gzip) = known
        .into_iter()
        .find(|blob| blob.media_type == MediaType::OCI_LAYER_GZIP || blob.media_type == MediaType::DOCKER_LAYER_GZIP)
    {
        lease.hold_blob(&gzip.digest)?;
        return indexed(store, gzip);
    }
    let (mut file, offset, size) = store.open_tar(diff_id)?;
    let (digest, size) = lease.put_stream(|out| {
        file.seek(SeekFrom::Start(offset))?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        seekable::compress(&mut file.take(size), out, threads)?;
        Ok(())
    })?;
    let blob = Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size);
    lease.record_blob_of_layer(&blob, diff_id)?;
    indexed(store, blob)
}

/// A compressed layer with the digest of its index, if it ends in one.
fn indexed(store: &Store, blob: Descriptor) -> Result<Descriptor> {
    let path = store.blob_path(&blob.digest);
    let mut end = [0; END_LEN];
    let read = File::open(&path).and_then(|file| match blob.size.checked_sub(END_LEN as u64) {
        Some(at) => file.read_exact_at(&mut end, at).map(|()| true),
        None => Ok(false),
    });
    let has_end = read.map_err(|source| Error::File { doing: "read", path, source })?;
    Ok(match End::read(&end, blob.size).filter(|_| has_end) {
        Some(end) => {
            let note = (seekable::ANNOTATION.to_owned(), end.digest.to_string());
            Descriptor { annotations: Some(BTreeMap::from([note])), ..blob }
        }
        None => blob,
    })
}
