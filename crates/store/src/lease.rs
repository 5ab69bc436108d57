//! Leases: what a running command needs is not collected, although nothing refers to it yet.
//!
//! A lease is a file that its owner keeps locked (`flock`) and rows that name what it holds. The kernel drops the lock
//! when the owner dies, in whatever process namespace it lived, so a dead owner's lease falls by itself.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use rustix::fs::{FlockOperation, flock};
use wharfie_oci::{DiffId, Digest};

use crate::error::{Error, Result};
use crate::store::Store;
use crate::temp::{TempFile, sync_directory};

/// Protects what one command reads and writes until it has made its references. Dropping it gives everything up that
/// nothing refers to by then.
pub struct Lease<'a> {
    store: &'a Store,
    id: String,
    path: PathBuf,
    /// Locked as long as the owner lives.
    lock: Option<File>,
    /// What it protects already, so that nothing is written down twice.
    held: Mutex<HashSet<Digest>>,
    wrote_blobs: AtomicBool,
    wrote_layers: AtomicBool,
}

/// A layer that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// Its name.
    pub diff_id: DiffId,
    /// Bytes of its tar.
    pub tar_size: u64,
    /// Bytes of the files in it: what tables show as its size.
    pub content_size: u64,
    /// True if no image that can be seen has it: it is here only because a removed one is being kept.
    pub is_only_kept: bool,
}

impl Store {
    /// Begins a lease.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn lease(&self) -> Result<Lease<'_>> {
        let mut random = [0; 12];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|why| Error::io("read", "random numbers")(why.into()))?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.root.join("leases").join(&id);
        // Whoever looks for dead leases keeps writers out meanwhile, and so never sees this file before it is locked.
        let lock = self.write(|db| {
            let lock = File::options().write(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive)
                .map_err(|why| Error::io("lock", &path)(why.into()))?;
            db.execute("INSERT INTO lease (id) VALUES (?1)", [&id]).map_err(self.metadata_error())?;
            Ok(lock)
        })?;
        Ok(Lease {
            store: self,
            id,
            path,
            lock: Some(lock),
            held: Mutex::default(),
            wrote_blobs: AtomicBool::new(false),
            wrote_layers: AtomicBool::new(false),
        })
    }

    /// True if the lease's owner is gone.
    pub(crate) fn is_dead_lease(&self, id: &str) -> bool {
        match File::options().write(true).open(self.root.join("leases").join(id)) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok(),
            Err(why) => why.kind() == std::io::ErrorKind::NotFound,
        }
    }
}

impl<'a> Lease<'a> {
    /// Its name in this store.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The store it protects.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Protects a blob, here or yet to come. Returns its size if it is here.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn hold_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        let size = |db: &Connection| {
            let sql = "SELECT size FROM blob WHERE digest = ?1";
            let size = db.prepare_cached(sql)?.query_row([digest.as_str()], |row| row.get(0)).optional()?;
            // A power cut may leave a row whose file never got its name, and people delete files.
            Ok(size.filter(|_| self.store.blob_path(digest).exists()))
        };
        self.held_or(digest, size)
    }

    /// True if a blob is here, which is protected then. What is not here is protected when it is placed.
    pub(crate) fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM blob WHERE digest = ?1)";
        let is_known: bool =
            self.store.read(|db| db.prepare_cached(sql)?.query_row([digest.as_str()], |row| row.get(0)))?;
        Ok(is_known && self.hold_blob(digest)?.is_some())
    }

    /// Protects a layer, here or yet to come, and its compressed blobs. Returns what is known of it if it is here.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn hold_layer(&self, diff_id: &DiffId) -> Result<Option<LayerRow>> {
        self.held_or(diff_id.digest(), |db| self.layer_row(db, diff_id))
    }

    /// Protects blobs and layers, here or yet to come, and what they lead to.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn hold_all<'d>(&self, digests: impl IntoIterator<Item = &'d Digest>) -> Result<()> {
        self.write(|db| digests.into_iter().try_for_each(|digest| self.hold(db, digest)))
    }

    /// Protects `digest` if it is not protected yet, and looks at it within the same transaction.
    fn held_or<T>(&self, digest: &Digest, look: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        if self.held().contains(digest) {
            return self.store.read(look);
        }
        let found = self.write(|db| {
            self.hold(db, digest)?;
            look(db)
        })?;
        self.remember(digest);
        Ok(found)
    }

    fn held(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layer_row(&self, db: &Connection, diff_id: &DiffId) -> rusqlite::Result<Option<LayerRow>> {
        if !self.store.layer_path(diff_id).exists() {
            return Ok(None);
        }
        let query = "SELECT tar_size, content_size, EXISTS (
                SELECT 1 FROM image_layer JOIN image ON image.id = image_layer.image
                WHERE image_layer.diff_id = layer.diff_id AND image.removed_at IS NULL)
            FROM layer WHERE diff_id = ?1";
        db.prepare_cached(query)?
            .query_row([diff_id.as_str()], |row| {
                Ok(LayerRow {
                    diff_id: diff_id.clone(),
                    tar_size: row.get(0)?,
                    content_size: row.get(1)?,
                    is_only_kept: !row.get::<_, bool>(2)?,
                })
            })
            .optional()
    }

    fn hold(&self, db: &Transaction<'_>, digest: &Digest) -> rusqlite::Result<()> {
        db.prepare_cached("INSERT OR IGNORE INTO hold (owner, digest) VALUES (?1, ?2)")?
            .execute(params![self.id, digest.as_str()])?;
        Ok(())
    }

    /// After the transaction that holds `digest`.
    fn remember(&self, digest: &Digest) {
        self.held().insert(digest.clone());
    }

    /// Stores bytes that are already in memory: manifests, configurations.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if self.has_blob(&digest)? {
            return Ok(digest);
        }
        let file = self.blob_file(&digest)?;
        file.file().write_all(bytes).map_err(Error::io("write", self.store.blob_path(&digest)))?;
        self.place_blob(file, &digest, bytes.len() as u64)?;
        Ok(digest)
    }

    /// A file that will become the blob `digest`, or any blob of the same algorithm.
    pub(crate) fn blob_file(&self, digest: &Digest) -> Result<TempFile> {
        TempFile::create(&self.store.blob_directory(digest), &self.store.staging())
    }

    /// Gives a written blob its name. The caller has proven the digest.
    pub(crate) fn place_blob(&self, file: TempFile, digest: &Digest, size: u64) -> Result<()> {
        file.settle()?;
        self.wrote_blobs.store(true, Ordering::Relaxed);
        self.store.write(|db| {
            file.place(digest.hex())?;
            let sql = "INSERT OR IGNORE INTO blob (digest, size) VALUES (?1, ?2)";
            self.hold(db, digest)
                .and_then(|()| db.prepare_cached(sql)?.execute(params![digest.as_str(), size]))
                .map_err(self.store.metadata_error())?;
            Ok(())
        })?;
        self.remember(digest);
        Ok(())
    }

    /// A file that will become a layer.
    pub(crate) fn layer_file(&self) -> Result<TempFile> {
        TempFile::create(&self.store.layer_directory(), &self.store.staging())
    }

    /// Gives a written layer its name. The caller has proven the diff id.
    pub(crate) fn place_layer(&self, file: TempFile, layer: &LayerRow) -> Result<()> {
        let file_size = file.file().metadata().map_err(Error::io("read", self.store.layer_directory()))?.len();
        file.settle()?;
        self.wrote_layers.store(true, Ordering::Relaxed);
        let row = params![layer.diff_id.as_str(), layer.tar_size, layer.content_size, file_size];
        self.store.write(|db| {
            file.place(layer.diff_id.digest().hex())?;
            let sql =
                "INSERT OR IGNORE INTO layer (diff_id, tar_size, content_size, file_size) VALUES (?1, ?2, ?3, ?4)";
            self.hold(db, layer.diff_id.digest())
                .and_then(|()| db.prepare_cached(sql)?.execute(row))
                .map_err(self.store.metadata_error())?;
            Ok(())
        })?;
        self.remember(layer.diff_id.digest());
        Ok(())
    }

    /// Makes everything written so far durable, and then the change of metadata that refers to it.
    pub(crate) fn finish<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        if self.wrote_blobs.swap(false, Ordering::Relaxed) {
            for algorithm in ["sha256", "sha512"] {
                sync_directory(&self.store.root.join("blobs").join(algorithm))?;
            }
        }
        if self.wrote_layers.swap(false, Ordering::Relaxed) {
            sync_directory(&self.store.layer_directory())?;
        }
        self.store.write_durably(change)
    }

    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.store.write(|db| change(db).map_err(self.store.metadata_error()))
    }
}

impl Lease<'_> {
    /// Gives up the lock and nothing else, as the kernel does for a process that is killed. For tests.
    #[doc(hidden)]
    pub fn abandon(self) {
        let mut lease = std::mem::ManuallyDrop::new(self);
        // Closing the file drops the lock; all else is forgotten.
        drop(lease.lock.take());
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let _ = self.write(|db| {
            db.execute("DELETE FROM hold WHERE owner = ?1", [&self.id])?;
            db.execute("DELETE FROM lease WHERE id = ?1", [&self.id])
        });
        let _ = std::fs::remove_file(&self.path);
    }
}
