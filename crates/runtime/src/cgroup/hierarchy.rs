//! Which hierarchies this machine has, and how a directory is made in each.

use std::io;
use std::path::{Path, PathBuf};

use crate::cgroup::write;

/// A tree of cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// Of one controller, and where it is mounted.
    Version1(&'static str, PathBuf),
    /// The unified one.
    Version2(PathBuf),
}

/// What is mounted at the usual places, which every distribution agrees on.
pub(super) fn all() -> Vec<Hierarchy> {
    let top = Path::new(TOP);
    match magic(top) {
        Some(CGROUP2_MAGIC) => vec![Hierarchy::Version2(top.to_owned())],
        Some(_) => {
            let mut found: Vec<Hierarchy> = CONTROLLERS
                .iter()
                .map(|name| (*name, top.join(name)))
                .filter(|(_, path)| magic(path) == Some(CGROUP_MAGIC))
                .map(|(name, path)| Hierarchy::Version1(name, path))
                .collect();
            // Beside version 1 it has no controllers, but it can freeze and kill.
            let unified = top.join("unified");
            if magic(&unified) == Some(CGROUP2_MAGIC) {
                found.push(Hierarchy::Version2(unified));
            }
            found
        }
        None => Vec::new(),
    }
}

impl Hierarchy {
    pub(super) fn root(&self) -> &Path {
        match self {
            Self::Version1(_, path) | Self::Version2(path) => path,
        }
    }

    /// Makes `path`, somewhere beneath the root.
    pub(super) fn make(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Ok(()) => {}
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) if why.kind() == io::ErrorKind::NotFound => std::fs::create_dir_all(path)?,
            Err(why) => return Err(why),
        }
        if let Self::Version2(root) = self {
            enable(root, path);
        }
        if let Self::Version1("cpuset", root) = self {
            inherit(root, path)?;
        }
        Ok(())
    }
}

/// Version 2: a directory has the controllers that every one above it hands down. What cannot be handed down is
/// missed later, by whoever needs it.
fn enable(root: &Path, path: &Path) {
    let Ok(wanted) = std::fs::read_to_string(root.join("cgroup.controllers")) else { return };
    let wanted: Vec<&str> = wanted.split_ascii_whitespace().filter(|name| HANDED_DOWN.contains(name)).collect();
    let above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| above.starts_with(root)).collect();
    for directory in above.into_iter().rev() {
        let file = directory.join("cgroup.subtree_control");
        let enabled = std::fs::read_to_string(&file).unwrap_or_default();
        for name in wanted.iter().filter(|name| !enabled.split_ascii_whitespace().any(|one| one == **name)) {
            let _ = write(&file, &format!("+{name}"));
        }
    }
}

/// Version 1: a cpuset is empty when made and takes no process until it is filled.
fn inherit(root: &Path, path: &Path) -> io::Result<()> {
    let mut above: Vec<&Path> = path.ancestors().take_while(|above| *above != root).collect();
    above.reverse();
    for directory in above {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let target = directory.join(file);
            if std::fs::read_to_string(&target)?.trim().is_empty() {
                let parent = directory.parent().unwrap_or(root).join(file);
                write(&target, std::fs::read_to_string(parent)?.trim())?;
            }
        }
    }
    Ok(())
}

fn magic(path: &Path) -> Option<u64> {
    rustix::fs::statfs(path).ok().map(|found| found.f_type as u64)
}

const TOP: &str = "/sys/fs/cgroup";
const CONTROLLERS: &[&str] = &["memory", "pids", "cpuacct", "devices", "cpu", "freezer", "cpuset", "blkio"];
const HANDED_DOWN: &[&str] = &["memory", "pids", "cpu", "cpuset", "io"];
/// From the kernel's `magic.h`.
const CGROUP_MAGIC: u64 = 0x0027_e0eb;
const CGROUP2_MAGIC: u64 = 0x6367_7270;
