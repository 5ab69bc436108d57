//! A store is its owner's alone, also in a folder that was there before.
//!
//! Files of containers keep their owners and set-user-id bits, the metadata holds environments with passwords, and a lock
//! that everybody can open can be held by everybody. So other users may not enter: the folder is closed where it is the
//! store's alone, and everything of the store in it where it is not. What others could have put there before is refused.

use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result};
use crate::store::{DATABASE, LOCK, RESERVE, make_private};

/// Directories of a store that are always there, those that come as needed, and its files.
const DIRECTORIES: &[&str] = &["blobs", "blobs/sha256", "blobs/sha512", "layers", "leases", "tmp"];
const LATER: &[&str] =
    &["partial", "scratch", "containers", "volumes", "empty", "unpacked", "unpacked-rootless", "unpacked-mapped"];
const FILES: &[&str] = &[
    DATABASE,
    "metadata.db-wal",
    "metadata.db-shm",
    "metadata.db.damaged",
    "metadata.db.damaged-wal",
    "metadata.db.damaged-shm",
    LOCK,
    RESERVE,
];

/// Makes what is missing of a store in `root`, and closes what other users could enter.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    if !root.exists() {
        make_private(root).map_err(Error::io("create", root))?;
    }
    let found = owned(root)?;
    let is_closed = found.mode() & OTHERS == 0 || close(root, &found)?;
    for name in DIRECTORIES {
        let path = root.join(name);
        if !check(root, &path, Kind::Directory, is_closed)? {
            make_private(&path).map_err(Error::io("create", &path))?;
        }
    }
    for name in LATER {
        check(root, &root.join(name), Kind::Directory, is_closed)?;
    }
    for name in FILES {
        check(root, &root.join(name), Kind::File, is_closed)?;
    }
    let database = root.join(DATABASE);
    // SQLite would make it readable for everybody.
    match File::options().write(true).create_new(true).mode(0o600).open(&database) {
        Err(why) if why.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::io("create", &database)(why)),
        _ => Ok(()),
    }
}

/// The folder of a store, which must be the user's own: root too leaves files in another's that the other cannot use.
pub(crate) fn owned(root: &Path) -> Result<Metadata> {
    let found = std::fs::metadata(root).map_err(Error::io("read", root))?;
    refuse_foreign(root, root, &found)?;
    Ok(found)
}

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Closes the folder itself if nothing but the store is in it; true if that was done.
fn close(root: &Path, found: &Metadata) -> Result<bool> {
    let is_shared = found.mode() & STICKY != 0 || !holds_only_a_store(root)?;
    if !is_shared {
        let closed = Permissions::from_mode(found.mode() & 0o7700);
        std::fs::set_permissions(root, closed).map_err(Error::io("close", root))?;
        return Ok(true);
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(refusal(root, format!("other users may write to {}, and it is shared with them", root.display())));
    }
    Ok(false)
}

fn holds_only_a_store(root: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(root).map_err(Error::io("read", root))? {
        let name = entry.map_err(Error::io("read", root))?.file_name();
        // A new file system has the last one.
        let mut known = DIRECTORIES.iter().chain(LATER).chain(FILES).chain(&["lost+found"]);
        if !known.any(|known| name == *known) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
}

/// Refuses what is no directory or file of the user's own, and closes it unless the folder around it is. False if it is not
/// there.
fn check(root: &Path, path: &Path, kind: Kind, is_closed: bool) -> Result<bool> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(why) => return Err(Error::io("read", path)(why)),
    };
    let (is_right, what) = match kind {
        Kind::Directory => (found.is_dir(), "directory"),
        Kind::File => (found.is_file(), "file"),
    };
    if !is_right {
        return Err(refusal(root, format!("{} is no {what}", path.display())));
    }
    refuse_foreign(root, path, &found)?;
    if !is_closed && found.mode() & OTHERS != 0 {
        let closed = Permissions::from_mode(found.mode() & 0o7700);
        std::fs::set_permissions(path, closed).map_err(Error::io("close", path))?;
    }
    Ok(true)
}

fn refuse_foreign(root: &Path, path: &Path, found: &Metadata) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    if found.uid() == us {
        return Ok(());
    }
    Err(refusal(root, format!("{} belongs to the user with id {}, not {us}", path.display(), found.uid())))
}

fn refusal(root: &Path, why: String) -> Error {
    Error::Unsafe { root: root.into(), why }
}
