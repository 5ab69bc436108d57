//! Packages, secrets and whose files they are, out of layers in one walk: each file that tells of something is read where it lies.
//! What cannot be said before all is seen (who owns a file, what a data base's log changes) is held, and read after the walk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use wharfie_layer::entry::Kind;
use wharfie_layer::view::{Bytes, Files, Held, Standing, Version};
use wharfie_scan::inventory::{self, licences_of_copyright};
use wharfie_scan::{Content, Found, Inventory, Package, PackageKind, Reader};

use super::logged::Databases;
use super::open::Opened;
use super::owned::Owned;
use super::places::Places;
use super::secrets::{Leaked, Search};
use super::{Wants, places};
use crate::error::Result;

/// A file of a layer as the readers want it.
pub(super) struct Lying<'a>(pub(super) Bytes<'a>);

impl Content for Lying<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

/// A version that is read after the walk.
#[derive(Debug, Clone)]
pub(super) struct HeldVersion {
    pub(super) part: usize,
    pub(super) standing: Standing,
    pub(super) held: Held,
}

/// All versions of a file, as long as they have bytes.
pub(super) fn hold(files: &Files<'_>, path: &[u8], versions: &[Version]) -> Vec<HeldVersion> {
    let hold = |version: &Version| {
        let held = files.hold(path, version)?;
        Some(HeldVersion { part: version.part, standing: version.standing, held })
    };
    versions.iter().map_while(hold).collect()
}

/// 60,000 packages and 20,000 files: what is kept stays within tens of megabytes.
const MAX_PACKAGES: usize = 60_000;
/// As [`MAX_PACKAGES`], of copyright files and their aliases.
const MAX_NOTES: usize = 20_000;
/// 1,000 files.
const MAX_SET_ID: usize = 1000;
const SET_ID: u16 = 0o6000;
const DOC: &str = "usr/share/doc/";

/// What a look finds.
pub(super) struct Looked {
    pub(super) inventory: Inventory,
    pub(super) leaks: Vec<Leaked>,
    /// Files with set-id bits, and the lowest layer that has each so.
    pub(super) set_id: Vec<(String, Option<usize>)>,
}

/// Which files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All that tell of packages.
    Packages,
    /// Those of systems: who owns files is asked.
    Systems,
    /// What the system is.
    Distro,
    Nothing,
}

impl Scope {
    fn has(self, reader: Reader) -> bool {
        match self {
            Self::Packages => true,
            Self::Systems => reader.is_of_system(),
            Self::Distro => reader == Reader::OsRelease,
            Self::Nothing => false,
        }
    }
}

struct Taker {
    scope: Scope,
    /// Bottom first; a version's part counts from the other end.
    layers: usize,
    found: Found,
    databases: Databases,
    owned: Owned,
    /// Licences by the folder of the copyright file.
    licences: BTreeMap<String, Vec<String>>,
    /// Folders of copyright files that are links to others.
    aliases: BTreeMap<String, String>,
    /// Files that tell of packages of languages, where packages of the system have theirs.
    tellers: HashMap<String, Vec<HeldVersion>>,
    /// Programs that were seen under another name.
    seen: HashSet<(usize, u64)>,
    is_full: bool,
}

/// All packages of what was opened.
pub(super) fn inventory(mut opened: Opened) -> Result<Inventory> {
    Ok(look(&mut opened, Wants::PACKAGES)?.inventory)
}

/// What is wanted of what was opened.
pub(super) fn look(opened: &mut Opened, wants: Wants) -> Result<Looked> {
    let scope = match wants {
        Wants { packages: true, .. } => Scope::Packages,
        Wants { leaks: true, .. } => Scope::Systems,
        Wants { checks: true, .. } => Scope::Distro,
        _ => Scope::Nothing,
    };
    let layers = opened.layers.len();
    let mut taker = Taker::new(scope, layers);
    let mut search = wants.leaks.then(|| Search::new(layers));
    let mut places = Places::default();
    let mut set_id = Vec::new();
    let walked = opened.view.walk(&mut |files, bytes, versions| {
        let path = String::from_utf8_lossy(bytes);
        let there = shown(versions);
        if let Some(version) = there {
            places.see(files, &path, version);
            if wants.checks && version.kind == Kind::File && version.mode & SET_ID != 0 && set_id.len() < MAX_SET_ID {
                let is_so = |version: &&Version| version.kind == Kind::File && version.mode & SET_ID != 0;
                let older = versions[1..].iter().take_while(|version| version.standing == Standing::Replaced);
                let lowest = older.take_while(is_so).last().unwrap_or(version);
                set_id.push((path.clone().into_owned(), layers.checked_sub(lowest.part + 1)));
            }
        }
        let read = search.as_mut().and_then(|search| search.visit(files, bytes, &path, versions));
        taker.visit(files, (bytes, &path, &path), versions, read.as_deref());
    });
    let mut warnings = walked.map_err(wharfie_store::Error::Layer)?;
    let elsewhere = places.elsewhere(opened)?;
    if !elsewhere.is_empty() {
        taker.visit_elsewhere(opened, &elsewhere)?;
    }
    let Taker { mut found, databases, mut owned, licences, aliases, tellers, .. } = taker;
    databases.read(&opened.view, layers, &mut found);
    for package in found.packages.iter_mut().filter(|package| package.kind == PackageKind::Deb) {
        if package.licences.is_empty() {
            let folder = aliases.get(&package.name).unwrap_or(&package.name);
            package.licences = licences.get(folder).cloned().unwrap_or_default();
        }
    }
    if let Some(search) = &search {
        search.candidates().for_each(|path| owned.want(path));
    }
    tellers.keys().for_each(|path| owned.want(path));
    owned.read(&opened.view, &databases, &mut found);
    let owner = |(path, versions): (&String, &Vec<HeldVersion>)| {
        Some((path.clone(), owned.of(&opened.view, path, versions, &found.budget)?.to_owned()))
    };
    let owners: HashMap<String, String> = tellers.iter().filter_map(owner).collect();
    for package in found.packages.iter_mut().filter(|package| !package.kind.is_of_system()) {
        package.owner = owners.get(file_of(package)).cloned();
    }
    let leaks = match search {
        Some(search) => search.finish(&opened.view, &owned, &mut found),
        None => Vec::new(),
    };
    if scope != Scope::Packages {
        found.packages.clear();
    }
    found.packages.sort();
    found.packages.dedup();
    let (packages, distro) = (std::mem::take(&mut found.packages), found.distro.take());
    let unread = found.unread;
    warnings.append(&mut found.into_warnings());
    if scope == Scope::Packages && packages.is_empty() && distro.is_none() && warnings.is_empty() {
        warnings.push("no system and no package was found in it: nothing of it can be checked".to_owned());
    }
    let platform = opened.config.as_ref().map(|config| config.platform().to_string());
    let inventory = Inventory {
        name: opened.name.clone(),
        id: opened.id.as_ref().map(|id| id.as_str().to_owned()),
        digest: opened.digest.clone(),
        platform: platform.filter(|platform| platform.len() > 1),
        distro,
        layers: opened.layers.clone(),
        packages,
        extracted: BTreeMap::new(),
        warnings,
        base: None,
        attached: None,
        unread,
        unknown: BTreeMap::new(),
    };
    Ok(Looked { inventory, leaks, set_id })
}

/// What a document says of what was opened, with the layers that there are: the document's own may have no instructions.
pub(super) fn beside(opened: &Opened, mut inventory: Inventory, looked: &Inventory) -> Inventory {
    if let (Some(told), Some(there)) = (&mut inventory.distro, &looked.distro)
        && told.word() == there.word()
    {
        told.layer = there.layer;
    }
    let layers = std::mem::replace(&mut inventory.layers, opened.layers.clone());
    let place = |index: usize| {
        let layer = layers.get(index)?;
        opened.layers.iter().position(|known| known.diff_id == layer.diff_id)
    };
    for package in &mut inventory.packages {
        package.layer = package.layer.and_then(place);
    }
    inventory
}

/// The file in the image that tells of a package, without the way into archives.
fn file_of(package: &Package) -> &str {
    package.found_in.split(WITHIN).next().unwrap_or_default()
}

/// What leads into archives.
const WITHIN: char = '!';

/// True where packages of a system have their files. Nowhere else anything is theirs, whatever a list says: who makes those packages
/// looks after nothing there. Source: Filesystem Hierarchy Standard 3.0, `/opt` and `/usr/local`.
fn is_of_systems(path: &str) -> bool {
    const FOLDERS: [&str; 7] = ["usr/", "lib", "bin/", "sbin/", "etc/", "var/", "boot/"];
    FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.starts_with("usr/local/")
}

/// The version that is there, if there is one.
pub(super) fn shown(versions: &[Version]) -> Option<&Version> {
    versions.first().filter(|version| version.standing == Standing::Shown)
}

impl Taker {
    fn new(scope: Scope, layers: usize) -> Self {
        Self {
            scope,
            layers,
            found: Found::default(),
            databases: Databases::default(),
            owned: Owned::default(),
            licences: BTreeMap::new(),
            aliases: BTreeMap::new(),
            tellers: HashMap::new(),
            seen: HashSet::new(),
            is_full: false,
        }
    }

    /// A file: with its path as it is, as text, and as what it is read. `read` are all bytes of it, if somebody has read them already.
    fn visit(
        &mut self,
        files: &mut Files<'_>,
        (raw, path, alias): (&[u8], &str, &str),
        versions: &[Version],
        read: Option<&[u8]>,
    ) {
        if self.scope != Scope::Distro && self.scope != Scope::Nothing && inventory::tells_owners(alias) {
            self.owned.hold(alias, path, hold(files, raw, versions));
        }
        let Some(version) = shown(versions) else {
            return self.databases.log(files, (raw, path), versions);
        };
        if self.scope == Scope::Packages
            && let Some(rest) = alias.strip_prefix(DOC)
            && self.document(files, rest, version)
        {
            return;
        }
        if path.ends_with(super::logged::LOG) {
            self.databases.log(files, (raw, path), versions);
        }
        let reader = Reader::of_path(alias);
        if reader.is_some_and(|reader| !self.scope.has(reader)) || (reader.is_none() && self.scope != Scope::Packages) {
            return;
        }
        if reader == Some(Reader::RpmSqlite) {
            return self.databases.hold(alias, path, hold(files, raw, versions));
        }
        let Some(bytes) = files.bytes(version) else { return };
        let lying = Lying(bytes);
        let content: &dyn Content = match &read {
            Some(read) => read,
            None => &lying,
        };
        let reader = match reader {
            Some(reader) => reader,
            None => match Reader::of_content(content) {
                Ok(Some(reader)) if self.is_new(version) => reader,
                Err(why) => return self.found.warn(format!("{path} {why}")),
                _ => return,
            },
        };
        if reader == Reader::OsRelease {
            return self.system(files, alias, content, versions);
        }
        if self.is_full {
            return;
        }
        let before = self.found.packages.len();
        reader.read(alias, content, &mut self.found);
        if self.found.packages.len() >= MAX_PACKAGES {
            self.is_full = true;
            self.found.unread += 1;
            self.found.warn(format!("there are more than {MAX_PACKAGES} packages: the rest is left out"));
        }
        let layers = self.layers;
        let index = |version: &Version| layers.checked_sub(version.part + 1);
        let mut new = self.found.packages.split_off(before);
        for package in &mut new {
            package.layer = index(version);
        }
        let older = versions[1..].iter().take_while(|version| version.standing == Standing::Replaced);
        let older = older.map_while(|version| {
            let mut found = Found::within(&self.found.budget);
            reader.read(alias, &Lying(files.bytes(version)?), &mut found);
            Some((index(version), found.packages))
        });
        trace(older, &mut new);
        for package in &mut new {
            if alias != path && package.found_in.starts_with(alias) {
                package.found_in = format!("{path}{}", &package.found_in[alias.len()..]);
            }
        }
        let path = path.split(WITHIN).next().unwrap_or_default();
        if is_of_systems(path) && new.iter().any(|package| !package.kind.is_of_system()) {
            self.tellers.insert(path.to_owned(), hold(files, raw, versions));
        }
        self.found.packages.append(&mut new);
    }

    /// Says which system it is, and which layer says so first.
    fn system(&mut self, files: &Files<'_>, alias: &str, content: &dyn Content, versions: &[Version]) {
        let earlier = self.found.distro.clone();
        Reader::OsRelease.read(alias, content, &mut self.found);
        if self.found.distro == earlier {
            return;
        }
        let Some(distro) = &mut self.found.distro else { return };
        let said = distro.clone();
        let older = versions[1..].iter().take_while(|version| version.standing == Standing::Replaced);
        let as_said = older.take_while(|version| {
            let mut found = Found::within(&self.found.budget);
            files.bytes(version).is_some_and(|bytes| {
                Reader::OsRelease.read(alias, &Lying(bytes), &mut found);
                found.distro.as_ref() == Some(&said)
            })
        });
        let lowest = as_said.last().or(versions.first());
        distro.layer = lowest.and_then(|version| self.layers.checked_sub(version.part + 1));
    }

    /// What lies elsewhere than its readers think.
    fn visit_elsewhere(&mut self, opened: &mut Opened, elsewhere: &places::Elsewhere) -> Result<()> {
        let walked = opened.view.walk(&mut |files, bytes, versions| {
            let path = String::from_utf8_lossy(bytes);
            if let Some(alias) = elsewhere.alias(&path) {
                self.visit(files, (bytes, &path, &alias), versions, None);
            } else if path.ends_with(super::logged::LOG) {
                self.databases.log(files, (bytes, &path), versions);
            }
        });
        walked.map_err(wharfie_store::Error::Layer)?;
        Ok(())
    }

    /// Takes note of what dpkg's documentation says; true if that is what the file is for.
    fn document(&mut self, files: &mut Files<'_>, rest: &str, version: &Version) -> bool {
        match rest.split_once('/') {
            Some((folder, "copyright")) => {
                if let Some(bytes) = files.bytes(version)
                    && self.licences.len() < MAX_NOTES
                {
                    let lying = Lying(bytes);
                    match licences_of_copyright(&self.found.budget.document(&lying)) {
                        Ok(licences) => {
                            self.licences.insert(folder.to_owned(), licences);
                        }
                        Err(_) if self.found.budget.is_spent() => self.found.leave_out(&format!("{DOC}{rest}")),
                        Err(_) => {}
                    }
                }
                true
            }
            Some(_) => false,
            None => {
                let target = files.target(version).unwrap_or_default();
                if let (false, Ok(target)) = (target.is_empty(), String::from_utf8(target))
                    && self.aliases.len() < MAX_NOTES
                {
                    let folder = target.rsplit('/').next().unwrap_or_default().to_owned();
                    self.aliases.insert(rest.to_owned(), folder);
                }
                true
            }
        }
    }

    /// False for a program that was read under another of its names.
    fn is_new(&mut self, version: &Version) -> bool {
        version.same.is_none_or(|same| self.seen.insert((version.part, same)))
    }
}

/// Gives packages the lowest layer in which the file told of them already, without a gap: what it told before, the newest first.
pub(super) fn trace(older: impl Iterator<Item = (Option<usize>, Vec<Package>)>, packages: &mut [Package]) {
    let mut open: Vec<&mut Package> = packages.iter_mut().collect();
    let mut older = older;
    while !open.is_empty()
        && let Some((layer, there)) = older.next()
    {
        let key = |package: &Package| {
            (package.kind, package.full_name(), package.version.clone(), package.architecture.clone())
        };
        let there: HashSet<_> = there.iter().map(key).collect();
        open.retain_mut(|package| {
            let is_there = there.contains(&key(package));
            if is_there {
                package.layer = layer;
            }
            is_there
        });
    }
}
