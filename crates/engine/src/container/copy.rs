//! Copying files between a container and the world, as tars.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use wharfie_layer::pack::{self, pack, pack_one};
use wharfie_layer::unpack::unpack;

use super::is_alive;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What a path in a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

impl Engine {
    /// The root of a container as it is now, for reading and writing.
    fn root_of(&self, name: &str) -> Result<OwnedFd> {
        let row = self.container(name)?;
        if let Some(pid) = row.state.pid.filter(|_| is_alive(&row)) {
            let path = PathBuf::from(format!("/proc/{pid}/root"));
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            return rustix::fs::open(&path, flags, Mode::empty()).map_err(|why| Error::File {
                doing: "open",
                path,
                source: why.into(),
            });
        }
        self.writable_view(&row)
    }

    /// Ids of the user that the container's processes run as, if it names one.
    ///
    /// # Errors
    /// When there is no such container, or its files do not know the user.
    pub fn owner_of(&self, name: &str) -> Result<Option<(u32, u32)>> {
        let settings = super::settings_of(&self.container(name)?)?;
        if settings.config.user.is_empty() {
            return Ok(None);
        }
        Ok(Some(wharfie_runtime::look_up(self.root_of(name)?.as_fd(), &settings.config.user)?))
    }

    /// What `path` in the container is; `None` if it is not there. Links are followed inside the container.
    ///
    /// # Errors
    /// When there is no such container, or it cannot be looked into here.
    pub fn path_kind(&self, name: &str, path: &str) -> Result<Option<PathKind>> {
        let root = self.root_of(name)?;
        let found =
            openat2(&root, relative(path), OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT);
        let Ok(found) = found else { return Ok(None) };
        let stat = rustix::fs::fstat(&found).map_err(|why| io(path, why))?;
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => PathKind::Directory,
            _ => PathKind::Other,
        }))
    }

    /// Writes what is at `path` in the container to `out` as a tar. Its top entry has the path's last name, or is `./`
    /// for `PATH/.`. With `follow` a link stands for what it points to.
    ///
    /// # Errors
    /// When there is no such container or path, or `out` cannot be written.
    pub fn copy_out(&self, name: &str, path: &str, follow: bool, out: impl Write) -> Result<()> {
        let missing = || Error::NoSuchPath { path: path.to_owned(), container: name.to_owned() };
        let root = self.root_of(name)?;
        let (parent, last) = split(path);
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let contents_only = last.is_empty() || path.ends_with("/.") || path == ".";
        if !contents_only {
            let parent = openat2(&root, relative(&parent), flags, Mode::empty(), ResolveFlags::IN_ROOT);
            let parent = parent.map_err(|_| missing())?;
            let stat = statat(&parent, last.as_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(|_| missing())?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind == FileType::Symlink && follow {
                let target = rustix::fs::readlinkat(&parent, last.as_str(), Vec::new()).map_err(|why| io(path, why))?;
                let target = target.to_string_lossy().into_owned();
                let whole = if target.starts_with('/') { target } else { format!("{}/{target}", path_parent(path)) };
                return self.copy_out(name, &whole, false, out);
            }
            if kind != FileType::Directory {
                pack_one(parent.as_fd(), last.as_bytes(), out).map_err(wharfie_store::Error::Layer)?;
                return Ok(());
            }
        }
        let directory = openat2(&root, relative(path), flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let directory = directory.map_err(|_| missing())?;
        let prefix = if contents_only { "./".to_owned() } else { format!("{last}/") };
        let options = pack::Options {
            prefix: prefix.clone().into_bytes(),
            root_name: Some(prefix.into_bytes()),
            ..pack::Options::default()
        };
        pack(directory.as_fd(), &options, out).map_err(wharfie_store::Error::Layer)?;
        Ok(())
    }

    /// Unpacks a tar into the directory `path` of the container. Names cannot leave the container.
    ///
    /// # Errors
    /// When there is no such container or directory, the stream is no tar, or something cannot be written.
    pub fn copy_in(&self, name: &str, path: &str, tar: &mut dyn Read) -> Result<()> {
        let missing = || Error::NoSuchPath { path: path.to_owned(), container: name.to_owned() };
        let root = self.root_of(name)?;
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let directory = openat2(&root, relative(path), flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let directory = directory.map_err(|_| missing())?;
        unpack(tar, directory.as_fd()).map_err(wharfie_store::Error::Layer)?;
        Ok(())
    }
}

fn io(path: &str, why: rustix::io::Errno) -> Error {
    Error::File { doing: "read", path: PathBuf::from(path), source: why.into() }
}

/// A path as seen from the root; the root itself is `.`.
fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}

/// The path's directory and last name; no name for the root and for paths that end in `.` or `..`.
fn split(path: &str) -> (String, String) {
    let path = Path::new(path);
    match path.components().next_back() {
        Some(Component::Normal(name)) => {
            let parent = path.parent().map_or_else(String::new, |parent| parent.to_string_lossy().into_owned());
            (parent, name.to_string_lossy().into_owned())
        }
        _ => (path.to_string_lossy().into_owned(), String::new()),
    }
}

fn path_parent(path: &str) -> String {
    split(path).0
}
