//! Where records and data are kept. A storage puts whole objects, gets, lists in order and deletes; nothing else is asked
//! of it (`docs/registry.md`).

mod bucket;
mod bucket_body;
mod bucket_session;
mod connector;
mod listing;
mod local;
mod session;
mod upload;

use std::path::PathBuf;

use bytes::Bytes;
use wharfie_oci::Digest;
use wharfie_oci::digest::Algorithm;

pub(crate) use self::bucket::Bucket;
pub use self::bucket::BucketOptions;
pub(crate) use self::bucket_body::Passing;
pub(crate) use self::local::Local;
pub(crate) use self::session::{AppendError, Started};
pub(crate) use self::upload::Session;
use crate::body::Body;
use crate::key::{Folder, Key};
use crate::name::DataId;

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {object}")]
pub struct Error {
    action: &'static str,
    object: String,
    source: std::io::Error,
}

impl Error {
    pub(crate) fn new(action: &'static str, object: &str, source: std::io::Error) -> Self {
        Self { action, object: object.to_owned(), source }
    }

    /// The whole of it, for the log.
    pub(crate) fn told(&self) -> String {
        format!("{self}: {}", self.source)
    }

    /// What the system says of it.
    pub fn io(&self) -> &std::io::Error {
        &self.source
    }
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A small object.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
}

/// Some names of a folder, in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) names: Vec<String>,
    /// There are more.
    pub(crate) has_more: bool,
}

/// The kinds of storage.
pub(crate) enum Storage {
    /// A directory of this machine.
    Local(Local),
    /// A bucket of an S3-compatible service.
    Bucket(Bucket),
}

impl Storage {
    /// An object, or `None`.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Stored>> {
        match self {
            Self::Local(local) => local.get(key),
            Self::Bucket(bucket) => bucket.get(key).await,
        }
    }

    /// When an object was put or renewed, or `None`.
    pub(crate) async fn modified(&self, key: &Key) -> Result<Option<i64>> {
        match self {
            Self::Local(local) => local.modified(key),
            Self::Bucket(bucket) => bucket.modified(key).await,
        }
    }

    /// How large an object is, or `None`.
    pub(crate) async fn size(&self, key: &Key) -> Result<Option<u64>> {
        match self {
            Self::Local(local) => local.size(key),
            Self::Bucket(bucket) => bucket.size(key).await,
        }
    }

    /// What the first `size` bytes of some data hash to. `None` if it is not there or shorter.
    pub(crate) async fn digest(&self, id: &DataId, size: u64, algorithm: Algorithm) -> Result<Option<Digest>> {
        match self {
            Self::Local(local) => local.digest(id, size, algorithm).await,
            Self::Bucket(bucket) => bucket.digest(id, size, algorithm).await,
        }
    }

    /// Puts an object, whole and durable when this returns.
    pub(crate) async fn put(&self, key: Key, bytes: Vec<u8>) -> Result<()> {
        match self {
            Self::Local(local) => local.put(key, bytes).await,
            Self::Bucket(bucket) => bucket.put(key.as_str(), bytes).await,
        }
    }

    /// Makes an object young. True if it is there.
    pub(crate) async fn renew(&self, key: &Key) -> Result<bool> {
        match self {
            Self::Local(local) => local.renew(key),
            Self::Bucket(bucket) => bucket.renew(key).await,
        }
    }

    /// Deletes an object. What is not there is deleted.
    pub(crate) async fn delete(&self, key: Key) -> Result<()> {
        match self {
            Self::Local(local) => local.delete(key).await,
            Self::Bucket(bucket) => bucket.delete(key.as_str()).await,
        }
    }

    /// The data of an upload as a file, if it is one and can be read while it grows.
    pub(crate) fn open_data(&self, id: &DataId) -> Option<std::fs::File> {
        match self {
            Self::Local(local) => local.open_data(id).ok(),
            Self::Bucket(_) => None,
        }
    }

    /// At most `limit` names of a folder, those after `after`.
    pub(crate) async fn list(&self, folder: &Folder, after: Option<&str>, limit: usize) -> Result<Page> {
        match self {
            Self::Local(local) => local.list(folder, after, limit).await,
            Self::Bucket(bucket) => bucket.list(folder, after, limit).await,
        }
    }

    /// A part of some data, as a body. `None` if it is not there or shorter.
    pub(crate) async fn read(&self, id: &DataId, at: u64, count: u64) -> Result<Option<Body>> {
        match self {
            Self::Local(local) => local.read(id, at, count),
            Self::Bucket(bucket) => bucket.read(id, at, count).await,
        }
    }

    /// Begins an upload.
    pub(crate) async fn begin(&self, started: &Started) -> Result<DataId> {
        match self {
            Self::Local(local) => local.begin(started).await,
            Self::Bucket(bucket) => bucket.begin(started).await,
        }
    }

    /// Goes on with an upload, alone. `None` if there is none of this name.
    pub(crate) async fn session(&self, id: &DataId) -> Result<Option<Session>> {
        match self {
            Self::Local(local) => Ok(local.session(id).await?.map(Session::Local)),
            Self::Bucket(bucket) => Ok(bucket.session(id).await?.map(Session::Bucket)),
        }
    }

    /// The data that an upload needs to be gone on with.
    pub(crate) async fn data_of(&self, id: &DataId) -> Result<Vec<DataId>> {
        let mut data = vec![id.clone()];
        if let Self::Bucket(bucket) = self {
            data.extend(bucket.rest_of(id).await?);
        }
        Ok(data)
    }

    /// Chunks of an upload should be at least so long, if that matters.
    pub(crate) fn least_chunk(&self) -> Option<u64> {
        matches!(self, Self::Bucket(_)).then_some(bucket_session::PART as u64)
    }

    /// True if no other server can be changing anything.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// Whether others may have a storage at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Nobody else changes it.
    Alone,
    /// It is only looked at.
    Beside,
}

/// Where a registry keeps what it has.
#[derive(Debug, Clone)]
pub enum Place {
    /// A directory of this machine, and the image store whose blobs need not be kept twice.
    Directory {
        /// The registry's own directory.
        root: PathBuf,
        /// The directory of the image store's blobs, `…/blobs`.
        images: Option<PathBuf>,
    },
    /// A bucket, which any number of servers may have.
    Bucket(BucketOptions),
}

impl Storage {
    /// Opens it; a directory is made.
    ///
    /// # Errors
    /// When it cannot be used, or another server has it.
    pub(crate) fn open(place: &Place, holding: Holding) -> Result<Self> {
        match place {
            Place::Directory { root, images } => Local::open(root, images.clone(), holding).map(Self::Local),
            Place::Bucket(options) => Bucket::open(options).map(Self::Bucket),
        }
    }
}
