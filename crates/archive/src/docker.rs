//! docker-archive: `manifest.json` and what it names.

use serde::{Deserialize, Serialize};
use wharfie_oci::{Descriptor, ImageId, MediaType};

use crate::archive::Root;
use crate::error::{Error, Result};
use crate::read::{Members, json};

/// One image of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestEntry {
    /// Member that holds the configuration.
    pub config: String,
    /// Names, familiar with tag; `null` for none.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// Members that hold the layers, bottom first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
    /// Id of the image it was made from, if that is in the archive too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Where the parts of an image are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Member that holds the configuration.
    pub(crate) config: String,
    /// Members that hold the layers, bottom first.
    pub(crate) layers: Vec<String>,
}

/// The images that `manifest.json` lists.
///
/// # Errors
/// When it cannot be read, or names a configuration that is not there.
pub(crate) fn images(members: &Members) -> Result<Vec<(Image, Root)>> {
    let entries: Option<Vec<ManifestEntry>> = json("manifest.json", members.required("manifest.json")?)?;
    let entries = entries.ok_or(Error::NullManifest)?;
    let mut images: Vec<(Image, Root)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let descriptor = Descriptor::of(MediaType::DOCKER_CONFIG, members.required(&entry.config)?);
        let image = Image { config: entry.config, layers: entry.layers.unwrap_or_default() };
        let root = Root {
            descriptor,
            names: entry.repo_tags.unwrap_or_default(),
            tags: Vec::new(),
            parent: entry.parent.and_then(|id| id.parse::<ImageId>().ok()),
        };
        images.push((image, root));
    }
    Ok(images)
}
