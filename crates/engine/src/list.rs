//! Listing images.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use wharfie_model::NilMap;
use wharfie_model::image::ImageSummary;
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
    /// Tell their labels, which takes a look at each configuration.
    pub labels: bool,
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
    /// The documents of what [`Self::list`] gives.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub fn list_images(&self, list: &List) -> Result<Vec<ImageSummary>> {
        let listed = self.list(list)?;
        // There may be thousands, and of a collected result nobody knows the length before.
        let mut documents = Vec::with_capacity(listed.len());
        for one in listed {
            documents.push(self.image_summary(one, list.labels)?);
        }
        Ok(documents)
    }

    /// An image's entry in lists. Nothing is counted.
    pub(crate) fn image_summary(&self, listed: Listed, with_labels: bool) -> Result<ImageSummary> {
        let Listed { image, references } = listed;
        let (mut repo_tags, mut repo_digests) = (Vec::with_capacity(references.len()), Vec::new());
        for reference in references {
            let names = if reference.tag().is_some() { &mut repo_tags } else { &mut repo_digests };
            names.push(reference.familiar());
        }
        let labels = match with_labels {
            true => self.config_of(self.reader()?, &image.id)?.config.and_then(|config| config.labels),
            false => None,
        };
        Ok(ImageSummary {
            containers: -1,
            created: image.created.unwrap_or(wharfie_model::NEVER),
            id: image.id.into_string(),
            labels: NilMap(labels.unwrap_or_default()),
            parent_id: image.parent.map(ImageId::into_string).unwrap_or_default(),
            repo_digests,
            repo_tags,
            shared_size: -1,
            size: image.size,
        })
    }

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

        let images = candidates(store, &filters.references)?;
        let mut listed: Vec<(Option<String>, Listed)> = Vec::with_capacity(images.len());
        let parents: BTreeSet<ImageId> = images.iter().filter_map(|(image, _)| image.parent.clone()).collect();
        for (image, names) in images {
            let is_parent = parents.contains(&image.id);
            if names.is_empty() && is_parent && !list.all {
                continue;
            }
            if names.is_empty() && !list.members && !store.names_leading_to(&image.id)?.is_empty() {
                continue;
            }
            let made = self.made(store, &image, &limits)?;
            if before.iter().chain(&filters.until).any(|limit| made >= *limit)
                || since.iter().any(|limit| made <= *limit)
            {
                continue;
            }
            match filters.dangling {
                Some(true) if is_parent || names.iter().any(|name| !name.contains('@')) => continue,
                Some(false) if names.is_empty() => continue,
                _ => {}
            }
            let references = names.iter().map(|name| names::of_row(name)).collect::<Result<Vec<_>>>()?;
            let references = matching(references, &filters.references)?;
            if !filters.references.is_empty() && references.is_empty() {
                continue;
            }
            if filters.needs_labels() && !filters.accepts_labels(&self.config_of(store, &image.id)?) {
                continue;
            }
            let first = match filters.references.as_slice() {
                [] => names.into_iter().next(),
                _ => references.first().map(Reference::canonical),
            };
            listed.push((first, Listed { image, references }));
        }
        // Images come newest first, and among equals by id, which a stable sort keeps.
        listed.sort_by(|(one, a), (other, b)| {
            (Reverse(a.image.created), one.is_none(), one).cmp(&(Reverse(b.image.created), other.is_none(), other))
        });
        Ok(listed.into_iter().map(|(_, listed)| listed).collect())
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

/// The images that can fit, newest first, with their canonical names in byte order. Patterns that are plain names are looked
/// up: there may be thousands of others.
fn candidates(store: &Store, patterns: &[String]) -> Result<Vec<(ImageRow, Vec<String>)>> {
    let is_plain = |pattern: &String| !pattern.contains(['*', '?', '[', '\\']);
    let plain: Option<Vec<Reference>> = match patterns.iter().all(is_plain) {
        true if !patterns.is_empty() => patterns.iter().map(|pattern| pattern.parse().ok()).collect(),
        _ => None,
    };
    let Some(plain) = plain else { return Ok(store.named_images()?) };
    let repositories: BTreeSet<String> = plain.iter().map(|name| name.repository().canonical()).collect();
    let mut ids: BTreeSet<ImageId> = BTreeSet::new();
    for repository in repositories {
        for separator in [':', '@'] {
            let rows = store.references_beginning(&format!("{repository}{separator}"))?;
            ids.extend(rows.into_iter().map(|row| row.image));
        }
    }
    let mut images = Vec::with_capacity(ids.len());
    for id in ids {
        let names = store.references_of(&id)?.into_iter().map(|row| row.name).collect();
        images.extend(store.image(&id)?.map(|image| (image, names)));
    }
    images.sort_by_key(|(image, _)| Reverse(image.created));
    Ok(images)
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
