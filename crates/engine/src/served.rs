//! Served: the images of the store as a registry on this machine reads them, each as it would be pushed.

use std::collections::BTreeSet;
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

    /// A manifest or index of the repository's images. Nothing else of the store is given away.
    ///
    /// # Errors
    /// When there is none, or the store is damaged.
    pub fn serve_manifest(&self, path: &str, digest: &Digest) -> Result<Document> {
        match self.served_manifests(path)?.contains(digest) {
            true => self.served_document(digest),
            false => Err(Error::NoSuchReference),
        }
    }

    /// A blob that a manifest of the repository's images names, for reading. Nothing else of the store is given away.
    ///
    /// # Errors
    /// When there is none.
    pub fn serve_blob(&self, path: &str, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        for manifest in self.served_manifests(path)? {
            if let AnyManifest::Manifest(manifest) = self.served_document(&manifest)?.content
                && (manifest.config.digest == *digest || manifest.layers.iter().any(|layer| layer.digest == *digest))
            {
                return self.open_blob(digest);
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

    /// The manifests and indexes that are here of the images that a repository has.
    fn served_manifests(&self, path: &str) -> Result<BTreeSet<Digest>> {
        let store = self.reader()?;
        let mut found = BTreeSet::new();
        for name in self.served_names()?.into_iter().filter(|name| served_path(name) == path) {
            let Some(row) = store.reference(&name.canonical())? else { continue };
            let own = store.manifests_of(&row.image)?.into_iter().map(|manifest| manifest.digest);
            let mut waiting: Vec<Digest> = own.chain([row.target]).collect();
            while let Some(digest) = waiting.pop() {
                match self.served_document(&digest) {
                    Ok(document) => {
                        if let AnyManifest::Index(index) = document.content {
                            waiting.extend(index.manifests.into_iter().map(|member| member.digest));
                        }
                        found.insert(digest);
                    }
                    Err(Error::NoSuchReference | Error::Store(wharfie_store::Error::MissingBlob(_))) => {}
                    Err(why) => return Err(why),
                }
            }
        }
        Ok(found)
    }

    fn served_document(&self, digest: &Digest) -> Result<Document> {
        let store = self.reader()?;
        let row = store.manifest(digest)?.ok_or(Error::NoSuchReference)?;
        Ok(store.document(digest, &Descriptor::new(row.media_type, digest.clone(), 0))?)
    }
}

/// What a repository of the store is called when it is served: its familiar name, with `-` before a port.
fn served_path(name: &Reference) -> String {
    name.repository().familiar().replace(':', "-")
}
