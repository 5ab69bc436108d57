//! Blobs that came in part: what an interrupted download left, and the next one goes on from, whoever makes it.
//!
//! A partial blob is a file in `partial/`, named by the digest it is to have and locked (`flock`) by whoever fills it. It is not
//! trusted: its bytes go through the same hash as those that follow, and if that is wrong they are fetched anew. One that
//! nobody fills for a day is deleted, and all of them when nothing removed is to be kept.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use wharfie_content::place::BoxError;
use wharfie_content::{Opened, Part, Source, Watch};
use wharfie_oci::Digest;

use crate::error::{Error, Result};
use crate::store::{Store, make_private};
use crate::temp::TempFile;

/// 1 MiB: what is smaller is fetched again sooner than its rest is asked for.
pub(crate) const LEAST: u64 = 1 << 20;
/// A day: whoever wanted it has come back by then.
const KEPT_SECONDS: i64 = 86_400;
/// Files of one name that are found to be gone when they are locked, before we do without.
const ATTEMPTS: usize = 8;

/// A blob that is being fetched into a file that outlives us.
pub(crate) struct Partial {
    /// The file; locked.
    pub(crate) file: TempFile,
    /// Bytes that were there before.
    pub(crate) have: u64,
}

impl Store {
    fn partial_directory(&self) -> PathBuf {
        self.root.join("partial")
    }

    fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.partial_directory().join(format!("{}-{}", digest.algorithm().as_str(), digest.hex()))
    }

    /// What there is of a blob, to go on from; made if there is nothing. `None` while somebody else is at it.
    pub(crate) fn partial(&self, digest: &Digest) -> Result<Option<Partial>> {
        let directory = self.partial_directory();
        make_private(&directory).map_err(Error::io("create", &directory))?;
        self.sweep_partial(self.now().seconds - KEPT_SECONDS);
        let path = self.partial_path(digest);
        for _ in 0..ATTEMPTS {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
            // Something else than a file is not ours, and in nobody's way.
            let Ok(file) = options.open(&path) else { return Ok(None) };
            if !file.metadata().is_ok_and(|found| found.is_file()) {
                return Ok(None);
            }
            match lock_named(&file, &path) {
                Ok(true) => {
                    let have = file.metadata().map_err(Error::io("read", &path))?.len();
                    let file = TempFile::named(file, self.blob_directory(digest), path);
                    if have > 0 {
                        file.keep();
                    }
                    return Ok(Some(Partial { file, have }));
                }
                // Whoever had it has just finished, or given it up.
                Ok(false) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(why) => return Err(Error::io("lock", &path)(why.into())),
            }
        }
        Ok(None)
    }

    /// Deletes what there is of a blob: it was not what it should be, or there is no room for it.
    pub(crate) fn discard_partial(&self, digest: &Digest) {
        delete_unlocked(&self.partial_path(digest));
    }

    /// Deletes partial blobs that nobody fills and nobody has filled since `moment`, in seconds since 1970.
    pub(crate) fn sweep_partial(&self, moment: i64) {
        for entry in std::fs::read_dir(self.partial_directory()).into_iter().flatten().flatten() {
            if entry.metadata().is_ok_and(|found| found.mtime() <= moment) {
                delete_unlocked(&entry.path());
            }
        }
    }
}

/// Locks a file and says whether it still has its name: what was renamed or deleted meanwhile is somebody else's.
fn lock_named(file: &File, path: &Path) -> rustix::io::Result<bool> {
    flock(file, FlockOperation::NonBlockingLockExclusive)?;
    let own = rustix::fs::fstat(file)?;
    Ok(rustix::fs::lstat(path).is_ok_and(|named| (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino)))
}

fn delete_unlocked(path: &Path) {
    let mut options = File::options();
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let Ok(file) = options.open(path) else { return };
    if lock_named(&file, path) == Ok(true) {
        // What cannot be deleted is tried again.
        let _ = std::fs::remove_file(path);
    }
}

/// The bytes of a part: first those that were there before, then the rest from its source.
pub(crate) struct Resumed<'a> {
    had: Option<File>,
    have: u64,
    at: u64,
    source: &'a dyn Source,
    part: &'a Part,
    watch: Watch<'a>,
    rest: Option<Box<dyn Opened + 'a>>,
    has_broken_off: bool,
}

impl<'a> Resumed<'a> {
    /// What `partial` has of `part`, and what `source` has of it.
    pub(crate) fn new(
        partial: Option<&Partial>,
        source: &'a dyn Source,
        part: &'a Part,
        watch: Watch<'a>,
    ) -> io::Result<Self> {
        let had = partial.filter(|partial| partial.have > 0).map(|partial| partial.file.file().try_clone());
        let have = partial.map_or(0, |partial| partial.have);
        Ok(Self { had: had.transpose()?, have, at: 0, source, part, watch, rest: None, has_broken_off: false })
    }

    /// Opens the rest: what is wrong with the source is known before anything is unpacked.
    pub(crate) fn open(&mut self) -> std::result::Result<(), BoxError> {
        if self.rest.is_none() && self.have < self.part.descriptor.size.max(1) {
            self.rest = Some(match self.have {
                0 => self.source.open(self.part, self.watch)?,
                from => match self.source.open_from(self.part, from, self.watch) {
                    Ok(rest) => rest,
                    // Whoever cannot give a part may give all of it.
                    Err(_) => {
                        let mut all = self.source.open(self.part, self.watch)?;
                        let passed = io::copy(&mut (&mut all).take(from), &mut io::sink())?;
                        if passed < from {
                            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                        }
                        all
                    }
                },
            });
        }
        Ok(())
    }

    /// True if reading from the source failed: what came before may be right.
    pub(crate) fn has_broken_off(&self) -> bool {
        self.has_broken_off
    }

    /// See [`Opened::disown`].
    pub(crate) fn disown(&mut self) -> bool {
        self.rest.as_mut().is_some_and(|rest| rest.disown())
    }
}

impl Read for Resumed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let (Some(had), true) = (&self.had, self.at < self.have) {
            let len = buffer.len().min(usize::try_from(self.have - self.at).unwrap_or(usize::MAX));
            let n = had.read_at(&mut buffer[..len], self.at)?;
            self.at += n as u64;
            return if n == 0 && len > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(n) };
        }
        match &mut self.rest {
            Some(rest) => {
                let read = rest.read(buffer);
                // An interrupted call is made again.
                self.has_broken_off |= read.as_ref().is_err_and(|why| why.kind() != io::ErrorKind::Interrupted);
                read
            }
            None => Ok(0),
        }
    }
}
