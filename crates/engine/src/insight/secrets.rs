//! Secrets in any layer, also in files that a later layer replaced or removed: whoever has the image has those as well.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use wharfie_layer::view::{Files, Standing, Version, View};
use wharfie_oci::ImageConfig;
use wharfie_scan::content::read_all;
use wharfie_scan::leak::{self, Leak, Searched};
use wharfie_scan::{Content, Found};

use super::owned::Owned;
use super::take::{HeldVersion, Lying, hold};

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
    /// The image that this one was made from has it as well.
    #[serde(rename = "isOfBase", skip_serializing_if = "std::ops::Not::not")]
    pub is_of_base: bool,
}

/// 1,000 secrets: then they are none.
const MAX_LEAKS: usize = 1000;
/// 100,000 files that may be a package's: their paths are kept until that is known.
const MAX_CANDIDATES: usize = 100_000;
/// 1,000,000 files with several names.
const MAX_SEEN: usize = 1_000_000;

/// A search that goes along with a walk.
pub(super) struct Search {
    layers: usize,
    found: BTreeMap<(String, Leak), Leaked>,
    /// Where packages have their files: searched when it is known which are theirs.
    candidates: Vec<(String, Vec<HeldVersion>)>,
    left_out: usize,
    /// Files that were searched under another of their names.
    seen: HashSet<(usize, u64)>,
}

impl Search {
    pub(super) fn new(layers: usize) -> Self {
        Self { layers, found: BTreeMap::new(), candidates: Vec::new(), left_out: 0, seen: HashSet::new() }
    }

    /// Searches all versions of a file, or takes note of them. Gives the bytes of the one that is there, if all were read.
    pub(super) fn visit(&mut self, files: &Files<'_>, raw: &[u8], path: &str, versions: &[Version]) -> Option<Vec<u8>> {
        let mut shown = None;
        match Searched::of_path(path) {
            _ if self.found.len() >= MAX_LEAKS => {}
            Searched::Never => {}
            Searched::IfUnowned => {
                let is_small = |version: &Version| (1..=leak::MAX_BYTES).contains(&version.size);
                if versions.iter().any(is_small) {
                    match self.candidates.len() < MAX_CANDIDATES {
                        true => self.candidates.push((path.to_owned(), hold(files, raw, versions))),
                        false => self.left_out += 1,
                    }
                }
            }
            Searched::Always => {
                for version in versions {
                    let is_shown = version.standing == Standing::Shown;
                    if !self.is_new(version) {
                        continue;
                    }
                    let Some(bytes) = files.bytes(version).and_then(|bytes| text(&Lying(bytes))) else { continue };
                    self.search(path, version.part, is_shown, &bytes);
                    shown = is_shown.then_some(bytes).or(shown);
                }
            }
        }
        shown
    }

    /// Paths of files whose owners are asked for.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().map(|(path, _)| path.as_str())
    }

    /// Searches what no package has brought, and gives all that was found.
    pub(super) fn finish(mut self, view: &View, owned: &Owned, warned: &mut Found) -> Vec<Leaked> {
        for (path, versions) in std::mem::take(&mut self.candidates) {
            if owned.of(&path).is_some() || self.found.len() >= MAX_LEAKS {
                continue;
            }
            let was_owned = owned.ever(&path);
            for version in versions {
                let is_shown = version.standing == Standing::Shown;
                // What a package had that is no longer installed was the package's all the same.
                if is_shown || !was_owned {
                    let bytes = view.bytes(&version.held).and_then(|bytes| text(&Lying(bytes)));
                    self.search(&path, version.part, is_shown, &bytes.unwrap_or_default());
                }
            }
        }
        if self.left_out > 0 {
            let count = self.left_out;
            warned
                .warn(format!("{count} files beneath /usr and /lib were not searched for secrets: there are too many"));
        }
        self.found.into_values().collect()
    }

    fn search(&mut self, path: &str, part: usize, is_shown: bool, bytes: &[u8]) {
        for leak in leak::search(path, bytes) {
            let layer = self.layers.checked_sub(part + 1);
            let is_removed = !is_shown;
            let key = (path.to_owned(), leak.clone());
            // Versions come from above: the lowest layer brought it, and if it is seen anywhere it is there.
            let new = || Leaked { leak, path: path.to_owned(), layer, is_removed, is_of_base: false };
            let known = self.found.entry(key).or_insert_with(new);
            known.layer = layer;
            known.is_removed &= is_removed;
        }
    }

    /// False for a file that was searched under another of its names.
    fn is_new(&mut self, version: &Version) -> bool {
        let Some(same) = version.same else { return true };
        self.seen.len() < MAX_SEEN && self.seen.insert((version.part, same))
    }
}

/// All bytes of a file that can have secrets, which is text and not too large.
fn text(content: &dyn Content) -> Option<Vec<u8>> {
    if !(1..=leak::MAX_BYTES).contains(&content.size()) {
        return None;
    }
    let mut head = [0; leak::HEAD];
    let len = content.read_at(0, &mut head).ok()?;
    if !leak::is_text(&head[..len]) {
        return None;
    }
    // Most files are not larger than that.
    if len as u64 == content.size() {
        return Some(head[..len].to_vec());
    }
    read_all(content, leak::MAX_BYTES).ok()
}

/// Secrets in what an image says of itself: instructions, variables, labels.
pub(super) fn of_config(config: &ImageConfig) -> Vec<Leaked> {
    let steps = config.history.iter().filter_map(|step| step.created_by.as_deref());
    let own = config.config.as_ref();
    let variables = own.into_iter().flat_map(|own| own.env.iter().flatten()).map(String::as_str);
    let labels = config.labels().into_iter().flatten().map(|(_, value)| value.as_str());
    let mut found: Vec<Leaked> = Vec::new();
    for text in steps.chain(variables).chain(labels) {
        for leak in leak::search("", text.as_bytes()) {
            let leaked = Leaked { leak, path: String::new(), layer: None, is_removed: false, is_of_base: false };
            if !found.contains(&leaked) {
                found.push(leaked);
            }
        }
    }
    found
}
