//! Looking up a local image: one algorithm for every command.

use wharfie_oci::reference::is_image_id;
use wharfie_oci::{Digest, ImageId, Platform, Reference};
use wharfie_store::{ReferenceRow, Store};

use crate::error::{Error, Result};

/// A local image, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub id: ImageId,
    /// The reference that named it; `None` if it was named by its id or a part of it.
    pub reference: Option<Reference>,
}

/// Finds the image that `text` names: a whole id, a reference, or the unique beginning of an id, in this order.
///
/// # Errors
/// [`Error::NoSuchImage`] if there is none or the beginning fits several; [`Error::BadName`] if `text` could name
/// nothing at all.
pub fn find(store: &Store, text: &str) -> Result<Found> {
    let bare = text.strip_prefix("sha256:").unwrap_or(text);
    if is_image_id(bare) {
        let id = ImageId::new(Digest::sha256(bare).expect("64 hexadecimal digits are a digest"));
        return match store.image(&id)? {
            Some(image) => Ok(Found { id: image.id, reference: None }),
            None => Err(Error::NoSuchImage(id.to_string())),
        };
    }
    let named = text.parse::<Reference>().map_err(Error::BadName)?.or_latest();
    let reference = named.clone().without_redundant_tag();
    if let Some(id) = store.resolve(&reference.canonical())? {
        return Ok(Found { id, reference: Some(reference) });
    }
    if !bare.is_empty() && bare.len() < 64 && bare.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        // Two that fit are as good as none: docker does not tell them apart either.
        if let [id] = store.images_with_prefix(bare)?.as_slice() {
            return Ok(Found { id: id.clone(), reference: None });
        }
    }
    Err(Error::NoSuchImage(named.familiar()))
}

/// The image for `platform` among those that `target` leads to, as far as they are here; the one that is meant on this machine
/// if no platform is asked for. `name` is for the error.
///
/// # Errors
/// When there are images, but none for the platform.
pub(crate) fn variant(
    store: &Store,
    name: &str,
    target: &Digest,
    platform: Option<&Platform>,
) -> Result<Option<ImageId>> {
    let variants = store.variants(target)?;
    let wanted = platform.unwrap_or(&store.options().platform);
    let closest = variants.iter().filter_map(|variant| Some((wanted.distance(&variant.platform)?, variant)));
    let best = closest.min_by_key(|(distance, _)| *distance).map(|(_, variant)| variant);
    match (best, variants.first(), platform) {
        (Some(best), ..) => Ok(Some(best.image.clone())),
        (None, Some(first), None) => Ok(Some(first.image.clone())),
        (None, Some(first), Some(wanted)) => Err(Error::OtherPlatform {
            reference: name.to_owned(),
            found: first.platform.to_string(),
            wanted: wanted.to_string(),
        }),
        (None, None, _) => Ok(None),
    }
}

/// As [`find`], and the image for `platform` if the name stands for several.
///
/// # Errors
/// As [`find`]; also when the image is not for the platform.
pub fn find_for(store: &Store, text: &str, platform: Option<&Platform>) -> Result<Found> {
    let found = find(store, text)?;
    let Some(wanted) = platform else { return Ok(found) };
    let target = match &found.reference {
        Some(reference) => store.target(&reference.canonical())?,
        None => Some(found.id.digest().clone()),
    };
    let Some(target) = target else { return Ok(found) };
    let id = variant(store, text, &target, Some(wanted))?;
    Ok(Found { id: id.unwrap_or(found.id), reference: found.reference })
}

/// The reference behind a row. Rows are written from references, so this cannot fail on a sound store.
pub(crate) fn reference(row: &ReferenceRow) -> Result<Reference> {
    of_row(&row.name)
}

/// As [`reference`], of the name alone.
pub(crate) fn of_row(name: &str) -> Result<Reference> {
    Reference::from_canonical(name).map_or_else(|| Ok(name.parse()?), Ok)
}

/// The references of an image, in canonical byte order.
pub(crate) fn references_of(store: &Store, id: &ImageId) -> Result<Vec<Reference>> {
    store.references_of(id)?.iter().map(reference).collect()
}

/// Reads the target of a new name: `REPOSITORY[:TAG]`.
///
/// # Errors
/// For anything that is no reference, names content, or looks like a digest.
pub fn target(text: &str) -> Result<Reference> {
    let reference: Reference = text.parse()?;
    if reference.digest().is_some() {
        return Err(Error::DigestTarget);
    }
    if reference.repository().familiar() == "sha256" {
        return Err(Error::AlgorithmTarget);
    }
    Ok(reference.or_latest())
}
