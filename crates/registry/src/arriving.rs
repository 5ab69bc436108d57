//! Blobs that come from another registry, and are passed on while they come.
//!
//! One request fetches, and goes on when its client leaves. Who reads along is never waited for: he has the last
//! [`WINDOW`] bytes in memory, behind them the file that the blob is written to, and of a bucket, which shows nothing before
//! it is whole, the blob when it is. The last byte of what somebody asked for waits until the digest is proven: of a blob
//! that is something else nobody gets all, and a connection that ends early is no blob.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use wharfie_oci::Digest;

use crate::body::{Body, Inbound};
use crate::name::{DataId, RepositoryName};
use crate::refusal::{Code, Refusal};
use crate::router::Registry;
use crate::storage::{AppendError, Session, Started};
use crate::upstream::{Blob, Cache, Trouble, missing};

/// A blob on its way.
pub(crate) struct Arriving {
    pub(crate) size: u64,
    window: Mutex<Window>,
    /// What it is written to, if that can be read meanwhile.
    file: Option<Arc<File>>,
    progress: watch::Sender<Progress>,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
struct Progress {
    arrived: u64,
    /// How it ended: it is here and proven, or why it is not.
    end: Option<Result<(), Trouble>>,
}

/// The bytes that came last.
#[derive(Default)]
struct Window {
    pieces: VecDeque<Bytes>,
    /// Where the first of them is in the blob.
    begin: u64,
    held: usize,
}

impl Window {
    fn push(&mut self, piece: Bytes) {
        self.held += piece.len();
        self.pieces.push_back(piece);
        while self.held > WINDOW {
            let Some(oldest) = self.pieces.pop_front() else { break };
            self.held -= oldest.len();
            self.begin += oldest.len() as u64;
        }
    }

    /// Some bytes from `at` on; `None` if they are no longer here, or not yet.
    fn find(&self, at: u64) -> Option<Bytes> {
        let mut skipped = usize::try_from(at.checked_sub(self.begin)?).ok()?;
        for piece in &self.pieces {
            if skipped < piece.len() {
                return Some(piece.slice(skipped..));
            }
            skipped -= piece.len();
        }
        None
    }
}

impl Arriving {
    fn new(size: u64, file: Option<File>) -> Self {
        let (window, progress) = (Mutex::default(), watch::Sender::new(Progress::default()));
        Self { size, window, file: file.map(Arc::new), progress }
    }

    fn arrived(&self, piece: Bytes) {
        let count = piece.len() as u64;
        self.window.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        self.progress.send_modify(|progress| progress.arrived += count);
    }

    fn ended(&self, end: Result<(), Trouble>) {
        self.progress.send_modify(|progress| progress.end = Some(end));
    }

    /// Waits until it has ended, and says how.
    async fn end(&self) -> Result<(), Trouble> {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.end.is_some()).await;
        ended.ok().and_then(|progress| progress.end.clone()).unwrap_or_else(|| Err(broken()))
    }
}

fn broken() -> Trouble {
    Trouble::Away("it was broken off".to_owned())
}

impl Registry {
    /// Has a blob fetched that is not here: `None` when it is here, or what arrives.
    pub(crate) async fn fill_blob(
        self: &Arc<Self>,
        cache: &Cache,
        path: &str,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<Arriving>>, Refusal> {
        // What another repository has is not fetched either; one that may not read it there asks the other registry first.
        let key = format!("{name}@{digest}");
        let begin = async {
            if self.link(name, digest).await?.is_some() {
                return Ok(None);
            }
            let known = self.caching.arriving(&key);
            match known {
                Some(arriving) => Ok(Some(arriving)),
                None => self.begin_fetching(cache, path, name, digest, &key).await.map(Some),
            }
        };
        let arriving = match self.caching.alone(&key, begin).await? {
            Some(arriving) if arriving.size <= WAITED_FOR => arriving,
            arriving => return Ok(arriving),
        };
        // What is small is waited for: then whatever is wrong with it can be said. So is what does not say its size: it comes
        // from this machine.
        arriving.end().await.map(|()| None).map_err(|why| Self::not_given(cache, why))
    }

    async fn begin_fetching(
        self: &Arc<Self>,
        cache: &Cache,
        path: &str,
        name: &RepositoryName,
        digest: &Digest,
        key: &str,
    ) -> Result<Arc<Arriving>, Refusal> {
        let permit = self.permit_to_fetch(cache).await.map_err(|why| self.away(cache, key, why))?;
        let wanted = digest.clone();
        let opened = self.ask(cache, path, move |upstream, path| upstream.blob(path, &wanted)).await;
        let blob = opened.map_err(|why| match why {
            Trouble::Missing(why) => missing(Code::BlobUnknown, &why),
            why => self.away(cache, key, why),
        })?;
        let size = blob.size.unwrap_or(0);
        if size > self.limits.blob_bytes {
            return Err(self.away(cache, key, Trouble::Refused("it is larger than what is kept here".to_owned())));
        }
        if self.is_limited(name) {
            self.insist_on_room(name, size).await?;
        }
        let id = self.storage.begin(&Started::new(name, digest.algorithm(), self.now())).await?;
        let session = self.session(name, &id).await?;
        let arriving = Arc::new(Arriving::new(size, self.storage.open_data(&id)));
        self.caching.arrives(key, &arriving);
        let (registry, cache) = (Arc::clone(self), cache.clone());
        let (name, digest, key) = (name.clone(), digest.clone(), key.to_owned());
        let fetched = Arc::clone(&arriving);
        // It goes on when nobody waits any more: the next one who asks has it.
        tokio::spawn(async move {
            let working = Arc::clone(&registry);
            let into = Arc::clone(&fetched);
            let (of, wanted) = (name, digest);
            let work = tokio::spawn(async move { working.fetch(&of, &wanted, session, blob, permit, into).await });
            let end = work.await.unwrap_or_else(|why| Err(Trouble::Away(format!("a defect: {why}"))));
            registry.caching.has_arrived(&key);
            if let Err(why) = &end {
                registry.away(&cache, &key, why.clone());
            }
            fetched.ended(end);
        });
        Ok(arriving)
    }

    /// Fetches a blob to its end, and keeps it if it is what its digest says.
    async fn fetch(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        mut session: Session,
        blob: Blob,
        permit: OwnedSemaphorePermit,
        arriving: Arc<Arriving>,
    ) -> Result<(), Trouble> {
        let told = |refusal: &Refusal| Trouble::Away(refusal.cause().unwrap_or("it cannot be kept").to_owned());
        let limit = blob.size.unwrap_or(u64::MAX).min(self.limits.blob_bytes);
        let mut body = Inbound::read_from(pour(blob.bytes, permit, arriving), self.limits.idle);
        body.limit(limit);
        if let Err(why) = session.append(&mut body).await {
            session.end(false).await.map_err(|why| Trouble::Away(why.told()))?;
            return Err(match why {
                AppendError::Inbound(why) => Trouble::Away(why.to_string()),
                AppendError::Storage(why) => Trouble::Away(why.told()),
            });
        }
        match self.finish(name, session, digest).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status() == StatusCode::BAD_REQUEST => {
                Err(Trouble::Refused("it sends something else".to_owned()))
            }
            Err(refusal) => Err(told(&refusal)),
        }
    }

    /// A body of `count` bytes from `at`, which come when they come.
    pub(crate) fn pass_on(
        self: &Arc<Self>,
        arriving: Arc<Arriving>,
        name: &RepositoryName,
        digest: &Digest,
        (at, count): (u64, u64),
    ) -> Body {
        let (sender, pieces) = mpsc::channel(AHEAD);
        let (registry, name, digest) = (Arc::clone(self), name.clone(), digest.clone());
        tokio::spawn(async move {
            let reading = Reading { registry, arriving, sender, at, end: at.saturating_add(count) };
            if let Err(why) = reading.go(&name, &digest).await {
                // The client is gone, or learns it from the connection's end.
                let _gone = reading.sender.send(Err(why)).await;
            }
        });
        Body::Arriving { pieces, left: count }
    }
}

/// Somebody who reads along.
struct Reading {
    registry: Arc<Registry>,
    arriving: Arc<Arriving>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    at: u64,
    end: u64,
}

impl Reading {
    async fn go(&self, name: &RepositoryName, digest: &Digest) -> io::Result<()> {
        let mut at = self.at;
        let mut progress = self.arriving.progress.subscribe();
        while at < self.end {
            let Progress { arrived, end } = progress.borrow_and_update().clone();
            let until = match end {
                Some(Ok(())) => self.end,
                Some(Err(why)) => return Err(io::Error::other(format!("{why:?}"))),
                None => arrived.min(self.end - 1),
            };
            let is_proven = until == self.end;
            let piece = if at < until { self.piece(at, until).await? } else { None };
            match piece {
                Some(piece) => {
                    at += piece.len() as u64;
                    if self.sender.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                }
                None if is_proven => return self.rest(name, digest, at).await,
                None => progress.changed().await.map_err(io::Error::other)?,
            }
        }
        Ok(())
    }

    /// Some of the bytes between, if they can be had now.
    async fn piece(&self, at: u64, until: u64) -> io::Result<Option<Bytes>> {
        let most = usize::try_from(until - at).unwrap_or(usize::MAX);
        let found = self.arriving.window.lock().unwrap_or_else(PoisonError::into_inner).find(at);
        if let Some(found) = found {
            return Ok(Some(found.slice(..found.len().min(most))));
        }
        let Some(file) = self.arriving.file.clone() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; most.min(PIECE)];
            let count = rustix::io::pread(&*file, &mut piece, at)?;
            piece.truncate(count);
            Ok::<_, io::Error>(Bytes::from(piece))
        });
        let piece = read.await.map_err(io::Error::other)??;
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// What is left, from where the blob is kept now.
    async fn rest(&self, name: &RepositoryName, digest: &Digest, at: u64) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the blob is gone again");
        let failed = |why: Refusal| io::Error::other(why.cause().unwrap_or("the storage fails").to_owned());
        let link = self.registry.link(name, digest).await.map_err(failed)?.ok_or_else(gone)?;
        let data: DataId = link.data().ok_or_else(gone)?;
        let read = self.registry.storage.read(&data, at, self.end - at).await;
        let mut body = read.map_err(|why| io::Error::other(why.told()))?.ok_or_else(gone)?;
        while let Some(piece) = body.next().await? {
            if self.sender.send(Ok(piece)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads on a thread of its own, for whoever reads along and for the storage, which may be slower.
fn pour(
    mut reader: Box<dyn Read + Send>,
    permit: OwnedSemaphorePermit,
    arriving: Arc<Arriving>,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        loop {
            let mut piece = vec![0; PIECE];
            let sent = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    let piece = Bytes::from(piece);
                    let sent = sender.blocking_send(Ok(piece.clone()));
                    arriving.arrived(piece);
                    sent
                }
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => sender.blocking_send(Err(why)).and(Err(mpsc::error::SendError(Ok(Bytes::new())))),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    receiver
}

/// 64 KiB are read at once, and eight of them wait at most.
const PIECE: usize = 64 << 10;
const PIECES: usize = 8;
/// 3 MiB: more than what a directory's upload has in memory, so that what is no longer here is in the file.
const WINDOW: usize = 3 << 20;
/// 2 pieces that a client has not taken yet.
const AHEAD: usize = 2;
/// 256 KiB: what comes in a moment.
const WAITED_FOR: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_what_came_last() {
        let mut window = Window::default();
        let piece = |n: u8| Bytes::from(vec![n; 1 << 20]);
        for n in 0..4 {
            window.push(piece(n));
        }
        assert_eq!(window.find((1 << 20) - 1), None);
        assert_eq!(window.find(1 << 20), Some(piece(1)));
        assert_eq!(window.find((4 << 20) - 2), Some(Bytes::from_static(&[3, 3])));
        assert_eq!(window.find(4 << 20), None);
    }
}
