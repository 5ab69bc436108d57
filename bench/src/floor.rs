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
