//! The files of a container, whether it runs or not: its root file system with what is mounted in it.
//!
//! While it runs the kernel shows them all in one tree. While it does not there are the layers with its changes on top, and
//! beside them the volumes and host directories that would be mounted: a path is followed here, name by name, to where it
//! leads, and is opened beneath that without following any link but the last.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};

use super::settings::{MountKind, Settings};
use super::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// A container's files, open.
pub(super) struct Files {
    root: OwnedFd,
    /// Where the kernel shows them there is nothing to open here.
    is_whole: bool,
    is_read_only: bool,
    mounts: Vec<Mounted>,
}

/// One thing that is mounted in a container.
struct Mounted {
    /// Names from the root to it.
    target: Vec<String>,
    /// The directory; or the directory that a file is in, and the file's name.
    source: Option<(OwnedFd, Option<String>)>,
    is_read_only: bool,
}

/// Where a path leads.
pub(super) struct Located<'a> {
    base: BorrowedFd<'a>,
    /// Beneath `base`; links are only in its last name, if anywhere.
    path: PathBuf,
    /// The whole path in the container.
    names: Vec<String>,
    /// What forbids writing there, in docker's words.
    pub(super) refusal: Option<&'static str>,
}

/// As the kernel: who follows more goes round in circles.
const MAX_LINKS: u32 = 40;

impl Engine {
    /// The files of a container as it is now.
    pub(super) fn files_of(&self, name: &str) -> Result<Files> {
        let row = self.container(name)?;
        let settings = readable_settings(&row);
        let (root, is_whole) = match row.state.process().filter(|_| is_alive(&row)).map(|process| process.pid) {
            Some(pid) => {
                let path = PathBuf::from(format!("/proc/{pid}/root"));
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let root = rustix::fs::open(&path, flags, Mode::empty());
                // It may have ended, and been removed, between the look and the opening.
                let root = root.map_err(|why| match self.container(name) {
                    Err(gone) => gone,
                    Ok(_) => Error::File { doing: "open", path, source: why.into() },
                })?;
                (root, true)
            }
            None => (self.writable_view(&row)?, false),
        };
        let mounts = if is_whole { targets(&settings) } else { self.sources(&settings)? };
        Ok(Files { root, is_whole, is_read_only: settings.read_only, mounts })
    }

    /// What would be mounted in a container that does not run.
    fn sources(&self, settings: &Settings) -> Result<Vec<Mounted>> {
        // Until they are open, which is enough.
        let _in_use = self.mount_volumes(settings)?;
        let store = self.writer()?;
        let mut mounts = targets(settings);
        for (mounted, mount) in mounts.iter_mut().zip(&settings.mounts) {
            let path = match mount.kind {
                MountKind::Bind => PathBuf::from(&mount.source),
                MountKind::Volume => store.volume_directory(&super::volumes::parse_name(&mount.source)?),
                MountKind::Tmpfs => continue,
            };
            let failed = |source| Error::File { doing: "open", path: path.clone(), source };
            // As mounting does: a link of the host's is followed on the host.
            let path = path.canonicalize().map_err(failed)?;
            let is_directory = std::fs::metadata(&path).map_err(failed)?.is_dir();
            let (place, name) = match (is_directory, path.parent(), path.file_name()) {
                (false, Some(parent), Some(name)) => (parent, Some(name.to_string_lossy().into_owned())),
                _ => (path.as_path(), None),
            };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let place = rustix::fs::open(place, flags, Mode::empty()).map_err(|why| failed(why.into()))?;
            mounted.source = Some((place, name));
        }
        Ok(mounts)
    }
}

fn targets(settings: &Settings) -> Vec<Mounted> {
    let mounted = |mount: &super::settings::MountPoint| Mounted {
        target: names(&mount.target),
        source: None,
        is_read_only: mount.read_only,
    };
    settings.mounts.iter().map(mounted).collect()
}

fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect()
}

impl Files {
    /// The root file system.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Where `path` leads. Links on the way are followed inside the container; the last name only with `follow`. What is not
    /// there leads nowhere, which opening it will tell.
    pub(super) fn locate(&self, path: &str, follow: bool) -> Located<'_> {
        let mut left: Vec<String> = names(path).into_iter().rev().collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                done.pop();
                continue;
            }
            done.push(name);
            if left.is_empty() && !follow || links == MAX_LINKS {
                continue;
            }
            if let Some(target) = self.link(&done) {
                links += 1;
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                left.extend(names(&target).into_iter().rev());
            }
        }
        self.at(done)
    }

    /// What the link with these names points to; `None` if it is none.
    fn link(&self, names: &[String]) -> Option<String> {
        // What is mounted is mounted on no link.
        if self.mounts.iter().any(|mount| mount.target == names) {
            return None;
        }
        let place = self.at(names.to_vec());
        let link = place.open(OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = readlinkat(&link, "", Vec::new()).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    fn at(&self, names: Vec<String>) -> Located<'_> {
        let above = self.mounts.iter().filter(|mount| names.starts_with(&mount.target));
        // Of several the innermost; of two on one place the later.
        let mount = above.max_by_key(|mount| mount.target.len());
        let refusal = match mount {
            Some(mount) => mount.is_read_only.then_some("mounted volume is marked read-only"),
            None => self.is_read_only.then_some("container rootfs is marked read-only"),
        };
        let (base, depth, name) = match mount.and_then(|mount| Some((mount, mount.source.as_ref()?))) {
            Some((mount, (base, name))) if !self.is_whole => (base.as_fd(), mount.target.len(), name.as_deref()),
            _ => (self.root.as_fd(), 0, None),
        };
        let rest = names[depth..].iter().map(String::as_str);
        let path: PathBuf = name.into_iter().chain(rest).collect();
        let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
        Located { base, path, names, refusal }
    }
}

impl Located<'_> {
    /// Opens what is there, beneath where it lies.
    pub(super) fn open(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        openat2(self.base, &self.path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    /// The directory that it is in, and its name there; `None` for a root.
    pub(super) fn parent(&self) -> Option<(Located<'_>, String)> {
        let name = self.path.file_name()?.to_string_lossy().into_owned();
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names = self.names[..self.names.len().saturating_sub(1)].to_vec();
        Some((Located { base: self.base, path: parent.to_path_buf(), names, refusal: self.refusal }, name))
    }

    /// The whole path in the container, links followed.
    pub(super) fn text(&self) -> String {
        format!("/{}", self.names.join("/"))
    }
}
