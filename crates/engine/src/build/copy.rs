//! COPY and ADD: files become a layer while they are read.
//!
//! Whether the layer was made before is known only from the files' contents. Reading all of them to find out is what a rebuild
//! costs; so it is remembered which contents the files had when they looked as they do now, by number, size and times. What
//! was changed a moment ago may change again without looking different, and is read.

use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Mode as FileMode, OFlags, ResolveFlags, Stat, openat2};
use wharfie_build::Ignore;
use wharfie_build::plan::{Copy, File as Inline, Mode, Source};
use wharfie_layer::chmod::ModeChange;
use wharfie_layer::compression::Decoder;
use wharfie_layer::entry::Entry;
use wharfie_layer::graft::{Graft, Style, Witness};
use wharfie_layer::pack::Xattrs;
use wharfie_layer::resolve::{Last, resolve};
use wharfie_layer::scan::{Verdict, Visitor, scan};
use wharfie_layer::tar;
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{ChainId, DiffId, Digest, Digester};
use wharfie_store::build_cache::StepRow;
use wharfie_store::mounts::View;

use super::error::BuildError;
use super::explain::FileList;
use super::fetch::Fetched;
use super::files::{Files, Selected, cannot_read};
use super::key::{Key, SO_FAR};
use super::worker::{Done, Ground, Worker};
use crate::error::{Error, Result};

/// Something that is copied.
enum Item {
    /// A file or the contents of a directory.
    Selected(Arc<Files>, Selected),
    /// A here-document.
    Inline(Inline),
    /// A file from the web.
    Fetched(Fetched),
}

impl Worker<'_, '_> {
    /// Does COPY or ADD on top of `ground`.
    pub(super) fn copy(&self, copy: &Copy, ground: &Ground<'_>) -> Result<Done> {
        self.copy_items(copy, self.items(copy, ground)?, ground)
    }

    /// Does COPY of one file or directory.
    pub(super) fn copy_one(
        &self,
        copy: &Copy,
        files: Arc<Files>,
        selected: Selected,
        ground: &Ground<'_>,
    ) -> Result<Done> {
        self.copy_items(copy, vec![Item::Selected(files, selected)], ground)
    }

    fn copy_items(&self, copy: &Copy, items: Vec<Item>, ground: &Ground<'_>) -> Result<Done> {
        if items.len() > 1 && !is_directory_name(&copy.destination) {
            return Err(BuildError::SeveralSources.into());
        }
        let key = base_key(copy, ground);
        let exclude = match copy.exclude.is_empty() {
            true => None,
            false => Some(Ignore::of_patterns(&copy.exclude).map_err(BuildError::Ignore)?),
        };
        let began = self.store.now().to_nanos();
        let (fingerprint, youngest) = self.fingerprint(&key, &items, exclude.as_ref())?;
        let with_files = |listing: &str| key.clone().with(FILES, listing);
        let recall = || -> Result<Option<(Key, StepRow)>> {
            let Some(listing) = self.store.build_note(&fingerprint)? else { return Ok(None) };
            let key = with_files(&String::from_utf8_lossy(&listing));
            Ok(self.find_step(&key.digest())?.map(|step| (key, step)))
        };
        self.once(&fingerprint, ground, &recall, || {
            let (list, layer) = self.write(copy, ground, &items, exclude.as_ref())?;
            let listing = list.digest.to_string();
            // What changes within the clock's grain looks as it did.
            if youngest.saturating_add(GRAIN) < began {
                self.note(fingerprint.clone(), listing.clone().into_bytes());
            }
            let key = with_files(&listing);
            let list = Some(list);
            if ground.may_reuse
                && let Some(step) = self.find_step(&key.digest())?
            {
                self.wasted();
                return Ok((key, step, true, list));
            }
            let size = layer.as_ref().map_or(0, |layer| layer.content_size);
            let step = self.result(&key, layer.as_ref().map(|layer| &layer.diff_id), size, ground);
            self.explain(ground, &key, list.as_ref())?;
            self.store.record_step(&step)?;
            Ok((key, step, false, list))
        })
    }

    fn items(&self, copy: &Copy, ground: &Ground<'_>) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for source in &copy.sources {
            match source {
                Source::Path(path) => {
                    let files = ground.files(self, copy.from.as_ref())?;
                    let selected = files.select(path)?.into_iter();
                    items.extend(selected.map(|selected| Item::Selected(Arc::clone(&files), selected)));
                }
                Source::Below { root, pattern, is_required } => {
                    let files = ground.files(self, copy.from.as_ref())?;
                    let selected = files.select_below(root, pattern, *is_required)?.into_iter();
                    items.extend(selected.map(|selected| Item::Selected(Arc::clone(&files), selected)));
                }
                Source::Url { url, name } => {
                    items.push(Item::Fetched(self.fetch(url, name, copy.checksum.as_deref())?));
                }
                Source::Git(git) => {
                    let files = Arc::new(self.clone_repository(git, copy.checksum.as_deref())?);
                    let kind = FileType::Directory;
                    items.push(Item::Selected(
                        files,
                        Selected { path: Vec::new(), name: Vec::new(), kind, below: None },
                    ));
                }
                Source::Inline(file) => items.push(Item::Inline(file.clone())),
            }
        }
        Ok(items)
    }

    /// What the files look like, and when the last of them was changed, in nanoseconds since 1970.
    fn fingerprint(&self, key: &Key, items: &[Item], exclude: Option<&Ignore>) -> Result<(Digest, i64)> {
        let mut looks = Looks { digester: Digester::new(Algorithm::Sha256), youngest: 0 };
        looks.text(key.digest().as_str());
        for item in items {
            match item {
                Item::Inline(Inline { name, body }) => {
                    looks.text("inline");
                    looks.text(name);
                    looks.text(body);
                }
                Item::Fetched(file) => {
                    looks.text("fetched");
                    looks.text(&file.name);
                    looks.text(file.digest.as_str());
                    looks.text(&file.modified.to_string());
                }
                Item::Selected(files, selected) => {
                    looks.text("selected");
                    looks.bytes(&selected.path);
                    looks.bytes(&selected.name);
                    looks.bytes(selected.below.as_deref().unwrap_or(b"/"));
                    match &files.layers {
                        // Layers are what they are.
                        Some(layers) => looks.text(&chain(layers)),
                        None if selected.kind == FileType::Directory => {
                            looks.text("directory");
                            let top = files.open_directory(&selected.path)?;
                            let mut judge = judge(files, &selected.path, exclude);
                            scan(top, &mut judge, &mut looks).map_err(of_layer)?;
                        }
                        None => {
                            let found = files.find(&selected.path)?.and_then(|found| found.stat);
                            found.iter().for_each(|stat| looks.stat(stat));
                        }
                    }
                }
            }
            self.observer.check().map_err(|_| Error::Cancelled)?;
        }
        Ok((looks.digester.finish(), looks.youngest))
    }

    /// Writes the layer into the store.
    fn write(
        &self,
        copy: &Copy,
        ground: &Ground<'_>,
        items: &[Item],
        exclude: Option<&Ignore>,
    ) -> Result<(FileList, Option<wharfie_store::lease::LayerRow>)> {
        let below = match copy.link || ground.layers.is_empty() {
            true => None,
            false => Some(self.store.view(ground.layers, &View::Image)?),
        };
        let below = below.as_ref().map(AsFd::as_fd);
        let owner = copy.owner.as_deref().map(|owner| owner_of(below, owner)).transpose()?;
        let mode = copy.mode.as_ref().map(mode_of).transpose()?;
        let (base, is_directory) = destination(below, &copy.destination)?;
        let write = |out: &mut dyn Write| -> Result<(FileList, bool)> {
            let mut list = Listing::default();
            let mut is_anything = false;
            // Files of the context are nobody's, those of stages somebody's: each kind is written in its own way.
            let mut style = Style {
                owner: owner.or(Some((0, 0))),
                mode,
                maker: owner.unwrap_or_default(),
                now: self.moment(),
                latest: self.latest(),
            };
            let keeps = owner.is_none()
                && items.iter().any(|item| matches!(item, Item::Selected(files, _) if !files.is_context));
            if keeps {
                style.owner = None;
            }
            let mut graft = Graft::new(below, &style, &mut list, out);
            for item in items {
                let place = Place { base: &base, is_directory, copy };
                write_item(&mut graft, item, &place, exclude)?;
                self.observer.check().map_err(|_| Error::Cancelled)?;
            }
            let (_, any) = graft.finish().map_err(of_layer)?;
            is_anything |= any;
            Ok((list.finish(), is_anything))
        };
        let ((list, is_anything), layer) = self.lease.ingest_written(write)?;
        Ok((list, Some(layer).filter(|_| is_anything)))
    }
}

/// What the name of the part with the files' contents is.
pub(super) const FILES: &str = "the files";

/// 2 s: the coarsest grain of times that a file system in use has.
const GRAIN: i64 = 2_000_000_000;

/// Where things go.
struct Place<'a> {
    /// The destination, without links.
    base: &'a [u8],
    /// Whether it is a directory, or is to be one.
    is_directory: bool,
    copy: &'a Copy,
}

fn write_item<W: Write>(
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
            let mut open = file.open()?;
            if copy.unpack == Some(true) && unpack(graft, base, &mut open)? {
                return Ok(());
            }
            graft.bytes(&into(file.name.as_bytes()), file.size, open, 0o600, file.modified).map_err(of_layer)
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
            graft.leaf(&target, parent.as_fd(), last).map_err(of_layer)
        }
    }
}

/// Makes the directories of `--parents` as they are in the source.
fn make_way<W: Write>(
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
fn unpack<W: Write>(graft: &mut Graft<'_, W>, target: &[u8], file: &mut std::fs::File) -> Result<bool> {
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

fn open_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<std::fs::File> {
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

fn judged(ignore: &Ignore, path: &str, kind: FileType) -> Verdict {
    match ignore.is_ignored(path) {
        false => Verdict::Take,
        true if kind == FileType::Directory && ignore.may_include_below(path) => Verdict::Look,
        true => Verdict::Skip,
    }
}

/// Puts what is found into a layer.
struct Moving<'g, 'a, W: Write> {
    graft: &'g mut Graft<'a, W>,
    target: &'g [u8],
}

impl<W: Write> Visitor for Moving<'_, '_, W> {
    fn directory(&mut self, path: &[u8], stat: &Stat, xattrs: Xattrs) -> wharfie_layer::Result<()> {
        self.graft.directory(&join(self.target, path), stat, xattrs)
    }

    fn leaf(&mut self, path: &[u8], parent: BorrowedFd<'_>, name: &[u8], _: &Stat) -> wharfie_layer::Result<()> {
        self.graft.leaf(&join(self.target, path), parent, name)
    }
}

/// What files look like from outside.
struct Looks {
    digester: Digester,
    youngest: i64,
}

impl Looks {
    fn bytes(&mut self, bytes: &[u8]) {
        self.digester.update(&(bytes.len() as u64).to_le_bytes());
        self.digester.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn stat(&mut self, stat: &Stat) {
        let changed = stat.st_ctime.saturating_mul(1_000_000_000).saturating_add_unsigned(stat.st_ctime_nsec);
        self.youngest = self.youngest.max(changed);
        let numbers = [
            stat.st_dev,
            stat.st_ino,
            stat.st_mode.into(),
            stat.st_nlink,
            stat.st_size.cast_unsigned(),
            stat.st_mtime.cast_unsigned(),
            stat.st_mtime_nsec,
            changed.cast_unsigned(),
        ];
        for number in numbers {
            self.digester.update(&number.to_le_bytes());
        }
    }
}

impl Visitor for Looks {
    fn directory(&mut self, path: &[u8], stat: &Stat, _: Xattrs) -> wharfie_layer::Result<()> {
        self.bytes(path);
        self.stat(stat);
        Ok(())
    }

    fn leaf(&mut self, path: &[u8], _: BorrowedFd<'_>, _: &[u8], stat: &Stat) -> wharfie_layer::Result<()> {
        self.bytes(path);
        self.stat(stat);
        Ok(())
    }
}

/// The digest of what is written: names, kinds, modes, owners, links and bytes, but no times.
#[derive(Default)]
struct Listing {
    whole: Option<Digester>,
    current: Option<(String, Digester)>,
    list: FileList,
}

impl Listing {
    fn close(&mut self) {
        let Some((name, digester)) = self.current.take() else { return };
        let digest = digester.finish();
        let whole = self.whole.get_or_insert_with(|| Digester::new(Algorithm::Sha256));
        whole.update(digest.as_str().as_bytes());
        self.list.add(name, &digest);
    }

    fn finish(mut self) -> FileList {
        self.close();
        let whole = self.whole.take().unwrap_or_else(|| Digester::new(Algorithm::Sha256));
        self.list.digest = whole.finish();
        self.list
    }
}

impl Witness for Listing {
    fn entry(&mut self, entry: &Entry) {
        self.close();
        let mut digester = Digester::new(Algorithm::Sha256);
        let mut field = |bytes: &[u8]| {
            digester.update(&(bytes.len() as u64).to_le_bytes());
            digester.update(bytes);
        };
        field(&entry.path);
        field(&entry.link);
        let numbers = [entry.kind as u64, entry.mode.into(), entry.uid.into(), entry.gid.into(), entry.size];
        for number in numbers.into_iter().chain([entry.major.into(), entry.minor.into()]) {
            field(&number.to_le_bytes());
        }
        for (name, value) in &entry.xattrs {
            field(name);
            field(value);
        }
        self.current = Some((String::from_utf8_lossy(&entry.path).into_owned(), digester));
    }

    fn data(&mut self, bytes: &[u8]) {
        if let Some((_, digester)) = &mut self.current {
            digester.update(bytes);
        }
    }
}

/// What the step is, without its files.
fn base_key(copy: &Copy, ground: &Ground<'_>) -> Key {
    let below = if copy.link { String::new() } else { chain(ground.layers) };
    let mut key = Key::new(if copy.is_add { "ADD" } else { "COPY" })
        .with(SO_FAR, below)
        .with("the destination", &copy.destination);
    let mut option = |name: &str, value: String| {
        if !value.is_empty() {
            key = std::mem::take(&mut key).with(name, value);
        }
    };
    option("--chown", copy.owner.clone().unwrap_or_default());
    option("--chmod", copy.mode.as_ref().map(|mode| format!("{mode:?}")).unwrap_or_default());
    option("--link", if copy.link { "true".to_owned() } else { String::new() });
    option("--parents", if copy.parents { "true".to_owned() } else { String::new() });
    option("--exclude", copy.exclude.join("\n"));
    option("--unpack", copy.unpack.map(|unpack| unpack.to_string()).unwrap_or_default());
    option("SOURCE_DATE_EPOCH", ground.epoch_word());
    key
}

/// The name of a stack of layers; empty for none.
pub(super) fn chain(layers: &[DiffId]) -> String {
    ChainId::stack(layers).pop().map(|chain| chain.to_string()).unwrap_or_default()
}

fn mode_of(mode: &Mode) -> Result<ModeChange> {
    let text = match mode {
        Mode::Bits(bits) => return Ok(ModeChange::Bits((bits & 0o7777) as u16)),
        Mode::Symbolic(text) => text,
    };
    ModeChange::parse(text).ok_or_else(|| BuildError::Mode(text.clone()).into())
}

/// Ids of `--chown`: a number alone is the group's, too.
pub(super) fn owner_of(root: Option<BorrowedFd<'_>>, text: &str) -> Result<(u32, u32)> {
    let number = |text: &str| text.parse::<u32>().ok();
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    match (number(user), group.map(number)) {
        (Some(uid), None) => return Ok((uid, uid)),
        (Some(uid), Some(Some(gid))) => return Ok((uid, gid)),
        _ => {}
    }
    let unknown = || Error::from(BuildError::Owner(user.to_owned()));
    let root = root.ok_or_else(unknown)?;
    wharfie_runtime::look_up(root, text).map_err(|why| match why {
        wharfie_runtime::Error::UnknownUser(_) => unknown(),
        why => why.into(),
    })
}

/// Where the destination is in the stage's files, and whether it is a directory or is to be one.
fn destination(below: Option<BorrowedFd<'_>>, text: &str) -> Result<(Vec<u8>, bool)> {
    let is_named_so = is_directory_name(text);
    let Some(below) = below else { return Ok((clean(text), is_named_so)) };
    let found = resolve(below, text.as_bytes(), Last::Followed).map_err(|why| cannot_read(text.as_bytes(), why))?;
    match found.kind() {
        Some(FileType::Directory) => Ok((found.path, true)),
        Some(_) if is_named_so => Err(BuildError::NotADirectory(text.to_owned()).into()),
        _ => Ok((found.path, is_named_so)),
    }
}

fn is_directory_name(text: &str) -> bool {
    text.ends_with('/') || text.ends_with("/.") || text == "."
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

fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    match (above.is_empty(), name.is_empty()) {
        (true, _) => name.to_vec(),
        (_, true) => above.to_vec(),
        _ => [above, b"/", name].concat(),
    }
}

/// The directory that a path is in, and its name there.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

pub(super) fn of_layer(why: wharfie_layer::Error) -> Error {
    wharfie_store::Error::Layer(why).into()
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

    #[test]
    fn owners_that_are_numbers_need_nobody() {
        assert_eq!(owner_of(None, "7").unwrap(), (7, 7));
        assert_eq!(owner_of(None, "7:8").unwrap(), (7, 8));
        assert!(owner_of(None, "www").is_err_and(|why| why.to_string().contains("no such user: www")));
    }

    #[test]
    fn listings_know_no_times() {
        let listed = |mtime, mode, data: &[u8]| {
            let mut listing = Listing::default();
            listing.entry(&Entry { path: b"a".to_vec(), mode, mtime, size: data.len() as u64, ..Entry::default() });
            listing.data(data);
            listing.finish().digest
        };
        assert_eq!(listed(1, 0o644, b"x"), listed(2, 0o644, b"x"));
        assert_ne!(listed(1, 0o644, b"x"), listed(1, 0o755, b"x"));
        assert_ne!(listed(1, 0o644, b"x"), listed(1, 0o644, b"y"));
    }
}
