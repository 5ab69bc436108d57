//! What is new since the last time: findings of scans, remembered in the store's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::save::{Readers, create_aside};

/// What is known: findings by the name or the id of an image that had them.
type Known = BTreeMap<String, BTreeSet<String>>;

/// 64 MiB of findings: of thousands of images.
const MAX_BYTES: u64 = 64 << 20;

/// Something that was scanned.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// All that it is known by: a finding that any of these had before is not new.
    pub names: Vec<String>,
    /// What was found, whatever text stands for each.
    pub findings: BTreeSet<String>,
}

/// What becomes of what was known.
pub struct Memory<'a> {
    /// True for what is there no more: it is forgotten.
    pub is_gone: &'a dyn Fn(&str) -> bool,
    /// True for findings that were looked for: others stay known, whether or not they are found.
    pub is_sought: &'a dyn Fn(&str) -> bool,
    /// Whether what is found now will be remembered. Only then others have to wait.
    pub is_kept: bool,
}

/// What was found that was not known, until it is remembered: who cannot tell it drops this, and hears it again the next time.
#[must_use]
pub struct News {
    /// The findings of each subject that none of its names had, in the order of the subjects.
    pub new: Vec<BTreeSet<String>>,
    known: Known,
    path: PathBuf,
    /// Whoever asks at the same moment waits, to hear the rest only.
    turn: Option<File>,
}

impl Engine {
    /// Says which findings of `found` were not there when this was remembered last. Of what was not scanned this time and is not
    /// gone, what was known stays known.
    ///
    /// # Errors
    /// When the store's folder cannot be read or written.
    pub fn news(&self, found: &[Subject], memory: &Memory<'_>) -> Result<News> {
        let directory = self.config().root.join("maintenance");
        let failed = |doing| {
            let path = directory.clone();
            move |source| Error::File { doing, path, source }
        };
        let turn = match memory.is_kept {
            true => {
                self.writer()?;
                DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed("mkdir"))?;
                let turn = File::open(&directory).map_err(failed("open"))?;
                flock(&turn, FlockOperation::LockExclusive).map_err(|why| failed("lock")(why.into()))?;
                Some(turn)
            }
            false => None,
        };
        let path = directory.join("findings.json");
        let before = read(&path)?;
        let mut known = before.clone();
        known.retain(|name, _| !(memory.is_gone)(name));
        let mut new = Vec::with_capacity(found.len());
        for subject in found {
            let old: BTreeSet<&String> = subject.names.iter().filter_map(|name| before.get(name)).flatten().collect();
            new.push(subject.findings.iter().filter(|finding| !old.contains(finding)).cloned().collect());
            let stays = old.into_iter().filter(|finding| !(memory.is_sought)(finding));
            let all: BTreeSet<String> = stays.chain(&subject.findings).cloned().collect();
            known.extend(subject.names.iter().map(|name| (name.clone(), all.clone())));
        }
        Ok(News { new, known, path, turn })
    }
}

impl News {
    /// Remembers it: none of it is new the next time. Nothing happens if it was asked for without being kept.
    ///
    /// # Errors
    /// When the store's folder cannot be written.
    pub fn remember(self) -> Result<()> {
        match self.turn {
            Some(_) => write(&self.path, &self.known),
            None => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Known> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    match std::fs::metadata(path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Known::new()),
        found => {
            if found.map_err(failed)?.len() > MAX_BYTES {
                return Ok(Known::new());
            }
        }
    }
    // Who has broken it hears everything again.
    Ok(serde_json::from_slice(&std::fs::read(path).map_err(failed)?).unwrap_or_default())
}

fn write(path: &Path, known: &Known) -> Result<()> {
    let text = serde_json::to_vec(known).map_err(Error::Document)?;
    let (mut file, aside) = create_aside(path, Readers::Owner)?;
    let written = file.write_all(&text).and_then(|()| file.sync_data()).and_then(|()| std::fs::rename(&aside, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&aside);
        Error::File { doing: "write", path: path.into(), source }
    })
}
