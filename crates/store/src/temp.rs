//! Files that appear whole or not at all.
//!
//! A file is written without a name (`O_TMPFILE`), made durable, and only then linked to its final name. A process that
//! dies in between leaves nothing, because the kernel frees what has no name. File systems without `O_TMPFILE` get a
//! named file in `tmp/`, which `fsck` sweeps.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use crate::error::{Error, Result};

/// A file on its way into `directory`.
pub(crate) struct TempFile {
    file: File,
    directory: PathBuf,
    named: Option<PathBuf>,
    /// Who comes next goes on with it.
    is_kept: AtomicBool,
}

impl TempFile {
    /// Opens a file for reading and writing that will later be placed in `directory`.
    pub(crate) fn create(directory: &Path, staging: &Path) -> Result<Self> {
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::open(directory, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(fd) => {
                return Ok(Self {
                    file: fd.into(),
                    directory: directory.into(),
                    named: None,
                    is_kept: AtomicBool::new(false),
                });
            }
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {}
            Err(why) => return Err(Error::io("create a file in", directory)(why.into())),
        }
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let path = staging.join(format!("{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed)));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, mode).map_err(|why| Error::io("create", &path)(why.into()))?;
        Ok(Self { file: fd.into(), directory: directory.into(), named: Some(path), is_kept: AtomicBool::new(false) })
    }

    /// A file that has a name of its own until it is placed in `directory`.
    pub(crate) fn named(file: File, directory: PathBuf, path: PathBuf) -> Self {
        Self { file, directory, named: Some(path), is_kept: AtomicBool::new(false) }
    }

    /// From here on the file stays under its own name if it is not placed.
    pub(crate) fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the content durable. This takes its time: do it before other writers are kept out.
    pub(crate) fn settle(&self) -> Result<()> {
        rustix::fs::fdatasync(self.file.as_fd()).map_err(|why| Error::io("write", &self.directory)(why.into()))
    }

    /// Gives a settled file its name. Somebody else's file of that name is as good as ours, because names are digests. To
    /// be done while other writers are kept out, together with the file's row: a collection in between could take the
    /// other one's file away. The directory itself is synced later, once per command.
    pub(crate) fn place(mut self, name: &str) -> Result<()> {
        let path = self.directory.join(name);
        let write = |why: rustix::io::Errno| Error::io("write", &path)(why.into());
        let result = match self.named.take() {
            None => {
                let source = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                match rustix::fs::linkat(CWD, source, CWD, &path, AtFlags::SYMLINK_FOLLOW) {
                    // Without /proc root may name the file itself.
                    Err(rustix::io::Errno::NOENT) => {
                        rustix::fs::linkat(&self.file, "", CWD, &path, AtFlags::EMPTY_PATH)
                    }
                    result => result,
                }
            }
            Some(named) => rustix::fs::rename(&named, &path),
        };
        match result {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(why) => Err(write(why)),
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(named) = &self.named
            && !self.is_kept.load(Ordering::Relaxed)
        {
            let _ = std::fs::remove_file(named);
        }
    }
}

/// Makes the names in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    let sync = || -> io::Result<()> { File::open(directory)?.sync_all() };
    sync().map_err(Error::io("sync", directory))
}
