//! OCI image layout: `index.json` and the blobs it leads to. Source: image-spec, image-layout.md.

use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageConfig, Index, Platform, Reference, index};

use crate::error::{Error, Result};
use crate::read::{ArchivedImage, Found, Intake, Members, check_layers, json};

/// Annotation with the whole reference, as containerd and docker write it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// Annotation with the tag, or with a whole reference, as the specification leaves open.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The images that `index.json` lists; from indexes of several platforms the one for `platform`.
///
/// # Errors
/// When it cannot be read, leads to what is not there, or contradicts itself.
pub fn images(members: &mut Members, intake: &mut dyn Intake, platform: &Platform) -> Result<Vec<ArchivedImage>> {
    let index: Index = json("index.json", members.required("index.json")?)?;
    let mut images: Vec<ArchivedImage> = Vec::new();
    for descriptor in index.manifests.iter().filter(|member| !member.is_attestation()) {
        let name = name_of(descriptor);
        let image = image(members, intake, descriptor, platform, 0)?;
        // An image with several tags stands in the index once per tag.
        match images.iter_mut().find(|known| known.config == image.config) {
            Some(known) => known.names.extend(name),
            None => images.push(ArchivedImage { names: name.into_iter().collect(), ..image }),
        }
    }
    Ok(images)
}

fn name_of(descriptor: &Descriptor) -> Option<String> {
    let notes = descriptor.annotations.as_ref()?;
    if let Some(name) = notes.get(IMAGE_NAME) {
        return Some(name.clone());
    }
    // A bare word is a tag of an unknown repository, which is no name. A digest may stand behind the tag, for others to
    // pin it: here it says nothing that the descriptor does not say itself.
    let name = notes.get(REF_NAME)?;
    let reference: Reference = Some(name).filter(|name| name.contains(['/', ':']))?.parse().ok()?;
    match (reference.digest(), reference.tag()) {
        (None, _) => Some(name.clone()),
        (Some(_), Some(_)) => name.split_once('@').map(|(tagged, _)| tagged.to_owned()),
        (Some(_), None) => None,
    }
}

fn image(
    members: &mut Members,
    intake: &mut dyn Intake,
    descriptor: &Descriptor,
    platform: &Platform,
    depth: usize,
) -> Result<ArchivedImage> {
    let bytes = blob(members, &descriptor.digest)?.to_vec();
    match AnyManifest::parse(&bytes, &descriptor.media_type)? {
        AnyManifest::Index(index) => {
            let within = |member: &Descriptor| -> Result<_> { Ok(platform_of(members, member)) };
            let chosen = index.select_by(platform, within)?.filter(|_| depth < index::MAX_DEPTH);
            let chosen = chosen.ok_or_else(|| Error::Platform(platform.to_string()))?;
            image(members, intake, chosen, platform, depth + 1)
        }
        AnyManifest::Manifest(manifest) => {
            let config = blob(members, &manifest.config.digest)?.to_vec();
            let parsed = ImageConfig::parse(&config)
                .map_err(|source| Error::Json { member: path(&manifest.config.digest), source })?;
            if manifest.layers.len() != parsed.rootfs.diff_ids.len() {
                let (expected, actual) = (manifest.layers.len(), parsed.rootfs.diff_ids.len());
                return Err(Error::LayerCount { expected, actual });
            }
            let mut layers = Vec::with_capacity(manifest.layers.len());
            for (named, diff_id) in manifest.layers.iter().zip(&parsed.rootfs.diff_ids) {
                let layer = members.layer(&path(&named.digest), diff_id, intake)?;
                if let Found::Here(layer) = &layer
                    && layer.blob != named.digest
                {
                    return Err(Error::Digest(path(&named.digest)));
                }
                layers.push(layer);
            }
            check_layers(&parsed, &layers)?;
            Ok(ArchivedImage {
                config,
                parsed,
                names: Vec::new(),
                manifest: Some((descriptor.media_type.clone(), bytes)),
                parent: None,
            })
        }
    }
}

/// What an image is for that its index says nothing about, if that can be found out.
fn platform_of(members: &Members, member: &Descriptor) -> Option<Platform> {
    let bytes = blob(members, &member.digest).ok()?;
    let AnyManifest::Manifest(manifest) = AnyManifest::parse(bytes, &member.media_type).ok()? else { return None };
    Some(ImageConfig::parse(blob(members, &manifest.config.digest).ok()?).ok()?.platform())
}

fn blob<'a>(members: &'a Members, digest: &Digest) -> Result<&'a [u8]> {
    let path = path(digest);
    let bytes = members.required(&path)?;
    let mut digester = wharfie_oci::Digester::new(digest.algorithm());
    digester.update(bytes);
    if digester.finish() == *digest { Ok(bytes) } else { Err(Error::Digest(path)) }
}

/// Where a layout keeps a blob.
pub fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}
