//! What an image was made from: an image that is here and has its lowest layers, else what its history lets one guess.

use wharfie_oci::config::{ContainerConfig, History};
use wharfie_oci::{ImageConfig, Reference};
use wharfie_scan::{Base, Inventory, KnownBy, Layer};

use super::open::Opened;
use super::{Beside, Look, Target};
use crate::engine::Engine;
use crate::error::Result;
use crate::names;

/// By which a build says what it began with. Source: image-spec, "Pre-Defined Annotation Keys".
const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// By which it says of which manifest that was.
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// 8 tags of one repository are looked into.
const MAX_CANDIDATES: usize = 8;

/// What an image says of its base.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'a> {
    name: Option<&'a str>,
    digest: Option<&'a str>,
}

impl Engine {
    /// The base of what was opened.
    pub(super) fn base_of(&self, opened: &Opened) -> Result<Option<Base>> {
        if let Some(id) = &opened.id
            && let Some((name, layers)) = self.built_from(id)?
            && layers < opened.layers.len()
        {
            return Ok(Some(Base { name, layers, known_by: KnownBy::Build }));
        }
        let text = |key| opened.annotations.get(key).map(String::as_str);
        let said = Said { name: text(BASE_NAME), digest: text(BASE_DIGEST) };
        self.base_of_layers(&opened.layers, said, opened.config.as_ref())
    }

    /// The base of these layers, bottom first, of which `said` is what the image says and `config` what it ran with. The longest
    /// stack of layers that an image with a name has counts.
    pub(super) fn base_of_layers(
        &self,
        layers: &[Layer],
        said: Said<'_>,
        config: Option<&ImageConfig>,
    ) -> Result<Option<Base>> {
        let layers: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        if layers.is_empty() {
            return Ok(None);
        }
        let store = self.reader()?;
        let mut best: Option<((usize, bool, usize), String)> = None;
        for row in &store.references()? {
            let has_digest = match said.digest {
                Some(digest) => store.manifests_of(&row.image)?.iter().any(|row| row.digest.to_string() == digest),
                None => false,
            };
            // A name of a digest is one that people write if the image says that it was this one.
            if row.is_digest && !has_digest {
                continue;
            }
            let known = store.layers_of(&row.image)?;
            let is_longer = best.as_ref().is_none_or(|((count, ..), _)| known.len() >= *count);
            let is_base = !known.is_empty()
                && known.len() <= layers.len()
                && known.iter().zip(&layers).all(|(layer, own)| layer.diff_id.as_str() == *own);
            if !is_longer || !is_base {
                continue;
            }
            // Which steps an image has done tells it from others with the same layers.
            let steps = match config {
                Some(config) => beginning(&self.config_of(store, &row.image)?, config),
                None => None,
            };
            let is_less = steps.zip(config).is_some_and(|(steps, config)| steps > 0 && steps < config.history.len());
            if known.len() == layers.len() && !is_less {
                continue;
            }
            let name = names::reference(row)?;
            let is_named = |said: &str| said.parse::<Reference>().is_ok_and(|said| said.or_latest() == name);
            let is_said = has_digest || said.name.is_some_and(is_named);
            let found = (known.len(), is_said, steps.unwrap_or_default());
            // Of several names of one image the first in order, unless the image says which.
            if best.as_ref().is_none_or(|(best, _)| found > *best) {
                best = Some((found, name.familiar()));
            }
        }
        if let Some(((layers, ..), name)) = best {
            return Ok(Some(Base { name, layers, known_by: KnownBy::Image }));
        }
        let guessed = config.and_then(guessed).filter(|count| *count < layers.len());
        let name = said.name.unwrap_or_default().to_owned();
        Ok(guessed.map(|layers| Base { name, layers, known_by: KnownBy::History }))
    }

    /// What the base of an image says of itself, of which `own` is what the image says: as it is here, else as the history of the
    /// image tells of its first steps.
    pub(super) fn config_of_base(&self, base: &Base, own: &ImageConfig) -> Result<ImageConfig> {
        let store = self.reader()?;
        let layers = &own.rootfs.diff_ids[..base.layers.min(own.rootfs.diff_ids.len())];
        let named = base.name.parse::<Reference>().ok().map(|name| name.or_latest().canonical());
        let mut best: Option<((bool, usize), ImageConfig)> = None;
        for row in &store.references()? {
            let known = store.layers_of(&row.image)?;
            if known.len() != layers.len() || !known.iter().zip(layers).all(|(layer, own)| layer.diff_id == *own) {
                continue;
            }
            let config = self.config_of(store, &row.image)?;
            let Some(steps) = beginning(&config, own) else { continue };
            let found = (named.as_ref() == Some(&row.name), steps);
            if best.as_ref().is_none_or(|(best, _)| found > *best) {
                best = Some((found, config));
            }
        }
        Ok(best.map_or_else(|| told_by_history(own, base.layers), |(_, config)| config))
    }

    /// What is in other tags of the repository of a base that are here: of those one may be a newer base.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn other_bases(&self, base: &Base) -> Result<Vec<(String, Inventory)>> {
        let Ok(known) = base.name.parse::<Reference>() else { return Ok(Vec::new()) };
        let store = self.reader()?;
        let Some(used) = store.resolve(&known.canonical())? else { return Ok(Vec::new()) };
        let prefix = format!("{}:", known.repository().canonical());
        let mut found = Vec::new();
        let rows = store.references_beginning(&prefix)?;
        for row in rows.iter().filter(|row| !row.is_digest && row.image != used).take(MAX_CANDIDATES) {
            let name = names::reference(row)?.familiar();
            let look =
                Look { target: Target::Image(name.clone()), platform: None, beside: Beside::Ignored, image: None };
            found.push((name, self.inventory(&look, &mut std::io::empty(), &())?));
        }
        Ok(found)
    }
}

/// How many steps `base` has, if `own` begins with the same ones.
fn beginning(base: &ImageConfig, own: &ImageConfig) -> Option<usize> {
    let is_same =
        |(base, own): (&History, &History)| base.created_by == own.created_by && base.empty_layer == own.empty_layer;
    let count = base.history.len();
    (count <= own.history.len() && base.history.iter().zip(&own.history).all(is_same)).then_some(count)
}

/// What the image of the lowest `layers` said of itself, as far as the steps tell that made it: who runs it, and its variables.
fn told_by_history(own: &ImageConfig, layers: usize) -> ImageConfig {
    let mut left = layers;
    let mut count = 0;
    for step in &own.history {
        match (step.empty_layer, left) {
            (false, 0) => break,
            (false, _) => left -= 1,
            // What comes behind its last layer is the base's if a command is set at the end of it: variables of the image's own
            // stand behind that.
            (true, _) => {}
        }
        count += 1;
    }
    let is_command = |step: &History| step.empty_layer && instruction(step).starts_with("CMD");
    let last = own.history[..count].iter().rposition(|step| !step.empty_layer).map_or(0, |at| at + 1);
    let end = own.history[last..count].iter().position(is_command).map_or(last, |at| last + at + 1);
    let steps = &own.history[..end];
    let words = |word: &'static str| {
        let of_word = move |step: &History| instruction(step).strip_prefix(word).map(|rest| format!("{rest} "));
        steps.iter().filter_map(of_word)
    };
    let set: String = words("ENV ").collect();
    let all = own.config.as_ref().and_then(|own| own.env.clone()).unwrap_or_default();
    let env = all.into_iter().filter(|pair| set.contains(&format!(" {pair} ")) || set.starts_with(&format!("{pair} ")));
    let user = words("USER ").next_back().map(|user| user.trim().to_owned()).unwrap_or_default();
    let config = ContainerConfig { user, env: Some(env.collect()), ..ContainerConfig::default() };
    ImageConfig { config: Some(config), history: steps.to_vec(), ..ImageConfig::default() }
}

/// What a step did, without what every one of a tool has.
fn instruction(step: &History) -> &str {
    let text = step.created_by.as_deref().unwrap_or_default();
    let text = text.strip_prefix("/bin/sh -c ").unwrap_or(text);
    text.strip_prefix("#(nop)").unwrap_or(text).trim_start()
}

/// How many layers were there when the last command was set before more of them came: bases end in one.
fn guessed(config: &ImageConfig) -> Option<usize> {
    let mut has_more = false;
    for (at, step) in config.history.iter().enumerate().rev() {
        if !step.empty_layer {
            has_more = true;
            continue;
        }
        if has_more && instruction(step).starts_with("CMD") {
            let count = config.history[..at].iter().filter(|step| !step.empty_layer).count();
            return (count > 0).then_some(count);
        }
    }
    None
}
