//! A bucket of an S3-compatible service. Nothing is asked of it but *put*, *get*, *head*, *list from*, *delete* and uploads in
//! parts: no conditions, which some services ignore.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};

use super::bucket_body::Passing;
use super::bucket_session::{BucketSession, Session as Record, Shared};
use super::connector::Connector;
use super::{Error, Page, Result, Started, Stored};
use crate::body::Body;
use crate::key::{Folder, Key};
use crate::name::DataId;

/// Where a bucket is and who may use it.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketOptions {
    /// Its name.
    pub name: String,
    /// The service, as `https://s3.example`; Amazon's if not given.
    pub endpoint: Option<String>,
    /// The region; services that have none take any.
    pub region: String,
    /// What all keys begin with; empty for nothing.
    pub prefix: String,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// What goes with keys that are for a while only.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BucketOptions").field("name", &self.name).field("secret_key", &"***").finish_non_exhaustive()
    }
}

/// The bucket.
#[derive(Clone)]
pub(crate) struct Bucket(Arc<Inner>);

struct Inner {
    store: AmazonS3,
    prefix: String,
    sessions: Mutex<HashMap<DataId, Arc<Shared>>>,
}

/// 16 MiB: no record is larger than a manifest with its line.
const MAX_RECORD: u64 = 16 << 20;
/// 20 s: longer than a service is busy, shorter than a client waits for a bucket that is gone.
const PATIENCE: Duration = Duration::from_secs(20);
/// 1000 keys: what services give at once, and never 0, which some take for something else.
const MAX_KEYS: usize = 1000;

impl Bucket {
    pub(super) fn open(options: &BucketOptions) -> Result<Self> {
        let failed = |why: object_store::Error| Error::new("use", &options.name, io::Error::other(why));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&options.name)
            .with_region(&options.region)
            .with_access_key_id(&options.access_key)
            .with_secret_access_key(&options.secret_key)
            .with_allow_http(true)
            .with_conditional_put(S3ConditionalPut::Disabled)
            .with_retry(RetryConfig { max_retries: 5, retry_timeout: PATIENCE, ..RetryConfig::default() })
            .with_http_connector(Connector);
        if let Some(token) = &options.session_token {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
        }
        let store = builder.build().map_err(failed)?;
        let prefix = options.prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self(Arc::new(Inner { store, prefix, sessions: Mutex::default() })))
    }

    pub(super) fn store(&self) -> &AmazonS3 {
        &self.0.store
    }

    /// Keys are made of types that have proven their grammar, which has nothing that a path would encode.
    pub(super) fn path(&self, key: &str) -> Path {
        Path::from(format!("{}{key}", self.0.prefix))
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Stored>> {
        let got = found(self.store().get(&self.path(key.as_str())).await);
        let Some(got) = got.map_err(|why| failed("read", key.as_str(), why))? else { return Ok(None) };
        if got.meta.size > MAX_RECORD {
            return Err(Error::new("read", key.as_str(), io::Error::other("too large for a record")));
        }
        let bytes = got.bytes().await.map_err(|why| failed("read", key.as_str(), why))?;
        Ok(Some(Stored { bytes }))
    }

    pub(super) async fn modified(&self, key: &Key) -> Result<Option<i64>> {
        let head = found(self.store().head(&self.path(key.as_str())).await);
        let head = head.map_err(|why| failed("look at", key.as_str(), why))?;
        Ok(head.map(|meta| meta.last_modified.timestamp()))
    }

    pub(super) async fn size(&self, key: &Key) -> Result<Option<u64>> {
        let head = found(self.store().head(&self.path(key.as_str())).await);
        Ok(head.map_err(|why| failed("look at", key.as_str(), why))?.map(|meta| meta.size))
    }

    pub(super) async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let put = self.store().put(&self.path(key), PutPayload::from_bytes(bytes.into())).await;
        put.map(|_| ()).map_err(|why| failed("write", key, why))
    }

    /// A record is put again. Data has just been put by whoever asks.
    pub(super) async fn renew(&self, key: &Key) -> Result<bool> {
        if key.as_str().starts_with(Folder::data().as_str()) {
            return Ok(true);
        }
        let Some(stored) = self.get(key).await? else { return Ok(false) };
        self.put(key.as_str(), stored.bytes).await?;
        Ok(true)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        found(self.store().delete(&self.path(key)).await).map(|_| ()).map_err(|why| failed("delete", key, why))
    }

    pub(super) async fn list(&self, folder: &Folder, after: Option<&str>, limit: usize) -> Result<Page> {
        let prefix = format!("{}{}", self.0.prefix, folder.as_str());
        let mut names: Vec<String> = Vec::new();
        let mut page_token = None;
        loop {
            // One more than is wanted tells whether there are more.
            let lacking = (limit + 1).saturating_sub(names.len());
            let options = PaginatedListOptions {
                // Never before the prefix: some services find nothing then.
                offset: after.filter(|_| page_token.is_none()).map(|after| format!("{prefix}{after}")),
                max_keys: Some(lacking.clamp(1, MAX_KEYS)),
                page_token,
                ..PaginatedListOptions::default()
            };
            let listed = self.store().list_paginated(Some(&prefix), options).await;
            let listed = listed.map_err(|why| failed("list", folder.as_str(), why))?;
            for object in listed.result.objects {
                let name = object.location.as_ref().strip_prefix(&*prefix).map(str::to_owned);
                names.extend(name.filter(|name| after.is_none_or(|after| name.as_str() > after)));
            }
            page_token = listed.page_token;
            if names.len() > limit || page_token.is_none() {
                break;
            }
        }
        let has_more = names.len() > limit;
        names.truncate(limit);
        Ok(Page { names, has_more })
    }

    pub(super) async fn read(&self, id: &DataId, at: u64, count: u64) -> Result<Option<Body>> {
        if count == 0 {
            return Ok(self.modified(&Key::data(id)).await?.map(|_| Body::empty()));
        }
        Ok(self.pass(id, at, count).await?.map(Body::Passing))
    }

    async fn pass(&self, id: &DataId, at: u64, count: u64) -> Result<Option<Passing>> {
        let key = Key::data(id);
        let range = GetRange::Bounded(at..at.saturating_add(count));
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let got = found(self.store().get_opts(&self.path(key.as_str()), options).await);
        let got = got.map_err(|why| failed("read", key.as_str(), why))?;
        Ok(got
            .filter(|got| got.meta.size >= at.saturating_add(count))
            .map(|got| Passing::new(got.into_stream(), count)))
    }

    pub(super) async fn digest(&self, id: &DataId, size: u64, algorithm: Algorithm) -> Result<Option<Digest>> {
        let mut digester = Digester::new(algorithm);
        if size > 0 {
            let Some(mut passing) = self.pass(id, 0, size).await? else { return Ok(None) };
            while let Some(piece) = std::future::poll_fn(|cx| passing.poll_next(cx)).await {
                digester.update(&piece.map_err(|why| Error::new("read", id.as_str(), why))?);
            }
        }
        Ok(Some(digester.finish()))
    }

    pub(super) async fn begin(&self, started: &Started) -> Result<DataId> {
        let id = DataId::random().map_err(|why| Error::new("name", "an upload", why))?;
        self.put(Key::upload(&id).as_str(), Record::new(started.clone()).write()).await?;
        Ok(id)
    }

    /// What an upload has that is too short for a part.
    pub(super) async fn rest_of(&self, id: &DataId) -> Result<Option<DataId>> {
        let stored = self.get(&Key::upload(id)).await?;
        Ok(stored.and_then(|stored| Record::read(&stored.bytes)?.rest()))
    }

    pub(super) async fn session(&self, id: &DataId) -> Result<Option<BucketSession>> {
        let shared = {
            let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|_, shared| Arc::strong_count(shared) > 1);
            Arc::clone(sessions.entry(id.clone()).or_default())
        };
        // What this server knows is of no use: another one may have gone on with it.
        let turn = shared.lock_owned().await;
        let Some(stored) = self.get(&Key::upload(id)).await? else { return Ok(None) };
        let record = Record::read(&stored.bytes).ok_or_else(|| {
            Error::new("understand", Key::upload(id).as_str(), io::Error::from(io::ErrorKind::InvalidData))
        })?;
        Ok(Some(BucketSession::new(self.clone(), id.clone(), record, turn)))
    }
}

pub(super) fn failed(action: &'static str, key: &str, why: object_store::Error) -> Error {
    Error::new(action, key, io::Error::other(why))
}

/// What is not there is no error.
pub(super) fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(why),
    }
}
