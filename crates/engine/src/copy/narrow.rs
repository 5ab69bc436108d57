//! An index, cut down to what is wanted and there.

use wharfie_content::place::read;
use wharfie_content::{Document, Source};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageConfig, Index, MediaType, Platform};

use crate::error::{Error, Result};

/// The part of `root` that is for these platforms; all that `source` has if there are none. One image alone goes without an
/// index; several get an index of their own, which keeps what is attested about them.
pub(super) fn to_platforms(source: &dyn Source, root: Document, platforms: &[Platform]) -> Result<Document> {
    let index = match &root.content {
        AnyManifest::Index(index) => index,
        AnyManifest::Manifest(manifest) => {
            if platforms.is_empty() || !manifest.is_image() {
                return Ok(root);
            }
            let config =
                ImageConfig::parse(&read(source, &manifest.config).map_err(wharfie_content::graph::Error::from)?);
            let found = config.map_or_else(|_| Platform::host(), |config| config.platform());
            // It is for one platform: whoever wants others as well would miss them.
            return match platforms.iter().find(|wanted| wanted.distance(&found).is_none()) {
                Some(missing) => Err(Error::NoPlatform(missing.to_string())),
                None => Ok(root),
            };
        }
    };
    let mut kept: Vec<&Descriptor> = Vec::new();
    for member in &index.manifests {
        if source.has(member)? {
            kept.push(member);
        }
    }
    if !platforms.is_empty() {
        let wanted = platforms.iter().map(|wanted| {
            let found = index.select(wanted).filter(|found| kept.contains(found));
            found.map(|found| &found.digest).ok_or_else(|| Error::NoPlatform(wanted.to_string()))
        });
        let wanted: Vec<&Digest> = wanted.collect::<Result<_>>()?;
        kept.retain(|member| {
            wanted.contains(&&member.digest)
                || subject_of(member).is_some_and(|of| wanted.iter().any(|wanted| wanted.as_str() == of))
        });
    }
    let images: Vec<&Descriptor> = kept.iter().copied().filter(|member| !member.is_attestation()).collect();
    match images.as_slice() {
        [] => Err(Error::NoPlatform(Platform::host().to_string())),
        _ if kept.len() == index.manifests.len() => Ok(root),
        [only] => Ok(source.document(only, false)?),
        _ => {
            let manifests = kept.into_iter().cloned().collect();
            let index = Index { manifests, ..index.clone() };
            let text = serde_json::to_string(&index).map_err(Error::Document)?;
            let bytes = wharfie_oci::json::indented(&text, "  ").into_bytes();
            let media_type = index.media_type.clone().unwrap_or(MediaType::OCI_INDEX);
            let descriptor = Descriptor::of(media_type, &bytes);
            Ok(Document { descriptor, bytes, content: AnyManifest::Index(index) })
        }
    }
}

/// The image that an attestation in an index is about.
fn subject_of(member: &Descriptor) -> Option<&str> {
    member.annotations.as_ref()?.get("vnd.docker.reference.digest").map(String::as_str)
}
