//! One directory per container in every hierarchy that is there: limits, accounting, freezing, and an end for all.
//!
//! Version 2, version 1, both at once and neither are all usual; what is there is asked of the file system each time
//! rather than remembered. A controller that is missing is a warning, a limit that was asked for and cannot be set an
//! error.

mod devices;
mod hierarchy;
mod limits;
pub mod stats;
mod update;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{Resources, Spec};
use crate::warning::Warning;

pub(crate) use devices::Rule as DeviceRule;
use hierarchy::Hierarchy;
pub use stats::Stats;

/// Where a container is accounted. Enough to handle it later, from another process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cgroup {
    /// Of version 1, with the controller's name.
    version1: Vec<(String, PathBuf)>,
    /// Of version 2.
    version2: Option<PathBuf>,
}

impl Cgroup {
    /// Every directory of that name, whether the container is there or long gone.
    pub fn find(parent: Option<&str>, id: &str) -> Self {
        let Ok(name) = name(parent, id) else { return Self::default() };
        let mut found = Self::default();
        for hierarchy in hierarchy::all() {
            let path = hierarchy.root().join(&name);
            if !path.is_dir() {
                continue;
            }
            match hierarchy {
                Hierarchy::Version1(controller, _) => found.version1.push((controller.to_owned(), path)),
                Hierarchy::Version2(_) => found.version2 = Some(path),
            }
        }
        found
    }

    /// True if there is any.
    pub fn exists(&self) -> bool {
        self.paths().next().is_some()
    }

    /// Makes the directories for `spec`.
    pub(crate) fn create(spec: &Spec, warn: &mut dyn FnMut(Warning)) -> Result<Self> {
        let name = name(spec.cgroup_parent.as_deref(), &spec.id)?;
        let all = hierarchy::all();
        let has_version2 = all.iter().any(|one| matches!(one, Hierarchy::Version2(_)));
        let mut made = Self::default();
        let mut refused = None;
        for hierarchy in all {
            let path = hierarchy.root().join(&name);
            if let Hierarchy::Version1(controller, _) = &hierarchy
                && !is_needed(controller, spec, has_version2)
            {
                continue;
            }
            if let Err(why) = hierarchy.make(&path) {
                refused.get_or_insert(why);
                continue;
            }
            match hierarchy {
                Hierarchy::Version1(controller, _) => made.version1.push((controller.to_owned(), path)),
                Hierarchy::Version2(_) => made.version2 = Some(path),
            }
        }
        // An ordinary user mostly has none, and knows it.
        if made == Self::default() && spec.user_namespace.is_none() {
            let reason = refused.map_or("no cgroups are mounted".to_owned(), |why| why.to_string());
            warn(Warning::NoController { name: "memory, cpu, pids".to_owned(), reason });
        }
        Ok(made)
    }

    /// Moves this process into all of them. Children follow.
    pub(crate) fn join(&self) -> Result<()> {
        for path in self.paths() {
            // 0 is whoever writes.
            write(&path.join("cgroup.procs"), "0").map_err(Error::system(format!("join {}", path.display())))?;
        }
        Ok(())
    }

    /// True if there is a directory of that version 1 controller, or a version 2 one where it is enabled.
    fn directory_of(&self, controller: &str) -> Option<(&Path, Version)> {
        if let Some((_, path)) = self.version1.iter().find(|(name, _)| name == controller) {
            return Some((path, Version::One));
        }
        let path = self.version2.as_deref()?;
        let enabled = std::fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
        enabled.split_ascii_whitespace().any(|name| name == controller).then_some((path, Version::Two))
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.version1.iter().map(|(_, path)| path.as_path()).chain(self.version2.as_deref())
    }

    /// Ids of all processes in it, as seen by the caller.
    pub fn processes(&self) -> Vec<u32> {
        let mut all: Vec<u32> = Vec::new();
        if let Some(path) = self.paths().next() {
            collect(path, &mut all);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Stops all its processes where they are.
    ///
    /// # Errors
    /// When no hierarchy here can.
    pub fn pause(&self) -> Result<()> {
        self.freeze(true)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When no hierarchy here can.
    pub fn unpause(&self) -> Result<()> {
        self.freeze(false)
    }

    fn freeze(&self, is_frozen: bool) -> Result<()> {
        let (path, file, value, seen, shown) = if let Some(path) = &self.version2 {
            let shown = if is_frozen { "frozen 1" } else { "frozen 0" };
            (path.as_path(), "cgroup.freeze", if is_frozen { "1" } else { "0" }, "cgroup.events", shown)
        } else if let Some((path, _)) = self.directory_of("freezer") {
            let state = if is_frozen { "FROZEN" } else { "THAWED" };
            (path, "freezer.state", state, "freezer.state", state)
        } else {
            return Err(Error::Limit {
                limit: "freezer".to_owned(),
                value: is_frozen.to_string(),
                reason: "no cgroup can freeze here".to_owned(),
            });
        };
        let doing = || format!("write {}", path.join(file).display());
        write(&path.join(file), value).map_err(Error::system(doing()))?;
        until(|| std::fs::read_to_string(path.join(seen)).is_ok_and(|text| text.contains(shown)));
        Ok(())
    }

    /// Kills all its processes. With nothing left to kill it does nothing.
    pub fn kill(&self) {
        if let Some(path) = &self.version2
            && write(&path.join("cgroup.kill"), "1").is_ok()
        {
            // Frozen processes die when they may run again.
            return;
        }
        let may_freeze = self.version1.iter().any(|(name, _)| name == "freezer");
        until(|| {
            if may_freeze {
                let _ = self.pause();
            }
            let left = self.processes();
            for pid in &left {
                if let Some(pid) = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            if may_freeze {
                let _ = self.unpause();
            }
            left.is_empty()
        });
    }

    /// Removes the directories, waiting a moment for processes that are about to end. Idempotent.
    ///
    /// # Errors
    /// When one cannot be removed, most likely because processes remain.
    pub fn remove(&self) -> Result<()> {
        let mut result = Ok(());
        for path in self.paths() {
            let mut last = Ok(());
            let is_gone = until(|| {
                last = remove_tree(path);
                last.is_ok()
            });
            if !is_gone {
                result = last.map_err(Error::system(format!("remove {}", path.display())));
            }
        }
        result
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Controllers that every container gets, for its limits, its figures and its safety; the rest on demand.
fn is_needed(controller: &str, spec: &Spec, has_version2: bool) -> bool {
    let Spec { resources, .. } = spec;
    match controller {
        "memory" | "pids" | "cpuacct" => true,
        "devices" => !spec.security.privileged,
        "freezer" => !has_version2,
        other => is_for(other, resources),
    }
}

/// Controllers that are there for certain limits only.
fn is_for(controller: &str, resources: &Resources) -> bool {
    match controller {
        "cpu" => resources.cpu_time().is_some() || resources.cpu_shares.is_some(),
        "cpuset" => resources.cpuset_cpus.is_some() || resources.cpuset_mems.is_some(),
        "blkio" => resources.blkio_weight.is_some(),
        _ => false,
    }
}

fn name(parent: Option<&str>, id: &str) -> Result<PathBuf> {
    let parent = parent.unwrap_or(DEFAULT_PARENT).trim_start_matches('/');
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if !parent.split('/').all(is_plain) {
        return Err(Error::invalid("cgroup parent", parent, "not a path beneath the hierarchy"));
    }
    if !is_plain(id) || id.contains('/') {
        return Err(Error::invalid("container id", id, "not a name"));
    }
    Ok(Path::new(parent).join(id))
}

/// A container may have made cgroups of its own in ours.
fn collect(path: &Path, all: &mut Vec<u32>) {
    let text = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    all.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
    for child in children(path) {
        collect(&child, all);
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) if why.kind() == io::ErrorKind::ResourceBusy || why.kind() == io::ErrorKind::DirectoryNotEmpty => {
            for child in children(path) {
                remove_tree(&child)?;
            }
            std::fs::remove_dir(path)
        }
        other => other,
    }
}

fn children(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Writes without creating: these files exist or mean nothing.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// Asks again for a moment, ever less often. True as soon as it is so.
fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let mut pause = Duration::from_micros(200);
    for _ in 0..MAX_TRIES {
        if is_so() {
            return true;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    is_so()
}

const DEFAULT_PARENT: &str = "wharfie";
/// About ten seconds in all.
const MAX_TRIES: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_beneath_the_hierarchy() {
        assert_eq!(name(None, "abc").unwrap(), Path::new("wharfie/abc"));
        assert_eq!(name(Some("/ci/builds"), "abc").unwrap(), Path::new("ci/builds/abc"));
        for (parent, id) in [("..", "a"), ("a/../..", "a"), ("a", ".."), ("a", "b/c"), ("", "a"), ("a", "")] {
            assert!(name(Some(parent), id).is_err(), "{parent} {id}");
        }
    }

    #[test]
    fn what_is_not_there_can_be_killed_and_removed() {
        let gone = Cgroup::find(None, "no-such-container");
        assert_eq!(gone, Cgroup::default());
        gone.kill();
        gone.remove().unwrap();
        assert!(gone.processes().is_empty());
    }
}
