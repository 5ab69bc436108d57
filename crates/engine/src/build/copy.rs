//! COPY and ADD: files become a layer while they are read.
//!
//! Whether the layer was made before is known only from the files' contents. Reading all of them to find out is what a rebuild
//! costs; so it is remembered which contents the files had when they looked as they do now, by number, size and times. What
//! was changed a moment ago may change again without looking different, and is read.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::fs::FileType;
use wharfie_build::Ignore;
use wharfie_build::plan::{Copy, File as Inline, Mode, Source};
use wharfie_layer::chmod::ModeChange;
use wharfie_layer::graft::{Graft, Style};
use wharfie_layer::resolve::{Last, resolve};
use wharfie_layer::scan::scan;
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{ChainId, DiffId, Digest, Digester};
use wharfie_store::build_cache::StepRow;
use wharfie_store::mounts::View;

use super::error::BuildError;
use super::explain::FileList;
use super::files::{Files, Selected, cannot_read};
use super::key::{Key, SO_FAR};
use super::looks::{Listing, Looks};
use super::placing::{Item, Place, clean, judge, write_item};
use super::worker::{Done, Ground, Worker};
use crate::error::{Error, Result};

impl Worker<'_, '_> {
    /// Does COPY or ADD on top of `ground`.
    pub(super) fn copy(&self, copy: &Copy, ground: &Ground<'_>) -> Result<Done> {
        let mut items = self.items(copy, ground, ground.may_reuse)?;
        let is_here = |item: &Item| !matches!(item, Item::Fetched(file) if !file.is_here());
        if !items.iter().all(is_here) {
            let step = Step::of(self, copy, &items, ground)?;
            if self.recall(&step)?.is_none() {
                items = self.items(copy, ground, false)?;
            }
        }
        self.copy_items(copy, &items, ground)
    }

    /// Does COPY of one file or directory.
    pub(super) fn copy_one(
        &self,
        copy: &Copy,
        files: Arc<Files>,
        selected: Selected,
        ground: &Ground<'_>,
    ) -> Result<Done> {
        self.copy_items(copy, &[Item::Selected(files, selected)], ground)
    }

    fn copy_items(&self, copy: &Copy, items: &[Item], ground: &Ground<'_>) -> Result<Done> {
        if items.len() > 1 && !is_directory_name(&copy.destination) {
            return Err(BuildError::SeveralSources.into());
        }
        let began = self.store.now().to_nanos();
        let step = Step::of(self, copy, items, ground)?;
        self.once(&step.fingerprint, ground, &|| self.recall(&step), || {
            let (list, layer) = self.write(copy, ground, items, step.exclude.as_ref())?;
            let listing = list.digest.to_string();
            // What changes within the clock's grain looks as it did.
            if step.youngest.saturating_add(GRAIN) < began {
                self.note(step.fingerprint.clone(), listing.clone().into_bytes());
            }
            let key = step.key(&listing);
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

    /// The step's result, if files that look like these were copied before.
    fn recall(&self, step: &Step) -> Result<Option<(Key, StepRow)>> {
        let Some(listing) = self.store.build_note(&step.fingerprint)? else { return Ok(None) };
        let key = step.key(&String::from_utf8_lossy(&listing));
        Ok(self.find_step(&key.digest())?.map(|found| (key, found)))
    }

    /// What the instruction copies. With `may_be_known` a file of the web need not be fetched that is known.
    fn items(&self, copy: &Copy, ground: &Ground<'_>, may_be_known: bool) -> Result<Vec<Item>> {
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
                    items.push(Item::Fetched(self.fetch(url, name, copy.checksum.as_deref(), may_be_known)?));
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
                        // Layers are what they are; what is taken of them, and whose it becomes, is not in their names.
                        Some(layers) => {
                            looks.text(&chain(layers));
                            looks.text(if files.is_context { "context" } else { "stage" });
                            looks.text(&files.ignore.as_ref().map(|ignore| format!("{ignore:?}")).unwrap_or_default());
                        }
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
            // Files of the context are nobody's, those of stages somebody's: each kind is written in its own way.
            let mut style = Style {
                owner: owner.or(Some((0, 0))),
                unpacked: owner,
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
            let (_, is_anything) = graft.finish().map_err(of_layer)?;
            Ok((list.finish(), is_anything))
        };
        let ((list, is_anything), layer) = self.lease.ingest_written(write)?;
        Ok((list, Some(layer).filter(|_| is_anything)))
    }
}

/// An instruction that copies, with what its files look like.
struct Step {
    /// All but the files.
    base: Key,
    exclude: Option<Ignore>,
    /// What it is, and what the files look like from outside.
    fingerprint: Digest,
    /// When the last of them was changed, in nanoseconds since 1970.
    youngest: i64,
}

impl Step {
    fn of(worker: &Worker<'_, '_>, copy: &Copy, items: &[Item], ground: &Ground<'_>) -> Result<Self> {
        let base = base_key(copy, ground);
        let exclude = match copy.exclude.is_empty() {
            true => None,
            false => Some(Ignore::of_patterns(&copy.exclude).map_err(BuildError::Ignore)?),
        };
        let (fingerprint, youngest) = worker.fingerprint(&base, items, exclude.as_ref())?;
        Ok(Self { base, exclude, fingerprint, youngest })
    }

    /// What it is with files of which this is the listing.
    fn key(&self, listing: &str) -> Key {
        self.base.clone().with(FILES, listing)
    }
}

/// What the name of the part with the files' contents is.
pub(super) const FILES: &str = "the files";

/// 2 s: the coarsest grain of times that a file system in use has.
const GRAIN: i64 = 2_000_000_000;

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

pub(super) fn of_layer(why: wharfie_layer::Error) -> Error {
    match why {
        wharfie_layer::Error::IsDirectory(path) => BuildError::IsDirectory(path).into(),
        wharfie_layer::Error::NotDirectory(path) => BuildError::NotADirectory(format!("/{path}")).into(),
        why => wharfie_store::Error::Layer(why).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_are_numbers_need_nobody() {
        assert_eq!(owner_of(None, "7").unwrap(), (7, 7));
        assert_eq!(owner_of(None, "7:8").unwrap(), (7, 8));
        assert!(owner_of(None, "www").is_err_and(|why| why.to_string().contains("no such user: www")));
    }
}
