//! Looking at one image: its configuration, names, layers and history.

use std::collections::BTreeMap;

use wharfie_model::container::{Empty, GraphDriver, Healthcheck};
use wharfie_model::image::{HistoryItem, ImageConfig as ConfigDocument, ImageInspect, Metadata, RootFs};
use wharfie_model::{Duration, Moment, NilList, NilMap};
use wharfie_oci::config::{self, ContainerConfig};
use wharfie_oci::{ImageConfig, ImageId, Platform, Reference, Timestamp};
use wharfie_store::images::ImageLayer;
use wharfie_store::{ImageRow, Store};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::names;

/// Everything known about an image.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Its row.
    pub image: ImageRow,
    /// Its configuration.
    pub config: ImageConfig,
    /// Names with tags, in canonical order.
    pub tags: Vec<Reference>,
    /// `repository@digest`, in canonical order.
    pub digests: Vec<Reference>,
    /// Bottom first.
    pub layers: Vec<ImageLayer>,
}

impl Inspected {
    /// The image's document.
    pub fn document(&self) -> ImageInspect {
        let Self { image, config, tags, digests, layers } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let of_last_step = || config.history.last().and_then(|step| step.comment.clone()).unwrap_or_default();
        let names = |list: &[Reference]| list.iter().map(Reference::familiar).collect();
        ImageInspect {
            id: image.id.as_str().to_owned(),
            repo_tags: names(tags),
            repo_digests: names(digests),
            parent: image.parent.as_ref().map(|parent| parent.as_str().to_owned()).unwrap_or_default(),
            comment: config.comment.clone().filter(|text| !text.is_empty()).unwrap_or_else(of_last_step),
            created: config.created.as_ref().map(|created| {
                // In UTC where it can be read, as it stands where it cannot.
                created.parse::<Timestamp>().map_or_else(|_| created.clone(), |moment| moment.to_string())
            }),
            docker_version: text(&config.docker_version),
            author: text(&config.author),
            config: config.config.as_ref().map(config_document).unwrap_or_default(),
            architecture: config.architecture.clone(),
            variant: text(&config.variant),
            os: config.os.clone(),
            os_version: text(&config.os_version),
            size: image.size,
            graph_driver: GraphDriver { data: NilMap::default(), name: "overlay2".to_owned() },
            root_fs: RootFs {
                kind: "layers".to_owned(),
                layers: layers.iter().map(|layer| layer.diff_id.as_str().to_owned()).collect(),
            },
            metadata: Metadata { last_tag_time: Moment(image.tagged_at.unwrap_or(Timestamp::ZERO).to_string()) },
        }
    }
}

fn config_document(config: &ContainerConfig) -> ConfigDocument {
    let set = |set: &Option<BTreeMap<String, config::Empty>>| {
        set.as_ref().map(|set| set.keys().map(|key| (key.clone(), Empty {})).collect())
    };
    ConfigDocument {
        user: config.user.clone(),
        exposed_ports: set(&config.exposed_ports),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: set(&config.volumes),
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone(),
        stop_signal: config.stop_signal.clone().unwrap_or_default(),
        args_escaped: config.args_escaped,
        healthcheck: config.healthcheck.as_ref().map(health_document),
        on_build: config.on_build.clone(),
        shell: config.shell.clone(),
    }
}

/// A health check's document.
pub(crate) fn health_document(check: &config::Healthcheck) -> Healthcheck {
    Healthcheck {
        test: check.test.clone().unwrap_or_default(),
        interval: Duration(check.interval),
        timeout: Duration(check.timeout),
        start_period: Duration(check.start_period),
        start_interval: Duration(check.start_interval),
        retries: check.retries,
    }
}

impl Engine {
    /// Looks at the image called `name`.
    ///
    /// # Errors
    /// When there is none, it is for another platform than the one asked for, or the store is damaged.
    pub fn inspect(&self, name: &str, platform: Option<&Platform>) -> Result<Inspected> {
        let store = self.reader()?;
        let found = names::find_for(store, name, platform)?;
        let image = store.image(&found.id)?.ok_or_else(|| Error::NoSuchImage(name.to_owned()))?;
        let config = self.config_of(store, &found.id)?;
        let names = store.names_leading_to(&found.id)?;
        let names = names.iter().map(|name| Ok(name.parse()?)).collect::<Result<Vec<Reference>>>()?;
        let (tags, digests) = names.into_iter().partition(|reference| reference.tag().is_some());
        Ok(Inspected { image, config, tags, digests, layers: store.layers_of(&found.id)? })
    }

    /// The history of the image called `name`, newest step first.
    ///
    /// # Errors
    /// As [`Self::inspect`]; also when the history tells of more layers than there are.
    pub fn history(&self, name: &str, platform: Option<&Platform>) -> Result<Vec<HistoryItem>> {
        let Inspected { image, config, layers, .. } = self.inspect(name, platform)?;
        let mut sizes = layers.iter().map(|layer| layer.content_size);
        let mut steps = Vec::with_capacity(config.history.len());
        for entry in &config.history {
            let size = if entry.empty_layer { 0 } else { sizes.next().ok_or(Error::History)? };
            let created = entry.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
            steps.push(HistoryItem {
                comment: entry.comment.clone().unwrap_or_default(),
                created: created.map_or(wharfie_model::NEVER, |created| created.seconds),
                created_by: entry.created_by.clone().unwrap_or_default(),
                id: HistoryItem::MISSING.to_owned(),
                size,
                tags: NilList::default(),
            });
        }
        steps.reverse();
        // Images made step by step here know their parents: each step then has an id of its own.
        let store = self.reader()?;
        let mut at = Some(image);
        for step in &mut steps {
            let Some(image) = at.take() else { break };
            at = match &image.parent {
                Some(parent) => store.image(parent)?,
                None => None,
            };
            let names = names::references_of(store, &image.id)?;
            step.tags = names.iter().filter(|name| name.tag().is_some()).map(Reference::familiar).collect();
            step.id = image.id.to_string();
        }
        Ok(steps)
    }

    /// The configuration of an image in the store.
    pub(crate) fn config_of(&self, store: &Store, id: &ImageId) -> Result<ImageConfig> {
        ImageConfig::parse(&config_bytes(store, id)?).map_err(|source| Error::Config { id: id.clone(), source })
    }
}

/// The configuration byte for byte.
pub(crate) fn config_bytes(store: &Store, id: &ImageId) -> Result<Vec<u8>> {
    let path = store.blob_path(id.digest());
    std::fs::read(&path).map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => wharfie_store::Error::MissingBlob(id.digest().clone()).into(),
        _ => Error::File { doing: "read", path, source: why },
    })
}

/// How many bytes the configuration has.
pub(crate) fn config_size(store: &Store, id: &ImageId) -> Result<u64> {
    let path = store.blob_path(id.digest());
    match path.metadata() {
        Ok(found) => Ok(found.len()),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            Err(wharfie_store::Error::MissingBlob(id.digest().clone()).into())
        }
        Err(source) => Err(Error::File { doing: "read", path, source }),
    }
}

/// Refuses an image that is for another platform than the one asked for.
pub(crate) fn check_platform(name: &str, config: &ImageConfig, wanted: Option<&Platform>) -> Result<()> {
    let found = config.platform();
    match wanted {
        Some(wanted) if wanted.distance(&found).is_none() => Err(Error::OtherPlatform {
            reference: name.to_owned(),
            found: found.to_string(),
            wanted: wanted.to_string(),
        }),
        _ => Ok(()),
    }
}
