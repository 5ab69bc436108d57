//! Where the parts of an image lie in an archive that is a file: for who only looks at them.
//!
//! Nothing is taken out, and nothing is proven: what the archive says of itself is believed. Only the plain case is known, one
//! image of docker's `manifest.json` in a tar that is not compressed; who meets another reads the archive as everybody does.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::{self, BLOCK};
use wharfie_oci::{DiffId, ImageConfig};

use crate::docker::ManifestEntry;
use crate::error::{Error, Result};
use crate::oci;
use crate::read::{beside, json, normalise};

/// An image in an archive.
#[derive(Debug)]
pub struct Lying {
    /// The configuration as it stands there.
    pub config: Vec<u8>,
    /// Where its layers are, bottom first, in any compression.
    pub layers: Vec<Place>,
    /// True if the archive is a layout too, which says more of the image than is known here.
    pub has_more: bool,
}

/// A part of the archive's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

enum Member {
    At(Place),
    Link(String),
}

/// 4 MiB of one document: what looks larger is read as everybody does it.
const MAX_DOCUMENT: u64 = 4 << 20;
/// 20,000 members: an archive of one image has some hundreds.
const MAX_MEMBERS: usize = 20_000;
/// Symbolic links that are followed before a loop is suspected.
const MAX_LINKS: usize = 16;

impl Lying {
    /// Finds the one image of the archive in `file`. `None` if it is not the plain case.
    ///
    /// # Errors
    /// When it is, and cannot be read.
    pub fn find(file: &File) -> Result<Option<Self>> {
        let len = file.metadata().map_err(Error::Read)?.len();
        let mut block = [0; BLOCK];
        if file.read_exact_at(&mut block, 0).is_err() || !tar::is_header(&block) {
            return Ok(None);
        }
        let mut members: BTreeMap<String, Member> = BTreeMap::new();
        let mut is_plain = true;
        let mut take = |entry: &Entry| {
            let name = normalise("", &String::from_utf8_lossy(&entry.path));
            let link = String::from_utf8_lossy(&entry.link);
            let member = match entry.kind {
                Kind::File if entry.sparse.is_none() => {
                    Member::At(Place { offset: entry.data_offset, len: entry.size })
                }
                Kind::Symlink => Member::Link(beside(&name, &link)),
                Kind::Hardlink => Member::Link(normalise("", &link)),
                Kind::Directory => return true,
                _ => {
                    is_plain = false;
                    return false;
                }
            };
            members.insert(name, member);
            is_plain = members.len() <= MAX_MEMBERS;
            is_plain
        };
        tar::headers(file, 0, len, &mut take).map_err(Error::Tar)?;
        if !is_plain {
            return Ok(None);
        }
        let document = |name: &str| match place(&members, name) {
            Some(place) if place.len <= MAX_DOCUMENT => {
                let mut bytes = vec![0; usize::try_from(place.len).unwrap_or_default()];
                file.read_exact_at(&mut bytes, place.offset).map_err(Error::Read)?;
                Ok::<_, Error>(Some(bytes))
            }
            _ => Ok(None),
        };
        // A layout that says more than docker's manifest is read as one.
        if let Some(index) = document("index.json")?
            && oci::lists_indexes(&index)
        {
            return Ok(None);
        }
        let Some(manifest) = document("manifest.json")? else { return Ok(None) };
        let entries: Option<Vec<ManifestEntry>> = json("manifest.json", &manifest)?;
        let Some([entry]) = entries.as_deref() else { return Ok(None) };
        let layers = entry.layers.iter().flatten().map(|name| place(&members, name)).collect::<Option<Vec<_>>>();
        let (Some(layers), Some(config)) = (layers, document(&entry.config)?) else { return Ok(None) };
        let has_more = oci::says_more(|name| document(name).ok().flatten());
        Ok(Some(Self { config, layers, has_more }))
    }

    /// The configuration, if it tells of as many layers as there are, and its history of no more.
    pub fn configuration(&self) -> Option<(ImageConfig, Vec<DiffId>)> {
        let config = ImageConfig::parse(&self.config).ok()?;
        let diff_ids = config.rootfs.diff_ids.clone();
        let told = config.history.iter().filter(|step| !step.empty_layer).count();
        (diff_ids.len() == self.layers.len() && told <= diff_ids.len()).then_some((config, diff_ids))
    }
}

fn place(members: &BTreeMap<String, Member>, name: &str) -> Option<Place> {
    let mut name = normalise("", name);
    for _ in 0..MAX_LINKS {
        match members.get(&name)? {
            Member::At(place) => return Some(*place),
            Member::Link(target) => name.clone_from(target),
        }
    }
    None
}
