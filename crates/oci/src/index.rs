//! Indexes: one reference, several platforms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, MediaType, Platform};

/// Indexes within indexes that are followed; nobody is known to nest more than two.
pub const MAX_DEPTH: usize = 4;

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
    /// The member that suits `wanted` best among those that say what they run on: the closest platform, then the first in
    /// order. Attestations never match. `None` if nothing can run there.
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        closest(wanted, self.images().filter_map(|member| Some((member, member.platform.clone()?))))
    }

    /// [`Self::select`], and if that finds nothing, among the members that do not say what they run on, which is optional:
    /// `platform_of` finds it in what they describe. One that is alone is taken unasked.
    ///
    /// # Errors
    /// When `platform_of` fails.
    pub fn select_by<E>(
        &self,
        wanted: &Platform,
        mut platform_of: impl FnMut(&Descriptor) -> Result<Option<Platform>, E>,
    ) -> Result<Option<&Descriptor>, E> {
        if let Some(found) = self.select(wanted) {
            return Ok(Some(found));
        }
        let silent: Vec<&Descriptor> = self.images().filter(|member| member.platform.is_none()).collect();
        if let [only] = silent[..] {
            return Ok(Some(only));
        }
        let mut known = Vec::new();
        for member in silent.into_iter().take(MAX_SILENT) {
            known.extend(platform_of(member)?.map(|platform| (member, platform)));
        }
        Ok(closest(wanted, known.into_iter()))
    }

    /// Its members that are images.
    pub fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|member| !member.is_attestation())
    }
}

fn closest<'a>(wanted: &Platform, members: impl Iterator<Item = (&'a Descriptor, Platform)>) -> Option<&'a Descriptor> {
    members
        .filter_map(|(member, platform)| Some((wanted.distance(&platform)?, member)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, member)| member)
}

/// 32 members are looked into at most: nobody builds for more platforms.
const MAX_SILENT: usize = 32;

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

    #[test]
    fn members_that_do_not_say_are_looked_into() {
        fn check(members: &[(&str, bool)], expected: Option<&str>) {
            let mut index = index(&members.iter().map(|(text, _)| *text).collect::<Vec<_>>());
            for (member, (_, says)) in index.manifests.iter_mut().zip(members) {
                member.platform = member.platform.take().filter(|_| *says);
            }
            let within = |member: &Descriptor| -> Result<_, ()> {
                let text = members.iter().find(|(text, _)| Digest::of(text.as_bytes()) == member.digest);
                Ok(text.map(|(text, _)| text.parse().unwrap()))
            };
            let found = index.select_by(&"linux/amd64".parse().unwrap(), within).unwrap();
            assert_eq!(
                found.map(|d| &d.digest),
                expected.map(|text| Digest::of(text.as_bytes())).as_ref(),
                "{members:?}"
            );
        }
        check(&[("linux/arm64", false), ("linux/amd64", false)], Some("linux/amd64"));
        check(&[("linux/arm64", true), ("linux/s390x", false)], Some("linux/s390x"));
        check(&[("linux/arm64", false), ("linux/amd64", true)], Some("linux/amd64"));
        check(&[("linux/arm64", false), ("linux/s390x", false)], None);
        check(&[("linux/arm64", true)], None);
    }
}
