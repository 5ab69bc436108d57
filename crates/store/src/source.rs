//! The store as the source of a graph.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};

use wharfie_content::place::{BoxError, FilePart};
use wharfie_content::{Document, Opened, Part, Source, Watch};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageConfig, ImageId, MediaType};

use crate::error::Error;
use crate::store::Store;

/// Gives what is here, and documents that were made for the occasion. Whoever reads holds what is read by a lease.
pub struct StoreSource<'a> {
    store: &'a Store,
    made: BTreeMap<Digest, Document>,
}

impl<'a> StoreSource<'a> {
    /// Gives what is in `store`.
    pub fn new(store: &'a Store) -> Self {
        Self { store, made: BTreeMap::new() }
    }

    /// Gives `document` as well, which need not be in the store.
    #[must_use]
    pub fn with(mut self, document: Document) -> Self {
        self.made.insert(document.descriptor.digest.clone(), document);
        self
    }
}

impl Source for StoreSource<'_> {
    fn document(&self, descriptor: &Descriptor, _is_root: bool) -> Result<Document, BoxError> {
        if let Some(document) = self.made.get(&descriptor.digest) {
            return Ok(document.clone());
        }
        Ok(self.store.document(&descriptor.digest, descriptor)?)
    }

    /// Plain: so they are the same for everybody, and need no compressing.
    fn layers(&self, _image: &ImageId, config: &ImageConfig) -> Result<Vec<Descriptor>, BoxError> {
        let describe = |diff_id: &DiffId| -> Result<Descriptor, BoxError> {
            let (_, _, size) = self.store.open_tar(diff_id)?;
            Ok(Descriptor::new(MediaType::OCI_LAYER, diff_id.digest().clone(), size))
        };
        config.rootfs.diff_ids.iter().map(describe).collect()
    }

    fn has(&self, member: &Descriptor) -> Result<bool, BoxError> {
        Ok(self.made.contains_key(&member.digest) || self.store.blob_path(&member.digest).exists())
    }

    fn open<'a>(&'a self, part: &Part, _watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        let Part { descriptor, diff_id } = part;
        // A plain layer has no blob: its tar lies in the layer's file.
        if let Some(diff_id) = diff_id.as_ref().filter(|diff_id| *diff_id.digest() == descriptor.digest) {
            let (mut file, offset, len) = self.store.open_tar(diff_id)?;
            file.seek(SeekFrom::Start(offset)).map_err(Error::Source)?;
            return Ok(Box::new(FilePart::new(file, len)));
        }
        let path = self.store.blob_path(&descriptor.digest);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        Ok(Box::new(FilePart::new(file, descriptor.size)))
    }
}

impl Store {
    /// A manifest or index that is here, read as what it was announced as.
    ///
    /// # Errors
    /// When it is not here, or is no manifest.
    pub fn document(&self, digest: &Digest, announced: &Descriptor) -> Result<Document, Error> {
        let path = self.blob_path(digest);
        let bytes = std::fs::read(&path).map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => Error::MissingBlob(digest.clone()),
            _ => Error::io("read", path)(why),
        })?;
        let content = AnyManifest::parse(&bytes, &announced.media_type)
            .map_err(|source| Error::Document { digest: digest.clone(), source })?;
        let descriptor = Descriptor { size: bytes.len() as u64, ..announced.clone() };
        Ok(Document { descriptor, bytes, content })
    }
}
