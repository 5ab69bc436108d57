//! An upload in a bucket. All that is known of it is in its record, so that any server goes on with it: the parts that are
//! there, what their bytes hash to so far, and the rest that is too short for a part, which is an object of its own.
//!
//! Two servers that append at once write two records of which one stays. Parts are named by their tags in the record: a
//! service completes nothing of which a part was replaced meanwhile, so that bytes never differ from what was hashed.

use bytes::{Bytes, BytesMut};
use object_store::PutPayload;
use object_store::multipart::{MultipartStore, PartId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};

use super::bucket::{Bucket, failed, found};
use super::session::{AppendError, Started};
use super::{Error, Result};
use crate::body::Inbound;
use crate::key::Key;
use crate::name::DataId;

/// Whose turn it is, among the requests of this server.
pub(super) type Shared = Mutex<()>;

/// 8 MiB: how long parts are to begin with.
pub(super) const PART: usize = 8 << 20;

/// The record of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    started: Started,
    size: u64,
    /// What the bytes hash to so far.
    state: String,
    /// The service's name for the upload, once there is a part.
    upload: Option<String>,
    /// The parts' tags.
    parts: Vec<String>,
    /// The object that has what is too short for a part, and its length.
    rest: Option<(String, u64)>,
}

impl Session {
    pub(super) fn new(started: Started) -> Self {
        let state = Digester::new(started.algorithm()).save();
        Self { started, size: 0, state, upload: None, parts: Vec::new(), rest: None }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of texts is JSON")
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The object that has what is too short for a part.
    pub(super) fn rest(&self) -> Option<DataId> {
        DataId::parse(&self.rest.as_ref()?.0)
    }

    /// 8 MiB, and twice as much after each thousand parts: ten thousand are the most that a service takes.
    fn part_size(&self) -> usize {
        PART << (self.parts.len() / 1000)
    }
}

/// An upload that nobody else of this server works on now.
pub(crate) struct BucketSession {
    bucket: Bucket,
    id: DataId,
    record: Session,
    /// What is too short for a part, once it was fetched.
    rest: Option<BytesMut>,
    is_sealed: bool,
    _turn: OwnedMutexGuard<()>,
}

impl BucketSession {
    pub(super) fn new(bucket: Bucket, id: DataId, record: Session, turn: OwnedMutexGuard<()>) -> Self {
        Self { bucket, id, record, rest: None, is_sealed: false, _turn: turn }
    }

    pub(super) fn id(&self) -> &DataId {
        &self.id
    }

    pub(super) fn started(&self) -> &Started {
        &self.record.started
    }

    pub(super) fn size(&self) -> u64 {
        self.record.size
    }

    fn digester(&self) -> Result<Digester> {
        Digester::restore(&self.record.state).ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> Error {
        Error::new("go on with", Key::upload(&self.id).as_str(), std::io::ErrorKind::InvalidData.into())
    }

    /// Takes in a body to its end. What arrived before it broke off stays.
    pub(super) async fn append(&mut self, body: &mut Inbound) -> Result<(), AppendError> {
        let mut digester = self.digester().map_err(AppendError::Storage)?;
        let mut rest = self.fetch_rest().await.map_err(AppendError::Storage)?;
        let mut has_changed = false;
        let end = loop {
            match body.next().await {
                Ok(Some(bytes)) => {
                    digester.update(&bytes);
                    self.record.size += bytes.len() as u64;
                    has_changed = true;
                    rest.extend_from_slice(&bytes);
                    while rest.len() > self.record.part_size() {
                        let part = rest.split_to(self.record.part_size()).freeze();
                        self.put_part(part).await.map_err(AppendError::Storage)?;
                    }
                }
                Ok(None) => break Ok(()),
                Err(why) => break Err(AppendError::Inbound(why)),
            }
        };
        self.rest = Some(rest);
        if has_changed {
            self.record.state = digester.save();
            self.note().await.map_err(AppendError::Storage)?;
        }
        end
    }

    /// Puts the rest and then the record that names it.
    async fn note(&mut self) -> Result<()> {
        let old = self.record.rest.take();
        let rest = self.rest.clone().unwrap_or_default().freeze();
        if !rest.is_empty() {
            let name = DataId::random().map_err(|why| Error::new("name", "a rest", why))?;
            let length = rest.len() as u64;
            // An object like all data: if it is left over, collection finds it.
            self.bucket.put(Key::data(&name).as_str(), rest).await?;
            self.record.rest = Some((name.as_str().to_owned(), length));
        }
        self.bucket.put(Key::upload(&self.id).as_str(), self.record.write()).await?;
        if let Some(name) = old.and_then(|(name, _)| DataId::parse(&name)) {
            self.bucket.delete(Key::data(&name).as_str()).await?;
        }
        Ok(())
    }

    async fn fetch_rest(&mut self) -> Result<BytesMut> {
        if let Some(rest) = self.rest.take() {
            return Ok(rest);
        }
        let Some((name, length)) = &self.record.rest else { return Ok(BytesMut::new()) };
        let name = DataId::parse(name).ok_or_else(|| self.damaged())?;
        let stored = self.bucket.get(&Key::data(&name)).await?.ok_or_else(|| self.damaged())?;
        if stored.bytes.len() as u64 != *length {
            return Err(self.damaged());
        }
        Ok(BytesMut::from(&*stored.bytes))
    }

    async fn put_part(&mut self, part: Bytes) -> Result<()> {
        let key = Key::data(&self.id);
        let path = self.bucket.path(key.as_str());
        let write = |why| failed("write", key.as_str(), why);
        let store = self.bucket.store();
        let upload = match &self.record.upload {
            Some(upload) => upload.clone(),
            None => store.create_multipart(&path).await.map_err(write)?,
        };
        let index = self.record.parts.len();
        let part = store.put_part(&path, &upload, index, PutPayload::from_bytes(part)).await.map_err(write)?;
        self.record.parts.push(part.content_id);
        self.record.upload = Some(upload);
        Ok(())
    }

    /// Makes the data an object and gives its digest by this algorithm.
    pub(super) async fn seal(&mut self, algorithm: Algorithm) -> Result<Digest> {
        let rest = self.fetch_rest().await?.freeze();
        let key = Key::data(&self.id);
        if self.record.upload.is_none() {
            self.bucket.put(key.as_str(), rest).await?;
        } else {
            if !rest.is_empty() {
                self.put_part(rest).await?;
            }
            let upload = self.record.upload.clone().ok_or_else(|| self.damaged())?;
            let parts = self.record.parts.iter().map(|tag| PartId { content_id: tag.clone() }).collect();
            let completed =
                self.bucket.store().complete_multipart(&self.bucket.path(key.as_str()), &upload, parts).await;
            completed.map_err(|why| failed("finish", key.as_str(), why))?;
        }
        self.is_sealed = true;
        if self.record.started.algorithm() == algorithm {
            return Ok(self.digester()?.finish());
        }
        self.bucket.digest(&self.id, self.record.size, algorithm).await?.ok_or_else(|| self.damaged())
    }

    /// Ends the session. Its data stays, or goes as well.
    pub(super) async fn end(self, keeps_data: bool) -> Result<()> {
        let key = Key::data(&self.id);
        if let Some(upload) = self.record.upload.as_ref().filter(|_| !self.is_sealed) {
            let aborted = self.bucket.store().abort_multipart(&self.bucket.path(key.as_str()), upload).await;
            // Another server may have done so.
            found(aborted).map_err(|why| failed("cancel", key.as_str(), why))?;
        }
        if !keeps_data && self.is_sealed {
            self.bucket.delete(key.as_str()).await?;
        }
        self.bucket.delete(Key::upload(&self.id).as_str()).await?;
        if let Some(name) = self.record.rest.as_ref().and_then(|(name, _)| DataId::parse(name)) {
            self.bucket.delete(Key::data(&name).as_str()).await?;
        }
        Ok(())
    }
}
