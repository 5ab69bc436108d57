//! Pruning: removing what nobody names or uses, for the disk's sake.

use std::collections::BTreeSet;

use wharfie_oci::{ImageId, Reference};
use wharfie_store::gc::Kept;
use wharfie_store::journal::Note;
use wharfie_store::prune::Which;
use wharfie_store::trash::Removal;

use crate::engine::Engine;
use crate::error::Result;
use crate::events;
use crate::filter::Filters;
use crate::remove::{Removed, Remover};

/// What to prune.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    /// Also images with names; they must only have no children.
    pub all: bool,
    /// Further conditions.
    pub filters: Filters,
}

/// What a prune came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Names, images and layers that are not to be seen any more.
    pub removed: Vec<Removed>,
    /// Bytes of the files in the layers that were freed, those of images removed earlier included.
    pub reclaimed: u64,
}

/// The events of a removed image.
pub(crate) fn told(id: &ImageId, names: &[String]) -> Vec<Note> {
    let familiar = |name: &String| name.parse::<Reference>().map_or_else(|_| name.clone(), |name| name.familiar());
    let mut notes: Vec<Note> = names.iter().map(|name| events::of_image(id, "untag", &familiar(name))).collect();
    notes.push(events::of_image(id, "delete", id.as_str()));
    notes
}

impl Engine {
    /// Removes images that have no tag and no children, or with `all` every image that is not only a parent, and frees
    /// their space at once, together with what was removed earlier and was still being kept: with `until` only what was
    /// removed before that moment, with labels nothing of it, since both say that not everything is meant.
    ///
    /// # Errors
    /// When the store cannot be written. Images that something still needs are passed over.
    pub fn prune(&self, prune: &Prune) -> Result<Pruned> {
        let store = self.freeing_writer()?;
        let candidates = self.candidates(prune)?;
        let ids: Vec<ImageId> = candidates.iter().map(|(id, _)| id.clone()).collect();
        let mut removed = Vec::new();
        let which = if prune.all { Which::All } else { Which::Untagged };
        for (id, gone) in store.remove_unused(&ids, which, Removal::Final, &told)? {
            removed.extend(
                gone.names.iter().map(|name| Ok(Removed::Reference(name.parse()?))).collect::<Result<Vec<_>>>()?,
            );
            removed.push(Removed::Image(id));
            removed.extend(gone.layers.into_iter().map(|(chain_id, bytes)| Removed::Layer(chain_id, bytes)));
        }
        // What is used is looked at one by one: docker takes names of it as long as it has others.
        let mut remover = Remover { store, removal: Removal::Final, removed };
        let is_left = |id: &ImageId| -> Result<bool> { Ok(store.image(id)?.is_some()) };
        for (id, references) in candidates {
            if !is_left(&id)? {
                continue;
            }
            let names = match references.as_slice() {
                [] => vec![id.to_string()],
                references => references.iter().map(Reference::familiar).collect(),
            };
            for name in names {
                // Pruning is asked to take what can go; a conflict or a name gone meanwhile says that this cannot.
                let before = remover.removed.len();
                if remover.remove(&name, false, true).is_err() {
                    remover.removed.truncate(before);
                }
            }
        }
        let kept = match prune.filters.until {
            _ if prune.filters.needs_labels() => Kept::Expired,
            Some(until) => Kept::Before(until.to_nanos()),
            None => Kept::All,
        };
        let collected = store.collect(kept)?;
        Ok(Pruned { removed: remover.removed, reclaimed: collected.content })
    }

    fn candidates(&self, prune: &Prune) -> Result<Vec<(ImageId, Vec<Reference>)>> {
        let store = self.writer()?;
        let images = store.named_images()?;
        let parents: BTreeSet<&ImageId> = images.iter().filter_map(|(image, _)| image.parent.as_ref()).collect();
        let mut candidates = Vec::new();
        for (image, names) in &images {
            let references = names.iter().map(|name| crate::names::of_row(name)).collect::<Result<Vec<_>>>()?;
            let has_children = parents.contains(&image.id);
            let has_tag = references.iter().any(|reference| reference.tag().is_some());
            if has_children && (references.is_empty() || !prune.all) || has_tag && !prune.all {
                continue;
            }
            if references.is_empty() && !store.names_leading_to(&image.id)?.is_empty() {
                continue;
            }
            if let Some(until) = prune.filters.until
                && self.made(store, image, &[until])? > until
            {
                continue;
            }
            if prune.filters.needs_labels() && !prune.filters.accepts_labels(&self.config_of(store, &image.id)?) {
                continue;
            }
            candidates.push((image.id.clone(), references));
        }
        Ok(candidates)
    }
}
