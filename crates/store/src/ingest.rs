//! Taking a layer in: one pass over every byte, from wherever it comes to a layer file that can be mounted.
//!
//! ```text
//!  source ─► hash blob, write blob ─► inflate ─► write tar, index entries ─► hash tar
//!  (caller's thread)                  (second thread)                        (third thread)
//! ```
//! A plain tar skips the second thread. Buffers travel between the threads and come back, so memory stays the same for
//! any layer: [`CHUNK`] × [`DEPTH`] per stage.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use rusqlite::params;
use wharfie_content::Mismatch;
use wharfie_layer::compression::{Compression, Decoder};
use wharfie_layer::erofs::{self, LayerIndex};
use wharfie_layer::fill;
use wharfie_layer::seekable::{self, Index};
use wharfie_layer::tar::Indexer;
use wharfie_oci::{Descriptor, DiffId, Digest, Digester, MediaType};

use crate::error::{Error, Result};
use crate::lease::{LayerRow, Lease};
use crate::partial::Partial;

/// What is known of a layer before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ingest<'a> {
    /// The bytes as they come, if a manifest described them: size and digest are proven.
    pub blob: Option<&'a Descriptor>,
    /// What they must unpack to, if a configuration said so.
    pub diff_id: Option<&'a DiffId>,
    /// The index of the gzip layer that they are, if it is known: then blocks are inflated on all processors.
    pub index: Option<&'a Index>,
}

/// A layer that has been taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// The layer.
    pub layer: LayerRow,
    /// The compressed bytes it came in, if it came compressed and they were kept.
    pub blob: Option<Descriptor>,
}

/// 128 KiB: large enough that system calls do not count, small enough to stay in the processor's cache.
const CHUNK: usize = 128 << 10;
/// Buffers per stage: one being filled, one being emptied, one on its way each.
const DEPTH: usize = 4;

impl Lease<'_> {
    /// Stores the layer that `source` yields, plain or in any compression, and holds it. `arrived` is called once all
    /// bytes have come and are what `ingest.blob` says, if it says anything.
    ///
    /// # Errors
    /// When the source fails, the bytes are not what was promised, are no tar, or the store cannot be written.
    /// Nothing is visible then.
    pub fn ingest(
        &self,
        source: &mut (dyn Read + Send),
        ingest: Ingest<'_>,
        arrived: &(dyn Fn() + Sync),
    ) -> Result<Ingested> {
        self.ingest_into(None, source, ingest, arrived)
    }

    /// As [`Self::ingest`], with the compressed bytes in a file that keeps them if they break off. `source` yields all of
    /// them, also those that are in the file.
    pub(crate) fn ingest_into(
        &self,
        partial: Option<Partial>,
        source: &mut (dyn Read + Send),
        ingest: Ingest<'_>,
        arrived: &(dyn Fn() + Sync),
    ) -> Result<Ingested> {
        // One byte too many proves that something is wrong; nobody's disk needs the rest.
        let most = ingest.blob.map_or(u64::MAX, |blob| blob.size.saturating_add(1));
        let source = &mut source.take(most);
        let mut first = vec![0; CHUNK];
        let n = fill(source, &mut first).map_err(Error::of_source)?;
        let compression = Compression::detect(&first[..n]);
        let mut source = io::Cursor::new(&first[..n]).chain(source);
        let ingested = if compression == Compression::None {
            self.ingest_plain(&mut source, ingest, arrived)?
        } else {
            self.ingest_compressed(partial, &mut source, compression, ingest, arrived)?
        };
        if let Some(expected) = ingest.diff_id
            && *expected != ingested.layer.diff_id
        {
            return Err(Error::DiffId { expected: expected.clone(), actual: ingested.layer.diff_id });
        }
        Ok(ingested)
    }

    fn ingest_plain(&self, source: &mut dyn Read, ingest: Ingest<'_>, arrived: &dyn Fn()) -> Result<Ingested> {
        let file = self.layer_file()?;
        let layer = write_layer(file.file(), source, &self.store().staging())?;
        if let Some(blob) = ingest.blob {
            prove(blob, layer.diff_id.digest().clone(), layer.tar_size)?;
        }
        arrived();
        self.place_layer(file, &layer)?;
        Ok(Ingested { layer, blob: None })
    }

    fn ingest_compressed(
        &self,
        partial: Option<Partial>,
        source: &mut dyn Read,
        compression: Compression,
        ingest: Ingest<'_>,
        arrived: &dyn Fn(),
    ) -> Result<Ingested> {
        // Only what registries know is worth keeping: a push could not send the rest as it is.
        let media_type = match (ingest.blob, compression) {
            (Some(blob), _) => Some(blob.media_type.clone()),
            (None, Compression::Gzip) => Some(MediaType::OCI_LAYER_GZIP),
            (None, Compression::Zstd) => Some(MediaType::OCI_LAYER_ZSTD),
            (None, _) => None,
        };
        let algorithm = ingest.blob.map_or(wharfie_oci::digest::Algorithm::Sha256, |blob| blob.digest.algorithm());
        let layer_file = self.layer_file()?;
        let (blob_file, have) = match partial {
            Some(Partial { file, have }) => {
                file.keep();
                (file, have)
            }
            None => match ingest.blob {
                Some(blob) => (self.blob_file(&blob.digest)?, 0),
                None => (self.blob_file(&Digest::of(b""))?, 0),
            },
        };
        let (layer, spill) = (layer_file.file(), self.store().staging());
        let (compressed, mut reader) = ChunkReader::pipe();
        let (received, unpacked) = thread::scope(|scope| {
            let unpacking = scope.spawn(move || -> Result<LayerRow> {
                let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
                let layer = match ingest.index.filter(|_| compression == Compression::Gzip && threads.get() > 1) {
                    Some(index) => {
                        let inflated = seekable::inflate(&mut reader, index.clone(), threads);
                        let mut inflated = inflated.map_err(Error::of_source)?;
                        let layer = write_layer(layer, &mut inflated, &spill)?;
                        inflated.finish().map_err(Error::of_source)?;
                        layer
                    }
                    None => {
                        let mut decoder = Decoder::new(compression, &mut reader).map_err(Error::Layer)?;
                        write_layer(layer, &mut decoder, &spill)?
                    }
                };
                // What follows the compressed data is part of the blob all the same.
                reader.for_each(|_| ());
                Ok(layer)
            });
            let received = receive(source, Digester::new(algorithm), (blob_file.file(), have), &compressed);
            if received.is_ok() && ingest.blob.is_none_or(|blob| is_proven(blob, &received)) {
                arrived();
            }
            drop(compressed);
            let unpacked = unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (received, unpacked)
        });
        // A failing decoder also stops the receiver, so its reason comes first unless the source itself failed.
        let (digest, size) = match received {
            Ok(Some(received)) => received,
            Ok(None) => return Err(unpacked.err().unwrap_or_else(|| Error::Source(io::ErrorKind::BrokenPipe.into()))),
            Err(why) => return Err(why),
        };
        if let Some(blob) = ingest.blob {
            prove(blob, digest.clone(), size)?;
        }
        let layer = unpacked?;
        let blob = media_type.map(|media_type| Descriptor::new(media_type, digest, size));
        if let Some(blob) = &blob {
            self.place_blob(blob_file, &blob.digest, size)?;
        }
        self.place_layer(layer_file, &layer)?;
        if let Some(blob) = &blob {
            self.record_blob_of_layer(blob, &layer.diff_id)?;
        }
        Ok(Ingested { layer, blob })
    }

    /// Remembers that `blob`, which is here, unpacks to `diff_id`.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn record_blob_of_layer(&self, blob: &Descriptor, diff_id: &DiffId) -> Result<()> {
        let store = self.store();
        store.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO layer_blob (digest, diff_id, media_type, size) VALUES (?1, ?2, ?3, ?4)",
                params![blob.digest.as_str(), diff_id.as_str(), blob.media_type.as_str(), blob.size],
            )
            .map_err(store.metadata_error())?;
            Ok(())
        })
    }

    /// Stores bytes of any length whose digest is not known before; for compressed layers made here.
    ///
    /// # Errors
    /// When writing fails, or `produce` does.
    pub fn put_stream(&self, produce: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(Digest, u64)> {
        let file = self.blob_file(&Digest::of(b""))?;
        let mut sink = HashingFile { file: file.file(), digester: Digester::default(), size: 0, failure: None };
        let produced = produce(&mut sink);
        // Whoever writes through others hears only from them; what went wrong here is known here.
        if let Some(why) = sink.failure {
            return Err(Error::io("write", self.store().root.join("blobs"))(why));
        }
        produced.map_err(Error::of_source)?;
        let (digest, size) = (sink.digester.finish(), sink.size);
        self.place_blob(file, &digest, size)?;
        Ok((digest, size))
    }
}

struct HashingFile<'a> {
    file: &'a File,
    digester: Digester,
    size: u64,
    /// Why the file could not be written.
    failure: Option<io::Error>,
}

impl Write for HashingFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(why) = self.file.write_all_at(bytes, self.size) {
            let kind = why.kind();
            self.failure = Some(why);
            return Err(kind.into());
        }
        self.digester.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn prove(blob: &Descriptor, digest: Digest, size: u64) -> Result<()> {
    if size != blob.size {
        return Err(Mismatch::Size { digest: blob.digest.clone(), expected: blob.size, actual: size }.into());
    }
    if digest != blob.digest {
        return Err(Mismatch::Digest { expected: blob.digest.clone(), actual: digest }.into());
    }
    Ok(())
}

fn is_proven(blob: &Descriptor, received: &Result<Option<(Digest, u64)>>) -> bool {
    matches!(received, Ok(Some((digest, size))) if *digest == blob.digest && *size == blob.size)
}

/// First stage: hashes and keeps compressed bytes and passes them on. `None` if the next stage has given up.
/// The file may have the first bytes already.
fn receive(
    source: &mut dyn Read,
    mut digester: Digester,
    (file, have): (&File, u64),
    next: &ChunkSender,
) -> Result<Option<(Digest, u64)>> {
    let mut size = 0;
    loop {
        let Some(mut chunk) = next.empty() else { return Ok(None) };
        chunk.len = fill(source, &mut chunk.bytes).map_err(Error::of_source)?;
        if chunk.len == 0 {
            return Ok(Some((digester.finish(), size)));
        }
        digester.update(chunk.filled());
        let known = usize::try_from(have.saturating_sub(size)).unwrap_or(usize::MAX).min(chunk.len);
        let new = &chunk.filled()[known..];
        file.write_all_at(new, size + known as u64).map_err(Error::io("write", "a blob"))?;
        size += chunk.len as u64;
        if !next.send(chunk) {
            return Ok(None);
        }
    }
}

/// Last stages: writes a layer file from the plain tar that `source` yields. What a big index does not keep in memory goes
/// to nameless files in `spill`.
pub(crate) fn write_layer(file: &File, source: &mut dyn Read, spill: &Path) -> Result<LayerRow> {
    let (hashing, reader) = ChunkReader::pipe();
    let Some(mut chunk) = hashing.empty() else { return Err(Error::Source(io::ErrorKind::BrokenPipe.into())) };
    chunk.len = fill(source, &mut chunk.bytes).map_err(Error::of_source)?;
    if chunk.len < chunk.bytes.len() {
        return write_small_layer(file, chunk.filled(), spill);
    }
    thread::scope(|scope| {
        let digest = scope.spawn(move || {
            let mut digester = Digester::default();
            reader.for_each(|bytes| digester.update(bytes));
            digester.finish()
        });
        let mut indexer = Indexer::new(LayerIndex::new(spill).map_err(Error::Layer)?);
        let mut offset = 0;
        while chunk.len > 0 {
            indexer.push(chunk.filled()).map_err(Error::Layer)?;
            file.write_all_at(chunk.filled(), erofs::TAR_OFFSET + offset).map_err(Error::io("write", "a layer"))?;
            offset += chunk.len as u64;
            hashing.send(chunk);
            let Some(next) = hashing.empty() else { break };
            chunk = next;
            chunk.len = fill(source, &mut chunk.bytes).map_err(Error::of_source)?;
        }
        drop(hashing);
        let (totals, index) = indexer.finish().map_err(Error::Layer)?;
        index.write(file, totals.tar_len).map_err(Error::Layer)?;
        let digest = digest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(LayerRow {
            diff_id: DiffId::new(digest),
            tar_size: totals.tar_len,
            content_size: totals.content_size,
            is_only_kept: false,
        })
    })
}

/// As [`write_layer`], without another thread: a tar like this is hashed before one has begun.
fn write_small_layer(file: &File, tar: &[u8], spill: &Path) -> Result<LayerRow> {
    let mut indexer = Indexer::new(LayerIndex::new(spill).map_err(Error::Layer)?);
    indexer.push(tar).map_err(Error::Layer)?;
    file.write_all_at(tar, erofs::TAR_OFFSET).map_err(Error::io("write", "a layer"))?;
    let (totals, index) = indexer.finish().map_err(Error::Layer)?;
    index.write(file, totals.tar_len).map_err(Error::Layer)?;
    Ok(LayerRow {
        diff_id: DiffId::new(Digest::of(tar)),
        tar_size: totals.tar_len,
        content_size: totals.content_size,
        is_only_kept: false,
    })
}

/// A buffer on its way from one stage to the next and back.
struct Chunk {
    bytes: Vec<u8>,
    len: usize,
}

impl Chunk {
    fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The filling end of a pipe between two threads.
struct ChunkSender {
    full: SyncSender<Chunk>,
    empty: Receiver<Chunk>,
}

impl ChunkSender {
    /// A buffer to fill; `None` if the other end is gone.
    fn empty(&self) -> Option<Chunk> {
        self.empty.recv().ok()
    }

    /// Passes a filled buffer on; false if the other end is gone.
    fn send(&self, chunk: Chunk) -> bool {
        self.full.send(chunk).is_ok()
    }
}

/// The emptying end.
struct ChunkReader {
    full: Receiver<Chunk>,
    empty: Sender<Chunk>,
    current: Option<Chunk>,
    at: usize,
}

impl ChunkReader {
    fn pipe() -> (ChunkSender, Self) {
        let (full, full_end) = sync_channel(DEPTH);
        let (empty, empty_end) = channel();
        for _ in 0..DEPTH {
            let chunk = Chunk { bytes: vec![0; CHUNK], len: 0 };
            empty.send(chunk).expect("the receiver is right here");
        }
        (ChunkSender { full, empty: empty_end }, Self { full: full_end, empty, current: None, at: 0 })
    }

    fn for_each(self, mut take: impl FnMut(&[u8])) {
        for chunk in self.full {
            take(chunk.filled());
            // The sender may have stopped already; then nobody needs the buffer.
            let _ = self.empty.send(chunk);
        }
    }
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.as_ref().is_none_or(|chunk| self.at == chunk.len) {
            if let Some(spent) = self.current.take() {
                let _ = self.empty.send(spent);
            }
            self.current = self.full.recv().ok();
            self.at = 0;
        }
        Ok(self.current.as_ref().map_or(&[], |chunk| &chunk.filled()[self.at..]))
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}
