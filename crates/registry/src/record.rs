//! What the small objects hold (`docs/registry.md`, "Objects").

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wharfie_oci::Digest;

use crate::name::DataId;

/// Where a blob's bytes are: `blobs/DIGEST` and `links/REPO/DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    data: String,
    pub(crate) size: u64,
}

impl Link {
    pub(crate) fn new(data: &DataId, size: u64) -> Self {
        Self { data: data.as_str().to_owned(), size }
    }

    /// The data, if the record is one of ours.
    pub(crate) fn data(&self) -> Option<DataId> {
        DataId::parse(&self.data)
    }
}

/// What a tag stands for: `tags/REPO/TAG`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tagged {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) size: u64,
    /// Seconds since 1970 when it was pushed.
    pub(crate) at: i64,
}

/// The line before a manifest's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) media_type: String,
    /// Seconds since 1970 when it was pushed.
    pub(crate) at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Digest>,
}

/// A manifest as it is kept: `manifests/REPO/DIGEST`.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) head: Head,
    pub(crate) bytes: Bytes,
}

impl Manifest {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut all = serde_json::to_vec(&self.head).expect("a record of texts is JSON");
        all.push(b'\n');
        all.extend_from_slice(&self.bytes);
        all
    }

    pub(crate) fn read(stored: &Bytes) -> Option<Self> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let head = serde_json::from_slice(&stored[..end]).ok()?;
        Some(Self { head, bytes: stored.slice(end + 1..) })
    }
}

/// Reads a record.
///
/// # Errors
/// When it is none: somebody else has written it, or the storage is broken.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, crate::storage::Error> {
    serde_json::from_slice(bytes).map_err(|why| crate::storage::Error::new("understand", what, why.into()))
}

pub(crate) fn bytes(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of texts is JSON")
}
