//! What the stores of a machine agree on: who makes and removes networks now, and whose each is.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::error::{Error, Result};
use crate::net::pool::{Subnet, make_private};

/// The right to make and remove networks on this machine, until it is dropped. Waits for it.
///
/// # Errors
/// When `state`, the directory of all stores, cannot be used.
pub fn lock_networks(state: &Path) -> Result<File> {
    make_private(state).map_err(Error::system(format!("make {}", state.display())))?;
    let path = state.join("networks.lock");
    lock_file(&path).map_err(Error::system(format!("lock {}", path.display())))
}

/// Opens a file, which is made if it is missing, and waits for its lock. One that was removed meanwhile locks nobody out.
pub(super) fn lock_file(path: &Path) -> std::io::Result<File> {
    loop {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = File::options();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let file = options.open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

impl Subnet {
    /// Writes down whose network this is, before anything of it is on the machine: [`Subnet::claimed`] finds it, whatever
    /// becomes of who makes it.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn claim(&self) -> Result<()> {
        let _lock = self.lock()?;
        let (aside, path) = (self.directory().join("new"), self.directory().join(CLAIM));
        let doing = || format!("write {}", path.display());
        let mut file = File::create(&aside).map_err(Error::system(doing()))?;
        write!(file, "{} {}", self.store, self.device).map_err(Error::system(doing()))?;
        std::fs::rename(&aside, &path).map_err(Error::system(doing()))
    }

    /// The networks of a store that the machine knows of, without their addresses: those that are claimed, and those on which
    /// the store's containers have addresses.
    ///
    /// # Errors
    /// When `state`, the directory of all stores, cannot be read.
    pub fn claimed(state: &Path, store: &str) -> Result<Vec<Self>> {
        let entries = match std::fs::read_dir(state) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::system(format!("read {}", state.display())))?,
        };
        let mut found = Vec::new();
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let Ok(table) = entry.file_name().into_string() else { continue };
            let claim = std::fs::read_to_string(entry.path().join(CLAIM)).unwrap_or_default();
            let subnet = |device: &str| Self {
                device: device.to_owned(),
                table: table.clone(),
                store: store.to_owned(),
                ..Self::new(state)
            };
            match claim.split_once(' ') {
                Some((owner, device)) if owner == store => found.push(subnet(device)),
                Some(_) => {}
                None if subnet(&table).owners_of_store().is_ok_and(|owners| !owners.is_empty()) => {
                    found.push(subnet(&table));
                }
                None => {}
            }
        }
        Ok(found)
    }
}

/// The file in a network's directory that says whose it is: the store and the bridge device.
pub(super) const CLAIM: &str = "network";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_found_by_their_store_only() {
        let directory = tempfile::tempdir().unwrap();
        let subnet = |store: &str, table: &str| Subnet {
            device: "br0".to_owned(),
            table: table.to_owned(),
            store: store.to_owned(),
            ..Subnet::new(directory.path())
        };
        subnet("1:2", "wb1").claim().unwrap();
        subnet("1:3", "wb2").claim().unwrap();
        subnet("1:2", "wb3").allocate("a").unwrap();
        let mut found = Subnet::claimed(directory.path(), "1:2").unwrap();
        found.sort_by(|one, other| one.table.cmp(&other.table));
        let found: Vec<_> = found.iter().map(|one| (one.table.as_str(), one.device.as_str())).collect();
        assert_eq!(found, [("wb1", "br0"), ("wb3", "wb3")]);
        assert!(Subnet::claimed(&directory.path().join("none"), "1:2").unwrap().is_empty());
    }

    #[test]
    fn a_lock_that_was_removed_locks_nobody_out_and_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = lock_file(&path).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| lock_file(&path).unwrap());
            std::fs::remove_file(&path).unwrap();
            drop(first);
            // Whichever file it waited for: the one that it has is the one that others find.
            let held = second.join().unwrap();
            assert_eq!(held.metadata().unwrap().ino(), std::fs::metadata(&path).unwrap().ino());
        });
    }
}
