//! Making lost metadata anew: everything but names can be read back from blobs and layers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::params;
use wharfie_layer::erofs::TAR_OFFSET;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{DiffId, Digest, Digester, ImageConfig, ImageId, MediaType};

use crate::error::{Error, Result};
use crate::fsck::{Finding, Report, hash, names};
use crate::graph::NewManifest;
use crate::images::{NewImage, Recording};
use crate::store::Store;

/// Makes the metadata of the store in `root` anew from its blobs and layers, after the old database has been set aside as
/// `metadata.db.damaged`. Names are lost with the old database; images come back without them.
///
/// # Errors
/// When the store cannot be read or written.
pub fn rebuild(root: &Path, options: crate::Options) -> Result<Report> {
    let database = root.join(crate::store::DATABASE);
    let aside = root.join("metadata.db.damaged");
    for suffix in ["", "-wal", "-shm"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match std::fs::rename(with(&database), with(&aside)) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("move", database)(why)),
            _ => {}
        }
    }
    let store = Store::open(root, options)?;
    let mut report = Report::default();
    for name in names(&store.layer_directory()) {
        if let Ok(digest) = Digest::sha256(&name) {
            store.adopt_layer(&DiffId::new(digest), &mut report)?;
        }
    }
    let mut documents = Vec::new();
    for algorithm in ["sha256", "sha512"] {
        for name in names(&root.join("blobs").join(algorithm)) {
            let Ok(digest) = format!("{algorithm}:{name}").parse::<Digest>() else { continue };
            let path = store.blob_path(&digest);
            let size = path.metadata().map_err(Error::io("read", &path))?.len();
            let actual = hash(&path, 0, None, Digester::new(digest.algorithm()), &mut 0, &|_| ());
            if actual.map_err(Error::io("read", &path))? != digest {
                let _ = std::fs::remove_file(&path);
                report.findings.push(Finding::DamagedBlob(digest));
                continue;
            }
            store.write(|db| {
                db.execute("INSERT OR IGNORE INTO blob (digest, size) VALUES (?1, ?2)", params![digest.as_str(), size])
                    .map_err(store.metadata_error())
            })?;
            report.blobs += 1;
            if size <= wharfie_oci::manifest::MAX_MANIFEST_BYTES {
                documents.push(digest);
            }
        }
    }
    // Images first: a manifest is the manifest of an image that is here.
    let mut manifests = Vec::new();
    for digest in documents {
        let path = store.blob_path(&digest);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        if let Ok(document) = AnyManifest::parse(&bytes, &MediaType::default()) {
            manifests.push(NewManifest::of(media_type_of(&document), digest, &document));
            continue;
        }
        let Ok(config) = ImageConfig::parse(&bytes) else { continue };
        if config.rootfs.kind != "layers" || config.os.is_empty() {
            continue;
        }
        let lease = store.lease()?;
        let id = ImageId::new(digest);
        let image = NewImage {
            id: id.clone(),
            created: config
                .created
                .as_deref()
                .and_then(|text| Some(text.parse::<wharfie_oci::Timestamp>().ok()?.seconds)),
            platform: config.platform(),
            layers: config.rootfs.diff_ids,
            parent: None,
        };
        match lease.record(&Recording { images: vec![image], ..Recording::default() }) {
            Ok(_) => report.images += 1,
            Err(Error::MissingLayer(_)) => {
                report.findings.push(Finding::BrokenImage { image: id, names: Vec::new() });
            }
            Err(why) => return Err(why),
        }
    }
    // Whose configuration is an image's is the manifest of that, of whatever types its layers are.
    for manifest in manifests.iter_mut().filter(|manifest| manifest.image.is_none() && manifest.subject.is_some()) {
        if let Some(config) = manifest.children.first()
            && let id = ImageId::new(config.digest.clone())
            && store.image(&id)?.is_some()
        {
            manifest.image = Some(id);
        }
    }
    store.lease()?.record(&Recording { manifests, ..Recording::default() })?;
    report.findings.push(Finding::MetadataRebuilt { images: report.images });
    Ok(report)
}

/// A document's own type, or the one that fits it.
fn media_type_of(document: &AnyManifest) -> MediaType {
    match document {
        AnyManifest::Manifest(manifest) => manifest.media_type.clone().unwrap_or(MediaType::OCI_MANIFEST),
        AnyManifest::Index(index) => index.media_type.clone().unwrap_or(MediaType::OCI_INDEX),
    }
}

impl Store {
    /// Records a layer file that is already in its place, if it is what its name says; deletes it else.
    fn adopt_layer(&self, diff_id: &DiffId, report: &mut Report) -> Result<()> {
        let path = self.layer_path(diff_id);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let file_size = file.metadata().map_err(Error::io("read", &path))?.len();
        // Where the tar ends is not written in the file; the tar itself tells where its entries end, and a digest over
        // every whole block from there on finds the length that was hashed.
        let found = find_tar(&file, diff_id, file_size).map_err(Error::io("read", &path))?;
        let Some((tar_size, content_size)) = found else {
            let _ = std::fs::remove_file(&path);
            report.findings.push(Finding::DamagedLayer(diff_id.clone()));
            return Ok(());
        };
        report.layers += 1;
        self.write(|db| {
            db.execute(
                "INSERT OR IGNORE INTO layer (diff_id, tar_size, content_size, file_size) VALUES (?1, ?2, ?3, ?4)",
                params![diff_id.as_str(), tar_size, content_size, file_size],
            )
            .map_err(self.metadata_error())?;
            Ok(())
        })
    }
}

/// The length of the tar in a layer file and the sum of its files, if any length gives the layer's name.
fn find_tar(file: &File, diff_id: &DiffId, file_size: u64) -> std::io::Result<Option<(u64, u64)>> {
    let mut reader = file;
    reader.seek(SeekFrom::Start(TAR_OFFSET))?;
    let mut digester = Digester::default();
    let mut indexer = wharfie_layer::tar::Indexer::new(|_: &wharfie_layer::entry::Entry| Ok(()));
    let mut block = [0; 512];
    let mut len = 0;
    // The empty tar is a tar too.
    if digester.clone().finish() == *diff_id.digest() {
        return Ok(Some((0, 0)));
    }
    while TAR_OFFSET + len < file_size {
        reader.read_exact(&mut block)?;
        digester.update(&block);
        len += block.len() as u64;
        if indexer.push(&block).is_err() {
            return Ok(None);
        }
        // Tars end in zeros: only there is it worth asking.
        if block.iter().all(|byte| *byte == 0) && digester.clone().finish() == *diff_id.digest() {
            let content = indexer.finish().map_or(0, |(totals, _)| totals.content_size);
            return Ok(Some((len, content)));
        }
    }
    Ok(None)
}
