//! Images.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::container::{Empty, GraphDriver, Healthcheck};
use crate::{Moment, NilList, NilMap};

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

/// An image in a list: `GET /images/json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageSummary {
    /// Containers that were made from it; -1 if they were not counted.
    pub containers: i64,
    /// When it was made, in seconds since 1970; [`NEVER`](crate::NEVER) if it does not say.
    pub created: i64,
    /// The digest of its configuration.
    pub id: String,
    /// Its labels, if they were asked for.
    pub labels: NilMap<String>,
    /// The image that it was made from here.
    pub parent_id: String,
    /// Its names with digests.
    pub repo_digests: Vec<String>,
    /// Its names with tags.
    pub repo_tags: Vec<String>,
    /// Bytes in layers that another image has too; -1 if they were not counted.
    pub shared_size: i64,
    /// Bytes of the files in its layers.
    pub size: u64,
}

/// One step of an image's history: `GET /images/NAME/history`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryItem {
    /// A word about it.
    pub comment: String,
    /// When, in seconds since 1970; [`NEVER`](crate::NEVER) if it does not say.
    pub created: i64,
    /// By which command.
    pub created_by: String,
    /// The image as it was after this step; [`MISSING`](Self::MISSING) if that is not known here.
    pub id: String,
    /// Bytes of the files in the step's layer; 0 if it made none.
    pub size: u64,
    /// The names with tags of that image.
    pub tags: NilList<String>,
}

impl HistoryItem {
    /// Instead of an id, where the step's image is not known.
    pub const MISSING: &'static str = "<missing>";
}

/// What a search finds: `GET /images/search`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SearchResult {
    /// How many people like it.
    pub star_count: u64,
    /// Docker looks after it.
    pub is_official: bool,
    /// Its repository.
    pub name: String,
    /// A registry builds it.
    pub is_automated: bool,
    /// What it says of itself.
    pub description: String,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NEVER;

    #[track_caller]
    fn check(document: &impl Serialize, expected: &str) {
        assert_eq!(serde_json::to_string(document).unwrap(), expected);
    }

    #[test]
    fn json_is_dockers() {
        check(
            &ImageSummary { containers: -1, created: NEVER, id: "sha256:1".to_owned(), ..ImageSummary::default() },
            concat!(
                r#"{"Containers":-1,"Created":-62135596800,"Id":"sha256:1","Labels":null,"ParentId":"","#,
                r#""RepoDigests":[],"RepoTags":[],"SharedSize":0,"Size":0}"#
            ),
        );
        check(
            &HistoryItem { id: HistoryItem::MISSING.to_owned(), created_by: "x".to_owned(), ..HistoryItem::default() },
            r#"{"Comment":"","Created":0,"CreatedBy":"x","Id":"<missing>","Size":0,"Tags":null}"#,
        );
        check(
            &SearchResult { star_count: 3, name: "box".to_owned(), ..SearchResult::default() },
            r#"{"star_count":3,"is_official":false,"name":"box","is_automated":false,"description":""}"#,
        );
    }
}
