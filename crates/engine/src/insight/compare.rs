//! `analyze A B`: what one image has and another has not: files, packages, sizes, settings.
//!
//! Files of a layer that both have are the same and are not read; of others as large as each other the bytes are hashed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Serialize;
use wharfie_content::Observer;
use wharfie_layer::entry::Kind;
use wharfie_layer::view::{Files, Standing, Version};
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};
use wharfie_scan::compare::{self, Difference};

use super::open::Opened;
use super::{Look, Target, take};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Two images side by side.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// The first.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// Layers that both have.
    #[serde(rename = "sharedLayers")]
    pub shared_layers: usize,
    /// By path.
    pub files: Vec<FileDifference>,
    /// By kind and name.
    pub packages: Vec<Difference>,
    /// By name.
    pub settings: Vec<Difference>,
    /// What could not be looked at, in either.
    pub warnings: Vec<String>,
}

/// One of two images.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// As the user called it.
    pub name: String,
    /// Of its configuration.
    pub id: Option<String>,
    /// How many layers it has.
    pub layers: usize,
    /// Bytes of all files that a container sees.
    pub size_bytes: u64,
    /// How many they are.
    pub files: u64,
}

/// A file that is not the same in both.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileDifference {
    /// From the root, without a leading slash.
    pub file: String,
    /// What became of it.
    pub change: Change,
    /// Its bytes in the first; 0 if it is not there.
    pub bytes_before: u64,
    /// Its bytes in the second.
    pub bytes_after: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// It is another, or has another owner, mode or target.
    Modified,
}

/// A file of the first image, until the second was seen.
#[derive(Debug)]
struct Known {
    /// The layer and the file in it.
    place: Option<(u16, u64)>,
    kind: Kind,
    mode: u16,
    owner: (u32, u32),
    size: u64,
    /// Where a link leads.
    target: Box<[u8]>,
    state: State,
}

#[derive(Debug)]
enum State {
    Unmet,
    Same,
    Modified(u64),
    /// It depends on the bytes: those of the second have this digest.
    Bytes(Digest),
}

/// 150,000 files of each image: what is kept of them stays within tens of megabytes.
const MAX_FILES: usize = 150_000;
/// 100,000 differences.
const MAX_DIFFERENCES: usize = 100_000;
/// 256 KiB, read at once.
const CHUNK: usize = 256 << 10;

impl Engine {
    /// Says how `after` differs from `before`. `input` is read for the one that is a stream.
    ///
    /// # Errors
    /// As [`Self::inventory`], and if both are the stream.
    pub fn compare(
        &self,
        [before, after]: [&Look; 2],
        input: &mut (dyn Read + Send),
        observer: &dyn Observer,
    ) -> Result<Compared> {
        for look in [before, after] {
            if let Target::Document(path) = &look.target {
                return Err(Error::NoLayers(path.clone()));
            }
        }
        // Who reads the stream is opened first; the other is opened beside it.
        let is_turned = matches!(after.target, Target::Stream);
        if is_turned && matches!(before.target, Target::Stream) {
            return Err(Error::NoLayers("-".into()));
        }
        let (first, second) = if is_turned { (after, before) } else { (before, after) };
        let made = self.opened(first, input, observer, &mut |opened| {
            let mut first = Some(opened);
            self.opened(second, &mut std::io::empty(), observer, &mut |second| {
                let first = first.take().expect("the second is opened once");
                if is_turned { compared(second, first) } else { compared(first, second) }
            })
        });
        made.map_err(|why| why.of_work(observer))
    }
}

fn compared(mut before: Opened, mut after: Opened) -> Result<Compared> {
    let mut sides = [&before, &after].map(|opened| Side {
        name: opened.name.clone(),
        id: opened.id.as_ref().map(|id| id.as_str().to_owned()),
        layers: opened.layers.len(),
        ..Side::default()
    });
    let mut warnings = Vec::new();
    let mut layers = Layers::default();
    let numbers = [&before, &after].map(|opened| layers.of(opened));
    let shared_layers = numbers[1].iter().filter(|number| number.is_some() && numbers[0].contains(number)).count();
    let mut known = BTreeMap::new();
    let is_cut = learn(&mut before, &numbers[0], &mut sides[0], &mut known, &mut warnings)?;
    let mut files = meet(&mut after, &numbers[1], &mut sides[1], &mut known, &mut warnings, is_cut)?;
    settle(&mut before, &mut known)?;
    for (path, known) in known {
        let (change, bytes_after) = match known.state {
            State::Same => continue,
            State::Modified(size) => (Change::Modified, size),
            _ => (Change::Removed, 0),
        };
        files.push(FileDifference { file: shown(&path), change, bytes_before: known.size, bytes_after });
    }
    files.sort_by(|a, b| a.file.cmp(&b.file));
    if files.len() > MAX_DIFFERENCES {
        warnings.push(format!("{} files differ: {MAX_DIFFERENCES} of them are told", files.len()));
        files.truncate(MAX_DIFFERENCES);
    }
    let settings = compare::settings(before.config.as_ref(), after.config.as_ref());
    let inventories = [take::inventory(before)?, take::inventory(after)?];
    let packages = compare::packages(&inventories[0], &inventories[1]);
    warnings.extend(inventories.into_iter().flat_map(|inventory| inventory.warnings));
    warnings.dedup();
    let [before, after] = sides;
    Ok(Compared { before, after, shared_layers, files, packages, settings, warnings })
}

/// Numbers for layers, the same for the same tar.
#[derive(Default)]
struct Layers(BTreeMap<String, u16>);

impl Layers {
    /// By a version's part, topmost first; none for what is no layer.
    fn of(&mut self, opened: &Opened) -> Vec<Option<u16>> {
        let mut number = |diff_id: &String| {
            let next = u16::try_from(self.0.len()).ok()?;
            (!diff_id.is_empty()).then(|| *self.0.entry(diff_id.clone()).or_insert(next))
        };
        opened.layers.iter().rev().map(|layer| number(&layer.diff_id)).collect()
    }
}

impl Side {
    /// Counts a file; the bytes of one with several names once. `linked` has those.
    fn count(&mut self, version: &Version, linked: &mut BTreeSet<(usize, u64)>) {
        self.files += 1;
        let is_first = version.same.is_none_or(|same| linked.len() >= MAX_FILES || linked.insert((version.part, same)));
        if is_first {
            self.size_bytes += version.size;
        }
    }
}

fn place(version: &Version, numbers: &[Option<u16>]) -> Option<(u16, u64)> {
    Some(((*numbers.get(version.part)?)?, version.number()?))
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Takes note of all files of the first image. True if there are too many.
fn learn(
    opened: &mut Opened,
    numbers: &[Option<u16>],
    side: &mut Side,
    known: &mut BTreeMap<Box<[u8]>, Known>,
    warnings: &mut Vec<String>,
) -> Result<bool> {
    let mut linked = BTreeSet::new();
    let walked = opened.view.walk(&mut |files, path, versions| {
        let Some(version) = versions.first().filter(|version| version.standing == Standing::Shown) else { return };
        side.count(version, &mut linked);
        if known.len() >= MAX_FILES {
            return;
        }
        let seen = Known {
            place: place(version, numbers),
            kind: version.kind,
            mode: version.mode,
            owner: version.owner,
            size: version.size,
            target: files.target(version).unwrap_or_default().into(),
            state: State::Unmet,
        };
        known.insert(path.into(), seen);
    });
    warnings.extend(walked.map_err(wharfie_store::Error::Layer)?);
    let is_cut = side.files > known.len() as u64;
    if is_cut {
        warnings.push(format!("{} has {} files: {MAX_FILES} of them are compared", side.name, side.files));
    }
    Ok(is_cut)
}

/// Holds the second image against them; gives the files that the first lacks.
fn meet(
    opened: &mut Opened,
    numbers: &[Option<u16>],
    side: &mut Side,
    known: &mut BTreeMap<Box<[u8]>, Known>,
    warnings: &mut Vec<String>,
    is_cut: bool,
) -> Result<Vec<FileDifference>> {
    let mut added = Vec::new();
    let mut left_out = 0_u64;
    let mut linked = BTreeSet::new();
    let walked = opened.view.walk(&mut |files, path, versions| {
        let Some(version) = versions.first().filter(|version| version.standing == Standing::Shown) else { return };
        side.count(version, &mut linked);
        let Some(known) = known.get_mut(path) else {
            if is_cut || added.len() >= MAX_DIFFERENCES {
                left_out += 1;
                return;
            }
            let (change, bytes_after) = (Change::Added, version.size);
            added.push(FileDifference { file: shown(path), change, bytes_before: 0, bytes_after });
            return;
        };
        let here = place(version, numbers);
        known.state = if here.is_some() && known.place == here {
            State::Same
        } else if (known.kind, known.mode, known.owner, known.size)
            != (version.kind, version.mode, version.owner, version.size)
            || *known.target != *files.target(version).unwrap_or_default()
        {
            State::Modified(version.size)
        } else if version.kind == Kind::File && version.size > 0 {
            digest(files, version).map_or(State::Modified(version.size), State::Bytes)
        } else {
            State::Same
        };
    });
    warnings.extend(walked.map_err(wharfie_store::Error::Layer)?);
    if left_out > 0 {
        warnings.push(format!("{left_out} files of {} are not told of", side.name));
    }
    Ok(added)
}

/// Looks at the bytes of those files of the first image that only they can tell from the second's.
fn settle(opened: &mut Opened, known: &mut BTreeMap<Box<[u8]>, Known>) -> Result<()> {
    if !known.values().any(|known| matches!(known.state, State::Bytes(_))) {
        return Ok(());
    }
    let walked = opened.view.walk(&mut |files, path, versions| {
        let Some(known) = known.get_mut(path) else { return };
        if let (State::Bytes(expected), Some(version)) = (&known.state, versions.first()) {
            let is_same = digest(files, version).is_some_and(|digest| digest == *expected);
            known.state = if is_same { State::Same } else { State::Modified(version.size) };
        }
    });
    walked.map_err(wharfie_store::Error::Layer)?;
    Ok(())
}

/// Of a file's bytes; `None` if they cannot be read.
fn digest(files: &Files<'_>, version: &Version) -> Option<Digest> {
    let bytes = files.bytes(version)?;
    let mut digester = Digester::new(Algorithm::Sha256);
    let mut chunk = vec![0; CHUNK.min(usize::try_from(bytes.size()).unwrap_or(CHUNK))];
    let mut offset = 0;
    loop {
        match bytes.read_at(offset, &mut chunk).ok()? {
            0 => return Some(digester.finish()),
            n => {
                digester.update(&chunk[..n]);
                offset += n as u64;
            }
        }
    }
}
