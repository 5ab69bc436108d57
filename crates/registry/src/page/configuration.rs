//! An image's configuration: found, proven, read, or told why not; and how it runs.

use std::collections::BTreeMap;

use wharfie_oci::config::{ContainerConfig, Empty};
use wharfie_oci::{Descriptor, Digester, ImageConfig};

use super::html::Html;
use super::layout::{Facts, Table, cell, code};
use super::words::Words;
use crate::name::RepositoryName;
use crate::refusal::Refusal;
use crate::router::Registry;

/// What became of an image's configuration.
pub(super) enum Configuration {
    Read(Box<ImageConfig>),
    /// The manifest is of something else than an image: its configuration has a shape of its own, or none.
    Foreign,
    Absent,
    Large,
    Damaged,
    Senseless,
}

/// 4 MiB: what is read into memory for a page.
const MAX_BYTES: u64 = 4 << 20;
/// 200 variables, labels and other entries of one kind.
const MAX_ROWS: usize = 200;

impl Registry {
    /// Reads an image's configuration.
    pub(super) async fn configuration(
        &self,
        name: &RepositoryName,
        config: &Descriptor,
    ) -> Result<Configuration, Refusal> {
        if !config.media_type.may_be_config() {
            return Ok(Configuration::Foreign);
        }
        let Some(link) = self.link(name, &config.digest).await? else { return Ok(Configuration::Absent) };
        if link.size > MAX_BYTES {
            return Ok(Configuration::Large);
        }
        let Some(data) = link.data() else { return Ok(Configuration::Damaged) };
        let Some(body) = self.storage.read(&data, 0, link.size).await? else { return Ok(Configuration::Damaged) };
        let Ok(bytes) = body.whole().await else { return Ok(Configuration::Damaged) };
        let digest = config.digest.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut digester = Digester::new(digest.algorithm());
            digester.update(&bytes);
            if digester.finish() != digest {
                return Configuration::Damaged;
            }
            ImageConfig::parse(&bytes).map_or(Configuration::Senseless, |config| Configuration::Read(Box::new(config)))
        });
        reading.await.map_err(|why| Refusal::unavailable(&format!("a defect: {why}")))
    }
}

impl Configuration {
    /// The document, if there is one.
    pub(super) fn document(&self) -> Option<&ImageConfig> {
        match self {
            Self::Read(config) => Some(config),
            Self::Foreign | Self::Absent | Self::Large | Self::Damaged | Self::Senseless => None,
        }
    }

    /// How a container made of the image runs, or why that cannot be told.
    pub(super) fn shown(&self, words: &Words) -> Html {
        let mut html = Html::new();
        match self {
            Self::Read(config) => {
                html = config.config.as_ref().map(|config| running(config, words)).unwrap_or_default();
                if html.is_empty() {
                    html.element("p", words.nothing_set);
                }
            }
            Self::Foreign => {}
            Self::Absent => drop(html.element("p", words.config_absent)),
            Self::Large => drop(html.element("p", words.config_large)),
            Self::Damaged => drop(html.element("p", words.config_damaged)),
            Self::Senseless => drop(html.element("p", words.config_senseless)),
        }
        html
    }
}

/// What is set of how it runs.
fn running(config: &ContainerConfig, words: &Words) -> Html {
    let mut facts = Facts::default();
    let list = |facts: &mut Facts, name: &str, words: Option<&Vec<String>>| {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            facts.fact(name, &code(&serde_json::json!(words).to_string()));
        }
    };
    let set = |facts: &mut Facts, name: &str, set: Option<&BTreeMap<String, Empty>>| {
        if let Some(set) = set.filter(|set| !set.is_empty()) {
            let names: Vec<&str> = set.keys().take(MAX_ROWS).map(String::as_str).collect();
            facts.fact(name, &code(&names.join(" ")));
        }
    };
    let word = |facts: &mut Facts, name: &str, word: &str| {
        if !word.is_empty() {
            facts.fact(name, &code(word));
        }
    };
    list(&mut facts, "Entrypoint", config.entrypoint.as_ref());
    list(&mut facts, "Cmd", config.cmd.as_ref());
    word(&mut facts, words.user, &config.user);
    word(&mut facts, words.working_directory, &config.working_dir);
    set(&mut facts, words.ports, config.exposed_ports.as_ref());
    set(&mut facts, words.volumes, config.volumes.as_ref());
    word(&mut facts, words.stop_signal, config.stop_signal.as_deref().unwrap_or_default());
    let mut html = facts.end();
    let environment = config.env.as_deref().unwrap_or_default();
    let environment = environment.iter().map(|one| one.split_once('=').unwrap_or((one, "")));
    html.html(&pairs(words.environment, environment));
    let labels = config.labels.iter().flatten();
    html.html(&pairs(words.labels, labels.map(|(name, value)| (name.as_str(), value.as_str()))));
    html
}

/// A table of names and values under a title; nothing if there are none.
pub(super) fn pairs<'a>(title: &'static str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Html {
    let mut pairs = pairs.peekable();
    let mut html = Html::new();
    if pairs.peek().is_none() {
        return html;
    }
    let mut table = Table::new("pairs", &[]);
    for (name, value) in pairs.by_ref().take(MAX_ROWS) {
        table.row(&[code(name), code(value)]);
    }
    let rest = pairs.count();
    if rest > 0 {
        table.row(&[cell(&format!("+{rest}")), Html::new()]);
    }
    html.element("h3", title).raw("\n").html(&table.end());
    html
}
