//! Files that become a data base of advisories once they are whole. They have up to 8 GiB, and whoever writes one may be killed: it is
//! locked for as long as somebody writes it, so that what nobody writes any more is known and removed by the next one who comes.

use std::fs::{File, FileType};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::save::{Readers, create_aside};

/// A new file beside the place that it is for. It goes with the value, unless it was put there.
pub(super) struct Aside {
    pub(super) file: File,
    path: PathBuf,
}

impl Aside {
    pub(super) fn create(place: &Path) -> Result<Self> {
        loop {
            let (file, path) = create_aside(place, Readers::Owner)?;
            let aside = Self { file, path };
            // Where nothing can be locked nothing is swept either.
            let _ = flock(&aside.file, FlockOperation::LockExclusive);
            let found = aside.file.metadata();
            let found = found.map_err(|source| Error::File { doing: "open", path: aside.path.clone(), source })?;
            // Who swept just now took it for a leftover.
            if found.nlink() > 0 {
                return Ok(aside);
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in the place of what is there.
    pub(super) fn put(self, place: &Path) -> io::Result<()> {
        self.file.sync_data()?;
        std::fs::rename(&self.path, place)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Once it was put into its place nothing has this name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes what was left in a folder by those who were killed: what is called so, is a file or a folder, and is locked by nobody. Gives
/// the paths. What cannot be removed stays for the next time.
pub(super) fn sweep(directory: &Path, is_called: impl Fn(&str, FileType) -> bool) -> Vec<PathBuf> {
    let mut swept = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if !(kind.is_file() || kind.is_dir()) || !is_called(&entry.file_name().to_string_lossy(), kind) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let removed = if kind.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if removed.is_ok() {
            swept.push(path);
        }
    }
    swept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_writes_is_swept_and_what_somebody_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for left in [".index.7-0.tmp", ".index.spool.7-0.tmp", "index", "other.tmp"] {
            std::fs::write(at(left), "x").unwrap();
        }
        std::fs::create_dir_all(at("fetched-7/npm")).unwrap();
        let aside = Aside::create(&at("index")).unwrap();
        let is_called =
            |name: &str, kind: FileType| name.starts_with(if kind.is_dir() { "fetched-" } else { ".index." });
        let mut swept = sweep(folder.path(), is_called);
        swept.sort();
        assert_eq!(swept, [at(".index.7-0.tmp"), at(".index.spool.7-0.tmp"), at("fetched-7")]);
        assert!(aside.path().exists() && at("index").exists() && at("other.tmp").exists());
        std::fs::write(aside.path(), "new").unwrap();
        aside.put(&at("index")).unwrap();
        assert_eq!(std::fs::read(at("index")).unwrap(), b"new");
        drop(Aside::create(&at("index")).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
