//! From container to image: what changed, the whole tree as a tar, and a new image.

use std::io::Write;
use std::os::fd::AsFd;

use wharfie_layer::changes::{Changed, changes};
use wharfie_layer::merge::pack_merged;
use wharfie_oci::config::{ContainerConfig, History};
use wharfie_oci::{ImageConfig, ImageId};
use wharfie_store::NewImage;
use wharfie_store::images::{Name, Recording};

use super::ContainerError;
use super::rootfs::mount_points;
use super::settings_of;
use crate::change;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;

/// What to make of a container.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Name or id of the container.
    pub container: String,
    /// `REPOSITORY[:TAG]` for the image.
    pub reference: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// A word about it.
    pub message: Option<String>,
    /// Instructions for its configuration.
    pub changes: Vec<String>,
    /// Freeze the container meanwhile.
    pub pause: bool,
}

impl Engine {
    /// What a container has changed of its image, sorted by path.
    ///
    /// # Errors
    /// When there is no such container, or it cannot be looked into here.
    pub fn changes(&self, name: &str) -> Result<Vec<Changed>> {
        let row = self.container(name)?;
        let settings = settings_of(&row)?;
        let upper = open_directory(&self.writer()?.scratch_of_container(&row.id)?.upper)?;
        let image = self.image_view(&row)?;
        let changed = changes(upper.as_fd(), image.as_fd(), &mount_points(&settings));
        Ok(changed.map_err(wharfie_store::Error::Layer)?)
    }

    /// Writes a container's whole root file system to `out` as a tar.
    ///
    /// # Errors
    /// When there is no such container, it cannot be looked into here, or `out` cannot be written.
    pub fn export(&self, name: &str, out: impl Write) -> Result<()> {
        let row = self.container(name)?;
        if row.state.started_at.is_none() {
            self.make_mount_points(&row)?;
        }
        let store = self.writer()?;
        let scratch = store.scratch_of_container(&row.id)?;
        let upper = open_directory(&scratch.upper)?;
        let mut layers = store.sewn(&scratch.layers)?;
        layers.reverse();
        let layers = layers.iter().map(|layer| store.open_inodes(layer)).collect::<Result<Vec<_>, _>>()?;
        let written = pack_merged(upper.as_fd(), layers, out).and_then(|mut out| {
            // Dropping would hide that the last bytes did not arrive.
            out.flush().map_err(|source| wharfie_layer::Error::Io { action: "write the tar", source })
        });
        Ok(written.map_err(wharfie_store::Error::Layer)?)
    }

    /// Makes an image of a container's changes on top of the image it was made from.
    ///
    /// # Errors
    /// When there is no such container, a name or change makes no sense, or the store cannot be written.
    pub fn commit(&self, commit: &Commit) -> Result<ImageId> {
        let reference = commit.reference.as_deref().map(crate::names::target).transpose()?;
        let row = self.container(&commit.container)?;
        let settings = settings_of(&row)?;
        let store = self.writer()?;
        let mut config = settings.config.clone();
        config.env = config.env.map(|env| env.into_iter().filter(|pair| !pair.starts_with("HOSTNAME=")).collect());
        change::apply(&mut config, &commit.changes)?;

        // One at a time: the second would thaw the container under the first.
        // Somebody may remove it meanwhile, with its files.
        let or_gone = |why| match self.container(&row.id) {
            Err(gone @ Error::Container(ContainerError::NoSuch(_))) => gone,
            _ => why,
        };
        let _turn = super::freeze::commit_turn(&store.container_directory(&row.id)).map_err(or_gone)?;
        let frozen = if commit.pause { self.freeze_for_a_moment(&row)? } else { None };
        let layer = self.change_layer(&row, &settings);
        if let Some(frozen) = frozen {
            frozen.thaw()?;
        }
        let (lease, layer) = layer.map_err(or_gone)?;

        let now = store.now();
        let parent = self.config_of(store, &row.image).unwrap_or_default();
        let mut layers = store.layers_of_container(&row.id)?;
        let is_empty = layer.is_none();
        layers.extend(layer);
        let mut history = parent.history.clone();
        history.push(History {
            created: Some(now.to_string()),
            created_by: Some(settings.config.cmd.clone().unwrap_or_default().join(" ")),
            author: commit.author.clone(),
            comment: commit.message.clone(),
            empty_layer: is_empty,
        });
        let document = ImageConfig {
            author: commit.author.clone(),
            comment: commit.message.clone(),
            config: Some(without_runtime_only(config)),
            container: Some(row.id.to_string()),
            created: Some(now.to_string()),
            history,
            rootfs: wharfie_oci::config::RootFs { diff_ids: layers.clone(), ..Default::default() },
            architecture: parent.architecture,
            os: parent.os,
            variant: parent.variant,
            ..ImageConfig::default()
        };
        let bytes = serde_json::to_vec(&document).map_err(Error::Document)?;
        let id = ImageId::new(lease.put_blob(&bytes)?);
        let image = NewImage {
            id: id.clone(),
            created: Some(now.seconds),
            platform: document.platform(),
            layers,
            parent: store.image(&row.image)?.map(|image| image.id),
        };
        let names = reference.map(|reference| Name::new(reference, id.digest().clone())).into_iter().collect();
        let recording = Recording { images: vec![image], names, ..Recording::default() };
        let event = events::of_container(&row, "commit", &[("imageID", id.as_str().to_owned())]);
        lease.store().noting(vec![event], |_| lease.record(&recording))?;
        Ok(id)
    }

    /// Stores a container's changes as a layer, written and taken in at the same time.
    fn change_layer(
        &self,
        row: &wharfie_store::containers::ContainerRow,
        settings: &super::Settings,
    ) -> Result<(wharfie_store::Lease<'_>, Option<wharfie_oci::DiffId>)> {
        let store = self.writer()?;
        let lease = store.lease()?;
        for layer in store.layers_of_container(&row.id)? {
            lease.hold_layer(&layer)?;
        }
        let scratch = store.scratch_of_container(&row.id)?;
        let layer = scratch.capture_changes(&lease, mount_points(settings), None)?;
        Ok((lease, layer.map(|layer| layer.diff_id)))
    }
}

/// What belongs to a container and not to images.
fn without_runtime_only(mut config: ContainerConfig) -> ContainerConfig {
    config.env = config.env.filter(|env| !env.is_empty());
    config
}

fn open_directory(path: &std::path::Path) -> Result<std::fs::File> {
    std::fs::File::open(path).map_err(|source| Error::File { doing: "open", path: path.into(), source })
}
