//! What an image's layers cost: all names that they have, dive's numbers, what could be saved, and how.
//!
//! Only what headers of the layers' tars say is looked at, once, from the bottom up ([`Analyzer`]). Memory is bounded: what is
//! beyond is a warning.

mod advice;
mod dive;
mod document;
mod hidden;
mod items;
mod names;
pub mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use advice::Advice;
pub use dive::{Efficiency, Inefficient};
pub use document::write;
pub use hidden::{Hidden, How};
pub use items::{Entry, Item, ItemKind};
pub use names::{Names, PathNumber};

use crate::package::Layer;
use dive::Counter;
use hidden::Shown;
use items::Taking;

/// What was found in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Which it is, and the instruction that made it.
    pub layer: Layer,
    /// Bytes of all its entries, as their headers state them.
    pub size: u64,
    /// Bytes in it that nobody sees.
    pub hidden: u64,
    /// Where its items begin and end.
    range: (usize, usize),
}

/// What all layers come to.
#[derive(Debug)]
pub struct Analysis {
    /// Every path once.
    pub names: Names,
    /// From the bottom.
    pub layers: Vec<LayerFacts>,
    /// Bytes of all layers.
    pub size: u64,
    /// Of all but the lowest.
    pub user_size: u64,
    /// dive's numbers.
    pub efficiency: Efficiency,
    /// Bytes that no container sees.
    pub reclaimable: u64,
    /// The files that they are in, largest first.
    pub hidden: Vec<Hidden>,
    /// Bytes of caches and the like that are still seen.
    pub leftover: u64,
    /// What to do, what saves most first.
    pub advice: Vec<Advice>,
    /// What could not be looked at.
    pub warnings: Vec<String>,
    items: Vec<Item>,
    links: Vec<u8>,
    opaque: BTreeMap<PathNumber, Vec<u32>>,
}

impl Analysis {
    /// What a layer has, in dive's order.
    pub fn items(&self, layer: usize) -> &[Item] {
        let (begin, end) = self.layers[layer].range;
        &self.items[begin..end]
    }

    /// Where a link leads.
    pub fn link(&self, item: &Item) -> &[u8] {
        item.link(&self.links)
    }

    /// dive's share of wasted bytes in what was added to the lowest layer. Not a number if nothing was.
    pub fn user_wasted(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "dive divides the same way")]
        let share = self.efficiency.wasted as f64 / self.user_size as f64;
        share
    }

    /// Who has which path.
    pub fn whereabouts(&self) -> Whereabouts<'_> {
        let ends = self.layers.iter().map(|layer| layer.range.1).collect();
        Whereabouts(Shown::new(&self.names, &self.items, &self.links, ends, &self.opaque))
    }

    /// The directories that a layer makes opaque.
    pub fn opaque_in(&self, layer: usize) -> Vec<PathNumber> {
        let says = |layers: &Vec<u32>| layers.iter().any(|by| *by as usize == layer);
        self.opaque.iter().filter(|(_, layers)| says(layers)).map(|(path, _)| *path).collect()
    }

    /// What a whiteout removes; `None` for anything else.
    pub fn removed(&self, item: &Item) -> Option<PathNumber> {
        hidden::removed(item, &self.names)
    }
}

/// Which layers have which path.
pub struct Whereabouts<'a>(Shown<'a>);

impl Whereabouts<'_> {
    /// The layers that have a path, or remove it, from the bottom.
    pub fn layers_of(&self, path: PathNumber) -> Vec<usize> {
        self.0.layers_of(path)
    }
}

/// Takes layers apart, from the bottom.
#[derive(Debug, Default)]
pub struct Analyzer {
    names: Names,
    links: Vec<u8>,
    items: Vec<Item>,
    layers: Vec<LayerFacts>,
    opaque: BTreeMap<PathNumber, Vec<u32>>,
    taking: Taking,
    counter: Counter,
    warnings: Vec<String>,
    is_full: bool,
}

/// 400,000 names of all layers and 300,000 different ones: what is kept of them stays within tens of megabytes.
const MAX_ITEMS: usize = 400_000;
/// As [`MAX_ITEMS`].
const MAX_PATHS: usize = 300_000;
/// 8 MiB of names, and 4 MiB of links.
const MAX_NAMES: usize = 8 << 20;
/// As [`MAX_NAMES`].
const MAX_LINKS: usize = 4 << 20;
/// 4,096 bytes and 256 directories: beyond, no kernel opens a file by its path, and nobody means one.
const MAX_PATH: usize = 4096;
/// As [`MAX_PATH`].
const MAX_DEPTH: usize = 256;
/// 1,024 layers: kernels stack 500.
const MAX_LAYERS: usize = 1024;
/// 64 warnings: who has more need not hear each.
const MAX_WARNINGS: usize = 64;

impl Analyzer {
    /// Takes an entry of the layer that is open. False if nothing more is taken: the image has too much.
    pub fn entry(&mut self, entry: &Entry<'_>) -> bool {
        let depth = entry.path.iter().filter(|byte| **byte == b'/').count();
        if entry.path.len() > MAX_PATH || depth > MAX_DEPTH {
            let start = String::from_utf8_lossy(&entry.path[..entry.path.len().min(80)]).into_owned();
            self.warn(format!("a path is longer than any that can be opened, and left out: {start}…"));
            return true;
        }
        if self.items.len() + self.taking.count() + depth >= MAX_ITEMS
            || self.names.count() + depth >= MAX_PATHS
            || self.names.text_len() + entry.path.len() > MAX_NAMES
            || self.links.len() + entry.link.len() > MAX_LINKS
            || self.layers.len() >= MAX_LAYERS
        {
            if !self.is_full {
                self.is_full = true;
                let layer = self.layers.len();
                self.warn(format!(
                    "there are more files than are looked at: what follows in layer {layer} and above is left out"
                ));
            }
            return false;
        }
        self.taking.take(entry, &mut self.names, &mut self.links);
        true
    }

    /// Ends a layer.
    pub fn end_layer(&mut self, layer: Layer) {
        let begin = self.items.len();
        let (size, overwritten) = (self.taking.size, self.taking.overwritten);
        for path in std::mem::take(&mut self.taking.opaque) {
            let layers = self.opaque.entry(path).or_default();
            let number = names::index(self.layers.len());
            if layers.last() != Some(&number) {
                layers.push(number);
            }
        }
        let mut is_leaf = Vec::new();
        self.taking.finish(&self.names, &mut self.items, &mut is_leaf);
        self.counter.layer(&self.items[begin..], &is_leaf, &mut self.names);
        self.layers.push(LayerFacts { layer, size, hidden: overwritten, range: (begin, self.items.len()) });
    }

    /// Notes that something could not be looked at.
    pub fn warn(&mut self, text: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(text);
        }
    }

    /// What it all comes to.
    pub fn finish(mut self) -> Analysis {
        let efficiency = std::mem::take(&mut self.counter).finish();
        for (layer, path) in &efficiency.stopped {
            let path = String::from_utf8_lossy(path);
            self.warn(format!(
                "layer {layer} removes /{path}, which is in no layer below: dive's numbers leave out the rest of that layer, and so do these"
            ));
        }
        let ends: Vec<usize> = self.layers.iter().map(|layer| layer.range.1).collect();
        let shown = Shown::new(&self.names, &self.items, &self.links, ends, &self.opaque);
        let mut adviser = advice::Adviser::default();
        let mut hidden = shown.hidden(&mut |layer, item| adviser.seen(layer, item, &self.names));
        drop(shown);
        for hidden in &hidden {
            adviser.hidden(hidden, &self.names);
            let facts = &mut self.layers[hidden.layer];
            facts.hidden = facts.hidden.saturating_add(hidden.size);
        }
        hidden.sort_by_key(|hidden| std::cmp::Reverse(hidden.size));
        let advice = adviser.finish();
        let leftover = advice.iter().filter(|advice| advice.hidden_by.is_none()).map(|advice| advice.size_bytes);
        let leftover = leftover.fold(0, u64::saturating_add);
        let sum = |layers: &[LayerFacts]| layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
        Analysis {
            size: sum(&self.layers),
            user_size: sum(self.layers.get(1..).unwrap_or_default()),
            reclaimable: self.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.hidden)),
            names: self.names,
            layers: self.layers,
            efficiency,
            hidden,
            leftover,
            advice,
            warnings: self.warnings,
            items: self.items,
            links: self.links,
            opaque: self.opaque,
        }
    }
}
