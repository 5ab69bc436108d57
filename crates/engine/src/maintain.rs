//! What is new since the last time: findings of scans, remembered in the store's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::save::{Readers, create_aside};

/// Findings by what was scanned: whatever text stands for each.
pub type Findings = BTreeMap<String, BTreeSet<String>>;

/// 64 MiB of findings: of thousands of images.
const MAX_BYTES: u64 = 64 << 20;

/// What becomes of what was known.
pub struct Memory<'a> {
    /// True for what is there no more: it is forgotten.
    pub is_gone: &'a dyn Fn(&str) -> bool,
    /// True for findings that were looked for: others stay known, whether or not they are found.
    pub is_sought: &'a dyn Fn(&str) -> bool,
    /// Whether what is found now is remembered.
    pub is_kept: bool,
}

impl Engine {
    /// Says which of `found` were not there when this was called last, and remembers them. Of what was not scanned this time and is
    /// not gone, what was known stays known.
    ///
    /// # Errors
    /// When the store's folder cannot be read or written.
    pub fn news(&self, found: &Findings, memory: &Memory<'_>) -> Result<Findings> {
        self.writer()?;
        let directory = self.config().root.join("maintenance");
        let failed = |doing| {
            let path = directory.clone();
            move |source| Error::File { doing, path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed("mkdir"))?;
        // Who asks at the same moment is to hear the rest only.
        let turn = File::open(&directory).map_err(failed("open"))?;
        flock(&turn, FlockOperation::LockExclusive).map_err(|why| failed("lock")(why.into()))?;
        let path = directory.join("findings.json");
        let mut known = read(&path)?;
        let mut new = Findings::new();
        for (what, findings) in found {
            let before = known.get(what);
            let fresh = findings.iter().filter(|finding| before.is_none_or(|before| !before.contains(*finding)));
            let fresh: BTreeSet<String> = fresh.cloned().collect();
            if !fresh.is_empty() {
                new.insert(what.clone(), fresh);
            }
        }
        if memory.is_kept {
            known.retain(|what, _| !(memory.is_gone)(what));
            for (what, findings) in found {
                let known = known.entry(what.clone()).or_default();
                known.retain(|finding| !(memory.is_sought)(finding));
                known.extend(findings.iter().cloned());
            }
            write(&path, &known)?;
        }
        Ok(new)
    }
}

fn read(path: &Path) -> Result<Findings> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    match std::fs::metadata(path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Findings::new()),
        found => {
            if found.map_err(failed)?.len() > MAX_BYTES {
                return Ok(Findings::new());
            }
        }
    }
    // Who has broken it hears everything again.
    Ok(serde_json::from_slice(&std::fs::read(path).map_err(failed)?).unwrap_or_default())
}

fn write(path: &Path, known: &Findings) -> Result<()> {
    let text = serde_json::to_vec(known).map_err(Error::Document)?;
    let (mut file, aside) = create_aside(path, Readers::Owner)?;
    let written = file.write_all(&text).and_then(|()| file.sync_data()).and_then(|()| std::fs::rename(&aside, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&aside);
        Error::File { doing: "write", path: path.into(), source }
    })
}
