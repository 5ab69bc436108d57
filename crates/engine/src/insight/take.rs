//! Packages out of layers, in one walk: each file that tells of some is read where it lies. Which layer brought a package is
//! found by going down through the older versions of its file as long as they tell of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;

use wharfie_layer::view::{Bytes, Files, Standing, Version};
use wharfie_scan::inventory::{self, licences_of_copyright};
use wharfie_scan::{Content, Found, Inventory, Package, PackageKind, Reader};

use super::open::Opened;
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

/// 60,000 packages and 20,000 files: what is kept stays within tens of megabytes.
const MAX_PACKAGES: usize = 60_000;
/// As [`MAX_PACKAGES`], of copyright files and their aliases.
const MAX_NOTES: usize = 20_000;
const DOC: &str = "usr/share/doc/";

#[derive(Default)]
struct Taker {
    /// Bottom first; a version's part counts from the other end.
    layers: usize,
    found: Found,
    /// Licences by the folder of the copyright file.
    licences: BTreeMap<String, Vec<String>>,
    /// Folders of copyright files that are links to others.
    aliases: BTreeMap<String, String>,
    /// Programs that were seen under another name.
    seen: HashSet<(usize, u64)>,
    is_full: bool,
}

/// All packages of what was opened.
pub(super) fn inventory(mut opened: Opened) -> Result<Inventory> {
    let mut taker = Taker { layers: opened.layers.len(), ..Taker::default() };
    let warnings = opened.view.walk(&mut |files, path, versions| taker.visit(files, path, versions));
    let mut warnings = warnings.map_err(wharfie_store::Error::Layer)?;
    let Taker { mut found, licences, aliases, .. } = taker;
    for package in found.packages.iter_mut().filter(|package| package.kind == PackageKind::Deb) {
        if package.licences.is_empty() {
            let folder = aliases.get(&package.name).unwrap_or(&package.name);
            package.licences = licences.get(folder).cloned().unwrap_or_default();
        }
    }
    let owned = owners(&mut opened, &mut found)?;
    for package in found.packages.iter_mut().filter(|package| !package.kind.is_of_system()) {
        package.owner = owned.get(file_of(package)).cloned();
    }
    found.packages.sort();
    found.packages.dedup();
    warnings.append(&mut found.warnings);
    Ok(Inventory {
        name: opened.name,
        id: opened.id.map(|id| id.as_str().to_owned()),
        digest: opened.digest,
        platform: opened.config.map(|config| config.platform().to_string()).filter(|platform| platform.len() > 1),
        distro: found.distro,
        layers: opened.layers,
        packages: found.packages,
        warnings,
        base: None,
        attached: None,
    })
}

/// What a document says of what was opened, with the layers that there are: the document's own may have no instructions.
pub(super) fn beside(opened: &Opened, mut inventory: Inventory) -> Inventory {
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
    package.found_in.split('!').next().unwrap_or_default()
}

/// Which files of packages a package of the system brought. Only asked if there can be any.
fn owners(opened: &mut Opened, found: &mut Found) -> Result<BTreeMap<String, String>> {
    let of_languages = found.packages.iter().filter(|package| !package.kind.is_of_system());
    let wanted: BTreeSet<String> = of_languages.map(|package| file_of(package).to_owned()).collect();
    let mut owned = BTreeMap::new();
    let has_system = found.packages.iter().any(|package| package.kind.is_of_system());
    if wanted.is_empty() || !has_system {
        return Ok(owned);
    }
    let walked = opened.view.walk(&mut |files, path, versions| {
        let Some((path, version)) = shown(path, versions) else { return };
        if !inventory::tells_owners(path) {
            return;
        }
        if let Some(bytes) = files.bytes(version)
            && let Err(why) = inventory::owners(path, &Lying(bytes), &wanted, &mut owned)
        {
            found.warn(format!("{path} {why}"));
        }
    });
    walked.map_err(wharfie_store::Error::Layer)?;
    Ok(owned)
}

/// The path as text and the version that is there, if there is one.
fn shown<'a>(path: &'a [u8], versions: &'a [Version]) -> Option<(&'a str, &'a Version)> {
    let version = versions.first().filter(|version| version.standing == Standing::Shown)?;
    Some((std::str::from_utf8(path).ok()?, version))
}

impl Taker {
    fn visit(&mut self, files: &mut Files<'_>, path: &[u8], versions: &[Version]) {
        let Some((path, version)) = shown(path, versions) else { return };
        if let Some(rest) = path.strip_prefix(DOC)
            && self.document(files, rest, version)
        {
            return;
        }
        let Some(bytes) = files.bytes(version) else { return };
        let content = Lying(bytes);
        let reader = match Reader::of_path(path) {
            Some(reader) => reader,
            None => match Reader::of_content(&content) {
                Ok(Some(reader)) if self.is_new(version) => reader,
                Err(why) => return self.found.warn(format!("{path} {why}")),
                _ => return,
            },
        };
        if self.is_full {
            return;
        }
        let before = self.found.packages.len();
        reader.read(path, &content, &mut self.found);
        if self.found.packages.len() >= MAX_PACKAGES {
            self.is_full = true;
            self.found.warn(format!("there are more than {MAX_PACKAGES} packages: the rest is left out"));
        }
        let layers = self.layers;
        let index = |version: &Version| layers.checked_sub(version.part + 1);
        let new = &mut self.found.packages[before..];
        for package in new.iter_mut() {
            package.layer = index(version);
        }
        trace(files, path, reader, &versions[1..], new, index);
    }

    /// Takes note of what dpkg's documentation says; true if that is what the file is for.
    fn document(&mut self, files: &mut Files<'_>, rest: &str, version: &Version) -> bool {
        match rest.split_once('/') {
            Some((folder, "copyright")) => {
                if let Some(bytes) = files.bytes(version)
                    && self.licences.len() < MAX_NOTES
                    && let Ok(licences) = licences_of_copyright(&Lying(bytes))
                {
                    self.licences.insert(folder.to_owned(), licences);
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

/// Gives packages the lowest layer in which the file told of them already, without a gap.
fn trace(
    files: &Files<'_>,
    path: &str,
    reader: Reader,
    older: &[Version],
    packages: &mut [Package],
    index: impl Fn(&Version) -> Option<usize>,
) {
    let mut open: Vec<&mut Package> = packages.iter_mut().collect();
    for version in older.iter().take_while(|version| version.standing == Standing::Replaced) {
        let Some(bytes) = files.bytes(version).filter(|_| !open.is_empty()) else { return };
        let mut found = Found::default();
        reader.read(path, &Lying(bytes), &mut found);
        let key = |package: &Package| {
            (package.kind, package.full_name(), package.version.clone(), package.architecture.clone())
        };
        let there: HashSet<_> = found.packages.iter().map(key).collect();
        open.retain_mut(|package| {
            let is_there = there.contains(&key(package));
            if is_there {
                package.layer = index(version);
            }
            is_there
        });
    }
}
