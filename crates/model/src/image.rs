//! Images.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Moment;
use crate::container::{Empty, GraphDriver, Healthcheck};

/// An image as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    /// The digest of its configuration.
    pub id: String,
    /// Its names with tags.
    pub repo_tags: Vec<String>,
    /// Its names with digests.
    pub repo_digests: Vec<String>,
    /// The image that it was made from here.
    pub parent: String,
    /// A word about it.
    pub comment: String,
    /// When it was made, RFC 3339 where that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Which docker made it.
    pub docker_version: String,
    /// Who made it.
    pub author: String,
    /// How it runs.
    pub config: ImageConfig,
    /// CPU architecture.
    pub architecture: String,
    /// Its variant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Operating system.
    pub os: String,
    /// Its version (Windows).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Bytes of the files in its layers.
    pub size: u64,
    /// How its files are kept.
    pub graph_driver: GraphDriver,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// What this machine knows of it.
    pub metadata: Metadata,
}

/// The stack of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Diff ids, bottom first.
    pub layers: Vec<String>,
}

/// What a machine knows of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// When it got its last name; year 1 if never.
    pub last_tag_time: Moment,
}

/// How an image runs. What its configuration does not mention is not in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageConfig {
    /// Who runs it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports that it listens on, `80/tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program and its first arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Paths that are volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Working directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// What asks it to stop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Arguments are escaped already (Windows).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// How it is asked how it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Instructions for builds on top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// What shell forms of instructions run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

impl ImageConfig {
    /// The type's name to a serializer: old docker's container settings were in it too, and scripts ask for them.
    pub const NAME: &'static str = "ImageConfig";
}
