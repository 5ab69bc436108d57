//! OCI image layout: `index.json` and the blobs it leads to. Source: image-spec, image-layout.md.

use std::collections::HashMap;

use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Index, Reference};

use crate::archive::Root;
use crate::error::{Error, Result};
use crate::read::{Members, json};

/// Annotation with the whole reference, as containerd and docker write it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// Annotation with the tag, or with a whole reference, as the specification leaves open.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What `index.json` lists, each once with all its names.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn roots(members: &Members) -> Result<Vec<Root>> {
    roots_of(members.required("index.json")?)
}

/// As [`roots`], of the document itself.
pub(crate) fn roots_of(bytes: &[u8]) -> Result<Vec<Root>> {
    let index: Index = json("index.json", bytes)?;
    // Members that make no sense are passed over, but an archive of nothing else is no archive.
    #[derive(serde::Deserialize)]
    struct Listed {
        #[serde(default)]
        manifests: Vec<serde::de::IgnoredAny>,
    }
    let listed: Listed = json("index.json", bytes)?;
    if index.manifests.is_empty() && !listed.manifests.is_empty() {
        return Err(Error::NoMembers);
    }
    let mut roots: Vec<Root> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    for descriptor in index.manifests.iter().filter(|member| !member.is_attestation()) {
        // What has several tags stands in the index once per tag.
        let at = *places.entry(descriptor.digest.clone()).or_insert_with(|| {
            let descriptor = Descriptor { annotations: None, ..descriptor.clone() };
            roots.push(Root { descriptor, names: Vec::new(), tags: Vec::new(), parent: None });
            roots.len() - 1
        });
        roots[at].names.extend(name_of(descriptor));
        roots[at].tags.extend(descriptor.annotations.as_ref().and_then(|notes| notes.get(REF_NAME)).cloned());
    }
    Ok(roots)
}

/// True for an `index.json` that lists something of several platforms.
pub(crate) fn lists_indexes(bytes: &[u8]) -> bool {
    json::<Index>("index.json", bytes)
        .is_ok_and(|index| index.manifests.iter().any(|member| member.media_type.is_index()))
}

/// True for a layout that says what docker's `manifest.json` cannot: that a name has several platforms, under which digest
/// an image with compressed layers is known to registries, or what is about images. `document` gives what has a name there.
pub(crate) fn says_more<B: AsRef<[u8]>>(document: impl Fn(&str) -> Option<B>) -> bool {
    let Some(bytes) = document("index.json") else { return false };
    let Ok(index) = json::<Index>("index.json", bytes.as_ref()) else { return false };
    index.manifests.iter().any(|member| {
        let manifest = || AnyManifest::parse(document(&path(&member.digest))?.as_ref(), &member.media_type).ok();
        let says_more = |manifest: AnyManifest| match manifest {
            AnyManifest::Manifest(manifest) => {
                if manifest.subject.is_some() {
                    return true;
                }
                let kinds = manifest.layers.iter().map(|layer| layer.media_type.as_str());
                manifest.is_image() && kinds.clone().any(|kind| kind.ends_with("gzip") || kind.ends_with("zstd"))
            }
            AnyManifest::Index(_) => false,
        };
        member.media_type.is_index() || manifest().is_some_and(says_more)
    })
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

/// A blob, proven.
pub(crate) fn blob<'a>(members: &'a Members, digest: &Digest) -> Result<&'a [u8]> {
    let bytes = members.required(&path(digest))?;
    prove(digest, bytes)?;
    Ok(bytes)
}

/// Checks that bytes are what a digest names.
pub(crate) fn prove(digest: &Digest, bytes: &[u8]) -> Result<()> {
    let mut digester = wharfie_oci::Digester::new(digest.algorithm());
    digester.update(bytes);
    if digester.finish() == *digest { Ok(()) } else { Err(Error::Digest(path(digest))) }
}

/// Where a layout keeps a blob.
pub fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}
