//! What was copied into the store, ready to be recorded.

use wharfie_content::graph::Copied;
use wharfie_oci::{ImageConfig, ImageId, Timestamp};
use wharfie_store::images::Recording;
use wharfie_store::{NewImage, NewManifest};

/// The documents and the images that they describe, without names.
pub(crate) fn recording(copied: &[Copied]) -> Recording {
    let mut recording = Recording::default();
    for Copied { document, image } in copied {
        if let Some(document) = document {
            let descriptor = &document.descriptor;
            let mut manifest =
                NewManifest::of(descriptor.media_type.clone(), descriptor.digest.clone(), &document.content);
            if let Some(image) = image {
                manifest.image = Some(image.id.clone());
            }
            recording.manifests.push(manifest);
        }
        recording.images.extend(image.as_ref().map(|image| new_image(image.id.clone(), &image.config)));
    }
    recording
}

/// An image as its configuration describes it.
fn new_image(id: ImageId, config: &ImageConfig) -> NewImage {
    NewImage {
        id,
        created: created(config.created.as_deref()),
        platform: config.platform(),
        layers: config.rootfs.diff_ids.clone(),
        parent: None,
    }
}

/// When an image was made; docker's zero time counts as unknown.
fn created(text: Option<&str>) -> Option<i64> {
    let moment: Timestamp = text?.parse().ok()?;
    (moment.seconds > Timestamp::ZERO.seconds + SECONDS_PER_YEAR).then_some(moment.seconds)
}

/// The whole year 1 is "never".
const SECONDS_PER_YEAR: i64 = 365 * 86_400;
