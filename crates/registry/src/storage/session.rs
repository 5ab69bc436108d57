//! An upload in a directory: the data file grows, its length is the offset, and the digest is computed on the way.

use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};

use super::local::{Local, blocking};
use super::{Error, Result};
use crate::body::{Inbound, InboundError};
use crate::key::Key;
use crate::name::{DataId, RepositoryName};

/// How an upload began; the record of its session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    repository: String,
    is_sha512: bool,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

impl Started {
    pub(crate) fn new(repository: &RepositoryName, algorithm: Algorithm, at: i64) -> Self {
        Self { repository: repository.as_str().to_owned(), is_sha512: algorithm == Algorithm::Sha512, at }
    }

    pub(crate) fn is_of(&self, repository: &RepositoryName) -> bool {
        self.repository == repository.as_str()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        if self.is_sha512 { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }
}

/// What is kept of a session between its requests, if anything is.
pub(super) type Shared = Mutex<Option<Open>>;

/// An open data file and what its bytes hash to so far.
pub(super) struct Open {
    started: Started,
    file: File,
    digester: Digester,
    size: u64,
}

/// An upload that nobody else works on now.
pub(crate) struct LocalSession {
    local: Local,
    id: DataId,
    open: OwnedMutexGuard<Option<Open>>,
}

/// Why bytes were not appended, or not all.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The client's part of it.
    Inbound(InboundError),
    /// The storage's.
    Storage(Error),
}

impl LocalSession {
    /// Waits until nobody else has it.
    pub(super) async fn open(local: Local, id: DataId, shared: Arc<Shared>) -> Result<Option<Self>> {
        let mut open = Arc::clone(&shared).lock_owned().await;
        if open.is_none() {
            let (local, id) = (local.clone(), id.clone());
            *open = blocking(move || reopen(&local, &id)).await?;
        }
        Ok(open.is_some().then_some(Self { local, id, open }))
    }

    fn state(&self) -> &Open {
        self.open.as_ref().expect("a session is open as long as somebody has it")
    }

    pub(super) fn id(&self) -> &DataId {
        &self.id
    }

    pub(super) fn started(&self) -> &Started {
        &self.state().started
    }

    /// How many bytes are here.
    pub(super) fn size(&self) -> u64 {
        self.state().size
    }

    /// Takes in a body to its end. What arrived before it broke off stays; on a disk that fails, only what was written.
    /// Receiving goes on while what came before is hashed and written.
    pub(super) async fn append(&mut self, body: &mut Inbound) -> Result<(), AppendError> {
        let Open { started, file, digester, size } =
            self.open.take().expect("a session is open as long as somebody has it");
        let mut writing: Option<tokio::task::JoinHandle<Written>> = None;
        let mut idle = Some((file, digester, size));
        let mut waiting = Vec::new();
        let mut gathered = 0;
        let mut end: Result<bool, InboundError> = Ok(false);
        loop {
            match body.next().await {
                Ok(Some(bytes)) => {
                    gathered += bytes.len();
                    waiting.push(bytes);
                }
                Ok(None) => end = Ok(true),
                Err(why) => end = Err(why),
            }
            let is_over = !matches!(end, Ok(false));
            if gathered < BATCH && !is_over {
                continue;
            }
            if let Some(handle) = writing.take() {
                idle = Some(
                    handle.await.unwrap_or_else(|why| Err(io::Error::other(why))).map_err(|why| self.failed(why))?,
                );
            }
            if let Some((file, digester, size)) = idle.take() {
                let batch = std::mem::take(&mut waiting);
                gathered = 0;
                writing = Some(tokio::task::spawn_blocking(move || write(file, digester, size, &batch)));
            }
            if is_over {
                break;
            }
        }
        let last = writing.expect("the end of the body wrote something, if only nothing").await;
        let (file, digester, size) =
            last.unwrap_or_else(|why| Err(io::Error::other(why))).map_err(|why| self.failed(why))?;
        *self.open = Some(Open { started, file, digester, size });
        end.map(|_| ()).map_err(AppendError::Inbound)
    }

    /// Nothing is known of the session any more but what is on the disk.
    fn failed(&self, why: io::Error) -> AppendError {
        self.local.forget_session(&self.id);
        AppendError::Storage(Error::new("write", Key::data(&self.id).as_str(), why))
    }

    /// Makes the data durable and gives its digest by this algorithm.
    pub(super) async fn seal(&mut self, algorithm: Algorithm) -> Result<Digest> {
        let Open { started, mut file, digester, size } =
            self.open.take().expect("a session is open as long as somebody has it");
        let (local, name) = (self.local.clone(), Key::data(&self.id));
        let (digest, open) = blocking(move || {
            let mut seal = || -> io::Result<Digest> {
                file.sync_data()?;
                local.sync_data_directory()?;
                if started.algorithm() == algorithm {
                    return Ok(digester.clone().finish());
                }
                // What will be asked for is said at the end only.
                Ok(hash(&mut file, algorithm, u64::MAX)?.0.finish())
            };
            let digest = seal().map_err(|why| Error::new("finish", name.as_str(), why))?;
            Ok((digest, Open { started, file, digester, size }))
        })
        .await?;
        *self.open = Some(open);
        Ok(digest)
    }

    /// Replaces the data by the image store's copy of the same blob, if there is one.
    pub(super) async fn share(&self, digest: &Digest) -> Result<()> {
        let (local, id, digest, size) = (self.local.clone(), self.id.clone(), digest.clone(), self.size());
        blocking(move || {
            if local.share(&id, &digest, size) {
                local.sync_data_directory().map_err(|why| Error::new("finish", id.as_str(), why))?;
            }
            Ok(())
        })
        .await
    }

    /// Ends the session. Its data stays, or goes as well.
    pub(super) async fn end(mut self, keeps_data: bool) -> Result<()> {
        *self.open = None;
        if !keeps_data {
            self.local.delete(Key::data(&self.id)).await?;
        }
        self.local.delete(Key::upload(&self.id)).await?;
        self.local.forget_session(&self.id);
        Ok(())
    }
}

type Written = io::Result<(File, Digester, u64)>;

fn write(mut file: File, mut digester: Digester, size: u64, batch: &[Bytes]) -> Written {
    if let Err(why) = write_all(&mut file, batch) {
        // A part of it may be there, and nobody knows which: the batch is sent again.
        let _shorter = file.set_len(size);
        return Err(why);
    }
    let mut written = size;
    for bytes in batch {
        digester.update(bytes);
        written += bytes.len() as u64;
    }
    Ok((file, digester, written))
}

/// Writes all pieces with as few calls as the system allows.
fn write_all(file: &mut File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

/// What a server that ended has left of a session.
fn reopen(local: &Local, id: &DataId) -> Result<Option<Open>> {
    let Some(record) = local.get(&Key::upload(id))? else { return Ok(None) };
    let fail = |why: io::Error| Error::new("go on with", Key::upload(id).as_str(), why);
    let started: Started = serde_json::from_slice(&record.bytes).map_err(|why| fail(why.into()))?;
    let mut file = match local.open_data(id) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(fail(why)),
    };
    let (digester, size) = hash(&mut file, started.algorithm(), u64::MAX).map_err(fail)?;
    Ok(Some(Open { started, file, digester, size }))
}

/// Hashes at most so many bytes of a file, and leaves it where it stopped. Gives how many there were.
pub(super) fn hash(file: &mut File, algorithm: Algorithm, limit: u64) -> io::Result<(Digester, u64)> {
    let mut digester = Digester::new(algorithm);
    let mut piece = vec![0; BATCH];
    let mut size = 0;
    file.seek(SeekFrom::Start(0))?;
    let mut rest = file.take(limit);
    loop {
        match rest.read(&mut piece) {
            Ok(0) => return Ok((digester, size)),
            Ok(count) => {
                digester.update(&piece[..count]);
                size += count as u64;
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}

/// 1 MiB: what is gathered before a thread writes it: each change of threads costs, and twice this is the memory of an upload.
const BATCH: usize = 1 << 20;
