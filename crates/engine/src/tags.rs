//! Tags: what a repository has on its registry, and removing from there.

use std::cmp::Ordering;

use wharfie_content::parallel::in_parallel;
use wharfie_content::place::read;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Digest, Fault, ImageConfig, Kind, Manifest, MediaType, Platform, Reference, Repository, Timestamp};
use wharfie_remote::RepositoryClient;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::{Conditions, ParseMoment};
use crate::glob;

/// Which tags are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    conditions: Conditions,
    platforms: Vec<Platform>,
    until: Option<Timestamp>,
    since: Option<Timestamp>,
}

/// A tag and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTag {
    /// The tag.
    pub tag: String,
    /// Of the manifest or index.
    pub digest: Digest,
    /// The same.
    pub media_type: MediaType,
    /// What it is for, in the order of the index.
    pub platforms: Vec<String>,
    /// When the image was made; of an index, its first one that says it.
    pub created: Option<Timestamp>,
    /// Bytes of the layers and the configuration as they travel; of an index, of the image for this machine or its first one.
    pub size: u64,
}

impl Wanted {
    /// Reads `name=value` conditions: `tag` (a pattern), `platform`, `since` and `until` (when the image was made).
    ///
    /// # Errors
    /// When a name is unknown or a value makes no sense.
    pub fn parse(pairs: &[(String, String)], moment: ParseMoment<'_>) -> Result<Self> {
        let conditions = Conditions::parse(pairs, &["platform", "since", "tag", "until"])?;
        for pattern in conditions.values("tag") {
            glob::matches(pattern, "").map_err(|_| Error::Pattern)?;
        }
        let platforms = conditions.values("platform").map(str::parse).collect::<Result<_, _>>()?;
        let since = conditions.values("since").next().map(|value| moment(value).map_err(Error::BadTime)).transpose()?;
        Ok(Self { until: conditions.until(moment)?, since, platforms, conditions })
    }

    /// True if more must be known of a tag than its name.
    pub fn is_about_images(&self) -> bool {
        !self.platforms.is_empty() || self.until.is_some() || self.since.is_some()
    }

    /// True if every tag is wanted.
    pub fn is_everything(&self) -> bool {
        !self.is_about_images() && !self.conditions.has("tag")
    }

    /// True if it says what tags are called.
    pub fn is_about_names(&self) -> bool {
        self.conditions.has("tag")
    }

    /// True if a tag of this name may be wanted.
    pub fn takes_name(&self, tag: &str) -> bool {
        self.conditions.any("tag", |pattern| glob::matches(pattern, tag).unwrap_or(false))
    }

    /// True if what the tag stands for is wanted. What says no date is neither before nor after one.
    pub fn takes(&self, tag: &RemoteTag) -> bool {
        let own: Vec<Platform> = tag.platforms.iter().filter_map(|text| text.parse().ok()).collect();
        let is_for = |wanted: &Platform| own.iter().any(|own| wanted.distance(own) == Some(0));
        (self.platforms.is_empty() || self.platforms.iter().any(is_for))
            && self.until.is_none_or(|until| tag.created.is_some_and(|created| created <= until))
            && self.since.is_none_or(|since| tag.created.is_some_and(|created| created >= since))
    }
}

impl Engine {
    /// The tags of a repository, in the registry's order.
    ///
    /// # Errors
    /// When the registry does not have the repository, refuses, or cannot be reached.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>> {
        let client = self.remote().repository(repository);
        client.tags().map_err(|source| Error::Pull { reference: repository.familiar(), source })
    }

    /// The paths of all repositories of the registry `host`, in its order, as far as it lists them.
    ///
    /// # Errors
    /// When it does not list them, refuses, or cannot be reached.
    pub fn repositories(&self, host: &str) -> Result<Vec<String>> {
        // Any name of the registry will do: its list is of no repository.
        let name: Reference = format!("{host}/list").parse()?;
        Ok(self.remote().repository(name.repository()).repositories()?)
    }

    /// What these tags of a repository stand for, in their order. Tags that are gone by now are left out.
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached, or a document is not what it should be.
    pub fn describe_tags(&self, repository: &Repository, tags: &[String]) -> Result<Vec<RemoteTag>> {
        let client = self.remote().repository(repository);
        let platform = &self.config().store.platform;
        let described = in_parallel(tags, self.config().jobs, |_, tag| match described(&client, tag, platform) {
            Ok(found) => Ok(Some(found)),
            Err(why) if why.kind() == Kind::NotFound => Ok(None),
            Err(why) => Err(why),
        })?;
        Ok(described.into_iter().flatten().collect())
    }

    /// Removes a tag from its registry, or by digest a manifest with all its tags. Of a registry that cannot remove tags, the
    /// manifest is removed if it has no other tag.
    ///
    /// # Errors
    /// When there is no such thing; when the registry does not remove, refuses, or cannot be reached; when other tags would go.
    pub fn remove_from_registry(&self, reference: &Reference) -> Result<()> {
        let client = self.remote().repository(reference.repository());
        // Nothing is pulled: what the registry says is said as it is.
        let failed = Error::Remote;
        if let Some(digest) = reference.digest() {
            return client.delete_manifest(digest.as_str()).map_err(failed);
        }
        let tag = reference.tag().unwrap_or(wharfie_oci::reference::DEFAULT_TAG);
        // Whoever does not know the tag says so to the question as well, and in words that can be relied on.
        let found = client.resolve(tag).map_err(failed)?;
        let why = match client.delete_manifest(tag) {
            Ok(()) => return Ok(()),
            Err(why) if matches!(why.status(), Some(400 | 404 | 405 | 501)) => why,
            Err(why) => return Err(failed(why)),
        };
        // What does not remove at all says so to a digest too.
        let mut others = Vec::new();
        for other in client.tags().map_err(failed)?.into_iter().filter(|other| other != tag) {
            match client.resolve(&other) {
                Ok(other_found) if other_found.digest == found.digest => others.push(other),
                // An index would lose one of its members.
                Ok(other_found) if other_found.media_type.is_index() => {
                    let document = client.manifest(other_found.digest.as_str(), None).map_err(failed)?;
                    if let AnyManifest::Index(index) = document.content
                        && index.manifests.iter().any(|member| member.digest == found.digest)
                    {
                        others.push(other);
                    }
                }
                Ok(_) => {}
                Err(why) if why.status() == Some(404) => {}
                Err(why) => return Err(failed(why)),
            }
        }
        if !others.is_empty() {
            return Err(Error::SharedManifest { reference: reference.familiar(), others });
        }
        client.delete_manifest(found.digest.as_str()).map_err(|_| failed(why))
    }
}

impl Engine {
    /// Asks whether a registry has what `reference` names.
    ///
    /// # Errors
    /// When it does not, refuses, or cannot be reached.
    pub fn resolve_remote(&self, reference: &Reference) -> Result<()> {
        let word = reference.digest().map_or_else(|| reference.tag().unwrap_or_default(), Digest::as_str);
        let found = self.remote().repository(reference.repository()).resolve(word);
        found.map(drop).map_err(Error::Remote)
    }
}

fn described(client: &RepositoryClient, tag: &str, platform: &Platform) -> Result<RemoteTag> {
    let document = client.manifest(tag, None)?;
    let mut found = RemoteTag {
        tag: tag.to_owned(),
        digest: document.descriptor.digest,
        media_type: document.descriptor.media_type,
        platforms: Vec::new(),
        created: None,
        size: 0,
    };
    let manifest = match document.content {
        AnyManifest::Manifest(manifest) => manifest,
        AnyManifest::Index(index) => {
            let named = index.images().filter_map(|member| member.platform.as_ref()).map(Platform::to_string);
            found.platforms = named.collect();
            let Some(member) = index.select(platform).or_else(|| index.images().next()) else { return Ok(found) };
            let reference = member.digest.as_str();
            match client.manifest(reference, Some(member))?.content {
                AnyManifest::Manifest(manifest) => manifest,
                AnyManifest::Index(_) => return Ok(found),
            }
        }
    };
    found.size = manifest.layers.iter().map(|layer| layer.size).fold(manifest.config.size, u64::saturating_add);
    if let Some(config) = config(client, &manifest)? {
        if found.platforms.is_empty() {
            found.platforms.push(config.platform().to_string());
        }
        found.created = config.created.as_deref().and_then(|text| text.parse().ok());
    }
    Ok(found)
}

/// The configuration, of what is an image.
fn config(client: &RepositoryClient, manifest: &Manifest) -> Result<Option<ImageConfig>> {
    if !manifest.is_image() {
        return Ok(None);
    }
    let bytes = read(client, &manifest.config).map_err(wharfie_content::graph::Error::from)?;
    Ok(ImageConfig::parse(&bytes).ok())
}

/// The order of versions in tags: numbers by their value, and what is said to come before a release (`-rc1`) before it.
pub fn by_version(left: &str, right: &str) -> Ordering {
    let (left_parts, right_parts) = (parts(left), parts(right));
    for (a, b) in left_parts.iter().zip(&right_parts) {
        let order = match (a, b) {
            (Part::Number(a), Part::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Part::Text(a), Part::Text(b)) => before_release(b).cmp(&before_release(a)).then_with(|| a.cmp(b)),
            (Part::Number(_), Part::Text(_)) => Ordering::Greater,
            (Part::Text(_), Part::Number(_)) => Ordering::Less,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    let rest = |parts: &[Part<'_>], from: usize| match parts.get(from) {
        None => 1,
        Some(Part::Text(text)) if before_release(text) => 0,
        Some(_) => 2,
    };
    let shared = left_parts.len().min(right_parts.len());
    rest(&left_parts, shared).cmp(&rest(&right_parts, shared)).then_with(|| left.cmp(right))
}

/// A run of digits without zeros before them, or of anything else.
enum Part<'a> {
    Number(&'a str),
    Text(&'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.bytes().position(|byte| byte.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(match is_number {
            true => Part::Number(part.trim_start_matches('0')),
            false => Part::Text(part),
        });
        rest = after;
    }
    parts
}

fn before_release(text: &str) -> bool {
    let word = text.trim_start_matches(['-', '.', '_']).trim_end_matches(['-', '.', '_']);
    // 1.0.2a comes after 1.0.2, 1.0rc1 before 1.0.
    BEFORE_RELEASE.contains(&word) && (word.len() > 1 || word.len() < text.len())
}

/// What versions are called before they are released.
const BEFORE_RELEASE: [&str; 8] = ["a", "alpha", "b", "beta", "dev", "pre", "preview", "rc"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_their_order() {
        let sorted = [
            "1.0-alpha",
            "1.0-rc1",
            "1.0-rc2",
            "1.0",
            "1.0-slim",
            "1.0.1",
            "1.2",
            "1.10",
            "2",
            "latest",
            "v1.9",
            "v1.10",
        ];
        let mut shuffled = sorted.to_vec();
        shuffled.reverse();
        shuffled.sort_by(|a, b| by_version(a, b));
        assert_eq!(shuffled, ["latest", "v1.9", "v1.10"].iter().chain(&sorted[..9]).copied().collect::<Vec<_>>());
    }

    #[test]
    fn conditions_choose_tags() {
        let moment = |text: &str| text.parse::<Timestamp>().map_err(|why| why.to_string());
        let tag = RemoteTag {
            tag: "1.0".to_owned(),
            digest: Digest::of(b"x"),
            media_type: MediaType::OCI_INDEX,
            platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
            created: "2026-01-02T00:00:00Z".parse().ok(),
            size: 1,
        };
        let check = |pairs: &[(&str, &str)], expected: bool| {
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let wanted = Wanted::parse(&pairs, &moment).unwrap();
            assert_eq!(wanted.takes_name(&tag.tag) && wanted.takes(&tag), expected, "{pairs:?}");
        };
        check(&[], true);
        check(&[("tag", "1.*"), ("tag", "x")], true);
        check(&[("tag", "2.*")], false);
        check(&[("platform", "linux/arm64")], true);
        check(&[("platform", "windows/amd64")], false);
        check(&[("since", "2026-01-01T00:00:00Z"), ("until", "2026-01-03T00:00:00Z")], true);
        check(&[("until", "2026-01-01T00:00:00Z")], false);
        assert!(Wanted::parse(&[("tag".to_owned(), "[".to_owned())], &moment).is_err());
        assert!(Wanted::parse(&[("size".to_owned(), "1".to_owned())], &moment).is_err());
    }
}
