//! `analyze`: what the layers of an image cost. Their headers are read where they lie: in the store, or in the archive itself,
//! of which then nothing is copied.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use wharfie_content::Observer;
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::pack::{self, pack};
use wharfie_layer::tar::{Indexer, headers};
use wharfie_oci::{DiffId, ImageConfig, ImageId};
use wharfie_scan::Layer;
use wharfie_scan::analysis::{self, Analysis, Analyzer, ItemKind};

use super::open::{Opened, described};
use super::{Look, Target, begins_document, peek};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What was found out about an image.
#[derive(Debug)]
pub struct Analyzed {
    /// As the user called it.
    pub name: String,
    /// Of its configuration; none for a directory.
    pub id: Option<ImageId>,
    /// What it says of itself.
    pub config: Option<ImageConfig>,
    /// What its layers cost.
    pub analysis: Analysis,
}

impl Engine {
    /// Finds out what the layers of what `look` names cost, as [`Self::inventory`] opens it.
    ///
    /// # Errors
    /// When there is no such thing, it cannot be read, or it cannot be fetched. A layer that is damaged is a warning.
    pub fn analyze(&self, look: &Look, input: &mut (dyn Read + Send), observer: &dyn Observer) -> Result<Analyzed> {
        match &look.target {
            Target::Document(path) => return Err(Error::NoLayers(path.clone())),
            Target::Archive(path) => {
                let analyzed = self.analyze_archive(path, look, observer).map_err(|why| why.of_work(observer))?;
                if let Some(analyzed) = analyzed {
                    return Ok(analyzed);
                }
            }
            _ => {}
        }
        let mut head = Vec::new();
        if let Target::Stream = &look.target {
            head = peek(input)?;
            if begins_document(&head) {
                return Err(Error::NoLayers("-".into()));
            }
        }
        let mut input = head.chain(input);
        let made = self.opened(look, &mut input, observer, &mut |opened| self.analyze_opened(opened, observer));
        made.map_err(|why| why.of_work(observer))
    }

    fn analyze_opened(&self, opened: Opened, observer: &dyn Observer) -> Result<Analyzed> {
        let mut analyzer = Analyzer::default();
        let mut layers = opened.layers;
        missing(opened.config.as_ref(), &mut layers);
        for layer in layers {
            observer.check().map_err(|_| Error::Cancelled)?;
            let taken = match (layer.diff_id.as_str(), &opened.directory) {
                ("", Some(directory)) => of_directory(directory.as_fd(), &mut analyzer),
                (diff_id, _) => {
                    let diff_id = diff_id.parse().map_err(|_| Error::NoLayers(diff_id.into()))?;
                    let (file, offset, len) = self.reader()?.open_tar(&diff_id)?;
                    headers(&file, offset, len, &mut |entry| analyzer.entry(&told(entry)))
                }
            };
            finish(&mut analyzer, layer, taken);
        }
        let analysis = analyzer.finish();
        Ok(Analyzed { name: opened.name, id: opened.id, config: opened.config, analysis })
    }

    /// Analyses an archive without taking anything out of it. `None` if it is not the plain case.
    fn analyze_archive(&self, path: &Path, look: &Look, observer: &dyn Observer) -> Result<Option<Analyzed>> {
        let Some(found) = self.lying(path, look)? else { return Ok(None) };
        let mut analyzer = Analyzer::default();
        let diff_ids: Vec<DiffId> = found.layers.iter().map(|(diff_id, _)| diff_id.clone()).collect();
        let mut layers = described(&found.config, &diff_ids);
        missing(Some(&found.config), &mut layers);
        for (layer, (_, place)) in layers.into_iter().zip(&found.layers) {
            let taken = found.headers(*place, observer, &mut |entry| analyzer.entry(&told(entry)));
            observer.check().map_err(|_| Error::Cancelled)?;
            finish(&mut analyzer, layer, taken);
        }
        let (name, analysis) = (path.display().to_string(), analyzer.finish());
        Ok(Some(Analyzed { name, id: Some(found.id), config: Some(found.config), analysis }))
    }
}

/// Says of layers that the history does not tell of that it does not, in dive's word.
fn missing(config: Option<&ImageConfig>, layers: &mut [Layer]) {
    let told = config.map_or(0, |config| config.history.iter().filter(|step| !step.empty_layer).count());
    for layer in layers.iter_mut().skip(told).filter(|layer| layer.created_by.is_empty()) {
        "(missing)".clone_into(&mut layer.created_by);
    }
}

fn finish(analyzer: &mut Analyzer, layer: Layer, taken: Result<(), wharfie_layer::Error>) {
    if let Err(why) = taken {
        analyzer.warn(format!("the layer of {:?} is damaged, and only its beginning counts: {why}", layer.created_by));
    }
    analyzer.end_layer(layer);
}

/// An entry as the arithmetic wants it.
fn told(entry: &Entry) -> analysis::Entry<'_> {
    analysis::Entry {
        path: &entry.path,
        kind: match entry.kind {
            Kind::File => ItemKind::File,
            Kind::Directory => ItemKind::Directory,
            Kind::Symlink => ItemKind::Symlink,
            Kind::Hardlink => ItemKind::Hardlink,
            Kind::CharDevice => ItemKind::CharDevice,
            Kind::BlockDevice => ItemKind::BlockDevice,
            Kind::Fifo => ItemKind::Fifo,
        },
        size: entry.declared_size,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        link: &entry.link,
    }
}

/// Takes what a directory has as one layer: as `commit` would write it.
fn of_directory(directory: std::os::fd::BorrowedFd<'_>, analyzer: &mut Analyzer) -> Result<(), wharfie_layer::Error> {
    let mut is_full = false;
    let sink = |entry: &Entry| match analyzer.entry(&told(entry)) {
        true => Ok(()),
        false => {
            is_full = true;
            Err(wharfie_layer::Error::Index("it has more than is looked at"))
        }
    };
    let packed = pack(directory, &pack::Options::default(), Pushed(Indexer::new(sink)));
    let ended = packed.and_then(|pushed| pushed.0.finish().map(|_| ()));
    if is_full { Ok(()) } else { ended }
}

/// Written bytes, looked through as a tar.
struct Pushed<S>(Indexer<S>);

impl<S: wharfie_layer::tar::EntrySink> Write for Pushed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
