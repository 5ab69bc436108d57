//! Opening a store, and the one way to change its metadata.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use wharfie_oci::{DiffId, Digest, Platform, Timestamp};

use crate::error::{Error, Result};
use crate::journal::Pending;
use crate::privacy;
use crate::schema;
use crate::snapshots::Kind as SnapshotKind;

/// What a store is told by its user; everything has a sensible default.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time.
    pub clock: fn() -> Timestamp,
    /// What this machine runs: which of several images a name stands for, if it is not said.
    pub platform: Platform,
    /// How long removed images are kept, in seconds; 0 keeps nothing.
    pub grace: i64,
    /// How many bytes of removed images are kept at most.
    pub keep_limit: u64,
    /// When the disk has fewer free bytes than this, nothing removed is kept.
    pub keep_free: u64,
    /// Which snapshot kind to use; `None` asks the machine once and remembers.
    pub snapshots: Option<SnapshotKind>,
    /// Deletes a tree in which files belong to ids that are the user's only in a user namespace; true if it is gone.
    pub remove: fn(&Path) -> bool,
}

/// One store, open. Cheap to open; share it between threads by reference.
pub struct Store {
    pub(crate) root: PathBuf,
    pub(crate) options: Options,
    db: Mutex<Connection>,
    /// Events that wait for the transaction of what they tell.
    pending: Mutex<Pending>,
    access: Access,
}

/// What may be done with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// Everything, in a copy of the metadata that nobody else sees; no file is touched.
    Rehearse,
}

/// The database's name beneath the root. Nothing of ours opens it or the files beside it: SQLite's locks are the process's,
/// and the kernel drops them when any descriptor of the file is closed, also one of ours.
pub(crate) const DATABASE: &str = "metadata.db";
pub(crate) const LOCK: &str = "lock";
/// Pages of 4 KiB that SQLite may cache: 1 MiB holds the metadata of thousands of images.
const CACHE_PAGES: i64 = 256;
/// Statements that are kept ready: more than any command repeats.
const STATEMENTS: usize = 64;
/// Pages of 4 KiB that the write-ahead log may grow to: the first process after a pause reads all of it.
const LOG_PAGES: i64 = 64;

/// A file that only takes room, so that there is some when the disk is full: freeing writes before it frees.
pub(crate) const RESERVE: &str = "reserve";
/// 1 MiB: what the removal of a large image adds to the write-ahead log, several times.
pub const RESERVE_BYTES: u64 = 1 << 20;
/// 64 MiB: a disk with less than this free is not asked for a reserve.
const PLENTY_BYTES: u64 = 64 << 20;

const PAGE_BYTES: u64 = 4096;
/// Asks SQLite to copy a database in one step, as it is at one moment.
const ALL_PAGES: i32 = -1;
/// 128 KiB: several times what SQLite shares for the longest log that we let grow.
const SHARED_MEMORY_BYTES: u64 = 128 << 10;

impl Store {
    /// As [`Self::open`], to free space: when there is next to none, the room kept for this is given up first.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_free(root: &Path, options: Options) -> Result<Self> {
        if free_bytes(root).is_some_and(|free| free < RESERVE_BYTES) {
            // If there is no reserve, or it stays, whatever comes next says what is wrong.
            let _ = std::fs::remove_file(root.join(RESERVE));
        }
        Self::open(root, options)
    }

    /// Sets room aside for [`Self::open_to_free`], where that is easily had.
    pub(crate) fn keep_reserve(&self) {
        let path = self.root.join(RESERVE);
        if self.is_rehearsal() || path.exists() || free_bytes(&self.root).is_none_or(|free| free < PLENTY_BYTES) {
            return;
        }
        let Ok(file) = File::options().create_new(true).write(true).mode(0o600).open(&path) else {
            return;
        };
        if fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES).is_err() {
            let _ = std::fs::remove_file(&path);
        }
    }

    /// Opens the store in `root`, making it first if need be.
    ///
    /// # Errors
    /// When `root` cannot be written, or a newer wharfie made it.
    pub fn open(root: &Path, options: Options) -> Result<Self> {
        with_reserve(root, move || Self::try_open(root, options.clone()))
    }

    fn try_open(root: &Path, options: Options) -> Result<Self> {
        privacy::prepare(root)?;
        make_room_for_shared_memory(root);
        let path = root.join(DATABASE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags).map_err(metadata(root))?;
        // Every command is the last to leave: emptying the log each time would cost three syncs that nobody asked for.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(metadata(root))?;
        let store =
            Self { root: root.into(), options, db: Mutex::new(db), pending: Mutex::default(), access: Access::Write };
        store.prepare()?;
        Ok(store)
    }

    /// Opens the store in `root` for reading. Nothing is written, not even if there is no store yet: then it is empty.
    ///
    /// # Errors
    /// When the metadata cannot be read, or a newer wharfie made it.
    pub fn open_read_only(root: &Path, options: Options) -> Result<Self> {
        with_reserve(root, move || Self::try_open_read_only(root, options.clone()))
    }

    fn try_open_read_only(root: &Path, options: Options) -> Result<Self> {
        let path = root.join(DATABASE);
        let version = |db: &Connection| -> Result<i64> {
            db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(metadata(root))
        };
        let found = match std::fs::metadata(&path) {
            Ok(found) if found.len() > 0 => {
                privacy::owned(root)?;
                make_room_for_shared_memory(root);
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Some(Connection::open_with_flags(&path, flags).map_err(metadata(root))?)
            }
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("read", &path)(why)),
            _ => None,
        };
        let db = match found {
            Some(db) if (1..schema::VERSION).contains(&version(&db)?) => {
                // Brought up by whoever comes first, also if it only reads: queries know the latest tables alone.
                drop((db, Self::try_open(root, options.clone())?));
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(&path, flags).map_err(metadata(root))?
            }
            // 0: whoever made the store is not done yet, or was killed before it was.
            Some(db) if version(&db)? > 0 => db,
            _ => {
                let db = Connection::open_in_memory().map_err(metadata(root))?;
                for step in &schema::STEPS {
                    db.execute_batch(step.sql).map_err(metadata(root))?;
                }
                db.pragma_update(None, "user_version", schema::VERSION).map_err(metadata(root))?;
                db
            }
        };
        let found = version(&db)?;
        let store =
            Self { root: root.into(), options, db: Mutex::new(db), pending: Mutex::default(), access: Access::Read };
        store.refuse_newer(found)?;
        Ok(store)
    }

    /// A store in which everything can be removed to see what would go: its metadata are a copy in memory of what is written
    /// down now, and no file is deleted, no mount undone.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn rehearsal(&self) -> Result<Self> {
        let mut db = Connection::open_in_memory().map_err(metadata(&self.root))?;
        let copied = Backup::new(&self.db(), &mut db).and_then(|copy| copy.step(ALL_PAGES));
        copied.map_err(metadata(&self.root))?;
        let (root, options) = (self.root.clone(), self.options.clone());
        Ok(Self { root, options, db: Mutex::new(db), pending: Mutex::default(), access: Access::Rehearse })
    }

    /// True for what [`Self::rehearsal`] gives.
    pub fn is_rehearsal(&self) -> bool {
        self.access == Access::Rehearse
    }

    fn prepare(&self) -> Result<()> {
        let (version, mode) = self.read(|db| {
            db.set_prepared_statement_cache_capacity(STATEMENTS);
            db.pragma_update(None, "cache_size", CACHE_PAGES)?;
            // Durability is asked for once, at the end of a command: see `write_durably`.
            db.pragma_update(None, "synchronous", "NORMAL")?;
            db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
            let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            Ok((version, mode))
        })?;
        self.refuse_newer(version)?;
        if version == schema::VERSION && mode == "wal" {
            // Somebody may have given it up.
            self.keep_reserve();
            return Ok(());
        }
        // Two processes may make the store at once: the second finds it made.
        let _guard = self.exclusive()?;
        self.read(|db| {
            db.pragma_update(None, "journal_mode", "WAL")?;
            Ok(())
        })?;
        self.bring_up()?;
        // The file itself says what it is, also without its log.
        self.read(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))?;
        self.keep_reserve();
        Ok(())
    }

    /// Takes the database through the steps that it lacks, all of them or none.
    fn bring_up(&self) -> Result<()> {
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(metadata(&self.root))?;
        let version: i64 =
            transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(metadata(&self.root))?;
        for step in schema::STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
            transaction.execute_batch(step.sql).map_err(metadata(&self.root))?;
            step.fill.map_or(Ok(()), |fill| fill(self, &transaction))?;
        }
        if version < schema::VERSION {
            transaction.pragma_update(None, "user_version", schema::VERSION).map_err(metadata(&self.root))?;
        }
        transaction.commit().map_err(metadata(&self.root))
    }

    fn refuse_newer(&self, found: i64) -> Result<()> {
        if found > schema::VERSION {
            return Err(Error::TooNew { root: self.root.clone(), found, known: schema::VERSION });
        }
        Ok(())
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The settings it was opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The time, as the store's user tells it.
    pub fn now(&self) -> Timestamp {
        (self.options.clock)()
    }

    /// Reads metadata. On a full disk the room kept for this is given up: even reading needs a file that SQLite makes anew. The
    /// query may be called twice.
    pub(crate) fn read<T>(&self, query: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        with_reserve(&self.root, || query(&self.db()).map_err(metadata(&self.root)))
    }

    /// Changes metadata in one transaction, after every earlier change of any process and before every later one.
    /// Survives a killed process; survives a power cut once a later [`Self::write_durably`] has returned.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.write_then(Durability::Later, change, |value| value)
    }

    /// As [`Self::write`], for what must be written also when the disk is full: then the room kept for this is given up. The
    /// change may be called twice.
    pub(crate) fn write_or_free<T>(&self, change: impl Fn(&Transaction<'_>) -> Result<T>) -> Result<T> {
        with_reserve(&self.root, || self.write(&change))
    }

    /// As [`Self::write`], and when it returns the change and everything before it survives a power cut.
    pub(crate) fn write_durably<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.write_durably_then(change, |value| value)
    }

    /// As [`Self::write_durably`]; then, with the change on disk and other writers still kept out, does `then`: the place
    /// to delete files whose rows are gone.
    pub(crate) fn write_durably_then<T, U>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T>,
        then: impl FnOnce(T) -> U,
    ) -> Result<U> {
        self.write_then(Durability::Now, change, then)
    }

    /// Makes a change; then, with the change made and other writers still kept out, does `then`.
    fn write_then<T, U>(
        &self,
        durability: Durability,
        change: impl FnOnce(&Transaction<'_>) -> Result<T>,
        then: impl FnOnce(T) -> U,
    ) -> Result<U> {
        // SQLite's own busy handler sleeps in steps and starves writers for seconds; a lock file queues them fairly.
        let _guard = self.exclusive()?;
        let mut db = self.db();
        if durability == Durability::Now {
            db.pragma_update(None, "synchronous", "FULL").map_err(metadata(&self.root))?;
        }
        let changed = self.change(&mut db, change);
        // Still with the connection to ourselves: another thread's change would be as lazy as this one was careful.
        if durability == Durability::Now {
            db.pragma_update(None, "synchronous", "NORMAL").map_err(metadata(&self.root))?;
        }
        let value = changed?;
        drop(db);
        self.forget_pending();
        Ok(then(value))
    }

    fn change<T>(&self, db: &mut Connection, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(metadata(&self.root))?;
        let value = change(&transaction)?;
        self.write_pending(&transaction).map_err(metadata(&self.root))?;
        transaction.commit().map_err(metadata(&self.root))?;
        Ok(value)
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until no other writer is at work and keeps others out until dropped.
    fn exclusive(&self) -> Result<Exclusive> {
        let path = self.root.join(LOCK);
        match self.access {
            Access::Write => {}
            Access::Read => return Err(Error::io("write", path)(std::io::ErrorKind::ReadOnlyFilesystem.into())),
            // Its metadata are its own.
            Access::Rehearse => return Ok(Exclusive { _lock: None }),
        }
        // Opened anew each time: threads of one process must exclude each other too.
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(&path).map_err(Error::io("lock", &path))?;
        loop {
            match flock(&lock, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Exclusive { _lock: Some(lock) }),
                Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(Error::io("lock", &path)(why.into())),
            }
        }
    }

    /// Waits until whoever is writing has finished. A change is seen by the kernel's watches before it can be read: it is in
    /// the log first, and what says how far the log goes is memory. Who read on being told and found nothing would wait for
    /// news that it has had.
    pub fn wait_for_writer(&self) {
        let Ok(lock) = File::open(self.root.join(LOCK)) else { return };
        while flock(&lock, FlockOperation::LockShared) == Err(rustix::io::Errno::INTR) {}
    }

    /// Turns a database error into this store's.
    pub(crate) fn metadata_error(&self) -> impl Fn(rusqlite::Error) -> Error + use<> {
        metadata(&self.root)
    }

    /// Where blobs of a digest's algorithm are.
    pub(crate) fn blob_directory(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().as_str())
    }

    /// Where a blob is, if it is here.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blob_directory(digest).join(digest.hex())
    }

    /// Where layers are.
    pub(crate) fn layer_directory(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Where a layer file is, if it is here.
    pub fn layer_path(&self, diff_id: &DiffId) -> PathBuf {
        self.layer_directory().join(diff_id.digest().hex())
    }

    /// Where files without `O_TMPFILE` are staged.
    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// When a change must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// With the next one that must do so at once.
    Later,
    /// When it is made.
    Now,
}

/// Held while one process changes the metadata; closing the file releases it.
struct Exclusive {
    _lock: Option<File>,
}

fn metadata(root: &Path) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let path = root.join(DATABASE);
    move |source| Error::Metadata { path: path.clone(), source }
}

/// Does what must also work on a full disk: then the room kept for this is given up, and it is done again.
fn with_reserve<T>(root: &Path, work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(why) if why.is_full() && std::fs::remove_file(root.join(RESERVE)).is_ok() => work(),
        result => result,
    }
}

/// Where blocks are smaller than pages, SQLite leaves holes in the file that it shares as memory, and a process that touches
/// a hole on a full disk is killed. There the reserve goes before that can happen.
fn make_room_for_shared_memory(root: &Path) {
    let Ok(disk) = rustix::fs::statvfs(root) else { return };
    if disk.f_frsize < PAGE_BYTES && disk.f_bavail.saturating_mul(disk.f_frsize) < SHARED_MEMORY_BYTES {
        let _ = std::fs::remove_file(root.join(RESERVE));
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
