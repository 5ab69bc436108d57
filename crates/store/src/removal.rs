//! Deleting trees, also those that an ordinary user may not delete as they are.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::store::Store;

impl Store {
    /// Deletes a directory with everything in it; true if it is gone. An ordinary user may not enter all of it as it is:
    /// overlayfs closes its own directory, and containers close some of theirs. What belongs to a container's other users
    /// goes by [`crate::Options::remove`].
    pub(crate) fn remove_tree(&self, directory: &Path) -> bool {
        let remove = || std::fs::remove_dir_all(directory);
        match remove() {
            Ok(()) => return true,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound && !directory.exists() => return true,
            Err(_) => open_up(directory),
        }
        remove().is_ok() || (self.options.remove)(directory)
    }
}

/// Deletes a tree as far as its owner may.
pub fn remove_own_tree(directory: &Path) -> bool {
    std::fs::remove_dir_all(directory).is_ok() || {
        open_up(directory);
        std::fs::remove_dir_all(directory).is_ok()
    }
}

fn open_up(directory: &Path) {
    let _ = std::fs::set_permissions(directory, Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        // What `file_type` says is of the entry itself: links are not followed out of the tree.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
