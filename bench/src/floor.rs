//! The physical floor: the least that any program must do with the same bytes, done in one process without a thought.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::Digest as _;

use crate::Result;

/// 128 KiB.
const BUFFER: usize = 128 << 10;

/// Loading a plain archive: read it, hash it, write it.
pub(crate) fn load(tar: &Path, to: &Path) -> Result {
    let mut source = File::open(tar).map_err(|why| why.to_string())?;
    let mut target = File::create(to).map_err(|why| why.to_string())?;
    let mut hash = sha2::Sha256::new();
    pump(&mut source, |bytes| {
        hash.update(bytes);
        target.write_all(bytes)
    })
}

/// Pulling a gzip layer: hash and keep what comes, inflate it, hash and keep that.
pub(crate) fn pull(gzip: &Path, to: &Path) -> Result {
    let mut inner = sha2::Sha256::new();
    let mut outer = sha2::Sha256::new();
    let mut compressed = File::create(to.with_extension("gz")).map_err(|why| why.to_string())?;
    let mut plain = File::create(to).map_err(|why| why.to_string())?;
    let source = File::open(gzip).map_err(|why| why.to_string())?;
    let tee = Tee { source, hash: &mut outer, target: &mut compressed };
    pump(&mut flate2::read::GzDecoder::new(std::io::BufReader::with_capacity(BUFFER, tee)), |bytes| {
        inner.update(bytes);
        plain.write_all(bytes)
    })
}

/// Saving: copy it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result {
    std::fs::copy(from, to).map(drop).map_err(|why| why.to_string())
}

/// Removing a layer: unlink a file.
pub(crate) fn unlink(path: &Path) -> Result {
    std::fs::remove_file(path).map_err(|why| why.to_string())
}

/// Taking in advisories: read the zips `<ecosystem>/all.zip` of a directory and parse each record once.
pub(crate) fn advisories(directory: &Path) -> Result {
    for folder in std::fs::read_dir(directory).map_err(|why| why.to_string())? {
        let zip = folder.map_err(|why| why.to_string())?.path().join("all.zip");
        let Ok(bytes) = std::fs::read(&zip) else { continue };
        members(&bytes).ok_or_else(|| format!("{} is no zip", zip.display()))?;
    }
    Ok(())
}

/// Inflates and parses all members. Source: APPNOTE.TXT, 4.3.7, 4.3.12 and 4.3.16, without zip64.
fn members(zip: &[u8]) -> Option<usize> {
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(zip.get(at..at + 2)?.try_into().ok()?)));
    let long = |at: usize| usize::try_from(u32::from_le_bytes(zip.get(at..at + 4)?.try_into().ok()?)).ok();
    let end = zip.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let (count, mut at) = (short(end + 10)?, long(end + 16)?);
    for _ in 0..count {
        let (method, len, local) = (short(at + 10)?, long(at + 20)?, long(at + 42)?);
        let data = local + 30 + short(local + 26)? + short(local + 28)?;
        let data = zip.get(data..data + len)?;
        let mut record = Vec::new();
        match method {
            0 => record.extend_from_slice(data),
            _ => drop(flate2::read::DeflateDecoder::new(data).read_to_end(&mut record).ok()?),
        }
        std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&record).ok()?);
        at += 46 + short(at + 28)? + short(at + 30)? + short(at + 32)?;
    }
    Some(count)
}

fn pump(source: &mut dyn Read, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> Result {
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = source.read(&mut buffer).map_err(|why| why.to_string())?;
        if n == 0 {
            return Ok(());
        }
        take(&buffer[..n]).map_err(|why| why.to_string())?;
    }
}

struct Tee<'a> {
    source: File,
    hash: &'a mut sha2::Sha256,
    target: &'a mut File,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.target.write_all(&buffer[..n])?;
        Ok(n)
    }
}

/// Reads, hashes and writes every file of a tree, as a tar's bytes would be.
pub(crate) fn tree(from: &Path, to: &Path) -> Result {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, File::create(to).map_err(|why| why.to_string())?);
    let mut hash = sha2::Sha256::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|why| why.to_string())? {
            let entry = entry.map_err(|why| why.to_string())?;
            let found = entry.metadata().map_err(|why| why.to_string())?;
            if found.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let mut bytes = vec![0; 512];
            File::open(entry.path())
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map_err(|why| why.to_string())?;
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            hash.update(&bytes);
            out.write_all(&bytes).map_err(|why| why.to_string())?;
        }
    }
    std::hint::black_box(hash.finalize());
    out.flush().map_err(|why| why.to_string())
}
