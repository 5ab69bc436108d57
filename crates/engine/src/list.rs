//! Listing images.

use std::collections::{BTreeSet, HashMap};

use wharfie_oci::{ImageId, Reference};
use wharfie_store::{ImageRow, Store};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::Filters;
use crate::{glob, names};

/// Which images to list.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Also those that are only there for their children.
    pub all: bool,
    /// Further conditions.
    pub filters: Filters,
}

/// An image with those of its references that are to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The image.
    pub image: ImageRow,
    /// In canonical byte order.
    pub references: Vec<Reference>,
}

impl Engine {
    /// Lists images: newest first, then by their first canonical name, then by id.
    ///
    /// # Errors
    /// When a filter names an image that is not here, a pattern is malformed, or the store cannot be read.
    pub fn list(&self, list: &List) -> Result<Vec<Listed>> {
        let store = self.reader()?;
        let filters = &list.filters;
        let created = |name: &String| -> Result<i64> {
            let found = names::find(store, name)?;
            Ok(store.image(&found.id)?.and_then(|image| image.created).unwrap_or(i64::MIN))
        };
        let before = filters.before.iter().map(created).collect::<Result<Vec<_>>>()?;
        let since = filters.since.iter().map(created).collect::<Result<Vec<_>>>()?;

        let images = store.images()?;
        let parents: BTreeSet<ImageId> = images.iter().filter_map(|image| image.parent.clone()).collect();
        let mut references = references_by_image(store)?;
        let mut listed = Vec::with_capacity(images.len());
        for image in images {
            let references = references.remove(&image.id).unwrap_or_default();
            let is_parent = parents.contains(&image.id);
            if references.is_empty() && is_parent && !list.all {
                continue;
            }
            let made = image.created.unwrap_or(i64::MIN);
            if before.iter().any(|limit| made >= *limit)
                || since.iter().any(|limit| made <= *limit)
                || filters.until.is_some_and(|until| made >= until.seconds)
            {
                continue;
            }
            let has_tag = references.iter().any(|reference| reference.tag().is_some());
            match filters.dangling {
                Some(true) if has_tag || is_parent => continue,
                Some(false) if references.is_empty() => continue,
                _ => {}
            }
            let count = references.len();
            let references = matching(references, &filters.references)?;
            if !filters.references.is_empty() && (references.is_empty() || count == 0) {
                continue;
            }
            if filters.needs_labels() && !filters.accepts_labels(&self.config_of(store, &image.id)?) {
                continue;
            }
            listed.push(Listed { image, references });
        }
        listed.sort_by(|a, b| {
            let name = |listed: &Listed| listed.references.first().map(Reference::canonical);
            b.image
                .created
                .cmp(&a.image.created)
                .then_with(|| name(a).is_none().cmp(&name(b).is_none()))
                .then_with(|| name(a).cmp(&name(b)))
                .then_with(|| a.image.id.cmp(&b.image.id))
        });
        Ok(listed)
    }
}

pub(crate) fn references_by_image(store: &Store) -> Result<HashMap<ImageId, Vec<Reference>>> {
    let mut map: HashMap<ImageId, Vec<Reference>> = HashMap::new();
    for row in store.references()? {
        let reference = names::reference(&row)?;
        map.entry(row.image).or_default().push(reference);
    }
    Ok(map)
}

/// The references that one of the patterns matches; all if there are no patterns.
fn matching(references: Vec<Reference>, patterns: &[String]) -> Result<Vec<Reference>> {
    if patterns.is_empty() {
        return Ok(references);
    }
    let mut matched = Vec::new();
    for reference in references {
        let repository = reference.repository();
        let spellings = [reference.familiar(), repository.familiar(), reference.canonical(), repository.canonical()];
        let mut is_match = false;
        for pattern in patterns {
            for spelling in &spellings {
                is_match |= glob::matches(pattern, spelling).map_err(|_| Error::Pattern)?;
            }
        }
        if is_match {
            matched.push(reference);
        }
    }
    Ok(matched)
}
