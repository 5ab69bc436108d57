//! Indexes: one reference, several platforms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, MediaType, Platform};

/// An OCI index or a Docker manifest list. Source: image-spec, image-index.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2; 0 if the document does not say.
    #[serde(default)]
    pub schema_version: u32,
    /// Its own type, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// Its members, in order of preference. Those that make no sense are not among them.
    #[serde(default, deserialize_with = "crate::json::sensible")]
    pub manifests: Vec<Descriptor>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Index {
    /// The member that suits `wanted` best: the closest platform, then the first in order.
    /// Attestations never match. `None` if nothing can run there.
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        self.manifests
            .iter()
            .filter(|member| !member.is_attestation())
            .filter_map(|member| {
                let distance = match &member.platform {
                    Some(platform) => wanted.distance(platform)?,
                    None => usize::MAX,
                };
                Some((distance, member))
            })
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, member)| member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn index(platforms: &[&str]) -> Index {
        let manifests = platforms
            .iter()
            .map(|text| Descriptor {
                platform: Some(text.parse().unwrap()),
                ..Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(text.as_bytes()), 1)
            })
            .collect();
        Index { schema_version: 2, media_type: None, manifests, annotations: None }
    }

    #[test]
    fn the_closest_platform_wins() {
        fn check(members: &[&str], wanted: &str, expected: Option<&str>) {
            let index = index(members);
            let found = index.select(&wanted.parse().unwrap()).map(|d| d.digest.clone());
            assert_eq!(found, expected.map(|text| Digest::of(text.as_bytes())), "{wanted} of {members:?}");
        }
        check(&["linux/amd64", "linux/arm64"], "linux/arm64", Some("linux/arm64"));
        check(&["linux/arm/v5", "linux/arm/v6"], "linux/arm/v7", Some("linux/arm/v6"));
        check(&["linux/arm/v6", "linux/arm/v7"], "linux/arm", Some("linux/arm/v7"));
        check(&["linux/arm64/v8"], "linux/arm64", Some("linux/arm64/v8"));
        check(&["linux/amd64", "linux/amd64/v2"], "linux/amd64/v3", Some("linux/amd64/v2"));
        check(&["linux/amd64"], "linux/s390x", None);
        check(&["linux/arm/v7"], "linux/arm/v6", None);
    }
}
