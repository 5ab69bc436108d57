//! Secrets in any layer, also in files that a later layer replaced or removed: whoever has the image has those as well.

use std::collections::BTreeMap;

use serde::Serialize;
use wharfie_layer::entry::Kind;
use wharfie_layer::view::{Files, Standing, Version};
use wharfie_oci::ImageConfig;
use wharfie_scan::content::read_all;
use wharfie_scan::leak::{self, Leak};

use super::open::Opened;
use super::take::Lying;
use crate::error::Result;

/// A secret, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leaked {
    /// What it looks like.
    #[serde(flatten)]
    pub leak: Leak,
    /// From the root without a leading slash; empty for what stands in the image's configuration.
    pub path: String,
    /// The lowest layer that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// It is no longer seen in a container, but the layer has it.
    #[serde(rename = "isRemoved")]
    pub is_removed: bool,
}

/// 1,000 secrets: then they are none.
const MAX_LEAKS: usize = 1000;
/// 1,000 files.
const MAX_SET_ID: usize = 1000;
const SET_ID: u16 = 0o6000;

/// What a walk for secrets finds: those, and the files with set-id bits.
pub(super) fn find(opened: &mut Opened) -> Result<(Vec<Leaked>, Vec<String>)> {
    let layers = opened.layers.len();
    let mut found: BTreeMap<(String, Leak), Leaked> = BTreeMap::new();
    let mut set_id = Vec::new();
    let walked = opened.view.walk(&mut |files, path, versions| {
        let path = String::from_utf8_lossy(path);
        let is_there = versions.first().filter(|version| version.standing == Standing::Shown);
        if is_there.is_some_and(|version| version.kind == Kind::File && version.mode & SET_ID != 0)
            && set_id.len() < MAX_SET_ID
        {
            set_id.push(path.clone().into_owned());
        }
        if leak::is_searched(&path) && found.len() < MAX_LEAKS {
            for version in versions {
                search(files, &path, version, layers, &mut found);
            }
        }
    });
    walked.map_err(wharfie_store::Error::Layer)?;
    let mut found: Vec<Leaked> = found.into_values().collect();
    found.extend(opened.config.as_ref().map(of_config).unwrap_or_default());
    Ok((found, set_id))
}

fn search(
    files: &Files<'_>,
    path: &str,
    version: &Version,
    layers: usize,
    found: &mut BTreeMap<(String, Leak), Leaked>,
) {
    let Some(bytes) = files.bytes(version) else { return };
    let Ok(bytes) = read_all(&Lying(bytes), leak::MAX_BYTES) else { return };
    for leak in leak::search(path, &bytes) {
        let layer = layers.checked_sub(version.part + 1);
        let is_removed = version.standing != Standing::Shown;
        let key = (path.to_owned(), leak.clone());
        // Versions come from above: the lowest layer brought it, and if it is seen anywhere it is there.
        let known = found.entry(key).or_insert_with(|| Leaked { leak, path: path.to_owned(), layer, is_removed });
        known.layer = layer;
        known.is_removed &= is_removed;
    }
}

/// Secrets in what an image says of itself: instructions, variables, labels.
fn of_config(config: &ImageConfig) -> Vec<Leaked> {
    let steps = config.history.iter().filter_map(|step| step.created_by.as_deref());
    let own = config.config.as_ref();
    let variables = own.into_iter().flat_map(|own| own.env.iter().flatten()).map(String::as_str);
    let labels = config.labels().into_iter().flatten().map(|(_, value)| value.as_str());
    let mut found: Vec<Leaked> = Vec::new();
    for text in steps.chain(variables).chain(labels) {
        for leak in leak::search("", text.as_bytes()) {
            let leaked = Leaked { leak, path: String::new(), layer: None, is_removed: false };
            if !found.contains(&leaked) {
                found.push(leaked);
            }
        }
    }
    found
}
