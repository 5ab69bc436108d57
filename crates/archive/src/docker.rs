//! docker-archive: `manifest.json` and what it names.

use serde::{Deserialize, Serialize};
use wharfie_oci::{Digest, ImageConfig};

use crate::error::{Error, Result};
use crate::read::{ArchivedImage, Intake, Members, check_layers, json};

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

/// The images that `manifest.json` lists. Layers that `intake` has already may be missing: archives that only carry what
/// changed leave them out.
///
/// # Errors
/// When it cannot be read, names what is not there, or contradicts a configuration.
pub fn images(members: &mut Members, intake: &mut dyn Intake) -> Result<Vec<ArchivedImage>> {
    let entries: Option<Vec<ManifestEntry>> = json("manifest.json", members.required("manifest.json")?)?;
    let entries = entries.ok_or(Error::NullManifest)?;
    let mut images = Vec::with_capacity(entries.len());
    for entry in entries {
        let config = members.required(&entry.config)?.to_vec();
        let parsed =
            ImageConfig::parse(&config).map_err(|source| Error::Json { member: entry.config.clone(), source })?;
        let names = entry.layers.unwrap_or_default();
        // Counted before they are looked up: a missing layer is the lesser contradiction.
        if names.len() != parsed.rootfs.diff_ids.len() {
            return Err(Error::LayerCount { expected: names.len(), actual: parsed.rootfs.diff_ids.len() });
        }
        let layers =
            names.iter().zip(&parsed.rootfs.diff_ids).map(|(name, diff_id)| members.layer(name, diff_id, intake));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        check_layers(&parsed, &layers)?;
        images.push(ArchivedImage {
            config,
            parsed,
            names: entry.repo_tags.unwrap_or_default(),
            manifest: None,
            parent: entry.parent.and_then(|id| id.parse::<Digest>().ok()),
        });
    }
    Ok(images)
}
