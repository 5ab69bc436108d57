//! The data base of advisories: made of what OSV publishes, kept in the store's folder or beside its zips.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use wharfie_oci::{Digest, Timestamp};
use wharfie_scan::advisory::{Builder, Finding, Index, Meta, Source, find, is_extra};
use wharfie_scan::content::Trouble;
use wharfie_scan::{Content, Inventory};

use super::aside::{Aside, sweep};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Where a scan's advisories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// In the store's folder, where `scan db import` puts them.
    Own,
    /// A directory of OSV's zips, or one zip, read as they are.
    At(PathBuf),
}

/// What was imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The data base that there is now.
    pub meta: Meta,
    /// What could not be read, for people.
    pub warnings: Vec<String>,
}

/// What is wrong in an inventory.
#[derive(Debug, Clone)]
pub struct Matched {
    /// By package, worst first.
    pub findings: Vec<Finding>,
    /// The data base that was asked.
    pub meta: Meta,
}

/// A file on disk as the readers want it.
pub(super) struct OnDisk {
    file: File,
    size: u64,
}

impl OnDisk {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { doing: "open", path: path.into(), source };
        let file = open_given(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Self { file, size })
    }
}

impl Content for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

/// 4 levels of directories: OSV's own layout has two.
const MAX_DEPTH: usize = 4;
/// 4 MiB of a file of exceptions.
const MAX_TEXT: u64 = 4 << 20;
/// 10,000 files that are records by themselves are named as one source.
const MAX_SOURCES: usize = 10_000;
/// What folders of fetched archives begin with.
const FETCHED: &str = "fetched-";
const NONE: &str = "has no advisories in it";
/// What data bases beside zips begin with.
const BESIDE: &str = ".wharfie-advisories";

impl Engine {
    fn advisories_path(&self) -> PathBuf {
        self.config().root.join("advisories").join("index")
    }

    /// Takes advisories from zips of OSV, directories of them, single records, and lists of others: Debian's tracker, Alpine's secdb,
    /// CISA's known exploited vulnerabilities, EPSS. Ecosystems that they have replace what was
    /// known of them; others stay.
    ///
    /// # Errors
    /// When something cannot be read, holds no advisories, or the store cannot be written. Single records that make no sense are
    /// warnings.
    pub fn import_advisories(&self, paths: &[PathBuf]) -> Result<Imported> {
        let (place, _turn) = self.turn_of_advisories()?;
        let old = OnDisk::open(&place).ok();
        let old = old.as_ref().and_then(|file| Index::open(file).ok());
        self.build_base(&sources(paths)?, &place, Manner::Import(old.as_ref()))
    }

    /// Where the own data base is, in a folder that is there.
    pub(super) fn place_of_advisories(&self) -> Result<PathBuf> {
        // The folder belongs to the store, and is as closed as it.
        self.writer()?;
        let place = self.advisories_path();
        let directory = place.parent().unwrap_or(&place);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| Error::File { doing: "mkdir", path: directory.into(), source })?;
        Ok(place)
    }

    /// Where the own data base is, and the right to change it for as long as the file is open: who does so at the same moment is to
    /// find ours, and not what it would replace.
    pub(super) fn turn_of_advisories(&self) -> Result<(PathBuf, File)> {
        let place = self.place_of_advisories()?;
        let directory = place.parent().unwrap_or(&place);
        let of_directory = |doing| move |source| Error::File { doing, path: directory.into(), source };
        let turn = File::open(directory).map_err(of_directory("open"))?;
        flock(&turn, FlockOperation::LockExclusive).map_err(|why| of_directory("lock")(why.into()))?;
        self.sweep_advisories();
        Ok((place, turn))
    }

    /// Removes what those have left who were killed while they made or fetched a data base; gives the paths.
    pub(crate) fn sweep_advisories(&self) -> Vec<PathBuf> {
        let place = self.advisories_path();
        sweep(place.parent().unwrap_or(&place), |name, kind| match kind.is_dir() {
            true => name.starts_with(FETCHED),
            false => name.starts_with('.') && name.ends_with(".tmp"),
        })
    }

    /// Fetches OSV's zips from `from`, `FROM/<ecosystem>/all.zip` each, and imports them.
    ///
    /// # Errors
    /// When one cannot be fetched; then nothing is imported. As [`Self::import_advisories`].
    pub fn update_advisories(&self, from: &str, ecosystems: &[String]) -> Result<Imported> {
        self.writer()?;
        let known = self.advisories(&Base::Own).map(|(meta, _)| meta.ecosystems.into_keys().collect::<Vec<_>>());
        let wanted = match (ecosystems, known) {
            ([], Ok(known)) => known.into_iter().filter(|name| !is_extra(name)).collect(),
            ([], Err(why)) => return Err(why),
            (given, _) => given.to_vec(),
        };
        let directory = self.config().root.join("advisories").join(format!("{FETCHED}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let of_directory = |doing| {
            let path = directory.clone();
            move |source| Error::File { doing, path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(of_directory("mkdir"))?;
        // Nobody takes it for a leftover.
        let fetching = File::open(&directory).map_err(of_directory("open"))?;
        flock(&fetching, FlockOperation::LockExclusive).map_err(|why| of_directory("lock")(why.into()))?;
        let result = wanted.iter().try_for_each(|name| self.fetch_zip(from, name, &directory));
        let result = result.and_then(|()| self.import_advisories(std::slice::from_ref(&directory)));
        let _ = std::fs::remove_dir_all(&directory);
        result
    }

    fn fetch_zip(&self, from: &str, ecosystem: &str, directory: &Path) -> Result<()> {
        // Names of ecosystems have blanks, and nothing else that means something in a URL or a path.
        let folder = directory.join(ecosystem.replace(['/', '\0'], "_"));
        let path = folder.join("all.zip");
        let failed = |source| Error::File { doing: "write", path: path.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let url = format!("{}/{}/all.zip", from.trim_end_matches('/'), ecosystem.replace(' ', "%20"));
        let mut download = self.remote().download(&url)?;
        let mut file = File::create(&path).map_err(failed)?;
        io::copy(&mut download.reader, &mut file).map_err(failed)?;
        Ok(())
    }

    /// What is known of a data base.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn advisories_meta(&self, base: &Base) -> Result<Imported> {
        let (meta, warnings) = self.advisories(base)?;
        Ok(Imported { meta, warnings })
    }

    fn advisories(&self, base: &Base) -> Result<(Meta, Vec<String>)> {
        let (path, warnings) = self.located(base)?;
        let file = OnDisk::open(&path)?;
        let index = Index::open(&file).map_err(|source| Error::Advisories { path: path.clone(), source })?;
        Ok((index.meta().clone(), warnings))
    }

    /// Finds what is wrong with the packages of an inventory.
    ///
    /// # Errors
    /// When there are no advisories, or they cannot be read.
    pub fn findings(&self, inventory: &Inventory, base: &Base) -> Result<Matched> {
        let (path, _) = self.located(base)?;
        let of_file = |source: Trouble| Error::Advisories { path: path.clone(), source };
        let file = OnDisk::open(&path)?;
        let index = Index::open(&file).map_err(of_file)?;
        let findings = find(inventory, &index).map_err(of_file)?;
        Ok(Matched { findings, meta: index.meta().clone() })
    }

    /// The file of a data base, which is made if it lies beside zips that have changed.
    pub(super) fn located(&self, base: &Base) -> Result<(PathBuf, Vec<String>)> {
        let at = match base {
            Base::Own => {
                let path = self.advisories_path();
                return match path.is_file() {
                    true => Ok((path, Vec::new())),
                    false => Err(Error::NoAdvisories(path)),
                };
            }
            Base::At(path) => path,
        };
        let sources = sources(std::slice::from_ref(at))?;
        let folder = if at.is_dir() { at.as_path() } else { at.parent().unwrap_or(Path::new(".")) };
        let beside = match at.is_dir() {
            true => folder.join(BESIDE),
            // Not called as what it is made of, which whoever reads the directory would take it for.
            false => folder.join(format!("{BESIDE}-{}.index", at.file_name().unwrap_or_default().to_string_lossy())),
        };
        let whole = std::path::absolute(at).unwrap_or_else(|_| at.clone());
        let name = Digest::of(whole.as_os_str().as_encoded_bytes());
        let own = self.config().root.join("advisories").join(name.hex());
        for path in [&beside, &own] {
            if let Ok(file) = OnDisk::open(path)
                && Index::open(&file).is_ok_and(|index| index.meta().sources == listed(&sources))
            {
                return Ok((path.clone(), Vec::new()));
            }
        }
        // Where others' files are there may be no room for ours.
        match self.build_base(&sources, &beside, Manner::AsTheyAre) {
            Ok(imported) => Ok((beside, imported.warnings)),
            Err(Error::File { doing: "open" | "write", .. }) => {
                self.writer()?;
                let directory = own.parent().unwrap_or(&own);
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
                made.map_err(|source| Error::File { doing: "mkdir", path: directory.into(), source })?;
                let imported = self.build_base(&sources, &own, Manner::AsTheyAre)?;
                Ok((own, imported.warnings))
            }
            Err(why) => Err(why),
        }
    }

    /// Makes a data base that appears whole in `place`.
    fn build_base(&self, sources: &[(PathBuf, Source)], place: &Path, manner: Manner<'_>) -> Result<Imported> {
        let now = Timestamp { nanos: 0, ..(self.config().store.clock)() }.to_string();
        let before = format!(".{}.", place.file_name().unwrap_or_default().to_string_lossy());
        sweep(place.parent().unwrap_or(place), |name, kind| {
            kind.is_file() && name.starts_with(&before) && name.ends_with(".tmp")
        });
        let spool = {
            // It is needed as long as it is open, and nobody needs its name.
            let aside = Aside::create(&place.with_extension("spool"))?;
            aside.file.try_clone().map_err(|source| Error::File { doing: "open", path: place.into(), source })?
        };
        let mut builder = Builder::new(spool);
        for (path, source) in sources {
            let file = OnDisk::open(path)?;
            let name = path.display().to_string();
            let added = match path.extension().is_some_and(|end| end == "zip") {
                true => builder.add_zip(&name, &file),
                false => match builder.add_file(&file, &manner.moment(&now, source)) {
                    Err(why @ (Trouble::Json(_) | Trouble::TooLarge(_) | Trouble::Broken(_))) if sources.len() > 1 => {
                        builder.warnings.push(format!("{name} {why}"));
                        Ok(())
                    }
                    other => other,
                },
            };
            added.map_err(|source| Error::Advisories { path: path.clone(), source })?;
            builder.add_source(source.clone());
        }
        if let (true, [(path, _), ..]) = (builder.is_empty(), sources) {
            // An empty data base would know of nothing that is wrong with anything.
            return Err(Error::Advisories { path: path.clone(), source: Trouble::Broken(NONE) });
        }
        if let Manner::Import(Some(old)) = manner {
            builder.keep(old).map_err(|source| Error::Advisories { path: place.into(), source })?;
        }
        let aside = Aside::create(place)?;
        let written = builder.finish(io::BufWriter::new(&aside.file), &now);
        let done = written.and_then(|(meta, warnings)| {
            (&aside.file).flush()?;
            aside.put(place)?;
            Ok((meta, warnings))
        });
        let (meta, warnings) = done.map_err(|source| Error::Advisories { path: place.into(), source })?;
        Ok(Imported { meta, warnings })
    }
}

/// How files become a data base.
#[derive(Clone, Copy)]
enum Manner<'a> {
    /// They are taken in, beside what is known already.
    Import(Option<&'a Index<'a>>),
    /// They are read where they lie.
    AsTheyAre,
}

impl Manner<'_> {
    /// When a list came here that does not say itself how new it is, RFC 3339.
    fn moment(self, now: &str, source: &Source) -> String {
        match self {
            Self::Import(_) => now.to_owned(),
            Self::AsTheyAre => Timestamp { seconds: source.2, nanos: 0 }.to_string(),
        }
    }
}

fn listed(sources: &[(PathBuf, Source)]) -> Vec<Source> {
    sources.iter().map(|(_, source)| source.clone()).collect()
}

/// The files to read at these paths: zips, or, where there are none, single records.
fn sources(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Source)>> {
    let mut all: Vec<(PathBuf, Source)> = Vec::new();
    for path in paths {
        let failed = |source| Error::File { doing: "open", path: path.clone(), source };
        let found = std::fs::metadata(path).map_err(failed)?;
        let mut files = Vec::new();
        match found.is_dir() {
            true => collect(path, MAX_DEPTH, &mut files).map_err(failed)?,
            false => files.push(path.clone()),
        }
        let is_zip = |path: &PathBuf| path.extension().is_some_and(|end| end == "zip");
        if files.iter().any(is_zip) {
            // What lies beside zips may be anything, unless it is called as what it is.
            files.retain(|path| is_zip(path) || has_name_of_extra(path));
        }
        if files.is_empty() {
            return Err(Error::Advisories { path: path.clone(), source: Trouble::Broken(NONE) });
        }
        files.sort();
        let before = all.len();
        for file in files.into_iter().take(MAX_SOURCES) {
            // What is named beside its directory is not read twice.
            if all[..before].iter().any(|(known, _)| *known == file) {
                continue;
            }
            let found = std::fs::metadata(&file).map_err(failed)?;
            let source = (file.display().to_string(), found.len(), found.mtime());
            all.push((file, source));
        }
    }
    Ok(all)
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if entry.file_name().as_encoded_bytes().starts_with(BESIDE.as_bytes()) {
            continue;
        }
        if kind.is_dir() && depth > 1 {
            collect(&path, depth - 1, found)?;
        } else if kind.is_file()
            && (path.extension().is_some_and(|end| end == "zip" || end == "json") || has_name_of_extra(&path))
        {
            found.push(path);
        }
    }
    Ok(())
}

/// True for the names under which CISA and FIRST publish their lists.
fn has_name_of_extra(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name == "known_exploited_vulnerabilities.json" || (name.starts_with("epss") && name.ends_with(".csv"))
}

/// Opens a file that the user named. A pipe with a name may never have a writer, and whoever opens it waits for one; those of a
/// shell, which it names in `/dev` or `/proc`, have one.
pub(crate) fn open_given(path: &Path) -> io::Result<File> {
    let is_of_shell = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    if !is_of_shell && std::fs::metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is a named pipe, and nobody may ever write to it"));
    }
    File::open(path)
}

/// Reads all of a small file of the user's.
///
/// # Errors
/// When it cannot be read, or is too large.
pub fn read_file(path: &Path) -> Result<String> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    let mut text = String::new();
    open_given(path).map_err(failed)?.take(MAX_TEXT).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
