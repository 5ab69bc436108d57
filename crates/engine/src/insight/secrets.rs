//! Secrets in any layer, also in files that a later layer replaced or removed: whoever has the image has those as well.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::Value;
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
    /// Where in the configuration it stands: `Env NAME`, `Labels NAME`, `history 3` (from the base on); a few of the places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
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

/// 4 places of a secret in the configuration.
const MAX_SETTINGS: usize = 4;
/// 80 letters of a variable's name.
const MAX_NAME: usize = 80;
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
            if self.found.len() >= MAX_LEAKS {
                break;
            }
            for (index, version) in versions.iter().enumerate() {
                let is_shown = version.standing == Standing::Shown;
                // What a package had that is no longer installed was the package's all the same; what somebody put in its place is not.
                if !owned.is_packaged(view, &path, &versions[index..], &warned.budget) {
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
            let new =
                || Leaked { leak, path: path.to_owned(), settings: Vec::new(), layer, is_removed, is_of_base: false };
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

/// Secrets in what an image says of itself: instructions and their comments, commands, variables, labels and all else that is set,
/// values as well as names.
pub(super) fn of_config(config: &ImageConfig) -> Vec<Leaked> {
    let mut found = Vec::new();
    if let Some(Ok(set)) = config.config.as_ref().map(serde_json::to_value) {
        each_text("", &set, &mut |setting, text| add(setting, text, &mut found));
    }
    for (at, step) in config.history.iter().enumerate() {
        let texts = [&step.created_by, &step.comment, &step.author].into_iter().flatten();
        texts.for_each(|text| add(&format!("history {}", at + 1), text, &mut found));
    }
    config.author.iter().for_each(|text| add("author", text, &mut found));
    found
}

fn add(setting: &str, text: &str, found: &mut Vec<Leaked>) {
    for leak in leak::search("", text.as_bytes()) {
        let at = found.iter().position(|known| known.leak == leak);
        let at = at.unwrap_or_else(|| {
            found.push(Leaked {
                leak,
                path: String::new(),
                settings: Vec::new(),
                layer: None,
                is_removed: false,
                is_of_base: false,
            });
            found.len() - 1
        });
        let settings = &mut found[at].settings;
        if settings.len() < MAX_SETTINGS && !settings.iter().any(|known| known == setting) {
            settings.push(setting.to_owned());
        }
        if found.len() > MAX_LEAKS {
            return found.truncate(MAX_LEAKS);
        }
    }
}

/// Calls `take` with each text in a value, and each name; before it what it is set by, as `Env NAME` and `Labels NAME`.
fn each_text(setting: &str, value: &Value, take: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => match text.split_once('=').filter(|_| setting == "Env") {
            Some((name, _)) => take(&format!("{setting} {}", shown(name)), text),
            None => take(setting, text),
        },
        Value::Array(all) => all.iter().for_each(|one| each_text(setting, one, take)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            take(setting, name);
            each_text(format!("{setting} {}", shown(name)).trim_start(), value, take);
        }),
        _ => {}
    }
}

/// A name that somebody else has chosen: it may be a secret itself, and of any length.
fn shown(name: &str) -> String {
    leak::hide(name).chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_set_is_searched() {
        let token = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
        for set in [
            r#""config":{"Cmd":["app","--token=TOKEN"]}"#,
            r#""config":{"Entrypoint":["app","TOKEN"]}"#,
            r#""config":{"Healthcheck":{"Test":["CMD-SHELL","curl TOKEN"]}}"#,
            r#""config":{"OnBuild":["RUN curl TOKEN"]}"#,
            r#""config":{"Env":["A=TOKEN"]}"#,
            r#""config":{"Labels":{"TOKEN":"1"}}"#,
            r#""config":{"Labels":{"a":"TOKEN"}}"#,
            r#""config":{},"author":"TOKEN""#,
            r#""config":{},"history":[{"created_by":"x","comment":"TOKEN"}]"#,
        ] {
            let text = format!(
                r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},{}}}"#,
                set.replace("TOKEN", &token)
            );
            let config: ImageConfig = serde_json::from_str(&text).unwrap();
            assert_eq!(of_config(&config).len(), 1, "{set}");
        }
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},
                "config":{{"Env":["PATH=/bin","A={token}"],"Labels":{{"b":"{token}","{token}":"c"}},"Cmd":["{token}"]}},
                "history":[{{"created_by":"x"}},{{"created_by":"RUN {token}"}}]}}"#
        );
        let found = of_config(&serde_json::from_str(&text).unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].settings, ["Cmd", "Env A", "Labels b", "Labels"]);
    }
}
