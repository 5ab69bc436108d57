//! Uploads of either kind of storage.

use wharfie_oci::Digest;
use wharfie_oci::digest::Algorithm;

use super::Result;
use super::bucket_session::BucketSession;
use super::session::{AppendError, LocalSession, Started};
use crate::body::Inbound;
use crate::name::DataId;

/// An upload that no other request of this server works on now.
pub(crate) enum Session {
    /// In a directory.
    Local(LocalSession),
    /// In a bucket.
    Bucket(BucketSession),
}

impl Session {
    pub(crate) fn id(&self) -> &DataId {
        match self {
            Self::Local(session) => session.id(),
            Self::Bucket(session) => session.id(),
        }
    }

    pub(crate) fn started(&self) -> &Started {
        match self {
            Self::Local(session) => session.started(),
            Self::Bucket(session) => session.started(),
        }
    }

    /// How many bytes are here.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Local(session) => session.size(),
            Self::Bucket(session) => session.size(),
        }
    }

    /// Takes in a body to its end. What arrived before it broke off stays, as far as it could be written.
    pub(crate) async fn append(&mut self, body: &mut Inbound) -> Result<(), AppendError> {
        match self {
            Self::Local(session) => session.append(body).await,
            Self::Bucket(session) => session.append(body).await,
        }
    }

    /// Makes the data durable and gives its digest by this algorithm.
    pub(crate) async fn seal(&mut self, algorithm: Algorithm) -> Result<Digest> {
        match self {
            Self::Local(session) => session.seal(algorithm).await,
            Self::Bucket(session) => session.seal(algorithm).await,
        }
    }

    /// Replaces the data by the image store's copy of the same blob, if there is one on this machine.
    pub(crate) async fn share(&self, digest: &Digest) -> Result<()> {
        match self {
            Self::Local(session) => session.share(digest).await,
            Self::Bucket(_) => Ok(()),
        }
    }

    /// Ends the session. Its data stays, or goes as well.
    pub(crate) async fn end(self, keeps_data: bool) -> Result<()> {
        match self {
            Self::Local(session) => session.end(keeps_data).await,
            Self::Bucket(session) => session.end(keeps_data).await,
        }
    }
}
