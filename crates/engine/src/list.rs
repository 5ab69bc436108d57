//! Listing images.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use wharfie_oci::{ImageId, Platform, Reference, Timestamp};
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
    /// Also those that a name leads to beside the one that it means: other platforms of it.
    pub members: bool,
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
        let created = |name: &String| -> Result<Timestamp> {
            let found = names::find(store, name)?;
            store.image(&found.id)?.map_or(Ok(NEVER), |image| self.moment(store, &image))
        };
        let before = filters.before.iter().map(created).collect::<Result<Vec<_>>>()?;
        let since = filters.since.iter().map(created).collect::<Result<Vec<_>>>()?;
        let limits: Vec<Timestamp> = before.iter().chain(&since).chain(&filters.until).copied().collect();

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
            if references.is_empty() && !list.members && !store.names_leading_to(&image.id)?.is_empty() {
                continue;
            }
            let made = self.made(store, &image, &limits)?;
            if before.iter().chain(&filters.until).any(|limit| made >= *limit)
                || since.iter().any(|limit| made <= *limit)
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
        // Names are put together once for each image, not at every comparison.
        listed.sort_by_cached_key(|listed| {
            let name = listed.references.first().map(Reference::canonical);
            (Reverse(listed.image.created), name.is_none(), name, listed.image.id.clone())
        });
        Ok(listed)
    }

    /// When an image was made, as exactly as comparing it with `limits` needs: the second is at hand, the rest is in the
    /// configuration.
    pub(crate) fn made(&self, store: &Store, image: &ImageRow, limits: &[Timestamp]) -> Result<Timestamp> {
        let Some(seconds) = image.created else { return Ok(NEVER) };
        if limits.iter().any(|limit| limit.seconds == seconds) {
            return self.moment(store, image);
        }
        Ok(Timestamp { seconds, nanos: 0 })
    }

    fn moment(&self, store: &Store, image: &ImageRow) -> Result<Timestamp> {
        let Some(seconds) = image.created else { return Ok(NEVER) };
        let config = self.config_of(store, &image.id)?;
        let exact = config.created.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        Ok(exact.filter(|exact| exact.seconds == seconds).unwrap_or(Timestamp { seconds, nanos: 0 }))
    }
}

impl Engine {
    /// The images that a name stands for and that are here, each with what it runs on, in the order of its index.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn variants(&self, reference: &Reference) -> Result<Vec<(Platform, ImageRow)>> {
        let store = self.reader()?;
        let Some(target) = store.target(&reference.canonical())? else { return Ok(Vec::new()) };
        let mut variants = Vec::new();
        for variant in store.variants(&target)? {
            variants.extend(store.image(&variant.image)?.map(|image| (variant.platform, image)));
        }
        Ok(variants)
    }
}

/// Before everything: what does not say when it was made.
const NEVER: Timestamp = Timestamp { seconds: i64::MIN, nanos: 0 };

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
        let familiar = [reference.familiar(), repository.familiar()];
        let canonical = [reference.canonical(), repository.canonical()];
        let mut is_match = false;
        for pattern in patterns {
            // Docker Hub must be named to be meant: a star in its place stands for private registries.
            let host = pattern.split('/').next().unwrap_or_default();
            let whole = if host.contains(['*', '?', '[', '\\']) { &[][..] } else { &canonical };
            for spelling in familiar.iter().chain(whole) {
                is_match |= glob::matches(pattern, spelling).map_err(|_| Error::Pattern)?;
            }
        }
        if is_match {
            matched.push(reference);
        }
    }
    Ok(matched)
}
