//! A data base of advisories on its way through a registry: an artifact with one layer, which is the file as it lies here. So a
//! place without a network of its own gets it from wherever it gets its images.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use wharfie_content::{BoxError, Document, Opened, Part, Source, Verified, Watch, graph};
use wharfie_oci::digest::Algorithm;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Digester, Manifest, MediaType, Reference};
use wharfie_remote::Destination;
use wharfie_scan::advisory::Index;

use super::advisories::{Base, Imported, OnDisk};
use super::aside::Aside;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::trust::{asked, plain};

/// The type of the artifact, and of its only layer: the file that [`wharfie_scan::advisory::Index`] reads.
pub const ADVISORIES: &str = "application/vnd.wharfie.advisories.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// 8 GiB: all that OSV knows is a tenth of it.
const MAX_INDEX: u64 = 8 << 30;
/// 64 KiB at a time.
const CHUNK: usize = 64 << 10;

/// The file, with the manifest that describes it.
struct OnItsWay {
    manifest: Document,
    index: Arc<File>,
}

/// A file that is read from where it was left, whoever else reads it.
struct Reading {
    file: Arc<File>,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Opened for Reading {}

impl Source for OnItsWay {
    fn document(&self, _descriptor: &Descriptor, _is_root: bool) -> std::result::Result<Document, BoxError> {
        Ok(self.manifest.clone())
    }

    fn open<'a>(&'a self, part: &Part, _watch: Watch<'a>) -> std::result::Result<Box<dyn Opened + 'a>, BoxError> {
        match part.descriptor.media_type.as_str() {
            EMPTY => Ok(Box::new(Cursor::new(b"{}"))),
            _ => Ok(Box::new(Reading { file: Arc::clone(&self.index), at: 0 })),
        }
    }
}

impl Engine {
    /// Sends a data base of advisories to a registry, under a tag; gives the digest of its manifest.
    ///
    /// # Errors
    /// When there is none, or the registry refuses.
    pub fn push_advisories(&self, base: &Base, reference: &Reference) -> Result<Digest> {
        let reference = reference.clone().or_latest();
        let Some(tag) = reference.tag().filter(|_| reference.digest().is_none()) else {
            return Err(Error::DigestTarget);
        };
        let (path, _) = self.located(base)?;
        let failed = |doing| {
            let path = path.clone();
            move |source| Error::File { doing, path, source }
        };
        let file = Arc::new(File::open(&path).map_err(failed("open"))?);
        let described = described(&file).map_err(failed("read"))?;
        let known = self.advisories_meta(base)?.meta;
        let notes = [
            ("org.opencontainers.image.title", "advisories".to_owned()),
            ("org.opencontainers.image.created", known.made),
            ("org.opencontainers.image.description", known.ecosystems.into_keys().collect::<Vec<_>>().join(", ")),
        ];
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            artifact_type: Some(ADVISORIES.to_owned()),
            config: Descriptor::of(MediaType::new(EMPTY), b"{}"),
            layers: vec![described],
            subject: None,
            annotations: Some(notes.map(|(name, value)| (name.to_owned(), value)).into()),
        };
        let bytes = serde_json::to_vec(&manifest).map_err(Error::Document)?;
        let descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &bytes);
        let content = AnyManifest::Manifest(Box::new(manifest));
        let on_its_way =
            OnItsWay { manifest: Document { descriptor: descriptor.clone(), bytes, content }, index: file };
        let client = self.remote().repository(reference.repository());
        // A tag is somebody's: what is no data base is not replaced by one.
        if let Ok(there) = client.manifest(tag, None)
            && !is_base(&there)
        {
            return Err(Error::NotAdvisories(reference.familiar()));
        }
        let destination = Destination::new(&client, &|_| Vec::new()).tagged(tag);
        graph::copy(&on_its_way, &destination, &descriptor, &plain(self.config().jobs))?;
        Ok(descriptor.digest)
    }

    /// Takes a data base of advisories from a registry instead of the one that is here. It is proven before it counts; until then,
    /// and if anything fails, the old one stays. Where the policy of signatures names its repository, it needs them.
    ///
    /// # Errors
    /// When it cannot be fetched, is not what it should be, or is not signed as it must be.
    pub fn pull_advisories(&self, reference: &Reference) -> Result<Imported> {
        let reference = reference.clone().without_redundant_tag().or_latest();
        let failed = |source| Error::Pull { reference: reference.familiar(), source };
        let client = self.remote().repository(reference.repository());
        let asked = match self.trusted(&reference, &())? {
            Some(trusted) => trusted.digest().to_string(),
            None => asked(&reference),
        };
        let document = client.manifest(&asked, None).map_err(failed)?;
        let none = || Error::NotAdvisories(reference.familiar());
        let AnyManifest::Manifest(manifest) = &document.content else { return Err(none()) };
        let layer = manifest.layers.iter().find(|layer| layer.media_type.as_str() == ADVISORIES).ok_or_else(none)?;
        if layer.size > MAX_INDEX {
            return Err(Error::TooLarge { what: "data base", size: layer.size });
        }
        let bare = Descriptor::new(layer.media_type.clone(), layer.digest.clone(), layer.size);
        // Nobody waits for a registry that takes its time.
        let place = self.place_of_advisories()?;
        self.sweep_advisories();
        let aside = Aside::create(&place)?;
        let imported = self.receive(&client, &bare, &aside.file, aside.path())?;
        let (place, _turn) = self.turn_of_advisories()?;
        aside.put(&place).map_err(|source| Error::File { doing: "write", path: place, source })?;
        Ok(imported)
    }

    /// Writes a data base into a file and looks whether it is one.
    fn receive(&self, source: &dyn Source, layer: &Descriptor, file: &File, path: &Path) -> Result<Imported> {
        let failed = |source| Error::File { doing: "write", path: path.into(), source };
        let part = Part { descriptor: layer.clone(), diff_id: None };
        let mut opened =
            source.open(&part, Watch::silent()).map_err(|why| failed(io::Error::other(why.to_string())))?;
        let mut out = io::BufWriter::with_capacity(CHUNK, file);
        io::copy(&mut Verified::new(&mut opened, layer), &mut out).map_err(failed)?;
        out.flush().map_err(failed)?;
        let content = OnDisk::open(path)?;
        let of_file = |source| Error::Advisories { path: path.into(), source };
        let index = Index::open(&content).map_err(of_file)?;
        index.check().map_err(of_file)?;
        Ok(Imported { meta: index.meta().clone(), warnings: Vec::new() })
    }
}

/// Whether a manifest is what [`Engine::push_advisories`] sends.
fn is_base(document: &Document) -> bool {
    let AnyManifest::Manifest(manifest) = &document.content else { return false };
    manifest.layers.iter().any(|layer| layer.media_type.as_str() == ADVISORIES)
}

fn described(file: &File) -> io::Result<Descriptor> {
    let mut digester = Digester::new(Algorithm::Sha256);
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        match file.read_at(&mut chunk, at)? {
            0 => return Ok(Descriptor::new(MediaType::new(ADVISORIES), digester.finish(), at)),
            n => {
                digester.update(&chunk[..n]);
                at += n as u64;
            }
        }
    }
}
