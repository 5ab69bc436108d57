//! OCI image layout: `index.json` and the blobs it leads to. Source: image-spec, image-layout.md.

use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageConfig, Index, Platform, Reference};

use crate::error::{Error, Result};
use crate::read::{ArchivedImage, Members, check_layers, json};

/// Annotation with the whole reference, as containerd and docker write it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// Annotation with the tag, or with a whole reference, as the specification leaves open.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Indexes inside indexes that are followed.
const MAX_DEPTH: usize = 4;

/// The images that `index.json` lists; from indexes of several platforms the one for `platform`.
///
/// # Errors
/// When it cannot be read, leads to what is not there, or contradicts itself.
pub fn images(members: &Members, platform: &Platform) -> Result<Vec<ArchivedImage>> {
    let index: Index = json("index.json", members.required("index.json")?)?;
    let mut images: Vec<ArchivedImage> = Vec::new();
    for descriptor in index.manifests.iter().filter(|member| !member.is_attestation()) {
        let name = name_of(descriptor);
        let image = image(members, descriptor, platform, 0)?;
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
    // A bare word is a tag of an unknown repository, which is no name.
    let name = notes.get(REF_NAME)?;
    (name.contains(['/', ':']) && name.parse::<Reference>().is_ok()).then(|| name.clone())
}

fn image(members: &Members, descriptor: &Descriptor, platform: &Platform, depth: usize) -> Result<ArchivedImage> {
    let bytes = blob(members, &descriptor.digest)?;
    match AnyManifest::parse(bytes, &descriptor.media_type)? {
        AnyManifest::Index(index) => {
            let chosen = index.select(platform).filter(|_| depth < MAX_DEPTH);
            let chosen = chosen.ok_or_else(|| Error::Platform(platform.to_string()))?;
            image(members, chosen, platform, depth + 1)
        }
        AnyManifest::Manifest(manifest) => {
            let config = blob(members, &manifest.config.digest)?;
            let parsed = ImageConfig::parse(config)
                .map_err(|source| Error::Json { member: path(&manifest.config.digest), source })?;
            if manifest.layers.len() != parsed.rootfs.diff_ids.len() {
                let (expected, actual) = (manifest.layers.len(), parsed.rootfs.diff_ids.len());
                return Err(Error::LayerCount { expected, actual });
            }
            let layers =
                manifest.layers.iter().map(|layer| members.layer(&path(&layer.digest))).collect::<Result<Vec<_>>>()?;
            if let Some((named, _)) =
                manifest.layers.iter().zip(&layers).find(|(named, layer)| named.digest != layer.blob)
            {
                return Err(Error::Digest(path(&named.digest)));
            }
            check_layers(&parsed, &layers)?;
            Ok(ArchivedImage {
                config: config.to_vec(),
                parsed,
                names: Vec::new(),
                manifest: Some((descriptor.media_type.clone(), bytes.to_vec())),
                parent: None,
            })
        }
    }
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
