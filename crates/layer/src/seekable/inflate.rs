//! Inflating on several threads, each block proven before anybody sees it.

use std::io::{self, BufRead, Read};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use wharfie_oci::Digest;

use super::{HEADER, Index, LAST};
use crate::compression::{Compression, Decoder};
use crate::fill;

/// The plain tar of a layer whose index is known, while its compressed bytes stream past. What stands behind the blocks is left in
/// the source.
pub struct Inflated<R> {
    source: R,
    index: Index,
    workers: Vec<Worker>,
    sent: usize,
    taken: usize,
    current: Vec<u8>,
    at: usize,
    /// Buffers that were used.
    spare: Vec<Job>,
    /// Of all plain bytes so far.
    crc: Crc,
}

/// A block on its way: compressed and plain bytes, of which the latter are to be so many and have that digest.
#[derive(Default)]
struct Job {
    compressed: Vec<u8>,
    plain: Vec<u8>,
    expected: usize,
    digest: [u8; 32],
    crc: Crc,
}

struct Worker {
    jobs: SyncSender<Job>,
    results: Receiver<io::Result<Job>>,
}

/// Reads the compressed layer that `source` yields from its begin, on so many threads.
///
/// # Errors
/// When it does not begin as such layers do.
pub fn inflate<R: Read>(mut source: R, index: Index, threads: NonZeroUsize) -> io::Result<Inflated<R>> {
    let mut header = [0; HEADER.len()];
    if fill(&mut source, &mut header)? != header.len() || header != HEADER {
        return Err(wrong("begins with another header"));
    }
    let workers = (0..threads.get()).map(|_| {
        let (jobs, jobs_end) = sync_channel(1);
        let (results, results_end) = sync_channel(1);
        // It ends when its jobs do, which is when the reader is dropped.
        std::thread::Builder::new().name("inflate".to_owned()).spawn(move || work(&jobs_end, &results))?;
        Ok(Worker { jobs, results: results_end })
    });
    let workers = workers.collect::<io::Result<Vec<_>>>()?;
    Ok(Inflated {
        source,
        index,
        workers,
        sent: 0,
        taken: 0,
        current: Vec::new(),
        at: 0,
        spare: Vec::new(),
        crc: Crc::new(),
    })
}

impl<R: Read> Inflated<R> {
    /// Hands out blocks until every worker has something to do, then takes the next one that is done. False at the end.
    fn next(&mut self) -> io::Result<bool> {
        while self.sent < self.index.blocks.len() && self.sent - self.taken < 2 * self.workers.len() {
            let block = &self.index.blocks[self.sent];
            let mut job = self.spare.pop().unwrap_or_default();
            job.compressed.resize(block.compressed as usize, 0);
            if fill(&mut self.source, &mut job.compressed)? != job.compressed.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (job.expected, job.digest) = (self.index.plain_len(self.sent), block.digest);
            self.workers[self.sent % self.workers.len()].jobs.send(job).map_err(|_| ended())?;
            self.sent += 1;
        }
        if self.taken == self.sent {
            return Ok(false);
        }
        let mut job = self.workers[self.taken % self.workers.len()].results.recv().map_err(|_| ended())??;
        self.taken += 1;
        self.crc.combine(&job.crc);
        std::mem::swap(&mut self.current, &mut job.plain);
        self.at = 0;
        self.spare.push(job);
        Ok(true)
    }
}

impl<R: BufRead> Inflated<R> {
    /// Insists that what follows the blocks is what everybody else takes for their end, and that nothing comes after it but
    /// members without data: the layer is the same for who knows nothing of its index.
    ///
    /// # Errors
    /// When it is not, or was not read to its end.
    pub fn finish(mut self) -> io::Result<()> {
        let mut end = [0; LAST.len() + 8];
        if self.taken < self.index.blocks.len() || fill(&mut self.source, &mut end)? != end.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (last, sums) = end.split_at(LAST.len());
        let size = u32::try_from(self.index.plain & u64::from(u32::MAX)).expect("32 bits are left");
        if last != LAST || sums[..4] != self.crc.sum().to_le_bytes() || sums[4..] != size.to_le_bytes() {
            return Err(wrong("does not end where its index says"));
        }
        if self.source.fill_buf()?.is_empty() {
            return Ok(());
        }
        let mut rest = Decoder::new(Compression::Gzip, &mut self.source).map_err(io::Error::other)?;
        match rest.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(wrong("goes on behind its end")),
        }
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() {
            if out.is_empty() || !self.next()? {
                return Ok(0);
            }
        }
        let len = out.len().min(self.current.len() - self.at);
        out[..len].copy_from_slice(&self.current[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

fn work(jobs: &Receiver<Job>, results: &SyncSender<io::Result<Job>>) {
    let mut decompressor = Decompress::new(false);
    while let Ok(job) = jobs.recv() {
        if results.send(unpack(&mut decompressor, job)).is_err() {
            return;
        }
    }
}

fn unpack(decompressor: &mut Decompress, mut job: Job) -> io::Result<Job> {
    decompressor.reset(false);
    job.plain.clear();
    // One byte more would be one too many.
    job.plain.reserve_exact(job.expected + 1);
    loop {
        let done = usize::try_from(decompressor.total_in()).expect("a block is short");
        let before = (done, job.plain.len());
        let status = decompressor
            .decompress_vec(&job.compressed[done..], &mut job.plain, FlushDecompress::None)
            .map_err(|_| wrong("has a block that cannot be inflated"))?;
        let after = (usize::try_from(decompressor.total_in()).expect("a block is short"), job.plain.len());
        if after.0 == job.compressed.len() || status == Status::StreamEnd || before == after {
            break;
        }
    }
    let is_whole = decompressor.total_in() == job.compressed.len() as u64 && job.plain.len() == job.expected;
    // Who inflates all of it in one go must be at the begin of something new here, and at a whole byte. Then alone an empty last
    // block is one: within a block these bits would be data, or not be enough.
    let mut probe = Vec::with_capacity(1);
    let ends = decompressor.decompress_vec(&LAST, &mut probe, FlushDecompress::Finish);
    let is_apart = matches!(ends, Ok(Status::StreamEnd))
        && probe.is_empty()
        && decompressor.total_in() == (job.compressed.len() + LAST.len()) as u64;
    job.crc = Crc::new();
    job.crc.update(&job.plain);
    if !is_whole || !is_apart || Digest::of(&job.plain).to_bytes() != job.digest {
        return Err(wrong("has a block that is not what its index says"));
    }
    Ok(job)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the layer {what}"))
}

fn ended() -> io::Error {
    io::Error::other("an inflating thread ended")
}
