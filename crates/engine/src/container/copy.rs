//! Copying files between a container and the world, as tars.

use std::io::{BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, OFlags};
use wharfie_layer::compression::Decoder;
use wharfie_layer::pack::{self, pack, pack_one};
use wharfie_layer::unpack::unpack;

use super::ContainerError;
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

/// What becomes of a link in a path's last name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It is copied itself.
    Kept,
    /// What it leads to is copied, under the link's name.
    Followed,
    /// What it leads to is copied, under its own name.
    Resolved,
}

impl Engine {
    /// Ids of the user that the container's processes run as, if it names one.
    ///
    /// # Errors
    /// When there is no such container, or its files do not know the user.
    pub fn owner_of(&self, name: &str) -> Result<Option<(u32, u32)>> {
        let settings = super::readable_settings(&self.container(name)?);
        if settings.config.user.is_empty() {
            return Ok(None);
        }
        Ok(Some(wharfie_runtime::look_up(self.files_of(name)?.root(), &settings.config.user)?))
    }

    /// What `path` in the container is; `None` if it is not there. Links are followed inside the container, one in the last
    /// name only with `follow` or a slash behind it.
    ///
    /// # Errors
    /// When there is no such container, or it cannot be looked into here.
    pub fn path_kind(&self, name: &str, path: &str, follow: bool) -> Result<Option<PathKind>> {
        let files = self.files_of(name)?;
        let follow = follow || last_name(path).is_none() || path.ends_with('/');
        let Ok(found) = files.locate(path, follow).open(OFlags::PATH | OFlags::NOFOLLOW) else { return Ok(None) };
        let stat = rustix::fs::fstat(&found).map_err(|why| io(path, why))?;
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => PathKind::Directory,
            _ => PathKind::Other,
        }))
    }

    /// The path that `path` leads to when every link is followed, also to where nothing is.
    ///
    /// # Errors
    /// When there is no such container, or it cannot be looked into here.
    pub fn followed(&self, name: &str, path: &str) -> Result<String> {
        Ok(self.files_of(name)?.locate(path, true).text())
    }

    /// Writes what is at `path` in the container to `out` as a tar. Its top entry has the path's last name, or is `./`
    /// for `PATH/.`. A link with a slash behind it is never kept.
    ///
    /// # Errors
    /// When there is no such container or path, or `out` cannot be written.
    pub fn copy_out(&self, name: &str, path: &str, link: Link, out: impl Write) -> Result<()> {
        let missing = || ContainerError::NoSuchPath { path: path.to_owned(), container: name.to_owned() };
        let files = self.files_of(name)?;
        let last = last_name(path);
        let place = files.locate(path, link != Link::Kept || last.is_none() || path.ends_with('/'));
        let found = place.open(OFlags::PATH | OFlags::NOFOLLOW).map_err(|_| missing())?;
        let last = match (link, place.parent()) {
            (Link::Resolved, Some((_, own))) => last.map(|_| own),
            _ => last,
        };
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&found).map_err(|why| io(path, why))?.st_mode);
        if kind == FileType::Directory {
            let directory = place.open(OFlags::DIRECTORY | OFlags::RDONLY).map_err(|_| missing())?;
            let prefix = last.map_or_else(|| "./".to_owned(), |last| format!("{last}/"));
            let options = pack::Options {
                prefix: prefix.clone().into_bytes(),
                root_name: Some(prefix.into_bytes()),
                ..pack::Options::default()
            };
            pack(directory.as_fd(), &options, out).map_err(wharfie_store::Error::Layer)?;
            return Ok(());
        }
        if path.ends_with('/') || path.ends_with("/.") {
            return Err(ContainerError::NotADirectory(path.to_owned()).into());
        }
        let (above, own) = place.parent().ok_or_else(missing)?;
        let above = above.open(OFlags::DIRECTORY | OFlags::RDONLY).map_err(|_| missing())?;
        // A link that was followed gives what it leads to its own name.
        let shown = last.unwrap_or_else(|| own.clone());
        let packed = pack_one(above.as_fd(), own.as_bytes(), shown.as_bytes(), out);
        packed.map_err(wharfie_store::Error::Layer)?;
        Ok(())
    }

    /// Unpacks a tar, compressed or not, into the directory `path` of the container. Names cannot leave the container.
    ///
    /// # Errors
    /// When there is no such container or directory, it must not be written, the stream is no tar, or something cannot be
    /// written.
    pub fn copy_in(&self, name: &str, path: &str, tar: &mut dyn Read) -> Result<()> {
        let missing = || ContainerError::NoSuchPath { path: path.to_owned(), container: name.to_owned() };
        let files = self.files_of(name)?;
        let place = files.locate(path, true);
        let directory = place.open(OFlags::DIRECTORY | OFlags::RDONLY).map_err(|_| missing())?;
        if let Some(refusal) = place.refusal {
            return Err(ContainerError::ReadOnly(refusal).into());
        }
        let (_, mut tar) = Decoder::detect(BufReader::new(tar)).map_err(|source| Error::File {
            doing: "read",
            path: "the tar".into(),
            source: std::io::Error::other(source),
        })?;
        unpack(&mut tar, directory.as_fd()).map_err(wharfie_store::Error::Layer)?;
        Ok(())
    }
}

fn io(path: &str, why: rustix::io::Errno) -> Error {
    Error::File { doing: "read", path: PathBuf::from(path), source: why.into() }
}

/// The path's last name; `None` for the root and for paths that end in `.` or `..`.
fn last_name(path: &str) -> Option<String> {
    if path.ends_with("/.") || path == "." {
        return None;
    }
    match Path::new(path).components().next_back() {
        Some(Component::Normal(name)) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    }
}
