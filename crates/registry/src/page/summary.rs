//! What a manifest is, in a few words: what lists tell of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Digest, Manifest as Image, MediaType};

use super::figures;
use super::html::Html;
use super::layout::{cell, code};
use super::words::Words;
use crate::key::Key;
use crate::name::RepositoryName;
use crate::record::Manifest;
use crate::refusal::Refusal;
use crate::router::Registry;

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Summary {
    /// An image and the bytes that a pull takes.
    Image { bytes: u64 },
    /// Something else, of a kind, and its bytes.
    Artifact { kind: String, bytes: u64 },
    /// Several images.
    Index { platforms: Vec<String>, more: usize },
    /// Larger than lists look into.
    Large,
    /// It is not in the repository.
    Missing,
    /// It cannot be read.
    Damaged,
}

/// 64 KiB with the line before it: manifests of images are a few kilobytes, and a page looks at a hundred.
const MAX_BYTES: u64 = 64 << 10;
/// 6 platforms are named.
const MAX_PLATFORMS: usize = 6;

impl Registry {
    /// What these manifests are. How large one is, its record tells: an index may say anything of its members.
    pub(super) async fn summaries(
        &self,
        name: &RepositoryName,
        manifests: HashSet<Digest>,
    ) -> Result<HashMap<Digest, Summary>, Refusal> {
        let mut reading = JoinSet::new();
        for digest in manifests {
            let (storage, key) = (Arc::clone(&self.storage), Key::manifest(name, &digest));
            reading.spawn(async move {
                let stored = match storage.size(&key).await? {
                    Some(size) if size > MAX_BYTES => return Ok((digest, Summary::Large)),
                    Some(_) => storage.get(&key).await?,
                    None => None,
                };
                Ok::<_, Refusal>((digest, stored.map_or(Summary::Missing, |stored| Summary::read(&stored.bytes))))
            });
        }
        let mut found = HashMap::new();
        while let Some(read) = reading.join_next().await {
            let (digest, summary) = read.map_err(|why| Refusal::unavailable(&format!("a defect: {why}")))??;
            found.insert(digest, summary);
        }
        Ok(found)
    }
}

impl Summary {
    fn read(stored: &bytes::Bytes) -> Self {
        let Some(manifest) = Manifest::read(stored) else { return Self::Damaged };
        match AnyManifest::parse(&manifest.bytes, &MediaType::new(&manifest.head.media_type)) {
            Ok(AnyManifest::Manifest(image)) => Self::of_image(&image),
            Ok(AnyManifest::Index(index)) => {
                let platform = |member: &wharfie_oci::Descriptor| Some(member.platform.as_ref()?.to_string());
                let mut platforms: Vec<String> = index.images().filter_map(platform).collect();
                let more = platforms.len().saturating_sub(MAX_PLATFORMS);
                platforms.truncate(MAX_PLATFORMS);
                Self::Index { platforms, more }
            }
            Err(_) => Self::Damaged,
        }
    }

    fn of_image(image: &Image) -> Self {
        let bytes = bytes(image);
        match image.is_image() {
            true => Self::Image { bytes },
            false => Self::Artifact { kind: kind(image).to_owned(), bytes },
        }
    }

    /// What it is, in a cell.
    pub(super) fn contents(&self, words: &Words) -> Html {
        match self {
            Self::Image { .. } => cell(words.image),
            Self::Artifact { kind, .. } => code(kind),
            Self::Index { platforms, .. } if platforms.is_empty() => cell(words.platforms),
            Self::Index { platforms, more } => {
                let more = if *more > 0 { format!(" +{more}") } else { String::new() };
                cell(&format!("{}{more}", platforms.join(", ")))
            }
            Self::Large => cell(words.too_large),
            Self::Missing => cell(words.not_here),
            Self::Damaged => cell(words.damaged),
        }
    }

    /// How large it is, in a cell.
    pub(super) fn size(&self) -> Html {
        match self {
            Self::Image { bytes } | Self::Artifact { bytes, .. } => cell(&figures::size(*bytes)),
            Self::Index { .. } | Self::Large | Self::Missing | Self::Damaged => cell("–"),
        }
    }
}

/// The bytes that a pull of an image takes, as far as it tells the truth.
pub(super) fn bytes(image: &Image) -> u64 {
    image.layers.iter().fold(image.config.size, |all, layer| all.saturating_add(layer.size))
}

/// What kind of artifact a manifest is. Source: distribution-spec, "Listing Referrers": the configuration's type stands in.
pub(super) fn kind(image: &Image) -> &str {
    image.artifact_type.as_deref().filter(|kind| !kind.is_empty()).unwrap_or(image.config.media_type.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Head;

    fn summary(document: &serde_json::Value) -> Summary {
        let media_type = document["mediaType"].as_str().unwrap_or_default().to_owned();
        let bytes = document.to_string().into();
        Summary::read(&Manifest { head: Head { media_type, at: 0, subject: None }, bytes }.write().into())
    }

    fn part(media_type: &str, size: u64) -> serde_json::Value {
        serde_json::json!({ "mediaType": media_type, "digest": Digest::of(b""), "size": size })
    }

    #[test]
    fn manifests_are_told_apart() {
        let image = |config: &str, layer: &str| {
            summary(&serde_json::json!({
                "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": part(config, 1),
                "layers": [part(layer, 10), part(layer, u64::MAX)],
            }))
        };
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        assert_eq!(image(MediaType::OCI_CONFIG.as_str(), layer), Summary::Image { bytes: u64::MAX });
        let chart = image("application/vnd.cncf.helm.config.v1+json", "a/b");
        assert_eq!(
            chart,
            Summary::Artifact { kind: "application/vnd.cncf.helm.config.v1+json".to_owned(), bytes: u64::MAX }
        );
        let member = |architecture: &str| {
            let mut member = part(MediaType::OCI_MANIFEST.as_str(), 1);
            member["platform"] = serde_json::json!({ "os": "linux", "architecture": architecture });
            member
        };
        let members: Vec<_> = (0..8).map(|n| member(&format!("a{n}"))).collect();
        let index = summary(&serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": members,
        }));
        let Summary::Index { platforms, more } = index else { panic!("{index:?}") };
        assert_eq!((platforms[0].as_str(), platforms.len(), more), ("linux/a0", 6, 2));
        assert_eq!(summary(&serde_json::json!({ "schemaVersion": 1 })), Summary::Damaged);
        assert_eq!(Summary::read(&bytes::Bytes::from_static(b"nonsense")), Summary::Damaged);
    }
}
