//! A manifest list made of drafts: its document.

use serde::Serialize;
use wharfie_content::Document;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, MediaType, Platform, Reference};

use super::draft::Draft;
use crate::failure::{Failure, Result};

/// The list of `members`, to be known as `target`.
pub(super) fn document(target: &Reference, members: &[Draft]) -> Result<Document> {
    for member in members {
        let known = member.reference.parse::<Reference>();
        let host = known.as_ref().map_or("", |reference| reference.repository().host());
        if host != target.repository().host() {
            return Err(Failure::new(format!(
                "cannot use source images from a different registry than the target image: {host} != {}",
                target.repository().host()
            )));
        }
        if member.descriptor.platform.as_ref().is_none_or(|p| p.os.is_empty() || p.architecture.is_empty()) {
            return Err(Failure::new(format!(
                "manifest {} must have an OS and Architecture to be pushed to a registry",
                member.reference
            )));
        }
    }
    let descriptors: Vec<&Descriptor> = members.iter().map(|member| &member.descriptor).collect();
    let is_oci = descriptors.first().is_some_and(|first| !first.media_type.is_docker());
    let media_type = if is_oci { MediaType::OCI_INDEX } else { MediaType::DOCKER_LIST };
    let bytes = written(&media_type, &descriptors)?;
    let content = AnyManifest::parse(&bytes, &media_type)
        .map_err(|why| Failure::new(format!("cannot make the manifest list: {why}")))?;
    Ok(Document { descriptor: Descriptor::of(media_type, &bytes), bytes, content })
}

/// The document with its members in docker's order and indentation, so that the same list has the same digest everywhere.
fn written(media_type: &MediaType, members: &[&Descriptor]) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        schema_version: u32,
        media_type: &'a MediaType,
        manifests: Vec<Member<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Member<'a> {
        media_type: &'a MediaType,
        size: u64,
        digest: &'a Digest,
        platform: Option<&'a Platform>,
    }
    let manifests = members.iter().map(|member| Member {
        media_type: &member.media_type,
        size: member.size,
        digest: &member.digest,
        platform: member.platform.as_ref(),
    });
    let list = List { schema_version: 2, media_type, manifests: manifests.collect() };
    let text = serde_json::to_string(&list);
    let text = text.map_err(|why| Failure::new(format!("cannot write the manifest list: {why}")))?;
    Ok(wharfie_oci::json::indented(&text, "   ").into_bytes())
}
