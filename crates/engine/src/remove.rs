//! Removing images and names, by docker's rules: `rmi` of a name takes the name first and the image with its last name;
//! `rmi` of an id takes the image with all its names.

use wharfie_oci::{ChainId, ImageId, Platform, Reference};
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;
use wharfie_store::gc::Kept;
use wharfie_store::trash::Removal;

use crate::container::is_alive;
use crate::engine::Engine;
use crate::error::{Conflict, Error, Result};
use crate::{events, names};

/// What to remove and how.
#[derive(Debug, Clone, Default)]
pub struct Remove {
    /// Names and ids, in the order in which they are removed.
    pub images: Vec<String>,
    /// Also remove what has several names.
    pub force: bool,
    /// Leave untagged parents alone.
    pub keep_parents: bool,
    /// Only the images for these platforms, of what stands for several.
    pub platforms: Vec<Platform>,
}

/// One thing that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name.
    Reference(Reference),
    /// An image.
    Image(ImageId),
    /// A stack of layers that no other image had; bytes of the files in its top layer.
    Layer(ChainId, u64),
}

/// What became of one argument.
pub type Outcome = (Vec<Removed>, Result<()>);

impl Engine {
    /// Removes images one after the other; what fails does not keep the others from being removed. Removed images are
    /// kept for the grace time and can be brought back ([`Engine::restore`]).
    ///
    /// # Errors
    /// When the store cannot be written. Failures of single arguments are in the outcomes, one for each.
    pub fn remove(&self, remove: &Remove) -> Result<Vec<Outcome>> {
        let store = self.freeing_writer()?;
        let outcomes = remove
            .images
            .iter()
            .map(|name| {
                let mut remover = Remover { store, removal: Removal::Undoable, removed: Vec::new() };
                let result = match remove.platforms.as_slice() {
                    [] => remover.remove(name, remove.force, !remove.keep_parents),
                    platforms => remover.remove_platforms(name, platforms),
                };
                (remover.removed, result)
            })
            .collect();
        store.collect_expired()?;
        Ok(outcomes)
    }

    /// Frees what nothing needs any more, and with [`Kept::All`] also what could still be brought back.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn collect(&self, kept: Kept) -> Result<wharfie_store::gc::Collected> {
        Ok(self.freeing_writer()?.collect(kept)?)
    }
}

/// Removes by the rules and writes down what it did.
pub(crate) struct Remover<'a> {
    pub(crate) store: &'a Store,
    pub(crate) removal: Removal,
    pub(crate) removed: Vec<Removed>,
}

impl Remover<'_> {
    /// Removes one argument.
    pub(crate) fn remove(&mut self, name: &str, force: bool, prune: bool) -> Result<()> {
        let found = names::find(self.store, name)?;
        let references = names::references_of(self.store, &found.id)?;
        let Some(reference) = found.reference else {
            if self.is_one_of_several(&found.id)? {
                return self.delete(&found.id, force, prune, Conflicts::Reported);
            }
            if is_single(&references) {
                let conflict = match self.hard_conflict(&found.id)? {
                    None if !force => self.stopped_container(&found.id)?,
                    hard => hard,
                };
                conflict.map_or(Ok(()), |conflict| Err(Error::Conflict(conflict)))?;
                self.untag(&found.id, references)?;
            }
            return self.delete(&found.id, force, prune, Conflicts::Reported);
        };
        let others = match self.store.target(&reference.canonical())? {
            Some(target) => self.store.variants(&target)?,
            None => Vec::new(),
        };
        // Other platforms of the name lose it as well.
        for other in others.iter().filter(|other| !force && other.image != found.id) {
            let names = self.store.names_leading_to(&other.image)?;
            let names = names.iter().map(|name| names::of_row(name)).collect::<Result<Vec<_>>>()?;
            if let (true, Some(container)) = (is_single(&names), self.containers_of(&other.image)?.first()) {
                return Err(Error::Conflict(Conflict::Reference {
                    name: name.to_owned(),
                    container: container.id.short().to_owned(),
                    image: other.image.short().to_owned(),
                }));
            }
        }
        if !force
            && is_single(&references)
            && let Some(container) = self.containers_of(&found.id)?.first()
        {
            return Err(Error::Conflict(Conflict::Reference {
                name: name.to_owned(),
                container: container.id.short().to_owned(),
                image: found.id.short().to_owned(),
            }));
        }
        self.untag(&found.id, [reference.clone()])?;
        let left = names::references_of(self.store, &found.id)?;
        let has_tag = |r: &Reference| r.tag().is_some() && r.repository() == reference.repository();
        if reference.tag().is_some() && !left.iter().any(has_tag) {
            // Digests without a tag in their repository were only the tag's company.
            self.untag(&found.id, left.into_iter().filter(|r| r.repository() == reference.repository()))?;
        }
        // The name may have been the last one of other platforms as well.
        let others = others.into_iter().map(|other| other.image).filter(|other| *other != found.id);
        for id in std::iter::once(found.id.clone()).chain(others) {
            if self.store.names_leading_to(&id)?.is_empty() {
                self.delete(&id, force, prune, Conflicts::Silent)?;
            }
        }
        Ok(())
    }

    /// Removes the images for some platforms of what `name` stands for; the name goes with the last one.
    fn remove_platforms(&mut self, name: &str, platforms: &[Platform]) -> Result<()> {
        // All are found before the first goes: what the name means changes then.
        let mut images = Vec::new();
        for platform in platforms {
            let id = names::find_for(self.store, name, Some(platform))?.id;
            if !images.contains(&id) {
                images.push(id);
            }
        }
        images.iter().try_for_each(|id| self.delete(id, true, false, Conflicts::Reported))
    }

    /// True if a name that leads to the image leads to others as well.
    fn is_one_of_several(&self, id: &ImageId) -> Result<bool> {
        for name in self.store.names_leading_to(id)? {
            if let Some(target) = self.store.target(&name)?
                && self.store.variants(&target)?.len() > 1
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn delete(&mut self, id: &ImageId, force: bool, prune: bool, conflicts: Conflicts) -> Result<()> {
        let references = names::references_of(self.store, id)?;
        let is_kept_by_names = !references.is_empty() && !force && !self.is_one_of_several(id)?;
        let conflict = match self.hard_conflict(id)? {
            None if is_kept_by_names => Some(Conflict::References(id.short().to_owned())),
            None if !force => self.stopped_container(id)?,
            hard => hard,
        };
        if let Some(conflict) = conflict {
            // An image that stays because of another use is no failure of removing its name.
            return if conflicts == Conflicts::Silent { Ok(()) } else { Err(Error::Conflict(conflict)) };
        }
        let parent = self.store.image(id)?.and_then(|image| image.parent);
        let event = events::of_image(id, "delete", id.as_str());
        let removed = self.store.noting(vec![event], |store| store.remove_image(id, self.removal))?;
        for name in &removed.names {
            self.removed.push(Removed::Reference(name.parse()?));
        }
        self.removed.push(Removed::Image(id.clone()));
        self.removed.extend(removed.layers.into_iter().map(|(chain_id, bytes)| Removed::Layer(chain_id, bytes)));
        match parent {
            Some(parent) if prune && self.store.image(&parent)?.is_some() => {
                self.delete(&parent, false, true, Conflicts::Silent)
            }
            _ => Ok(()),
        }
    }

    fn untag(&mut self, id: &ImageId, references: impl IntoIterator<Item = Reference>) -> Result<()> {
        for reference in references {
            let event = events::of_image(id, "untag", &reference.familiar());
            let remove = |store: &Store| store.remove_reference(&reference.canonical(), self.removal);
            if self.store.noting(vec![event], remove)? {
                self.removed.push(Removed::Reference(reference));
            }
        }
        Ok(())
    }

    fn containers_of(&self, id: &ImageId) -> Result<Vec<ContainerRow>> {
        Ok(self.store.containers()?.into_iter().filter(|row| row.image == *id).collect())
    }

    fn stopped_container(&self, id: &ImageId) -> Result<Option<Conflict>> {
        let image = id.short().to_owned();
        let found = self.containers_of(id)?.into_iter().find(|row| !is_alive(row));
        Ok(found.map(|row| Conflict::StoppedContainer { image, container: row.id.short().to_owned() }))
    }

    /// What keeps the image even from being forced out.
    fn hard_conflict(&self, id: &ImageId) -> Result<Option<Conflict>> {
        let image = id.short().to_owned();
        if !self.store.children(id)?.is_empty() {
            return Ok(Some(Conflict::Children(image)));
        }
        if let Some(row) = self.containers_of(id)?.into_iter().find(is_alive) {
            return Ok(Some(Conflict::RunningContainer { image, container: row.id.short().to_owned() }));
        }
        let mount = self.store.mounts()?.into_iter().find(|mount| mount.image == *id);
        Ok(mount.map(|mount| Conflict::Mounted { image, target: mount.target.display().to_string() }))
    }
}

/// Whether a conflict is the caller's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflicts {
    Reported,
    Silent,
}

/// One reference in all; or at most one tag, and digests of one repository only, the tag's.
fn is_single(references: &[Reference]) -> bool {
    let [first, ..] = references else { return false };
    let mut tags = references.iter().filter(|reference| reference.tag().is_some());
    let tag = tags.next();
    let repository = tag.unwrap_or(first).repository();
    references.len() == 1
        || (tags.next().is_none()
            && references.iter().filter(|r| r.tag().is_none()).all(|r| r.repository() == repository))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tag_and_its_digests_are_single() {
        fn check(references: &[&str], expected: bool) {
            let digest = format!("@sha256:{}", "a".repeat(64));
            let references: Vec<Reference> =
                references.iter().map(|text| text.replace("@D", &digest).parse().unwrap()).collect();
            assert_eq!(is_single(&references), expected, "{references:?}");
        }
        check(&[], false);
        check(&["a:1"], true);
        check(&["a@D"], true);
        check(&["a:1", "a:2"], false);
        check(&["a:1", "a@D"], true);
        check(&["a:1", "b@D"], false);
        check(&["a@D", "b@D"], false);
    }
}
