//! The contexts of a build, each opened once: directories as they are, streams as layers, repositories checked out.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, Stat};
use wharfie_build::Ignore;
use wharfie_content::{Observer, Outcome, Subject, Task};
use wharfie_layer::pack::Xattrs;
use wharfie_layer::scan::{Leaf, Visitor, scan};
use wharfie_layer::tar::BLOCK;
use wharfie_oci::{DiffId, Platform};
use wharfie_store::mounts::View;
use wharfie_store::{Ingest, Lease, LeasedScratch};

use super::bases::BaseImages;
use super::copy::of_layer;
use super::error::BuildError;
use super::fetch::file_error;
use super::files::Files;
use super::placing::judge;
use super::request::{Build, Context, Definition};
use super::worker::lock;
use crate::engine::Engine;
use crate::error::Result;

/// The contexts of a build, which all of its platforms share.
pub(super) struct Contexts<'a, 's> {
    engine: &'a Engine,
    lease: &'a Lease<'s>,
    build: &'a Build,
    bases: &'a BaseImages<'a>,
    observer: &'a dyn Observer,
    opened: Mutex<BTreeMap<String, Arc<Files>>>,
    places: Mutex<Vec<LeasedScratch<'s>>>,
}

/// What the build context is called among contexts.
pub(super) const MAIN: &str = "";

impl<'a, 's> Contexts<'a, 's> {
    pub(super) fn new(
        engine: &'a Engine,
        lease: &'a Lease<'s>,
        build: &'a Build,
        bases: &'a BaseImages<'a>,
        observer: &'a dyn Observer,
    ) -> Self {
        Self { engine, lease, build, bases, observer, opened: Mutex::default(), places: Mutex::default() }
    }

    /// A directory that is gone after the build.
    pub(super) fn place(&self) -> Result<PathBuf> {
        let scratch = self.lease.scratch(Vec::new())?;
        let path = scratch.upper.clone();
        lock(&self.places).push(scratch);
        Ok(path)
    }

    /// The files of a context; the build context is [`MAIN`].
    pub(super) fn open(&self, name: &str, platform: &Platform) -> Result<Arc<Files>> {
        // One after the other: a context that is a stream can be read once.
        let mut opened = lock(&self.opened);
        if let Some(files) = opened.get(name) {
            return Ok(Arc::clone(files));
        }
        let context = match name {
            MAIN => &self.build.context,
            name => self.build.contexts.get(name).ok_or_else(|| BuildError::NoContext(name.to_owned()))?,
        };
        let told = match name {
            MAIN => "[internal] load build context".to_owned(),
            name => format!("[context {name}] load context"),
        };
        let task = Task::begin(self.observer, Subject::Build(told));
        let files = self.read(name, context, platform);
        let files = Arc::new(files.inspect_err(|why| task.end(Outcome::Broken(why.to_string())))?);
        task.end(Outcome::Done);
        opened.insert(name.to_owned(), Arc::clone(&files));
        Ok(files)
    }

    fn read(&self, name: &str, context: &Context, platform: &Platform) -> Result<Files> {
        match context {
            Context::Empty => self.of_layers(&[], true),
            Context::Directory(path) => {
                let root = std::fs::File::open(path).map_err(file_error("open", path))?;
                self.heeding(name, Files { root: root.into(), layers: None, is_context: true, ignore: None })
            }
            Context::Tar(stream) => {
                let mut stream = lock(stream).take().ok_or_else(|| BuildError::NoContext(name.to_owned()))?;
                self.of_tar(name, &mut *stream)
            }
            Context::Url(url) => {
                let failed = |why: wharfie_remote::Error| BuildError::Fetch { url: url.clone(), why: why.to_string() };
                let mut download = self.engine.remote().download(url).map_err(failed)?;
                self.of_tar(name, &mut *download.reader)
            }
            Context::Git(text) => {
                let source = super::git_source(text)?;
                let top = super::fetch::check_out(&source, None, &self.place()?)?;
                let root = std::fs::File::open(&top).map_err(file_error("open", &top))?;
                self.heeding(name, Files { root: root.into(), layers: None, is_context: true, ignore: None })
            }
            Context::Image(image) => self.of_layers(&self.bases.find(image, platform)?.layers, false),
            Context::Layout(path, wanted) => {
                let layers = self.bases.layout(path, wanted.as_deref(), platform)?.layers.clone();
                self.of_layers(&layers, false)
            }
        }
    }

    /// A tar's files: it becomes a layer, and nothing is unpacked.
    fn of_tar(&self, name: &str, stream: &mut (dyn Read + Send)) -> Result<Files> {
        let layer = self.lease.ingest(stream, Ingest::default(), &|| ())?.layer.diff_id;
        self.heeding(name, self.of_layers(&[layer], true)?)
    }

    /// The same files without those that an ignore file names.
    fn heeding(&self, name: &str, files: Files) -> Result<Files> {
        let own = match name {
            MAIN => self.build.ignore.clone().or_else(|| match self.build.definition {
                Definition::Text(_) => None,
                Definition::InContext => {
                    read_text(&files, format!("{}{IGNORE}", self.build.dockerfile_name).as_bytes())
                }
            }),
            _ => None,
        };
        let text = own.or_else(|| read_text(&files, IGNORE.as_bytes()));
        let ignore = text.map(|text| super::ignore_of(&text)).transpose()?;
        Ok(Files { ignore: ignore.map(Arc::new), ..files })
    }

    /// What of the build context counts as not being there, as far as that is known before it is read.
    pub(super) fn ignore(&self) -> Result<Ignore> {
        let text = match (&self.build.ignore, &self.build.context) {
            (Some(text), _) => Some(text.clone()),
            (None, Context::Directory(path)) => {
                let root = std::fs::File::open(path).map_err(file_error("open", path))?;
                let files = Files { root: root.into(), layers: None, is_context: true, ignore: None };
                read_text(&files, IGNORE.as_bytes())
            }
            (None, _) => {
                let files = lock(&self.opened).get(MAIN).map(Arc::clone);
                return Ok(files.and_then(|files| files.ignore.as_deref().cloned()).unwrap_or_default());
            }
        };
        Ok(text.map(|text| super::ignore_of(&text)).transpose()?.unwrap_or_default())
    }

    /// Bytes that a tar of the build context would have: what docker's classic builder tells of it.
    pub(super) fn size(&self) -> Result<u64> {
        // Two empty blocks end a tar.
        let mut size = Size(2 * BLOCK as u64);
        match (&self.build.context, &self.build.definition) {
            (Context::Directory(_), _) => {
                let platform = self.lease.store().options().platform.clone();
                let files = self.open(MAIN, &platform)?;
                let top = files.open_directory(b"")?;
                let mut judge = judge(&files, b"", None);
                scan(top, &mut judge, &mut size).map_err(of_layer)?;
            }
            // A lone Dockerfile is sent as one.
            (Context::Empty, Definition::Text(text)) => size.0 += in_tar(text.len() as u64),
            _ => {}
        }
        Ok(size.0)
    }

    /// What the Dockerfile says.
    pub(super) fn definition(&self) -> Result<Vec<u8>> {
        let name = &self.build.dockerfile_name;
        if self.build.definition == Definition::InContext {
            // It is no part of the files, but of what is built: nothing hides it.
            let platform = self.lease.store().options().platform.clone();
            self.open(MAIN, &platform)?;
        }
        let task = Task::begin(
            self.observer,
            Subject::Build(format!("[internal] load build definition from {}", last_part(name))),
        );
        let text = match &self.build.definition {
            Definition::Text(text) => Ok(text.clone()),
            Definition::InContext => {
                let files = lock(&self.opened).get(MAIN).map(Arc::clone);
                let text = files.and_then(|files| read_text(&files, name.as_bytes()));
                text.map(String::into_bytes).ok_or_else(|| BuildError::NoDockerfile(name.clone()))
            }
        };
        let text = text.inspect_err(|why| task.end(Outcome::Broken(why.to_string())))?;
        task.note(format!("transferring dockerfile: {}B done", text.len()));
        task.end(Outcome::Done);
        Ok(text)
    }

    pub(super) fn of_layers(&self, layers: &[DiffId], is_context: bool) -> Result<Files> {
        for layer in layers {
            self.lease.hold_layer(layer)?.ok_or_else(|| wharfie_store::Error::MissingLayer(layer.clone()))?;
        }
        let root = self.lease.store().view(layers, &View::Image)?;
        Ok(Files { root, layers: Some(layers.to_vec()), is_context, ignore: None })
    }
}

/// A small text of a tree, if it is there.
pub(super) fn read_text(files: &Files, path: &[u8]) -> Option<String> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat2(&files.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
    let mut text = Vec::new();
    std::fs::File::from(file).take(MAX_TEXT).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// What ignore files are called; those that belong to one Dockerfile alone have its name in front.
const IGNORE: &str = ".dockerignore";

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// 4 MiB: larger than any Dockerfile.
const MAX_TEXT: u64 = 4 << 20;

/// Adds up what files take in a tar.
struct Size(u64);

impl Visitor for Size {
    fn wants_xattrs(&self) -> bool {
        false
    }

    fn directory(&mut self, _: &[u8], _: &Stat, _: Xattrs) -> wharfie_layer::Result<()> {
        self.0 += in_tar(0);
        Ok(())
    }

    fn leaf(&mut self, _: &[u8], leaf: &Leaf<'_>) -> wharfie_layer::Result<()> {
        let Some(stat) = leaf.stat()? else { return Ok(()) };
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        self.0 += in_tar(if is_file { stat.st_size as u64 } else { 0 });
        Ok(())
    }
}

/// Bytes that a file of this length takes in a tar.
fn in_tar(len: u64) -> u64 {
    BLOCK as u64 + len.next_multiple_of(BLOCK as u64)
}
