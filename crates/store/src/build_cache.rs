//! What builds leave behind: the results of steps, what led to them, and directories that steps share.
//!
//! Nothing here is an image. A step's result is the layer that it added, found by a key that says everything the step
//! depends on; what the key is made of is the builder's business. A row keeps its layer as a name keeps an image.

use std::fs::File;
use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row, params};
use rustix::fs::{FlockOperation, flock};
use wharfie_oci::{DiffId, Digest, ImageId, Timestamp};

use crate::error::{Error, Result};
use crate::images::{optional, text};
use crate::lease::Lease;
use crate::store::{Store, make_private};

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// Everything the step depends on.
    pub key: Digest,
    /// The layer that it added; `None` if it changed nothing.
    pub layer: Option<DiffId>,
    /// Bytes of the files in the layer.
    pub size: u64,
    /// When it was done.
    pub created: Timestamp,
    /// When a build last took it.
    pub used: Timestamp,
    /// How many builds took it instead of doing it.
    pub uses: u64,
    /// What it is, for people: `RUN make`.
    pub text: String,
    /// What kind of record it is, in docker's words: `regular`, `source.local`.
    pub kind: String,
}

/// A directory that steps share (`RUN --mount=type=cache`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMountRow {
    /// What steps call it.
    pub id: String,
    /// The name of its directory in the store.
    pub directory: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a step last had it.
    pub used: Timestamp,
    /// How many steps had it.
    pub uses: u64,
}

/// A build as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRow {
    /// Its name: letters and digits.
    pub id: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None` while it runs, or if it was killed.
    pub finished: Option<Timestamp>,
    /// What the builder says of it, a JSON object.
    pub document: String,
}

/// Kept by whoever does a step, so that others wait for its result instead of doing it too.
#[derive(Debug)]
pub struct StepTurn {
    _lock: File,
}

fn step_row(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    Ok(StepRow {
        key: text(row, 0)?,
        layer: optional(row, 1)?,
        size: row.get(2)?,
        created: Timestamp::from_nanos(row.get(3)?),
        used: Timestamp::from_nanos(row.get(4)?),
        uses: row.get(5)?,
        text: row.get(6)?,
        kind: row.get(7)?,
    })
}

const STEP_COLUMNS: &str = "key, diff_id, size, created, used, uses, text, kind";

impl Lease<'_> {
    /// The result of a step, if it is here whole; its layer is held from now on.
    ///
    /// # Errors
    /// When the metadata cannot be read or changed.
    pub fn find_step(&self, key: &Digest) -> Result<Option<StepRow>> {
        let found = self.store().read(|db| {
            let sql = format!("SELECT {STEP_COLUMNS} FROM build_step WHERE key = ?1");
            db.prepare_cached(&sql)?.query_row([key.as_str()], step_row).optional()
        })?;
        let Some(step) = found else { return Ok(None) };
        let is_here = match &step.layer {
            Some(layer) => self.hold_layer(layer)?.is_some(),
            None => true,
        };
        Ok(is_here.then_some(step))
    }
}

impl Store {
    /// Remembers what a step came to. What was there under the same key is replaced.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn record_step(&self, step: &StepRow) -> Result<()> {
        let sql = format!("INSERT OR REPLACE INTO build_step ({STEP_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
        self.write(|db| {
            let values = params![
                step.key.as_str(),
                step.layer.as_ref().map(DiffId::as_str),
                step.size,
                step.created.to_nanos(),
                step.used.to_nanos(),
                step.uses,
                step.text,
                step.kind
            ];
            db.prepare_cached(&sql).and_then(|mut insert| insert.execute(values)).map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Notes that a build has taken these results.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn touch_steps(&self, keys: &[Digest]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let now = self.now().to_nanos();
        self.write(|db| {
            let touch = || -> rusqlite::Result<()> {
                let mut update =
                    db.prepare_cached("UPDATE build_step SET used = ?2, uses = uses + 1 WHERE key = ?1")?;
                keys.iter().try_for_each(|key| update.execute(params![key.as_str(), now]).map(drop))
            };
            touch().map_err(self.metadata_error())
        })
    }

    /// Every result, least recently used first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn steps(&self) -> Result<Vec<StepRow>> {
        self.read(|db| {
            let sql = format!("SELECT {STEP_COLUMNS} FROM build_step ORDER BY used, key");
            db.prepare(&sql)?.query_map([], step_row)?.collect()
        })
    }

    /// Forgets results, and what was derived from them. Their layers go with the next collection if nothing else has them.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn forget_steps(&self, keys: &[Digest]) -> Result<()> {
        self.write_or_free(|db| {
            let forget = || -> rusqlite::Result<()> {
                let mut delete = db.prepare("DELETE FROM build_step WHERE key = ?1")?;
                keys.iter().try_for_each(|key| delete.execute([key.as_str()]).map(drop))
            };
            forget().map_err(self.metadata_error())
        })
    }

    /// What the builder noted under `name`: digests of files that have not changed, what a step was made of the last time.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn build_note(&self, name: &Digest) -> Result<Option<Vec<u8>>> {
        self.read(|db| {
            let sql = "SELECT value FROM build_note WHERE name = ?1";
            db.prepare_cached(sql)?.query_row([name.as_str()], |row| row.get(0)).optional()
        })
    }

    /// Notes `values` for later builds.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn set_build_notes(&self, values: &[(Digest, Vec<u8>)]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let now = self.now().to_nanos();
        self.write(|db| {
            let set = || -> rusqlite::Result<()> {
                let mut insert =
                    db.prepare_cached("INSERT OR REPLACE INTO build_note (name, value, used) VALUES (?1, ?2, ?3)")?;
                values.iter().try_for_each(|(name, value)| insert.execute(params![name.as_str(), value, now]).map(drop))
            };
            set().map_err(self.metadata_error())
        })
    }

    /// Forgets what was noted before a moment.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn forget_build_notes(&self, before: Timestamp) -> Result<()> {
        self.write_or_free(|db| {
            let sql = "DELETE FROM build_note WHERE used < ?1";
            db.execute(sql, [before.to_nanos()]).map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// The image that was made under a key, if it is still here.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn built_image(&self, key: &Digest) -> Result<Option<ImageId>> {
        self.read(|db| {
            let sql = "SELECT image FROM build_image JOIN image ON image.id = build_image.image
                WHERE key = ?1 AND removed_at IS NULL";
            db.prepare_cached(sql)?.query_row([key.as_str()], |row| text(row, 0)).optional()
        })
    }

    /// Remembers which images were made under which keys.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn record_built_images(&self, images: &[(Digest, ImageId)]) -> Result<()> {
        self.write(|db| {
            let record = || -> rusqlite::Result<()> {
                let mut insert =
                    db.prepare_cached("INSERT OR REPLACE INTO build_image (key, image) VALUES (?1, ?2)")?;
                images.iter().try_for_each(|(key, image)| insert.execute([key.as_str(), image.as_str()]).map(drop))
            };
            record().map_err(self.metadata_error())
        })
    }

    /// Begins to do the step `key`, or gives `None` if somebody does it now. Given up when dropped, and by the kernel when its
    /// owner dies.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn try_step(&self, key: &Digest) -> Result<Option<StepTurn>> {
        let directory = self.root.join("steps");
        make_private(&directory).map_err(Error::io("create", &directory))?;
        let path = directory.join(key.hex());
        loop {
            let lock = File::options().create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(Error::io("open", &path))?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(why) => return Err(Error::io("lock", &path)(why.into())),
            }
            // Whoever did it before may have taken the file away between our opening and locking it.
            if is_at(&lock, &path) {
                return Ok(Some(StepTurn { _lock: lock }));
            }
        }
    }

    /// True if somebody does what is called `name`: a step's key, or the id of a container that belongs to one.
    pub fn is_step_running(&self, name: &str) -> bool {
        match File::open(self.root.join("steps").join(name)) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_err(),
            Err(_) => false,
        }
    }

    /// Names of steps and containers that nobody does any more: who did was killed.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn lost_steps(&self) -> Result<Vec<String>> {
        let directory = self.root.join("steps");
        let entries = match std::fs::read_dir(&directory) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io("read", &directory))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| !self.is_step_running(name)).collect())
    }

    /// Ends what [`Self::try_step`] began.
    pub fn end_step(&self, key: &Digest, turn: StepTurn) {
        // Under the lock: who has opened it meanwhile finds out that it is gone.
        let _ = std::fs::remove_file(self.root.join("steps").join(key.hex()));
        drop(turn);
    }

    /// Where the directories that steps share are.
    pub fn cache_mount_directory(&self, directory: &str) -> PathBuf {
        self.root.join("cache-mounts").join(directory)
    }

    /// Notes that a step has a shared directory, whose row and place are made if they are missing. The place is the outer
    /// directory: what steps see is `data` in it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn use_cache_mount(&self, id: &str, directory: &str) -> Result<PathBuf> {
        let place = self.cache_mount_directory(directory);
        let now = self.now().to_nanos();
        self.write(|db| {
            make_private(&place).map_err(Error::io("create", &place))?;
            let sql = "INSERT INTO cache_mount (directory, id, created, used, uses) VALUES (?1, ?2, ?3, ?3, 1)
                ON CONFLICT (directory) DO UPDATE SET used = ?3, uses = uses + 1";
            db.execute(sql, params![directory, id, now]).map_err(self.metadata_error())?;
            Ok(())
        })?;
        Ok(place)
    }

    /// Every shared directory, least recently used first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn cache_mounts(&self) -> Result<Vec<CacheMountRow>> {
        self.read(|db| {
            db.prepare("SELECT id, directory, created, used, uses FROM cache_mount ORDER BY used, directory")?
                .query_map([], |row| {
                    Ok(CacheMountRow {
                        id: row.get(0)?,
                        directory: row.get(1)?,
                        created: Timestamp::from_nanos(row.get(2)?),
                        used: Timestamp::from_nanos(row.get(3)?),
                        uses: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// Whether a step has a shared directory now.
    pub fn is_cache_mount_in_use(&self, directory: &str) -> bool {
        let Ok(place) = File::open(self.cache_mount_directory(directory)) else { return false };
        flock(&place, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// Removes a shared directory unless a step has it now; true if it is gone.
    ///
    /// # Errors
    /// When the metadata cannot be changed, or files stay.
    pub fn remove_cache_mount(&self, directory: &str) -> Result<bool> {
        let place = self.cache_mount_directory(directory);
        let lock = match File::open(&place) {
            Ok(lock) => lock,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return self.forget_cache_mount(directory),
            Err(why) => return Err(Error::io("open", place)(why)),
        };
        // Steps that have it keep it locked for sharing.
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(false);
        }
        self.remove_tree(&place).map_err(Error::io("remove", &place))?;
        self.forget_cache_mount(directory)
    }

    fn forget_cache_mount(&self, directory: &str) -> Result<bool> {
        self.write_or_free(|db| {
            db.execute("DELETE FROM cache_mount WHERE directory = ?1", [directory]).map_err(self.metadata_error())?;
            Ok(true)
        })
    }

    /// Where a build's logs are.
    pub fn build_directory(&self, id: &str) -> PathBuf {
        self.root.join("builds").join(id)
    }

    /// Writes down how a build is.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn record_build(&self, build: &BuildRow) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO build (id, started, finished, document) VALUES (?1, ?2, ?3, ?4)";
        self.write(|db| {
            let finished = build.finished.map(Timestamp::to_nanos);
            db.execute(sql, params![build.id, build.started.to_nanos(), finished, build.document])
                .map_err(self.metadata_error())?;
            Ok(())
        })
    }

    /// Every build that is remembered, newest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn builds(&self) -> Result<Vec<BuildRow>> {
        self.read(|db| {
            db.prepare("SELECT id, started, finished, document FROM build ORDER BY started DESC, id")?
                .query_map([], |row| {
                    Ok(BuildRow {
                        id: row.get(0)?,
                        started: Timestamp::from_nanos(row.get(1)?),
                        finished: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_nanos),
                        document: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    /// Forgets a build and its logs.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn forget_build(&self, id: &str) -> Result<()> {
        self.write_or_free(|db| {
            db.execute("DELETE FROM build WHERE id = ?1", [id]).map_err(self.metadata_error())?;
            Ok(())
        })?;
        let _ = self.remove_tree(&self.build_directory(id));
        Ok(())
    }
}

/// True if the open file is the one at `path`.
fn is_at(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |found: std::io::Result<std::fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
    of(file.metadata()) == of(path.symlink_metadata())
}
