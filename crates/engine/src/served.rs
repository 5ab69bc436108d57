//! Served: the images of the store as a registry on this machine reads them, each as it would be pushed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use wharfie_content::Document;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, DiffId, Digest, Reference};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::names;
use crate::push::to_push;

impl Engine {
    /// What the image `path:tag` of the store would be pushed as. A layer that has no compressed form is compressed once and
    /// kept, as by a push. In `path` a port stands behind `-`: it is to be a repository's name.
    ///
    /// # Errors
    /// When the store has no such image, or is damaged.
    pub fn serve_image(&self, path: &str, tag: &str) -> Result<Descriptor> {
        let store = self.writer()?;
        let wanted = self.served_names()?.into_iter().find(|name| served_path(name) == path && name.tag() == Some(tag));
        let reference = wanted.ok_or_else(|| Error::NoSuchImage(format!("{path}:{tag}")))?;
        let lease = store.lease()?;
        Ok(to_push(&lease, &reference, None)?.root.descriptor)
    }

    /// A manifest or index that images here have or were given.
    ///
    /// # Errors
    /// When there is none, or the store is damaged.
    pub fn serve_manifest(&self, digest: &Digest) -> Result<Document> {
        let store = self.reader()?;
        let row = store.manifest(digest)?.ok_or(Error::NoSuchReference)?;
        Ok(store.document(digest, &Descriptor::new(row.media_type, digest.clone(), 0))?)
    }

    /// A blob that a manifest of the repository's images names, for reading. Nothing else of the store is given away.
    ///
    /// # Errors
    /// When there is none.
    pub fn serve_blob(&self, path: &str, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        let store = self.reader()?;
        for name in self.served_names()?.into_iter().filter(|name| served_path(name) == path) {
            let Some(row) = store.reference(&name.canonical())? else { continue };
            let manifests = store.manifests_of(&row.image)?;
            let targets = manifests.into_iter().map(|manifest| manifest.digest).chain([row.target]);
            for target in targets {
                if self.names_blob(&target, digest)? {
                    return self.open_blob(digest);
                }
            }
        }
        Err(Error::NoSuchReference)
    }

    /// The tags of a repository of the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn serve_tags(&self, path: &str) -> Result<Vec<String>> {
        let names = self.served_names()?.into_iter().filter(|name| served_path(name) == path);
        Ok(names.filter_map(|name| name.tag().map(str::to_owned)).collect())
    }

    fn open_blob(&self, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        let store = self.reader()?;
        let path = store.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Box::new(file)),
            // A layer that came plain has no blob: its tar lies in the layer's file.
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                let (mut file, offset, size) = store.open_tar(&DiffId::new(digest.clone()))?;
                let failed = |source| Error::File { doing: "read", path, source };
                file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                Ok(Box::new(file.take(size)))
            }
            Err(source) => Err(Error::File { doing: "open", path, source }),
        }
    }

    fn served_names(&self) -> Result<Vec<Reference>> {
        let rows = self.reader()?.references()?;
        rows.iter().filter(|row| !row.is_digest).map(names::reference).collect()
    }

    /// True if a manifest, or a member of an index, names a blob.
    fn names_blob(&self, target: &Digest, blob: &Digest) -> Result<bool> {
        let document = match self.serve_manifest(target) {
            Ok(document) => document,
            Err(Error::NoSuchReference | Error::Store(wharfie_store::Error::MissingBlob(_))) => return Ok(false),
            Err(why) => return Err(why),
        };
        match document.content {
            AnyManifest::Manifest(manifest) => {
                Ok(manifest.config.digest == *blob || manifest.layers.iter().any(|layer| layer.digest == *blob))
            }
            AnyManifest::Index(index) => {
                for member in index.manifests.iter().filter(|member| member.media_type.is_manifest()) {
                    if self.names_blob(&member.digest, blob)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// What a repository of the store is called when it is served: its familiar name, with `-` before a port.
fn served_path(name: &Reference) -> String {
    name.repository().familiar().replace(':', "-")
}
