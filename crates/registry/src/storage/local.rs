//! A directory of this machine: each object is a file, named by its key.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use wharfie_oci::Digest;
use wharfie_oci::digest::Algorithm;

use super::listing::Listings;
use super::session::{LocalSession, Shared, Started};
use super::{Error, Holding, Page, Result, Stored};
use crate::body::Body;
use crate::key::{Folder, Key};
use crate::name::DataId;

/// The directory, which no other process has.
#[derive(Clone)]
pub(crate) struct Local(Arc<Inner>);

struct Inner {
    root: PathBuf,
    images: Option<PathBuf>,
    serial: AtomicU64,
    listings: Listings,
    sessions: Mutex<HashMap<DataId, Arc<Shared>>>,
    /// Locked as long as this lives.
    _lock: Option<File>,
}

/// 16 MiB: no record is larger than a manifest with its line.
const MAX_RECORD: u64 = 16 << 20;

impl Local {
    pub(super) fn open(root: &Path, images: Option<PathBuf>, holding: Holding) -> Result<Self> {
        let lock = match holding {
            Holding::Alone => {
                let told = root.to_string_lossy();
                Some(take(root).map_err(|why| Error::new("use", &told, why))?)
            }
            Holding::Beside => None,
        };
        Ok(Self(Arc::new(Inner {
            root: root.to_owned(),
            images,
            serial: AtomicU64::new(0),
            listings: Listings::default(),
            sessions: Mutex::default(),
            _lock: lock,
        })))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.0.root.join(key.as_str())
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Stored>> {
        let read = || -> io::Result<Stored> {
            let file = File::open(self.path(key))?;
            let metadata = file.metadata()?;
            if metadata.len() > MAX_RECORD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "too large for a record"));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
            file.take(MAX_RECORD).read_to_end(&mut bytes)?;
            Ok(Stored { bytes: Bytes::from(bytes) })
        };
        found(read()).map_err(|why| Error::new("read", key.as_str(), why))
    }

    pub(super) fn modified(&self, key: &Key) -> Result<Option<i64>> {
        let stat = fs::symlink_metadata(self.path(key)).map(|metadata| metadata.mtime());
        found(stat).map_err(|why| Error::new("look at", key.as_str(), why))
    }

    pub(super) fn size(&self, key: &Key) -> Result<Option<u64>> {
        let stat = fs::symlink_metadata(self.path(key)).map(|metadata| metadata.len());
        found(stat).map_err(|why| Error::new("look at", key.as_str(), why))
    }

    pub(super) async fn digest(&self, id: &DataId, size: u64, algorithm: Algorithm) -> Result<Option<Digest>> {
        let (key, path) = (Key::data(id), self.path(&Key::data(id)));
        blocking(move || {
            let hash = || -> io::Result<Option<Digest>> {
                let mut file = File::open(&path)?;
                let (digester, read) = super::session::hash(&mut file, algorithm, size)?;
                Ok((read == size).then(|| digester.finish()))
            };
            found(hash()).map(Option::flatten).map_err(|why| Error::new("read", key.as_str(), why))
        })
        .await
    }

    pub(super) async fn put(&self, key: Key, bytes: Vec<u8>) -> Result<()> {
        let local = self.clone();
        blocking(move || {
            local.0.write(&local.path(&key), &bytes).map_err(|why| Error::new("write", key.as_str(), why))?;
            local.forget(&key);
            Ok(())
        })
        .await
    }

    pub(super) fn renew(&self, key: &Key) -> Result<bool> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let same = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: same, last_modification: now };
        let renewed = rustix::fs::utimensat(CWD, self.path(key), &times, AtFlags::SYMLINK_NOFOLLOW);
        let renewed = found(renewed.map_err(Into::into));
        renewed.map(|done| done.is_some()).map_err(|why| Error::new("renew", key.as_str(), why))
    }

    pub(super) async fn delete(&self, key: Key) -> Result<()> {
        let local = self.clone();
        blocking(move || {
            let path = local.path(&key);
            found(fs::remove_file(&path)).map_err(|why| Error::new("delete", key.as_str(), why))?;
            local.forget(&key);
            // Directories of repositories and digests go with their last file; the areas stay.
            let mut parent = path.parent();
            for _ in 2..key.as_str().split('/').count() {
                let Some(directory) = parent.filter(|directory| fs::remove_dir(directory).is_ok()) else { break };
                parent = directory.parent();
            }
            Ok(())
        })
        .await
    }

    fn forget(&self, key: &Key) {
        let folder = key.as_str().rfind('/').map_or("", |at| &key.as_str()[..=at]);
        self.0.listings.forget(folder);
    }

    pub(super) async fn list(&self, folder: &Folder, after: Option<&str>, limit: usize) -> Result<Page> {
        let names = match self.0.listings.find(folder) {
            Ok(names) => names,
            Err(changes) => {
                let (local, folder) = (self.clone(), folder.clone());
                blocking(move || {
                    let names = found(read_names(&local.0.root.join(folder.as_str())));
                    let names = names.map_err(|why| Error::new("list", folder.as_str(), why))?;
                    let names: Arc<[Box<str>]> = names.unwrap_or_default().into();
                    local.0.listings.keep(&folder, &names, changes);
                    Ok(names)
                })
                .await?
            }
        };
        let from = after.map_or(0, |after| names.partition_point(|name| &**name <= after));
        let rest = &names[from..];
        let page = &rest[..rest.len().min(limit)];
        Ok(Page { names: page.iter().map(|name| String::from(&**name)).collect(), has_more: rest.len() > page.len() })
    }

    pub(super) fn read(&self, id: &DataId, at: u64, count: u64) -> Result<Option<Body>> {
        let key = Key::data(id);
        let open = || -> io::Result<Option<Body>> {
            let file = File::open(self.path(&key))?;
            let has_it = at.checked_add(count).is_some_and(|end| file.metadata().is_ok_and(|m| m.len() >= end));
            Ok(has_it.then(|| Body::file(file, at, count)))
        };
        found(open()).map(Option::flatten).map_err(|why| Error::new("open", key.as_str(), why))
    }

    pub(super) async fn begin(&self, started: &Started) -> Result<DataId> {
        let id = DataId::random().map_err(|why| Error::new("name", "an upload", why))?;
        let record = serde_json::to_vec(started).expect("a record of texts is JSON");
        let (local, key) = (self.clone(), Key::upload(&id));
        let data = self.path(&Key::data(&id));
        blocking(move || {
            let create = || -> io::Result<()> {
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&data)?;
                // A power cut may take the session: nothing of it was promised to last.
                let path = local.path(&key);
                let new = path.with_extension("new");
                write_new(&new, &record)?;
                fs::rename(&new, &path)
            };
            create().map_err(|why| Error::new("begin", key.as_str(), why))
        })
        .await?;
        Ok(id)
    }

    pub(super) async fn session(&self, id: &DataId) -> Result<Option<LocalSession>> {
        let shared = {
            let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            // What nobody works on is known again from its file.
            if sessions.len() >= MAX_SESSIONS {
                sessions.retain(|_, shared| Arc::strong_count(shared) > 1);
            }
            Arc::clone(sessions.entry(id.clone()).or_default())
        };
        let session = LocalSession::open(self.clone(), id.clone(), shared).await?;
        if session.is_none() {
            self.forget_session(id);
        }
        Ok(session)
    }

    pub(super) fn forget_session(&self, id: &DataId) {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Opens the data of an upload for writing.
    pub(super) fn open_data(&self, id: &DataId) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(&Key::data(id)))
    }

    /// Puts a link to the image store's copy of a blob in the place of the data, if it has one of this size.
    /// True if it has. Whoever has the store's files may not be the one who has ours, or they may lie on another disk: then
    /// there are two copies.
    pub(super) fn share(&self, id: &DataId, digest: &Digest, size: u64) -> bool {
        let Some(images) = &self.0.images else { return false };
        let theirs = images.join(digest.algorithm().as_str()).join(digest.hex());
        let is_same = fs::symlink_metadata(&theirs).is_ok_and(|found| found.is_file() && found.len() == size);
        let new = self.0.root.join("tmp").join(id.as_str());
        is_same && fs::hard_link(&theirs, &new).is_ok() && fs::rename(&new, self.path(&Key::data(id))).is_ok()
    }

    /// Makes the names in the directory of all data durable.
    pub(super) fn sync_data_directory(&self) -> io::Result<()> {
        File::open(self.0.root.join("data"))?.sync_all()
    }
}

impl Inner {
    /// A file that appears whole, and durably.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let new = self.root.join("tmp").join(format!("{serial}"));
        let file = write_new(&new, bytes)?;
        file.sync_data()?;
        let parent = path.parent().expect("keys have an area");
        // The last file of the directory may be deleted just now, and the directory with it.
        for _ in 0..RACES {
            match fs::rename(&new, path) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => make_durable_directory(parent, &self.root)?,
                Err(why) => {
                    let _litter = fs::remove_file(&new);
                    return Err(why);
                }
                Ok(()) => return File::open(parent)?.sync_all(),
            }
        }
        Err(io::Error::other("its directory goes away again and again"))
    }
}

/// Makes the directory, locks it, and clears away what was being written when the last server ended.
fn take(root: &Path) -> io::Result<File> {
    make_directory(root)?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(root.join("lock"))?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|why| match why {
        rustix::io::Errno::WOULDBLOCK => io::Error::new(io::ErrorKind::ResourceBusy, "another server has it"),
        why => why.into(),
    })?;
    found(fs::remove_dir_all(root.join("tmp")))?;
    for area in ["tmp", "data", "uploads"] {
        make_directory(&root.join(area))?;
    }
    Ok(lock)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Err(why) = file.write_all(bytes) {
        let _litter = fs::remove_file(path);
        return Err(why);
    }
    Ok(file)
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory beneath `root`, and makes the names on the way to it durable.
fn make_durable_directory(path: &Path, root: &Path) -> io::Result<()> {
    make_directory(path)?;
    let mut at = path;
    while let Some(parent) = at.parent().filter(|_| at != root) {
        match File::open(parent) {
            Ok(directory) => directory.sync_all()?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
        at = parent;
    }
    Ok(())
}

fn read_names(path: &Path) -> io::Result<Vec<Box<str>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        // Every name here is one of ours, and those are ASCII.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name.into_boxed_str());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// What is not there is no error.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Runs what waits for the disk on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(why) => Err(Error::new("finish", "work on the disk", io::Error::other(why))),
    }
}

/// Attempts to rename into a directory that others delete when it is empty.
const RACES: usize = 16;
/// Sessions whose state is kept in memory, as long as nobody works on more.
const MAX_SESSIONS: usize = 1024;
