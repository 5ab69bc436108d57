//! Save: images from the store into an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use wharfie_archive::write::{Layers, SavedImage, SavedLayer};
use wharfie_content::{BoxError, Observer};
use wharfie_oci::reference::is_image_id;
use wharfie_oci::{DiffId, ImageConfig, ImageId, Platform, Reference};
use wharfie_store::Store;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::{check_platform, config_bytes};
use crate::names;

/// What to save.
#[derive(Debug, Clone, Default)]
pub struct Save {
    /// Names and ids.
    pub images: Vec<String>,
    /// What they must be for.
    pub platform: Option<Platform>,
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
    /// Writes one archive with all `images`, each once, with the tags it was named by, and tells `observer` of each layer.
    ///
    /// # Errors
    /// When an image is missing (then nothing is written), a layer is damaged, or the output cannot be written.
    pub fn save(&self, save: &Save, output: Output, observer: &dyn Observer) -> Result<()> {
        if let Output::Path(path) = &output {
            check_output(path)?;
        }
        let store = self.reader()?;
        let images = self.images_to_save(store, save)?;
        let layers = StoreLayers { store };
        match output {
            Output::Open(file) => wharfie_archive::write::write(&file, &images, &layers, observer)?,
            Output::Path(path) => {
                let (file, aside) = create_aside(&path)?;
                let written = reserve(&file, &path, least_size(&images))
                    .and_then(|()| Ok(wharfie_archive::write::write(&file, &images, &layers, observer)?));
                let placed = written.and_then(|()| {
                    let placed = std::fs::rename(&aside, &path);
                    placed.map_err(|source| Error::File { doing: "rename", path: path.clone(), source })
                });
                if placed.is_err() {
                    let _ = std::fs::remove_file(&aside);
                }
                placed?;
            }
        }
        Ok(())
    }

    fn images_to_save(&self, store: &Store, save: &Save) -> Result<Vec<SavedImage>> {
        let mut chosen: Vec<(ImageId, &str, Vec<Reference>)> = Vec::new();
        for name in &save.images {
            for (id, reference) in named(store, name)? {
                let at = chosen.iter().position(|(known, ..)| *known == id).unwrap_or_else(|| {
                    chosen.push((id, name, Vec::new()));
                    chosen.len() - 1
                });
                let references = &mut chosen[at].2;
                references.extend(reference.filter(|reference| !references.contains(reference)));
            }
        }
        let mut images = Vec::with_capacity(chosen.len());
        for (id, name, mut references) in chosen {
            references.sort_by_key(Reference::canonical);
            let config = config_bytes(store, &id)?;
            let parsed = ImageConfig::parse(&config).map_err(|source| Error::Config { id: id.clone(), source })?;
            check_platform(name, &parsed, save.platform.as_ref())?;
            let mut layers = Vec::new();
            for layer in store.layers_of(&id)? {
                let (_, _, size) = store.open_tar(&layer.diff_id)?;
                layers.push(SavedLayer { diff_id: layer.diff_id, size });
            }
            let parent = store.image(&id)?.and_then(|image| image.parent);
            images.push(SavedImage { config, references, layers, parent });
        }
        Ok(images)
    }
}

/// Bytes that an archive of these images has at least: each layer once.
fn least_size(images: &[SavedImage]) -> u64 {
    let layers: BTreeMap<&DiffId, u64> =
        images.iter().flat_map(|image| &image.layers).map(|layer| (&layer.diff_id, layer.size)).collect();
    layers.values().sum()
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

/// What one argument of `save` names: a tag, all tags of a repository, or an image without its tags.
fn named(store: &Store, name: &str) -> Result<Vec<(ImageId, Option<Reference>)>> {
    let missing = || Error::NoSuchImage(name.to_owned());
    let bare = name.strip_prefix("sha256:").unwrap_or(name);
    if is_image_id(bare) {
        return Ok(vec![(names::find(store, name).map_err(|_| missing())?.id, None)]);
    }
    let reference: Reference = name.parse().map_err(Error::BadName)?;
    if let Some(digest) = reference.digest() {
        let reference = Reference::digested(reference.repository().clone(), digest.clone());
        let id = store.resolve(&reference.canonical())?.ok_or(Error::NoSuchReference)?;
        return Ok(vec![(id, None)]);
    }
    if reference.tag().is_some() {
        if let Some(id) = store.resolve(&reference.canonical())? {
            return Ok(vec![(id, Some(reference))]);
        }
    } else {
        let prefix = format!("{}:", reference.repository().canonical());
        let mut tags = Vec::new();
        for row in store.references()? {
            if row.name.starts_with(&prefix) && !row.is_digest {
                tags.push((row.image.clone(), Some(names::reference(&row)?)));
            }
        }
        if !tags.is_empty() {
            return Ok(tags);
        }
    }
    if bare.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return match store.images_with_prefix(bare)?.as_slice() {
            [id] => Ok(vec![(id.clone(), None)]),
            [] => Err(missing()),
            _ => Err(Error::AmbiguousId),
        };
    }
    Err(missing())
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

/// Makes a new file beside `path` that only its owner can read. What has the name already, a link above all, is somebody
/// else's, and another name is taken.
///
/// # Errors
/// When it cannot be made.
pub fn create_aside(path: &Path) -> Result<(File, PathBuf)> {
    use std::os::unix::fs::OpenOptionsExt;
    let directory = directory_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut attempt = 0;
    loop {
        let aside = directory.join(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&aside) {
            Ok(file) => return Ok((file, aside)),
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists && attempt < MAX_ATTEMPTS => attempt += 1,
            Err(source) => return Err(Error::File { doing: "open", path: path.into(), source }),
        }
    }
}

/// 1,000 names that are taken: somebody does not want us to write.
const MAX_ATTEMPTS: u32 = 1000;

struct StoreLayers<'a> {
    store: &'a Store,
}

impl Layers for StoreLayers<'_> {
    fn open(&self, diff_id: &DiffId) -> Result<(File, u64, u64), BoxError> {
        Ok(self.store.open_tar(diff_id)?)
    }
}

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
        let (file, aside) = create_aside(&folder.path().join("o.tar")).unwrap();
        assert_ne!(aside, prepared);
        assert!(aside.symlink_metadata().unwrap().is_file() && file.metadata().unwrap().len() == 0);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    }
}
