//! From a name to layers that can be looked through. What is not in the store comes into it under a lease, unseen, and goes again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use wharfie_content::graph::{Copied, CopiedImage};
use wharfie_content::{Document, Observer};
use wharfie_layer::view::View;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{DiffId, ImageConfig, ImageId, Reference};
use wharfie_scan::leak::hide;
use wharfie_scan::{Layer, without_arguments};
use wharfie_store::Store;
use wharfie_store::gc::Kept;

use super::{Look, Target};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::load::Load;
use crate::{names, outgoing};

/// Something to look through, and what is known of it.
pub(super) struct Opened {
    pub(super) view: View,
    /// What lies on top of the layers, or alone: a container's changes, or a directory.
    pub(super) directory: Option<OwnedFd>,
    /// As the user called it.
    pub(super) name: String,
    pub(super) id: Option<ImageId>,
    /// Of its manifest.
    pub(super) digest: Option<String>,
    pub(super) config: Option<ImageConfig>,
    /// Of its manifest.
    pub(super) annotations: BTreeMap<String, String>,
    /// Bottom first; one for each part of the view.
    pub(super) layers: Vec<Layer>,
}

impl Opened {
    /// Nothing yet, under a name.
    pub(super) fn bare(name: String) -> Self {
        Self {
            view: View::of_layers(Vec::new()),
            directory: None,
            name,
            id: None,
            digest: None,
            config: None,
            annotations: BTreeMap::new(),
            layers: Vec::new(),
        }
    }
}

impl Engine {
    /// Opens what `look` names and has `work` done with it, while it is held.
    pub(super) fn opened<T>(
        &self,
        look: &Look,
        input: &mut (dyn Read + Send),
        observer: &dyn Observer,
        work: &mut dyn FnMut(Opened) -> Result<T>,
    ) -> Result<T> {
        match &look.target {
            Target::Image(name) | Target::Registry(name) | Target::Store(name) => match self.named(look)? {
                Some((name, Some(found))) => work(self.local(name, found)?),
                _ => self.remote_image(name, look, observer, work),
            },
            Target::Container(name) => work(self.opened_container(name)?),
            Target::Directory(path) => work(directory(path)?),
            Target::Archive(path) => {
                if let Some(opened) = self.opened_lying(path, look, observer)? {
                    return work(opened);
                }
                let mut file =
                    File::open(path).map_err(|source| Error::File { doing: "open", path: path.clone(), source })?;
                self.archive(&path.display().to_string(), look, &mut file, observer, work)
            }
            Target::Stream => self.archive("-", look, input, observer, work),
            Target::Layout(path) => self.held(work, |lease| {
                let copied = self.hold_layout(&load(look), path, look.image.as_deref(), lease, observer)?;
                self.copied(lease.store(), &path.display().to_string(), copied, look)
            }),
            Target::Document(_) => unreachable!("documents are not looked through"),
        }
    }

    fn archive<T>(
        &self,
        name: &str,
        look: &Look,
        input: &mut (dyn Read + Send),
        observer: &dyn Observer,
        work: &mut dyn FnMut(Opened) -> Result<T>,
    ) -> Result<T> {
        self.held(work, |lease| {
            let copied = self.hold_archive(&load(look), input, look.image.as_deref(), lease, observer)?;
            self.copied(lease.store(), name, copied, look)
        })
    }

    fn remote_image<T>(
        &self,
        name: &str,
        look: &Look,
        observer: &dyn Observer,
        work: &mut dyn FnMut(Opened) -> Result<T>,
    ) -> Result<T> {
        let reference = name.parse::<Reference>().map_err(Error::BadName)?;
        self.held(work, |lease| {
            let (digest, copied) = self.hold(&reference, look.platform.as_ref(), lease, observer)?;
            let opened = self.copied(lease.store(), name, copied, look)?;
            Ok(Opened { digest: Some(digest.to_string()), ..opened })
        })
    }

    /// Fetches something under a lease, works with it, and lets it go.
    fn held<T>(
        &self,
        work: &mut dyn FnMut(Opened) -> Result<T>,
        fetch: impl FnOnce(&wharfie_store::Lease<'_>) -> Result<Opened>,
    ) -> Result<T> {
        let store = self.writer()?;
        let lease = store.lease()?;
        let result = fetch(&lease).and_then(work);
        drop(lease);
        // If it cannot be freed now, the next collection does it.
        let _ = store.collect(Kept::Expired);
        result
    }

    /// What was copied into the store and has no row there.
    fn copied(&self, store: &Store, name: &str, copied: Vec<Copied>, look: &Look) -> Result<Opened> {
        let wanted = look.platform.as_ref().unwrap_or(&self.config().store.platform);
        let digest =
            copied.last().and_then(|root| root.document.as_ref()).map(|root| root.descriptor.digest.to_string());
        let images = copied.into_iter().filter_map(|copied| Some((copied.image?, copied.document)));
        let distance = |image: &CopiedImage| wanted.distance(&image.config.platform());
        let image = images.min_by_key(|(image, _)| distance(image).map_or(u64::MAX, |near| near as u64));
        let (image, document) = image.ok_or_else(|| Error::NoPlatform(wanted.to_string()))?;
        let diff_ids = image.config.rootfs.diff_ids.clone();
        Ok(Opened {
            view: View::of_layers(inodes(store, &diff_ids)?),
            id: Some(image.id),
            digest,
            layers: described(&image.config, &diff_ids),
            config: Some(image.config),
            annotations: document.map(|document| annotations(&document)).unwrap_or_default(),
            ..Opened::bare(name.to_owned())
        })
    }

    fn local(&self, name: &str, found: names::Found) -> Result<Opened> {
        let store = self.reader()?;
        let config = self.config_of(store, &found.id)?;
        let diff_ids: Vec<DiffId> = store.layers_of(&found.id)?.into_iter().map(|layer| layer.diff_id).collect();
        let digest = match &found.reference {
            Some(reference) => store.target(&reference.canonical())?,
            None => None,
        };
        let mut notes = BTreeMap::new();
        // One configuration may have several manifests: a name means one of them.
        let rows = store.manifests_of(&found.id)?;
        let has_named = rows.iter().any(|row| Some(&row.digest) == digest.as_ref());
        for row in rows.iter().filter(|row| !has_named || Some(&row.digest) == digest.as_ref()) {
            notes.extend(
                outgoing::recorded(store, &row.digest)?.map(|document| annotations(&document)).unwrap_or_default(),
            );
        }
        Ok(Opened {
            annotations: notes,
            view: View::of_layers(inodes(store, &diff_ids)?),
            directory: None,
            name: found.reference.map_or_else(|| name.to_owned(), |reference| reference.familiar()),
            // Of an image without a manifest the name stands for its configuration.
            digest: digest.filter(|digest| digest != found.id.digest()).map(|digest| digest.to_string()),
            id: Some(found.id),
            layers: described(&config, &diff_ids),
            config: Some(config),
        })
    }

    /// An image whose parts are in the store.
    pub(super) fn held_image(&self, store: &Store, id: &ImageId, diff_ids: &[DiffId]) -> Result<Opened> {
        let config = self.config_of(store, id)?;
        Ok(Opened {
            view: View::of_layers(inodes(store, diff_ids)?),
            id: Some(id.clone()),
            layers: described(&config, diff_ids),
            config: Some(config),
            ..Opened::bare(id.to_string())
        })
    }

    fn opened_container(&self, name: &str) -> Result<Opened> {
        let row = self.container(name)?;
        let store = self.writer()?;
        let diff_ids = store.layers_of_container(&row.id)?;
        let upper = store.scratch_of_container(&row.id)?.upper;
        let config = self.config_of(store, &row.image).ok();
        let mut layers = config.as_ref().map_or_else(Vec::new, |config| described(config, &diff_ids));
        layers.push(Layer { diff_id: String::new(), created_by: format!("changes of container {name}") });
        Ok(Opened {
            view: View::of_changes(open(&upper)?, inodes(store, &diff_ids)?),
            directory: Some(open(&upper)?),
            id: Some(row.image),
            config,
            layers,
            ..Opened::bare(name.to_owned())
        })
    }
}

/// What skopeo writes into its `dir:`.
const SKOPEO: &[u8] = b"Directory Transport Version";

fn begins_with(path: &Path, text: &[u8]) -> bool {
    let mut start = vec![0; text.len()];
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == text
}

fn load(look: &Look) -> Load {
    Load { platforms: look.platform.iter().cloned().collect(), is_whole: false }
}

fn directory(path: &Path) -> Result<Opened> {
    // It would be looked through as a root file system without anything in it.
    if path.join("manifest.json").is_file() && begins_with(&path.join("version"), SKOPEO) {
        return Err(Error::ForeignLayout(path.into()));
    }
    Ok(Opened {
        view: View::of_directory(open(path)?),
        directory: Some(open(path)?),
        layers: vec![Layer::default()],
        ..Opened::bare(path.display().to_string())
    })
}

fn open(path: &Path) -> Result<OwnedFd> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_dir() {
        true => Ok(file.into()),
        false => Err(failed(std::io::ErrorKind::NotADirectory.into())),
    }
}

fn annotations(document: &Document) -> BTreeMap<String, String> {
    match &document.content {
        AnyManifest::Manifest(manifest) => manifest.annotations.clone().unwrap_or_default(),
        AnyManifest::Index(_) => BTreeMap::new(),
    }
}

/// The indexes of layers, topmost first.
fn inodes(store: &Store, diff_ids: &[DiffId]) -> Result<Vec<wharfie_layer::erofs::Inodes>> {
    Ok(diff_ids.iter().rev().map(|layer| store.open_inodes(layer)).collect::<Result<Vec<_>, _>>()?)
}

/// An instruction as it is told, which others get to read: without build arguments, and with the first letters of secrets alone.
fn told(created_by: &str) -> String {
    hide(&without_arguments(created_by)).into_owned()
}

/// The layers with the instructions that made them, bottom first.
pub(super) fn described(config: &ImageConfig, diff_ids: &[DiffId]) -> Vec<Layer> {
    let mut steps = config.history.iter().filter(|step| !step.empty_layer);
    let describe = |diff_id: &DiffId| Layer {
        diff_id: diff_id.to_string(),
        created_by: steps.next().and_then(|step| step.created_by.as_deref()).map(told).unwrap_or_default(),
    };
    diff_ids.iter().map(describe).collect()
}
