//! `cp`: files into and out of containers.

use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use wharfie_engine::container::copy::{Link, PathKind};
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::pack::{self, pack, pack_one};
use wharfie_layer::unpack::unpack;

use crate::commands::Run;
use crate::compat;
use crate::context::{Context, reason};
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Needs, Switch};
use crate::render::size;

const ARCHIVE: Switch = Switch::new("archive", "Archive mode (copy all uid/gid information)").short('a');
const FOLLOW_LINK: Switch = Switch::new("follow-link", "Always follow symbol link in SRC_PATH").short('L');
const QUIET: Switch = Switch::new(
    "quiet",
    "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached",
)
.short('q');

/// `PROG cp`.
pub static COMMAND: Command<Run> = Command {
    about: "Copy files/folders between a container and the local filesystem",
    usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tPROG cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    arity: Arity::Exact(2),
    flags: &[ARCHIVE.flag(), FOLLOW_LINK.flag(), QUIET.flag()],
    examples: &[
        Example { text: "Out of a container", command: "cp web:/etc/nginx ./nginx" },
        Example { text: "Into a container", command: "cp page.html web:/usr/share/nginx/html/" },
    ],
    complete: Complete::Containers,
    run: Some(run),
    needs: Needs::Namespace,
    ..Command::BASE
};

/// `CONTAINER:PATH`; `None` for a path of the host's: those begin with `/` or `.`, or have no colon.
fn in_container(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['/', '.']) {
        return None;
    }
    text.split_once(':').filter(|(container, _)| !container.is_empty())
}

fn run(cx: &Context, matches: &Matches) -> Result {
    let (source, target) = (&matches.args()[0], &matches.args()[1]);
    let copied = match (in_container(source), in_container(target)) {
        // Docker's daemon puts no blank between the two.
        (Some((_, "")), None) => {
            return Err(Failure::new("Error response from daemon: bad parameter: pathcannot be empty"));
        }
        (None, Some((_, ""))) => return Err(Failure::new("no such directory")),
        (Some((container, path)), None) => out(cx, container, path, target, matches)?,
        (None, Some((container, path))) => into(cx, source, container, path, matches)?,
        (Some(_), Some(_)) => return Err(Failure::new("copying between containers is not supported")),
        (None, None) => return Err(Failure::new("must specify at least one container source")),
    };
    let is_watched = std::io::IsTerminal::is_terminal(&std::io::stderr());
    if is_watched && !matches.get(&QUIET) && source != "-" && target != "-" {
        cx.warn(&format!("Successfully copied {} to {target}", size::short(copied)));
    }
    Ok(())
}

fn local(why: &std::io::Error, what: &str, path: &Path) -> Failure {
    Failure::new(format!("{what} {}: {}", path.display(), reason(why)))
}

/// Out of a container; the bytes that were copied.
fn out(cx: &Context, container: &str, path: &str, target: &str, matches: &Matches) -> Result<u64> {
    let engine = cx.engine()?;
    let follow = matches.get(&FOLLOW_LINK);
    if target == "-" {
        let mut counted = Counted { inner: std::io::stdout().lock(), bytes: 0 };
        let link = if follow { Link::Resolved } else { Link::Kept };
        engine.copy_out(container, path, link, &mut counted).map_err(Failure::while_printing)?;
        counted.inner.flush().map_err(|why| Failure::output(&why))?;
        return Ok(counted.bytes);
    }
    let kind = engine.path_kind(container, path, follow)?;
    let is_directory = kind == Some(PathKind::Directory);
    let (mut place, mut name) = (followed(Path::new(target))?, None);
    if is_directory && place.exists() && !place.is_dir() {
        return Err(Failure::new("cannot copy directory"));
    }
    // It would be replaced by a file: a machine without /dev/null is none.
    if let Ok(found) = place.metadata()
        && !found.is_dir()
        && !found.is_file()
    {
        let kind = found.file_type();
        let is_device = kind.is_char_device() || kind.is_block_device();
        let what = if is_device { "a device" } else { "an irregular file" };
        let text = format!("invalid output path: {target:?} must be a directory or a regular file: got {what}");
        return Err(Failure::new(text));
    }
    if !place.is_dir() {
        if target.ends_with('/') && !is_directory {
            return Err(Failure::new("no such directory"));
        }
        // The copy gets the target's name.
        name = place.file_name().map(|name| name.to_string_lossy().into_owned());
        place = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => Path::new(".").to_path_buf(),
        };
        if !place.is_dir() {
            return Err(Failure::new(format!("invalid output path: directory \"{}\" does not exist", place.display())));
        }
    }
    let directory = std::fs::File::open(&place).map_err(|why| local(&why, "open", &place))?;
    let spool = Spool::new()?;
    let mut counted = Counted { inner: spool.file()?, bytes: 0 };
    engine.copy_out(container, path, if follow { Link::Followed } else { Link::Kept }, &mut counted)?;
    let copied = counted.bytes;
    // A tar keeps its owners; files are those of who makes them, unless they are archived.
    let spool = if matches.get(&ARCHIVE) { spool.made_ours()? } else { spool.made_the_callers()? };
    let contents_only = path.ends_with("/.") || path.trim_matches('/').is_empty();
    let base = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name {
        Some(name) if contents_only || is_directory => {
            let new = place.join(&name);
            std::fs::create_dir_all(&new).map_err(|why| local(&why, "mkdir", &new))?;
            let directory = std::fs::File::open(&new).map_err(|why| local(&why, "open", &new))?;
            unpack_renamed(&spool, &directory, &base, "")?;
        }
        Some(name) => unpack_renamed(&spool, &directory, &base, &name)?,
        None => unpack_renamed(&spool, &directory, "", "")?,
    }
    Ok(copied)
}

/// Into a container; the bytes that were copied.
fn into(cx: &Context, source: &str, container: &str, path: &str, matches: &Matches) -> Result<u64> {
    let engine = cx.engine()?;
    let follow = matches.get(&FOLLOW_LINK);
    // As docker's daemon: what is archived belongs to the container's user, if it has one.
    let owner = if matches.get(&ARCHIVE) { engine.owner_of(container)? } else { None };
    if source == "-" {
        let kind = engine.path_kind(container, path, true)?;
        if kind != Some(PathKind::Directory) {
            return Err(Failure::new(format!("destination \"{container}:{path}\" must be a directory")));
        }
        let mut counted = CountedReader { inner: std::io::stdin().lock(), bytes: 0 };
        copy_in(cx, container, path, owner, &mut counted)?;
        return Ok(counted.bytes);
    }
    let from = Path::new(source);
    let found = if follow { from.metadata() } else { from.symlink_metadata() };
    let found = found.map_err(|why| {
        let whole = std::path::absolute(from).unwrap_or_else(|_| from.to_path_buf());
        local(&why, "lstat", &whole)
    })?;
    let contents_only = source.ends_with("/.") || source == ".";
    let kind = engine.path_kind(container, path, true)?;
    // A link that leads to nothing yet is written through, as by any other program.
    let through = match kind {
        None if !path.ends_with('/') => engine.followed(container, path)?,
        _ => path.to_owned(),
    };
    let path = through.as_str();
    // Where the entries go, and what the top one is called there.
    let (place, name) = match kind {
        Some(PathKind::Directory) => {
            let name = if contents_only { String::new() } else { base_name(from)? };
            (path.to_owned(), name)
        }
        Some(PathKind::Other) if found.is_dir() => {
            return Err(Failure::new("cannot copy directory"));
        }
        _ => {
            if path.ends_with('/') && !found.is_dir() {
                return Err(Failure::new("no such directory"));
            }
            let whole = Path::new(path);
            let parent = whole.parent().map_or_else(|| "/".to_owned(), |parent| parent.to_string_lossy().into_owned());
            (if parent.is_empty() { "/".to_owned() } else { parent }, name_of(whole)?)
        }
    };
    if let (Some(PathKind::Directory), false) =
        (engine.path_kind(container, &format!("{place}/{name}"), false)?, found.is_dir())
        && !name.is_empty()
    {
        let text = format!("cannot overwrite directory \"{place}/{name}\" with non-directory \"{source}\"");
        return Err(Failure::daemon(text));
    }
    let spool = Spool::new()?;
    pack_local(from, &name, found.is_dir(), follow, &spool)?;
    let spool = spool.made_ours()?;
    let mut counted = CountedReader { inner: spool.file()?, bytes: 0 };
    copy_in(cx, container, &place, owner, &mut counted)?;
    Ok(counted.bytes)
}

/// Unpacks a tar in a container. With an owner everything in it becomes that one's.
fn copy_in(cx: &Context, container: &str, path: &str, owner: Option<(u32, u32)>, tar: &mut dyn Read) -> Result {
    let engine = cx.engine()?;
    let Some((uid, gid)) = owner else { return Ok(engine.copy_in(container, path, tar)?) };
    let spool = Spool::new()?;
    change_entries(tar, spool.file()?, |entry| (entry.uid, entry.gid) = (uid, gid))?;
    Ok(engine.copy_in(container, path, &mut spool.file()?)?)
}

/// A path of ours with the links in its last name followed, also to where nothing is.
fn followed(path: &Path) -> Result<std::path::PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..40 {
        if path.exists() {
            return Ok(path);
        }
        let Ok(target) = std::fs::read_link(&path) else { return Ok(path) };
        path = path.parent().map_or(target.clone(), |parent| parent.join(&target));
    }
    Err(Failure::new(format!("lstat {}: too many levels of symbolic links", path.display())))
}

/// The name of one of our own files, also of `.` and `..`. A link keeps its own name.
fn base_name(path: &Path) -> Result<String> {
    match (path.file_name(), path.canonicalize()) {
        (None, Ok(whole)) => name_of(&whole),
        _ => name_of(path),
    }
}

/// The last part of a path, without a look at any file: the path may be a container's.
fn name_of(path: &Path) -> Result<String> {
    match path.file_name() {
        Some(name) => Ok(name.to_string_lossy().into_owned()),
        None => Err(Failure::new(format!("{} has no name to copy under", path.display()))),
    }
}

/// Writes what is at `from` to the spool, called `name`.
fn pack_local(from: &Path, name: &str, is_directory: bool, follow: bool, spool: &Spool) -> Result {
    use std::os::fd::AsFd;
    let fail = |why: wharfie_layer::Error| Failure::new(compat::reasons(&why));
    if is_directory {
        let directory = std::fs::File::open(from).map_err(|why| local(&why, "open", from))?;
        let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
        let options = pack::Options {
            root_name: Some(prefix.clone().into_bytes()).filter(|name| !name.is_empty()),
            prefix: prefix.into_bytes(),
            ..pack::Options::default()
        };
        pack(directory.as_fd(), &options, spool.file()?).map_err(fail)?;
        return Ok(());
    }
    let from = if follow { from.canonicalize().map_err(|why| local(&why, "lstat", from))? } else { from.to_path_buf() };
    let parent = match from.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = std::fs::File::open(parent).map_err(|why| local(&why, "open", parent))?;
    let own = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    pack_one(directory.as_fd(), own.as_bytes(), name.as_bytes(), spool.file()?).map_err(fail)?;
    Ok(())
}

/// Unpacks the spool into a directory, its top name replaced; an empty one takes the name off.
fn unpack_renamed(spool: &Spool, directory: &std::fs::File, from: &str, to: &str) -> Result {
    use std::os::fd::AsFd;
    let fail = |why: wharfie_layer::Error| Failure::new(compat::reasons(&why));
    if from == to {
        return unpack(&mut spool.file()?, directory.as_fd()).map_err(fail);
    }
    let renamed = Spool::new()?;
    rename_entries(&mut spool.file()?, from, to, renamed.file()?)?;
    unpack(&mut renamed.file()?, directory.as_fd()).map_err(fail)
}

/// Copies a tar with its top name replaced.
fn rename_entries(tar: &mut dyn Read, from: &str, to: &str, out: impl Write) -> Result {
    let rename = |path: &[u8]| -> Vec<u8> {
        let Some(rest) = path.strip_prefix(from.as_bytes()) else { return path.to_vec() };
        if !rest.is_empty() && rest[0] != b'/' {
            return path.to_vec();
        }
        match (to.is_empty(), rest.strip_prefix(b"/")) {
            (true, rest) => [b"./", rest.unwrap_or_default()].concat(),
            (false, _) => [to.as_bytes(), rest].concat(),
        }
    };
    change_entries(tar, out, |entry| {
        entry.path = rename(&entry.path);
        if entry.kind == Kind::Hardlink {
            entry.link = rename(&entry.link);
        }
    })
}

fn change_entries(tar: &mut dyn Read, out: impl Write, change: impl Fn(&mut Entry)) -> Result {
    let fail = |why: wharfie_layer::Error| Failure::new(compat::reasons(&why));
    let mut reader = wharfie_layer::tar::Reader::new(tar);
    let mut writer = wharfie_layer::tar::Writer::new(out);
    while let Some(mut member) = reader.next_entry().map_err(fail)? {
        let mut entry = member.entry().clone();
        change(&mut entry);
        writer.append(&entry, &mut member).map_err(fail)?;
    }
    writer.finish().map_err(fail)?;
    Ok(())
}

/// A file without a name that is written once and read from its start.
struct Spool {
    file: std::fs::File,
}

impl Spool {
    fn new() -> Result<Self> {
        use rustix::fs::{Mode, OFlags};
        let place = env::temp_dir();
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(&place, flags, Mode::RUSR | Mode::WUSR)
            .or_else(|_| rustix::fs::memfd_create("wharfie-copy", rustix::fs::MemfdFlags::CLOEXEC));
        let file = file.map_err(|why| Failure::new(format!("cannot make a temporary file: {why}")))?;
        Ok(Self { file: file.into() })
    }

    /// Of an ordinary user: everything belongs to that user, who is root in the namespace where this runs. A copy on the
    /// host would else belong to ids that the user is nowhere else, and one in the container to whoever the host has.
    fn made_ours(self) -> Result<Self> {
        if env::is_root() {
            return Ok(self);
        }
        let ours = Self::new()?;
        change_entries(&mut self.file()?, ours.file()?, |entry| (entry.uid, entry.gid) = (0, 0))?;
        Ok(ours)
    }

    /// Everything belongs to the user that we are. A file that was somebody else's loses its set-id bits: they are that
    /// one's word and not the new owner's.
    fn made_the_callers(self) -> Result<Self> {
        let us = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let theirs = Self::new()?;
        change_entries(&mut self.file()?, theirs.file()?, |entry| {
            if entry.kind == Kind::File && (entry.uid, entry.gid) != us {
                entry.mode &= !0o6000;
            }
            (entry.uid, entry.gid) = us;
        })?;
        Ok(theirs)
    }

    fn file(&self) -> Result<std::fs::File> {
        use std::io::Seek;
        let mut file =
            self.file.try_clone().map_err(|why| Failure::new(format!("cannot use a temporary file: {why}")))?;
        file.rewind().map_err(|why| Failure::new(format!("cannot use a temporary file: {why}")))?;
        Ok(file)
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

struct CountedReader<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for CountedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes += n as u64;
        Ok(n)
    }
}
