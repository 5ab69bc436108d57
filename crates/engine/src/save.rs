//! Save: images from the store into an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use wharfie_archive::{ArchiveSink, Saved, SavedImage};
use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::{Document, Observer, Part, Subject};
use wharfie_oci::reference::is_image_id;
use wharfie_oci::{Descriptor, DiffId, Digest, ImageId, MediaType, Platform, Reference};
use wharfie_store::{Store, StoreSource};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::config_size;
use crate::names;
use crate::trust::archived;

/// What to save.
#[derive(Debug, Clone, Default)]
pub struct Save {
    /// Names and ids.
    pub images: Vec<String>,
    /// The platforms to save; all that are here if there are none.
    pub platforms: Vec<Platform>,
}

/// Where an archive goes.
#[derive(Debug)]
pub enum Output {
    /// To an open file or pipe.
    Open(File),
    /// To a file of this name, which appears when it is whole and replaces what was there.
    Path(PathBuf),
}

impl Engine {
    /// Writes one archive with all `images`, each once, with the tags it was named by. What stands for several platforms goes
    /// with all of them that are here, or with those that are asked for. `observer` is told of each layer.
    ///
    /// # Errors
    /// When an image is missing (then nothing is written), a layer is damaged, or the output cannot be written.
    pub fn save(&self, save: &Save, output: Output, observer: &dyn Observer) -> Result<()> {
        self.save_now(save, output, observer).map_err(|why| why.of_work(observer))
    }

    fn save_now(&self, save: &Save, output: Output, observer: &dyn Observer) -> Result<()> {
        if let Output::Path(path) = &output {
            check_output(path)?;
        }
        let store = self.reader()?;
        let chosen = chosen(store, save)?;
        match output {
            Output::Open(file) => write(store, &chosen, &file, observer),
            Output::Path(path) => write_aside(&path, Readers::Owner, |file| {
                reserve(file, &path, least_size(store, &chosen)?)?;
                write(store, &chosen, file, observer)
            }),
        }
    }
}

/// What goes into the archive under the same names.
struct Chosen {
    /// The one that is meant by default first.
    images: Vec<ImageId>,
    references: Vec<Reference>,
    /// What they stand for, if something is about it that goes along: then it has to stay what it is.
    root: Option<Document>,
}

fn chosen(store: &Store, save: &Save) -> Result<Vec<Chosen>> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for name in &save.images {
        for (images, reference) in named(store, name, &save.platforms)? {
            let at = chosen.iter().position(|known| known.images == images).unwrap_or_else(|| {
                chosen.push(Chosen { images, references: Vec::new(), root: None });
                chosen.len() - 1
            });
            let references = &mut chosen[at].references;
            references.extend(reference.filter(|reference| !references.contains(reference)));
        }
    }
    for chosen in &mut chosen {
        chosen.references.sort_by_key(Reference::canonical);
        // Of several platforms all that are here go along, or none of what is about them.
        if let Some(reference) = chosen.references.first().filter(|_| save.platforms.is_empty())
            && let Some(target) = store.target(&reference.canonical())?
        {
            let stands_for = |other: &Reference| Ok(store.target(&other.canonical())?.as_ref() == Some(&target));
            if chosen.references.iter().map(stands_for).collect::<Result<Vec<bool>>>()?.into_iter().all(|same| same) {
                chosen.root = archived::travelling(store, &target)?;
            }
        }
        for id in &chosen.images {
            // What is missing is known before anything is written.
            for layer in store.layers_of(id)? {
                store.open_tar(&layer.diff_id)?;
            }
        }
    }
    Ok(chosen)
}

/// Copies the images into an archive: their configurations and the plain tars of their layers.
fn write(store: &Store, chosen: &[Chosen], file: &File, observer: &dyn Observer) -> Result<()> {
    let sink = ArchiveSink::new(file)?;
    let source = StoreSource::new(store);
    let naming = |part: &Part| {
        Subject::Save(part.diff_id.clone().unwrap_or_else(|| DiffId::new(part.descriptor.digest.clone())))
    };
    let options = Options {
        platforms: Platforms::All,
        jobs: 1,
        observer,
        naming: Some(&naming),
        order: Order::BottomFirst,
        images: Images::Required,
        check: &|_| Ok(()),
    };
    let mut saved = Vec::with_capacity(chosen.len());
    for Chosen { images, references, root } in chosen {
        if let Some(root) = root {
            let options = Options { platforms: Platforms::Here, images: Images::Known, ..options };
            let copied = graph::copy(&source, &sink, &root.descriptor, &options)?;
            let mut written: Vec<SavedImage> =
                copied.iter().filter_map(|copied| copied.image.as_ref()).map(SavedImage::of).collect();
            // The one that is meant by default first.
            written.sort_by_key(|image| images.iter().position(|id| *id.digest() == image.config.digest));
            saved.push(Saved { root: Some(root.descriptor.clone()), images: written, references: references.clone() });
            let documents = copied.iter().filter_map(|copied| copied.document.as_ref());
            let subjects: Vec<Digest> = documents.map(|document| document.descriptor.digest.clone()).collect();
            archived::save(store, &sink, &subjects, references, &mut saved)?;
            continue;
        }
        let mut written = Vec::with_capacity(images.len());
        for id in images {
            let size = config_size(store, id)?;
            let root = Descriptor::new(MediaType::OCI_CONFIG, id.digest().clone(), size);
            let copied = graph::copy(&source, &sink, &root, &options)?;
            let parent = store.image(id)?.and_then(|image| image.parent);
            written.extend(copied.into_iter().filter_map(|copied| copied.image).map(|image| SavedImage {
                config: root.clone(),
                layers: image.layers.into_iter().map(|layer| layer.descriptor).collect(),
                platform: image.config.platform(),
                parent: parent.clone(),
            }));
        }
        saved.push(Saved { root: None, images: written, references: references.clone() });
    }
    Ok(sink.finish(&saved)?)
}

/// Bytes that an archive of these images has at least: each layer once.
fn least_size(store: &Store, chosen: &[Chosen]) -> Result<u64> {
    let mut layers: BTreeMap<DiffId, u64> = BTreeMap::new();
    // What goes as it was compressed has another size.
    let plain = chosen.iter().filter(|chosen| chosen.root.is_none());
    for id in plain.flat_map(|chosen| &chosen.images) {
        for layer in store.layers_of(id)? {
            let (_, _, size) = store.open_tar(&layer.diff_id)?;
            layers.insert(layer.diff_id, size);
        }
    }
    Ok(layers.values().sum())
}

/// Has the file system set aside `len` bytes for what is about to be written. A disk that is too small is known before
/// an hour of copying, and blocks that are known in advance cost less than blocks found page by page.
fn reserve(file: &File, path: &Path, len: u64) -> Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len.max(1)) {
        Err(why @ Errno::NOSPC) => Err(Error::File { doing: "write", path: path.into(), source: why.into() }),
        // Not every file system can, and it is not needed.
        _ => Ok(()),
    }
}

/// Images that go by the same name, and the tag they go into the archive under.
type Named = (Vec<ImageId>, Option<Reference>);

/// What one argument of `save` names: a tag, all tags of a repository, or an image without its tags.
fn named(store: &Store, name: &str, platforms: &[Platform]) -> Result<Vec<Named>> {
    let missing = || Error::NoSuchImage(name.to_owned());
    let bare = name.strip_prefix("sha256:").unwrap_or(name);
    if is_image_id(bare) {
        let id = names::find(store, name).map_err(|_| missing())?.id;
        return Ok(vec![(variants(store, name, (id.digest(), &id), platforms)?, None)]);
    }
    let reference: Reference = name.parse().map_err(Error::BadName)?;
    if let Some(digest) = reference.digest() {
        let reference = Reference::digested(reference.repository().clone(), digest.clone());
        let row = store.reference(&reference.canonical())?.ok_or(Error::NoSuchReference)?;
        return Ok(vec![(variants(store, name, (&row.target, &row.image), platforms)?, None)]);
    }
    if reference.tag().is_some() {
        if let Some(row) = store.reference(&reference.canonical())? {
            let images = variants(store, name, (&row.target, &row.image), platforms)?;
            return Ok(vec![(images, Some(reference))]);
        }
    } else {
        let prefix = format!("{}:", reference.repository().canonical());
        let mut tags = Vec::new();
        for row in store.references_beginning(&prefix)?.iter().filter(|row| !row.is_digest) {
            let images = variants(store, name, (&row.target, &row.image), platforms)?;
            tags.push((images, Some(names::reference(row)?)));
        }
        if !tags.is_empty() {
            return Ok(tags);
        }
    }
    if bare.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return match store.images_with_prefix(bare)?.as_slice() {
            [id] => Ok(vec![(variants(store, name, (id.digest(), id), platforms)?, None)]),
            [] => Err(missing()),
            _ => Err(Error::AmbiguousId),
        };
    }
    Err(missing())
}

/// The images that `target` leads to, for these platforms if any are asked for; the one that is meant by default first.
fn variants(store: &Store, name: &str, row: (&Digest, &ImageId), platforms: &[Platform]) -> Result<Vec<ImageId>> {
    let (target, meant) = row;
    let missing = || Error::NoSuchImage(name.to_owned());
    let mut images = Vec::new();
    for platform in platforms {
        let id = names::variant(store, name, target, Some(platform))?.ok_or_else(missing)?;
        if !images.contains(&id) {
            images.push(id);
        }
    }
    if platforms.is_empty() {
        images.push(meant.clone());
        for variant in store.variants(target)? {
            if !images.contains(&variant.image) {
                images.push(variant.image);
            }
        }
    }
    Ok(images)
}

/// Where a file beside `path` goes.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Says whether an archive may be put at `path`, which is asked before anything else. The checks and their texts are docker's.
///
/// # Errors
/// When `path` is something that an archive must not replace, or its directory is missing.
pub fn check_output(path: &Path) -> Result<()> {
    let directory = directory_of(path);
    if let Err(why) = directory.metadata() {
        let why = match why.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => why.to_string(),
        };
        return Err(Error::Output(format!("invalid output path: stat {}: {why}", directory.display())));
    }
    if let Ok(found) = path.symlink_metadata() {
        let kind = found.file_type();
        if kind.is_dir() {
            return Err(Error::Output("cannot write to a directory".to_owned()));
        }
        if kind.is_symlink() {
            return Err(Error::Output("cannot write to a symbolic link directly".to_owned()));
        }
        if !kind.is_file() {
            return Err(Error::Output("invalid output path: got a device".to_owned()));
        }
    }
    Ok(())
}

/// Who may read a file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone: of what docker writes so.
    Owner,
    /// Whoever may read other files that the user makes; of one that was there, whoever could.
    Anyone,
}

/// Makes a new file beside `path`. What has the name already, a link above all, is somebody else's, and another name is taken.
///
/// # Errors
/// When it cannot be made.
pub fn create_aside(path: &Path, readers: Readers) -> Result<(File, PathBuf)> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let directory = directory_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Anyone => {
            path.symlink_metadata().ok().filter(std::fs::Metadata::is_file).map_or(0o666, |old| old.mode() & 0o777)
        }
    };
    let mut attempt = 0;
    loop {
        let aside = directory.join(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match File::options().read(true).write(true).create_new(true).mode(mode).open(&aside) {
            Ok(file) => return Ok((file, aside)),
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists && attempt < MAX_ATTEMPTS => attempt += 1,
            Err(source) => return Err(Error::File { doing: "open", path: path.into(), source }),
        }
    }
}

/// Writes a file that appears at `path` when it is whole, in place of what was there.
///
/// # Errors
/// As `write`; also when the file cannot be made.
pub(crate) fn write_aside<T>(path: &Path, readers: Readers, write: impl FnOnce(&File) -> Result<T>) -> Result<T> {
    let (file, aside) = create_aside(path, readers)?;
    let placed = write(&file).and_then(|written| match std::fs::rename(&aside, path) {
        Ok(()) => Ok(written),
        Err(source) => Err(Error::File { doing: "rename", path: path.into(), source }),
    });
    if placed.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    placed
}

/// 1,000 names that are taken: somebody does not want us to write.
const MAX_ATTEMPTS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let prepared = folder.path().join(format!(".o.tar.{}-0.tmp", std::process::id()));
        std::os::unix::fs::symlink(&victim, &prepared).unwrap();
        let (file, aside) = create_aside(&folder.path().join("o.tar"), Readers::Owner).unwrap();
        assert_ne!(aside, prepared);
        assert!(aside.symlink_metadata().unwrap().is_file() && file.metadata().unwrap().len() == 0);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }
}
