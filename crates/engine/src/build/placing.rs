//! Where what is copied goes: one item after the other into the layer.

use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Mode as FileMode, OFlags, ResolveFlags, Stat, openat2};
use rustix::io::Errno;
use wharfie_build::Ignore;
use wharfie_build::plan::{Copy, File as Inline};
use wharfie_layer::compression::Decoder;
use wharfie_layer::graft::Graft;
use wharfie_layer::pack::Xattrs;
use wharfie_layer::scan::{Leaf, Verdict, Visitor, scan};
use wharfie_layer::tar;

use super::copy::of_layer;
use super::fetch::Fetched;
use super::files::{Files, Selected, cannot_read};
use crate::error::{Error, Result};

/// Something that is copied.
pub(super) enum Item {
    /// A file or the contents of a directory.
    Selected(Arc<Files>, Selected),
    /// A here-document.
    Inline(Inline),
    /// A file from the web.
    Fetched(Fetched),
}

/// Where things go.
pub(super) struct Place<'a> {
    /// The destination, without links.
    pub(super) base: &'a [u8],
    /// Whether it is a directory, or is to be one.
    pub(super) is_directory: bool,
    pub(super) copy: &'a Copy,
}

pub(super) fn write_item<W: Write>(
    graft: &mut Graft<'_, W>,
    item: &Item,
    place: &Place<'_>,
    exclude: Option<&Ignore>,
) -> Result<()> {
    let Place { base, is_directory, copy } = *place;
    let into = |name: &[u8]| if is_directory { join(base, name) } else { base.to_vec() };
    match item {
        Item::Inline(Inline { name, body }) => {
            let size = body.len() as u64;
            graft.bytes(&into(name.as_bytes()), size, body.as_bytes(), 0o644, 0).map_err(of_layer)
        }
        Item::Fetched(file) => {
            let (mut open, size) = file.open()?;
            if copy.unpack == Some(true) && unpack(graft, base, &mut open)? {
                return Ok(());
            }
            graft.bytes(&into(file.name.as_bytes()), size, open, 0o600, file.modified).map_err(of_layer)
        }
        Item::Selected(files, selected) if selected.kind == FileType::Directory => {
            let target = match &selected.below {
                None => base.to_vec(),
                Some(below) => {
                    make_way(graft, files, selected, base, below)?;
                    join(base, below)
                }
            };
            graft.make_directory(&target).map_err(of_layer)?;
            let top = files.open_directory(&selected.path)?;
            let mut judge = judge(files, &selected.path, exclude);
            scan(top, &mut judge, &mut Moving { graft, target: &target }).map_err(of_layer)
        }
        Item::Selected(files, selected) => {
            let name = String::from_utf8_lossy(&selected.name);
            if exclude.is_some_and(|exclude| exclude.is_ignored(&name)) {
                return Ok(());
            }
            let target = match &selected.below {
                None => into(&selected.name),
                Some(below) => {
                    make_way(graft, files, selected, base, below)?;
                    join(base, below)
                }
            };
            let (above, last) = split(&selected.path);
            let parent = files.open_directory(above)?;
            if copy.is_add && copy.unpack != Some(false) && selected.kind == FileType::RegularFile {
                let mut file = open_file(parent.as_fd(), last)?;
                if unpack(graft, base, &mut file)? {
                    return Ok(());
                }
            }
            match graft.leaf(&target, parent.as_fd(), last).map_err(of_layer)? {
                true => Ok(()),
                false => Err(cannot_read(&selected.path, Errno::NOENT)),
            }
        }
    }
}

/// Makes the directories of `--parents` as they are in the source.
pub(super) fn make_way<W: Write>(
    graft: &mut Graft<'_, W>,
    files: &Files,
    selected: &Selected,
    base: &[u8],
    below: &[u8],
) -> Result<()> {
    graft.make_directory(base).map_err(of_layer)?;
    let parts: Vec<&[u8]> = below.split(|byte| *byte == b'/').collect();
    let top_len = selected.path.len().saturating_sub(below.len());
    for depth in 1..parts.len() + usize::from(selected.kind == FileType::Directory) {
        let part = parts[..depth].join(&b'/');
        let source = join(selected.path[..top_len].strip_suffix(b"/").unwrap_or(&selected.path[..top_len]), &part);
        let directory = files.open_directory(&source)?;
        let stat = rustix::fs::fstat(&directory).map_err(|why| cannot_read(&source, why))?;
        graft.directory(&join(base, &part), &stat, Vec::new()).map_err(of_layer)?;
    }
    Ok(())
}

/// Unpacks `file` beneath `target` if it is an archive; it is at its beginning again if it is none.
pub(super) fn unpack<W: Write>(graft: &mut Graft<'_, W>, target: &[u8], file: &mut std::fs::File) -> Result<bool> {
    let failed = |source| Error::File { doing: "read", path: "an archive".into(), source };
    let is_archive = {
        let head = std::io::BufReader::new(&mut *file);
        let mut block = [0; tar::BLOCK];
        match Decoder::detect(head) {
            Ok((_, mut decoder)) => {
                let n = wharfie_layer::fill(&mut decoder, &mut block).unwrap_or(0);
                n == block.len() && tar::is_header(&block)
            }
            Err(_) => false,
        }
    };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    if is_archive {
        let (_, mut decoder) = Decoder::detect(std::io::BufReader::new(file)).map_err(of_layer)?;
        graft.archive(target, &mut decoder).map_err(of_layer)?;
    }
    Ok(is_archive)
}

pub(super) fn open_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = openat2(parent, name, flags, FileMode::empty(), resolve).map_err(|why| cannot_read(name, why))?;
    Ok(OwnedFd::into(file))
}

/// What of the directory `top` counts.
pub(super) fn judge<'a>(
    files: &'a Files,
    top: &'a [u8],
    exclude: Option<&'a Ignore>,
) -> impl FnMut(&[u8], FileType) -> Verdict + 'a {
    move |path, kind| {
        let mut verdict = Verdict::Take;
        if let Some(ignore) = &files.ignore {
            verdict = judged(ignore, &String::from_utf8_lossy(&join(top, path)), kind);
        }
        if let Some(exclude) = exclude
            && verdict != Verdict::Skip
        {
            match judged(exclude, &String::from_utf8_lossy(path), kind) {
                Verdict::Take => {}
                other => verdict = other,
            }
        }
        verdict
    }
}

pub(super) fn judged(ignore: &Ignore, path: &str, kind: FileType) -> Verdict {
    match ignore.is_ignored(path) {
        false => Verdict::Take,
        true if kind == FileType::Directory && ignore.may_include_below(path) => Verdict::Look,
        true => Verdict::Skip,
    }
}

/// Puts what is found into a layer.
pub(super) struct Moving<'g, 'a, W: Write> {
    graft: &'g mut Graft<'a, W>,
    target: &'g [u8],
}

impl<W: Write> Visitor for Moving<'_, '_, W> {
    fn directory(&mut self, path: &[u8], stat: &Stat, xattrs: Xattrs) -> wharfie_layer::Result<()> {
        self.graft.directory(&join(self.target, path), stat, xattrs)
    }

    fn leaf(&mut self, path: &[u8], leaf: &Leaf<'_>) -> wharfie_layer::Result<()> {
        // Somebody removes files while they are copied.
        self.graft.leaf(&join(self.target, path), leaf.parent, leaf.name).map(drop)
    }
}

/// A path without dots and double slashes, and without a slash in front.
pub(super) fn clean(text: &str) -> Vec<u8> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/").into_bytes()
}

pub(super) fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    match (above.is_empty(), name.is_empty()) {
        (true, _) => name.to_vec(),
        (_, true) => above.to_vec(),
        _ => [above, b"/", name].concat(),
    }
}

/// The directory that a path is in, and its name there.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_cleaned() {
        for (text, expected) in [("/", ""), ("/a/./b//c/", "a/b/c"), ("/a/../../b", "b"), ("/.", "")] {
            assert_eq!(clean(text), expected.as_bytes(), "{text}");
        }
    }
}
