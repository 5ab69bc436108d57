//! OCI image layouts as directories: a source and a sink of graphs.
//! Source: image-spec, image-layout.md.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2, renameat};
use rustix::io::Errno;
use wharfie_content::graph;
use wharfie_content::place::{BoxError, FilePart, Place};
use wharfie_content::{Counted, Document, Opened, Outcome, Part, Sink, Source, Verified, Watch};
use wharfie_oci::manifest::{AnyManifest, MAX_MANIFEST_BYTES};
use wharfie_oci::{Descriptor, Digest, Index, MediaType, Reference};

use crate::archive::Root;
use crate::error::{Error, Result};
use crate::oci;
use crate::read::json;

/// A directory with an image layout. Whoever made it may have put links into it: none is followed.
pub struct Layout {
    directory: OwnedFd,
    path: PathBuf,
}

impl Layout {
    /// Opens the layout in `path`.
    ///
    /// # Errors
    /// When it is no directory, or there is no layout of a version we know in it.
    pub fn open(path: &Path) -> Result<Self> {
        let layout = Self::at(path)?;
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            image_layout_version: String,
        }
        let bytes = layout.small(OCI_LAYOUT).map_err(|_| Error::NoLayout(path.into()))?;
        let version: Version = json(OCI_LAYOUT, &bytes)?;
        match version.image_layout_version.starts_with("1.") {
            true => Ok(layout),
            false => Err(Error::LayoutVersion(version.image_layout_version)),
        }
    }

    /// Makes an empty layout in `path`, or opens the one that is there.
    ///
    /// # Errors
    /// When `path` cannot be made, or written.
    pub fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|source| Error::Directory { path: path.into(), source })?;
        let layout = Self::at(path)?;
        for directory in ["blobs", "blobs/sha256", "blobs/sha512"] {
            match mkdirat(&layout.directory, directory, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(why) => return Err(layout.failed(directory, why.into())),
            }
        }
        if layout.small(OCI_LAYOUT).is_err() {
            layout.write(OCI_LAYOUT, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(layout)
    }

    fn at(path: &Path) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|why| Error::Directory { path: path.into(), source: why.into() })?;
        Ok(Self { directory, path: path.into() })
    }

    /// What its `index.json` lists, each once with all its names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn roots(&self) -> Result<Vec<Root>> {
        oci::roots_of(&self.small(INDEX)?)
    }

    /// What `index.json` lists under `name`, a tag or a whole reference.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn named(&self, name: &str) -> Result<Option<Descriptor>> {
        let index: Index = json(INDEX, &self.small(INDEX)?)?;
        let is_named = |member: &&Descriptor| {
            let notes = member.annotations.iter().flatten();
            notes.filter(|(key, _)| [oci::REF_NAME, oci::IMAGE_NAME].contains(&key.as_str())).any(|(_, value)| {
                let tag = value.parse::<Reference>().ok();
                value == name || (value.contains(['/', ':']) && tag.is_some_and(|full| full.tag() == Some(name)))
            })
        };
        let found = index.manifests.iter().find(is_named);
        Ok(found.map(|found| Descriptor { annotations: None, ..found.clone() }))
    }

    /// Lists `root` in `index.json` under `name`, in place of what had that name before.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn name(&self, root: &Descriptor, name: &str) -> Result<()> {
        let mut index = self.index()?;
        let is_named = |member: &Descriptor| {
            member.annotations.as_ref().and_then(|notes| notes.get(oci::REF_NAME)).is_some_and(|own| own == name)
        };
        index.manifests.retain(|member| !is_named(member));
        let annotations = Some([(oci::REF_NAME.to_owned(), name.to_owned())].into());
        index.manifests.push(Descriptor { annotations, ..root.clone() });
        self.write(INDEX, &serde_json::to_vec(&index).map_err(Error::Document)?)
    }

    /// What `index.json` lists, as it stands there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn listed(&self) -> Result<Vec<Descriptor>> {
        Ok(self.index()?.manifests)
    }

    /// Lists `root` in `index.json` under a whole reference, in place of what had that name before. So many repositories can be
    /// in one layout, and whoever loads it has their names.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn name_wholly(&self, root: &Descriptor, name: &Reference) -> Result<()> {
        let canonical = name.canonical();
        let own = |member: &Descriptor| member.annotations.as_ref()?.get(oci::IMAGE_NAME).cloned();
        let mut index = self.index()?;
        index.manifests.retain(|member| own(member).as_ref() != Some(&canonical));
        let mut annotations = BTreeMap::from([(oci::IMAGE_NAME.to_owned(), canonical)]);
        annotations.extend(name.tag().map(|tag| (oci::REF_NAME.to_owned(), tag.to_owned())));
        index.manifests.push(Descriptor { annotations: Some(annotations), ..root.clone() });
        self.write(INDEX, &serde_json::to_vec(&index).map_err(Error::Document)?)
    }

    /// Lists `root` in `index.json` without a name, unless it is there.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn list(&self, root: &Descriptor) -> Result<()> {
        let mut index = self.index()?;
        if index.manifests.iter().any(|member| member.digest == root.digest) {
            return Ok(());
        }
        index.manifests.push(root.clone());
        self.write(INDEX, &serde_json::to_vec(&index).map_err(Error::Document)?)
    }

    fn index(&self) -> Result<Index> {
        match self.small(INDEX) {
            Ok(bytes) => json(INDEX, &bytes),
            Err(Error::Missing { .. }) => Ok(Index {
                schema_version: 2,
                media_type: Some(MediaType::OCI_INDEX),
                manifests: Vec::new(),
                annotations: None,
            }),
            Err(why) => Err(why),
        }
    }

    fn open_file(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let found = openat2(&self.directory, name, flags, Mode::empty(), RESOLVE);
        let file: File = found.map_err(|why| self.failed(name, why.into()))?.into();
        let found = file.metadata().map_err(|why| self.failed(name, why))?;
        match found.is_file() {
            true => Ok(file),
            false => Err(self.failed(name, io::ErrorKind::InvalidInput.into())),
        }
    }

    /// A document, whole.
    fn small(&self, name: &str) -> Result<Vec<u8>> {
        use std::io::Read;
        let mut bytes = Vec::new();
        let file = self.open_file(name)?;
        file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut bytes).map_err(|why| self.failed(name, why))?;
        match bytes.len() as u64 > MAX_MANIFEST_BYTES {
            true => Err(Error::TooLarge { limit: MAX_MANIFEST_BYTES }),
            false => Ok(bytes),
        }
    }

    /// A file that appears whole, in place of what had the name.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.place(name, |file| file.write_all(bytes))
    }

    fn place(&self, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        let aside = format!("{name}.{}.tmp", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let made = openat2(&self.directory, aside.as_str(), flags, mode, RESOLVE);
        let mut file: File = made.map_err(|why| self.failed(name, why.into()))?.into();
        let filled = fill(&mut file).and_then(|()| {
            renameat(self.directory.as_fd(), aside.as_str(), self.directory.as_fd(), name).map_err(io::Error::from)
        });
        filled.map_err(|why| {
            let _ = rustix::fs::unlinkat(&self.directory, aside.as_str(), rustix::fs::AtFlags::empty());
            self.failed(name, why)
        })
    }

    fn failed(&self, name: &str, source: io::Error) -> Error {
        let path = self.path.join(name);
        match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { path },
            _ => Error::Directory { path, source },
        }
    }

    fn has_blob(&self, digest: &Digest) -> Result<bool> {
        match self.open_file(&oci::path(digest)) {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(why) => Err(why),
        }
    }
}

impl Source for Layout {
    fn document(&self, descriptor: &Descriptor, _is_root: bool) -> Result<Document, BoxError> {
        let bytes = self.small(&oci::path(&descriptor.digest))?;
        oci::prove(&descriptor.digest, &bytes)?;
        let content = AnyManifest::parse(&bytes, &descriptor.media_type).map_err(Error::Manifest)?;
        let descriptor = Descriptor { size: bytes.len() as u64, ..descriptor.clone() };
        Ok(Document { descriptor, bytes, content })
    }

    fn has(&self, member: &Descriptor) -> Result<bool, BoxError> {
        Ok(self.has_blob(&member.digest)?)
    }

    fn open<'a>(&'a self, part: &Part, _watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        let name = oci::path(&part.descriptor.digest);
        let file = self.open_file(&name)?;
        // One byte too many shows whoever verifies that something is wrong.
        Ok(Box::new(FilePart::new(file, part.descriptor.size.saturating_add(1))))
    }

    fn open_from<'a>(&'a self, part: &Part, from: u64, _watch: Watch<'a>) -> Result<Box<dyn Opened + 'a>, BoxError> {
        let mut file = self.open_file(&oci::path(&part.descriptor.digest))?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Box::new(FilePart::new(file, part.descriptor.size.saturating_sub(from).saturating_add(1))))
    }
}

impl Sink for Layout {
    fn has_graph(&self, root: &Descriptor) -> Result<bool, BoxError> {
        // An index may be here in part.
        graph::is_whole(self, root, &|one| Ok(self.has_blob(&one.digest)?))
    }

    fn put(&self, part: &Part, source: &dyn Source, watch: Watch<'_>) -> Result<Outcome, BoxError> {
        let Descriptor { digest, size, .. } = &part.descriptor;
        if self.has_blob(digest)? {
            return Ok(Outcome::Exists);
        }
        loop {
            let mut opened = source.open(part, watch)?;
            let mut failure = None;
            let placed = self.place(&oci::path(digest), |file| {
                let counted = Counted::new(&mut opened, Some(*size), watch.task, watch.observer);
                let mut verified = Verified::new(counted, &part.descriptor);
                let copied = io::copy(&mut verified, file);
                copied.map(drop).map_err(|why| {
                    let kind = why.kind();
                    failure = Some(why);
                    kind.into()
                })
            });
            let Err(why) = placed else { return Ok(Outcome::Done) };
            match failure {
                Some(why) if wharfie_content::Mismatch::within(&why).is_some() && opened.disown() => {}
                Some(why) if why.get_ref().is_some() => return Err(wharfie_content::place::of_stream(why)),
                _ => return Err(why.into()),
            }
        }
    }

    fn put_document(&self, document: &Document, _place: Place) -> Result<(), BoxError> {
        Ok(self.write(&oci::path(&document.descriptor.digest), &document.bytes)?)
    }
}

const OCI_LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";

/// Beneath the layout, and through no link of any kind.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
