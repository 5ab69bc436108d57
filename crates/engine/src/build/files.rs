//! Where steps find files: the build context, stages, images, named contexts; and which of them an instruction means.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use wharfie_build::Ignore;
use wharfie_build::path::Glob;
use wharfie_layer::resolve::{Last, Resolved, resolve};
use wharfie_oci::DiffId;

use super::error::BuildError;
use crate::error::{Error, Result};

/// A tree of files that instructions copy from.
#[derive(Debug)]
pub(crate) struct Files {
    /// Its root.
    pub(crate) root: OwnedFd,
    /// The layers that it is made of; `None` for a directory of this machine, which can change.
    pub(crate) layers: Option<Vec<DiffId>>,
    /// Whether its files belong to nobody in particular: copies are root's.
    pub(crate) is_context: bool,
    /// What of it counts as not being there.
    pub(crate) ignore: Option<Arc<Ignore>>,
}

/// A file or directory that an instruction means.
#[derive(Debug)]
pub(crate) struct Selected {
    /// Where it is in its tree, without links.
    pub(crate) path: Vec<u8>,
    /// What it is called by the instruction, which may be a link's name.
    pub(crate) name: Vec<u8>,
    /// What it is.
    pub(crate) kind: FileType,
    /// For `--parents`: where it goes beneath the destination; with its directories it is made again.
    pub(crate) below: Option<Vec<u8>>,
}

impl Files {
    /// What is at `path`, which is given as instructions give it.
    pub(crate) fn find(&self, path: &[u8]) -> Result<Option<Resolved>> {
        let found = resolve(self.root.as_fd(), path, Last::Followed).map_err(|why| cannot_read(path, why))?;
        Ok(Some(found).filter(|found| found.stat.is_some() && !self.is_hidden(found)))
    }

    fn is_hidden(&self, found: &Resolved) -> bool {
        let Some(ignore) = &self.ignore else { return false };
        let path = String::from_utf8_lossy(&found.path);
        // Something in an ignored directory may count all the same.
        ignore.is_ignored(&path)
            && !(found.kind() == Some(FileType::Directory) && ignore.may_include_below(&path))
            && !found.path.is_empty()
    }

    /// A directory of it, opened.
    pub(crate) fn open_directory(&self, path: &[u8]) -> Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let path: &[u8] = if path.is_empty() { b"." } else { path };
        openat2(&self.root, path, flags, Mode::empty(), resolve).map_err(|why| cannot_read(path, why))
    }

    /// What `path` means, which may have wildcards; in byte order.
    ///
    /// # Errors
    /// When nothing is meant.
    pub(crate) fn select(&self, path: &str) -> Result<Vec<Selected>> {
        if !Glob::is_pattern(path) {
            return Ok(vec![self.select_plain(path)?]);
        }
        let mut selected = Vec::new();
        for path in self.matching(b"", path)? {
            let Some(found) = self.find(&path)? else { continue };
            let name = name_of(&path).to_vec();
            selected.push(self.selected(found, &name));
        }
        // Classic docker is the better here: what matches nothing is a mistake.
        if selected.is_empty() { Err(BuildError::NoSource(path.to_owned()).into()) } else { Ok(selected) }
    }

    /// What is at `path`, which has no wildcards, whatever stands in it.
    pub(crate) fn select_plain(&self, path: &str) -> Result<Selected> {
        let found = self.find(path.as_bytes())?.ok_or_else(|| BuildError::NoSource(path.to_owned()))?;
        Ok(self.selected(found, name_of(path.as_bytes())))
    }

    /// As [`Self::select`], for `--parents`: what is meant goes to where it is beneath `root`.
    pub(crate) fn select_below(&self, root: &str, pattern: &str, is_required: bool) -> Result<Vec<Selected>> {
        let top = self.find(root.as_bytes())?.ok_or_else(|| BuildError::NoSource(root.to_owned()))?;
        let mut selected = Vec::new();
        for path in self.matching(&top.path, pattern)? {
            // Links on the way stay what they are: only what is at the end is followed.
            let Some(found) = self.find(&path)? else { continue };
            let below = path[top.path.len()..].iter().copied().skip_while(|byte| *byte == b'/').collect();
            let name = name_of(&path).to_vec();
            selected.push(Selected { below: Some(below), ..self.selected(found, &name) });
        }
        match selected.is_empty() && is_required {
            true => Err(BuildError::NoSource(format!("{}/{pattern}", root.trim_end_matches('/'))).into()),
            false => Ok(selected),
        }
    }

    fn selected(&self, found: Resolved, name: &[u8]) -> Selected {
        let kind = found.kind().unwrap_or(FileType::Unknown);
        Selected { path: found.path, name: name.to_vec(), kind, below: None }
    }

    /// The paths beneath `top` that `pattern` matches, in byte order.
    fn matching(&self, top: &[u8], pattern: &str) -> Result<Vec<Vec<u8>>> {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let mut found = Vec::new();
        self.descend(top.to_vec(), &parts, &mut found)?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn descend(&self, at: Vec<u8>, parts: &[&str], found: &mut Vec<Vec<u8>>) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            found.push(at);
            return Ok(());
        };
        let join = |name: &[u8]| if at.is_empty() { name.to_vec() } else { [&at[..], b"/", name].concat() };
        if !Glob::is_pattern(part) {
            return match self.find(&join(part.as_bytes()))? {
                Some(there) => self.descend(there.path, rest, found),
                None => Ok(()),
            };
        }
        let Some(here) = self.find(&at)?.filter(|here| here.kind() == Some(FileType::Directory)) else { return Ok(()) };
        let is_deep = *part == "**";
        let glob = Glob::new(part).map_err(BuildError::Pattern)?;
        if is_deep {
            self.descend(at.clone(), rest, found)?;
        }
        for name in names(&self.open_directory(&here.path)?).map_err(|why| cannot_read(&at, why))? {
            let path = join(&name);
            if is_deep {
                let is_directory = matches!(
                    resolve(self.root.as_fd(), &path, Last::Kept).map(|found| found.kind()),
                    Ok(Some(FileType::Directory))
                );
                if is_directory {
                    self.descend(path, parts, found)?;
                } else if rest.is_empty() {
                    found.push(path);
                }
            } else if glob.matches(&String::from_utf8_lossy(&name)) {
                self.descend(path, rest, found)?;
            }
        }
        Ok(())
    }
}

/// The last part of a path; the root has none.
fn name_of(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'/').rfind(|part| !part.is_empty() && *part != b".").unwrap_or_default()
}

fn names(directory: &OwnedFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

pub(crate) fn cannot_read(path: &[u8], why: Errno) -> Error {
    let path = format!("/{}", String::from_utf8_lossy(path).trim_start_matches('/'));
    Error::File { doing: "read", path: path.into(), source: why.into() }
}
