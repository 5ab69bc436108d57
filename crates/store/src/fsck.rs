//! Checking a store: every digest is computed again, every row compared with its file, and what can be mended is.
//!
//! What cannot be mended is never hidden: an image whose bytes are damaged or gone stays listed in the report, with the
//! names to pull or load again. Damaged files are deleted, so that the next pull brings them back.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::OptionalExtension;
use wharfie_layer::entry::Entry;
use wharfie_layer::erofs::{LayerIndex, TAR_OFFSET};
use wharfie_layer::tar::Indexer;
use wharfie_oci::{DiffId, Digest, Digester, ImageId};

use crate::error::{Error, Result};
use crate::store::Store;

/// One thing that was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The metadata file itself is damaged; what could be read of the blobs was put into a new one.
    MetadataRebuilt {
        /// Images found.
        images: u64,
    },
    /// A blob's bytes are not what its name says. Deleted.
    DamagedBlob(Digest),
    /// A blob is recorded but its file is gone. The row is deleted.
    MissingBlob(Digest),
    /// A layer's tar is not what its name says. Deleted.
    DamagedLayer(DiffId),
    /// A layer is recorded but its file is gone. The row is deleted.
    MissingLayer(DiffId),
    /// A file that nothing records: left by a process that was killed. Deleted.
    Leftover(String),
    /// As [`Self::Leftover`], but it could not be deleted.
    Stuck {
        /// Which.
        path: String,
        /// Why; for want of permission if not all of it belongs to the user, or to ids that are the user's.
        why: String,
    },
    /// A layer whose file was gone or damaged was made again from its compressed blob.
    RestoredLayer(DiffId),
    /// An image lacks parts and cannot run or be saved until it is pulled or loaded again.
    BrokenImage {
        /// Which.
        image: ImageId,
        /// Its names.
        names: Vec<String>,
    },
    /// A reference to an image that is not there. Deleted.
    DanglingReference(String),
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order found.
    pub findings: Vec<Finding>,
    /// Blobs whose digest was proven.
    pub blobs: u64,
    /// Layers whose diff id was proven.
    pub layers: u64,
    /// Images whose parts are all there.
    pub images: u64,
}

impl Report {
    /// True if images are broken that this machine cannot mend.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| matches!(finding, Finding::BrokenImage { .. }))
    }
}

/// 1 MiB read at once.
const BUFFER: usize = 1 << 20;

impl Store {
    /// Checks everything and mends what can be mended. `progress` is told how many bytes were read so far.
    ///
    /// # Errors
    /// When the store cannot be read or written at all.
    pub fn fsck(&self, progress: &dyn Fn(u64)) -> Result<Report> {
        let mut report = Report::default();
        // Frees dead leases first, so that only what living commands write is left alone.
        self.collect(crate::gc::Kept::Expired)?;
        let mut read = 0;
        self.check_blobs(&mut report, &mut read, progress)?;
        self.check_layers(&mut report, &mut read, progress)?;
        self.sweep(&mut report)?;
        self.sweep_containers(&mut report)?;
        self.check_images(&mut report)?;
        self.mend_seams()?;
        Ok(report)
    }

    /// A container's directory is made in the transaction that makes its row, and is there for longer than its row.
    fn sweep_containers(&self, report: &mut Report) -> Result<()> {
        let place = self.root().join("containers");
        for id in names(&place) {
            let sql = "SELECT 1 FROM container WHERE id = ?1";
            // In a change of our own, which comes before or after the one that makes the container.
            let has_row =
                self.write(|db| db.query_row(sql, [&id], |_| Ok(())).optional().map_err(self.metadata_error()))?;
            if has_row.is_none() {
                remove(self, report, &place.join(&id));
            }
        }
        Ok(())
    }

    fn check_blobs(&self, report: &mut Report, read: &mut u64, progress: &dyn Fn(u64)) -> Result<()> {
        for digest in self.texts::<Digest>("SELECT digest FROM blob ORDER BY digest")? {
            let path = self.blob_path(&digest);
            let finding = match hash(&path, 0, None, Digester::new(digest.algorithm()), read, progress) {
                Ok(actual) if actual == digest => {
                    report.blobs += 1;
                    continue;
                }
                Ok(_) => Finding::DamagedBlob(digest.clone()),
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => Finding::MissingBlob(digest.clone()),
                Err(why) => return Err(Error::io("read", path)(why)),
            };
            let sql = "DELETE FROM blob WHERE digest = ?1";
            if self.delete(&finding, sql, digest.as_str(), &path)? {
                report.findings.push(finding);
            }
        }
        Ok(())
    }

    fn check_layers(&self, report: &mut Report, read: &mut u64, progress: &dyn Fn(u64)) -> Result<()> {
        for diff_id in self.texts::<DiffId>("SELECT diff_id FROM layer ORDER BY diff_id")? {
            let path = self.layer_path(&diff_id);
            let sql = "SELECT tar_size FROM layer WHERE diff_id = ?1";
            let tar_size: Option<u64> =
                self.read(|db| db.query_row(sql, [diff_id.as_str()], |row| row.get(0)).optional())?;
            // Freed by somebody meanwhile.
            let Some(tar_size) = tar_size else { continue };
            // Opened once: somebody may free the layer while it is looked at.
            let proven = File::open(&path).and_then(|file| {
                let actual = hash_file(&file, TAR_OFFSET, Some(tar_size), Digester::default(), read, progress)?;
                Ok((actual == *diff_id.digest()).then_some(file))
            });
            let finding = match proven {
                Ok(Some(file)) if self.is_index_intact(&file, &path, tar_size)? => {
                    report.layers += 1;
                    continue;
                }
                Ok(_) => Finding::DamagedLayer(diff_id.clone()),
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => Finding::MissingLayer(diff_id.clone()),
                Err(why) => return Err(Error::io("read", path)(why)),
            };
            let sql = "DELETE FROM layer WHERE diff_id = ?1";
            if !self.delete(&finding, sql, diff_id.as_str(), &path)? {
                continue;
            }
            self.remove_unpacked(&diff_id);
            report.findings.push(finding);
            if self.remake(&diff_id)? {
                report.layers += 1;
                report.findings.push(Finding::RestoredLayer(diff_id));
            }
        }
        Ok(())
    }

    /// Deletes the row of a faulty file and then the file. False, and nothing is done, if another process freed or
    /// brought back what was found missing.
    fn delete(&self, finding: &Finding, sql: &str, key: &str, path: &Path) -> Result<bool> {
        let is_missing = matches!(finding, Finding::MissingBlob(_) | Finding::MissingLayer(_));
        let rows = |db: &rusqlite::Transaction<'_>| {
            if is_missing && path.exists() {
                return Ok(0);
            }
            db.execute(sql, [key]).map_err(self.metadata_error())
        };
        self.write_durably_then(rows, |deleted| {
            if deleted > 0 && !is_missing {
                // One that cannot be deleted has no row any more and is swept later.
                let _ = std::fs::remove_file(path);
            }
            deleted > 0
        })
    }

    /// The index is a function of the tar: it is made again and compared, byte for byte. The copy has a hole where the tar
    /// would lie, unless there are sparse files, whose pieces are taken from there: a full disk is no reason not to check.
    fn is_index_intact(&self, mut layer: &File, path: &Path, tar_size: u64) -> Result<bool> {
        let again = crate::temp::TempFile::create(&self.layer_directory(), &self.staging())?;
        let mut index = LayerIndex::new(&self.staging()).map_err(Error::Layer)?;
        let mut has_holes = false;
        let mut indexer = Indexer::new(|entry: &Entry| {
            has_holes |= entry.sparse.is_some();
            index.add(entry)
        });
        let mut buffer = vec![0; BUFFER];
        let mut at = 0;
        while at < tar_size {
            let len = usize::try_from(tar_size - at).unwrap_or(BUFFER).min(BUFFER);
            layer.read_exact_at(&mut buffer[..len], TAR_OFFSET + at).map_err(Error::io("read", path))?;
            if indexer.push(&buffer[..len]).is_err() {
                return Ok(false);
            }
            at += len as u64;
        }
        if indexer.finish().is_err() {
            return Ok(false);
        }
        if has_holes {
            layer.seek(SeekFrom::Start(TAR_OFFSET)).map_err(Error::io("read", path))?;
            let mut tar = layer.take(tar_size);
            (again.file()).seek(SeekFrom::Start(TAR_OFFSET)).map_err(Error::io("write", path))?;
            std::io::copy(&mut tar, &mut again.file()).map_err(Error::io("copy", path))?;
        }
        // Layers that were taken in before loose ends were marked are as sound as they were.
        let has_marks = match layer.try_clone().map(wharfie_layer::erofs::Inodes::open) {
            Ok(Ok(inodes)) => inodes.has_loose_ends(),
            _ => return Ok(false),
        };
        let index = if has_marks { index } else { index.without_marks() };
        index.write(again.file(), tar_size).map_err(Error::Layer)?;
        same_outside_tar(layer, again.file(), tar_size).map_err(Error::io("read", path))
    }

    /// Makes a layer again from a compressed blob that is here.
    fn remake(&self, diff_id: &DiffId) -> Result<bool> {
        for blob in self.blobs_of_layer(diff_id)? {
            let Ok(mut file) = File::open(self.blob_path(&blob.digest)) else { continue };
            let lease = self.lease()?;
            let ingest = crate::Ingest { blob: Some(&blob), diff_id: Some(diff_id), index: None };
            if lease.ingest(&mut file, ingest, &|| ()).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes files that no row knows, while no other process can add any.
    fn sweep(&self, report: &mut Report) -> Result<()> {
        self.write(|db| {
            let is_known = |sql: &str, name: &str| -> rusqlite::Result<bool> {
                Ok(db.query_row(sql, [name], |_| Ok(())).optional()?.is_some())
            };
            let has_leases: bool = db
                .query_row("SELECT EXISTS (SELECT 1 FROM lease)", [], |row| row.get(0))
                .map_err(self.metadata_error())?;
            for algorithm in ["sha256", "sha512"] {
                for name in names(&self.root.join("blobs").join(algorithm)) {
                    let digest = format!("{algorithm}:{name}");
                    let is_wanted = is_known("SELECT 1 FROM blob WHERE digest = ?1", &digest)
                        .and_then(|known| Ok(known || is_known("SELECT 1 FROM hold WHERE digest = ?1", &digest)?));
                    if !is_wanted.map_err(self.metadata_error())? && !has_leases {
                        remove(self, report, &self.root.join("blobs").join(algorithm).join(name));
                    }
                }
            }
            for name in names(&self.layer_directory()) {
                let is_wanted = is_known("SELECT 1 FROM layer WHERE diff_id = ?1", &format!("sha256:{name}"));
                if !is_wanted.map_err(self.metadata_error())? && !has_leases {
                    remove(self, report, &self.layer_directory().join(name));
                }
            }
            for folder in crate::snapshots::UNPACKED.map(|kind| self.root.join(kind.as_str())) {
                for name in names(&folder) {
                    let is_wanted = is_known("SELECT 1 FROM layer WHERE diff_id = ?1", &format!("sha256:{name}"));
                    if !is_wanted.map_err(self.metadata_error())? {
                        remove(self, report, &folder.join(name));
                    }
                }
            }
            if !has_leases {
                for name in names(&self.staging()) {
                    remove(self, report, &self.staging().join(name));
                }
            }
            for name in names(&self.root.join("scratch")) {
                if !is_known("SELECT 1 FROM lease WHERE id = ?1", &name).map_err(self.metadata_error())? {
                    remove(self, report, &self.scratch_directory(&name));
                }
            }
            for name in names(&self.root.join("leases")) {
                let is_known = is_known("SELECT 1 FROM lease WHERE id = ?1", &name).map_err(self.metadata_error())?;
                if !is_known && self.is_dead_lease(&name) {
                    remove(self, report, &self.root.join("leases").join(name));
                }
            }
            Ok(())
        })
    }

    fn check_images(&self, report: &mut Report) -> Result<()> {
        for id in self.texts::<ImageId>("SELECT id FROM image WHERE removed_at IS NULL ORDER BY id")? {
            if self.is_whole(&id)? {
                report.images += 1;
            } else {
                let names = self.names_leading_to(&id)?;
                report.findings.push(Finding::BrokenImage { image: id, names });
            }
        }
        let sql = "SELECT name FROM reference WHERE image NOT IN (SELECT id FROM image WHERE removed_at IS NULL)
            OR (image IS NULL AND target NOT IN (SELECT digest FROM blob))";
        let dangling: Vec<String> = self.read(|db| db.prepare(sql)?.query_map([], |row| row.get(0))?.collect())?;
        for name in dangling {
            self.write(|db| {
                db.execute("DELETE FROM reference WHERE name = ?1", [&name]).map_err(self.metadata_error())
            })?;
            report.findings.push(Finding::DanglingReference(name));
        }
        Ok(())
    }

    fn texts<T: std::str::FromStr>(&self, sql: &str) -> Result<Vec<T>> {
        let texts: Vec<String> = self.read(|db| db.prepare(sql)?.query_map([], |row| row.get(0))?.collect())?;
        Ok(texts.into_iter().filter_map(|text| text.parse().ok()).collect())
    }
}

fn same_outside_tar(a: &File, b: &File, tar_size: u64) -> std::io::Result<bool> {
    let size = a.metadata()?.len();
    if size != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; BUFFER], vec![0; BUFFER]);
    for (mut at, end) in [(0, TAR_OFFSET), (TAR_OFFSET + tar_size, size)] {
        loop {
            // Where both have a hole both have zeros: a file of nothing may be larger than anyone has time for.
            at = next_data(a, at, end)?.min(next_data(b, at, end)?);
            if at >= end {
                break;
            }
            let len = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            a.read_exact_at(&mut left[..len], at)?;
            b.read_exact_at(&mut right[..len], at)?;
            if left[..len] != right[..len] {
                return Ok(false);
            }
            at += len as u64;
        }
    }
    Ok(true)
}

/// The first place from `at` on that is no hole, at most `end`.
fn next_data(file: &File, at: u64, end: u64) -> std::io::Result<u64> {
    if at >= end {
        return Ok(end);
    }
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(data) => Ok(data.min(end)),
        Err(rustix::io::Errno::NXIO) => Ok(end),
        // File systems that do not know holes have none.
        Err(rustix::io::Errno::INVAL) => Ok(at),
        Err(why) => Err(why.into()),
    }
}

pub(crate) fn hash(
    path: &Path,
    from: u64,
    len: Option<u64>,
    digester: Digester,
    read: &mut u64,
    progress: &dyn Fn(u64),
) -> std::io::Result<Digest> {
    hash_file(&File::open(path)?, from, len, digester, read, progress)
}

fn hash_file(
    mut file: &File,
    from: u64,
    len: Option<u64>,
    mut digester: Digester,
    read: &mut u64,
    progress: &dyn Fn(u64),
) -> std::io::Result<Digest> {
    file.seek(SeekFrom::Start(from))?;
    let mut source = file.take(len.unwrap_or(u64::MAX));
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = source.read(&mut buffer)?;
        if n == 0 {
            return Ok(digester.finish());
        }
        digester.update(&buffer[..n]);
        *read += n as u64;
        progress(*read);
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn remove(store: &Store, report: &mut Report, path: &Path) {
    let removed = store.remove_tree(path);
    let path = path.display().to_string();
    report.findings.push(match removed {
        Ok(()) => Finding::Leftover(path),
        Err(why) => Finding::Stuck { path, why: why.to_string() },
    });
}
