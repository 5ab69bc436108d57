//! Compressing on several threads, always to the same bytes.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use wharfie_oci::Digest;

use super::index::End;
use super::{BLOCK, Block, HEADER, Headers, Index, LAST};
use crate::fill;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Of the index; `None` for what is too short to need one.
    pub index: Option<Digest>,
}

/// Level 6, the default of everything that pushes images.
const LEVEL: u32 = 6;

/// Compresses the plain tar that `source` yields with gzip, on so many threads, and puts the index behind it. Equal input gives
/// equal bytes, on any number of threads.
///
/// # Errors
/// When reading or writing fails.
pub fn compress(source: &mut dyn Read, out: &mut dyn Write, threads: NonZeroUsize) -> io::Result<Made> {
    std::thread::scope(|scope| {
        let workers: Vec<Worker> = (0..threads.get())
            .map(|_| {
                let (jobs, jobs_end) = sync_channel::<Vec<u8>>(1);
                let (results, results_end) = sync_channel(1);
                scope.spawn(move || work(&jobs_end, &results));
                Worker { jobs, results: results_end }
            })
            .collect();
        let mut writing = Writing { out, index: Index::default(), crc: Crc::new(), at: HEADER.len() as u64 };
        writing.out.write_all(&HEADER)?;
        let mut headers = Headers::new()?;
        let (mut sent, mut taken) = (0_usize, 0_usize);
        loop {
            let mut block = vec![0; BLOCK];
            let len = fill(source, &mut block)?;
            block.truncate(len);
            if len > 0 {
                headers.push(&block)?;
                // A worker that is gone has panicked, which is told when it is joined.
                let _sent = workers[sent % workers.len()].jobs.send(block);
                sent += 1;
            }
            // Each worker has one block under way and one that is done.
            while taken < sent && (len == 0 || sent - taken >= 2 * workers.len()) {
                let result = workers[taken % workers.len()].results.recv();
                writing.take(&result.map_err(|_| io::Error::other("a compressing thread ended"))??)?;
                taken += 1;
            }
            if len == 0 {
                break;
            }
        }
        writing.finish(headers)
    })
}

struct Worker {
    jobs: SyncSender<Vec<u8>>,
    results: Receiver<io::Result<Packed>>,
}

/// A block that is compressed.
struct Packed {
    bytes: Vec<u8>,
    plain: usize,
    digest: [u8; 32],
    crc: Crc,
}

fn work(jobs: &Receiver<Vec<u8>>, results: &SyncSender<io::Result<Packed>>) {
    let mut compressor = Compress::new(Compression::new(LEVEL), false);
    while let Ok(block) = jobs.recv() {
        if results.send(pack(&mut compressor, &block)).is_err() {
            return;
        }
    }
}

fn pack(compressor: &mut Compress, block: &[u8]) -> io::Result<Packed> {
    compressor.reset();
    let mut bytes = Vec::with_capacity(block.len() / 2);
    loop {
        let done = usize::try_from(compressor.total_in()).expect("a block is short");
        let room = bytes.capacity() - bytes.len();
        let status =
            compressor.compress_vec(&block[done..], &mut bytes, FlushCompress::Full).map_err(io::Error::other)?;
        // All of it was written out if there was room for more.
        let is_whole = compressor.total_in() == block.len() as u64 && bytes.len() < bytes.capacity();
        match status {
            Status::Ok | Status::BufError if is_whole => break,
            Status::StreamEnd => break,
            Status::Ok | Status::BufError => bytes.reserve(room.max(BLOCK / 4)),
        }
    }
    let digest = Digest::of(block).to_bytes().try_into().expect("SHA-256 has 32 bytes");
    let mut crc = Crc::new();
    crc.update(block);
    Ok(Packed { bytes, plain: block.len(), digest, crc })
}

struct Writing<'a> {
    out: &'a mut dyn Write,
    index: Index,
    crc: Crc,
    at: u64,
}

impl Writing<'_> {
    fn take(&mut self, packed: &Packed) -> io::Result<()> {
        self.out.write_all(&packed.bytes)?;
        self.at += packed.bytes.len() as u64;
        self.crc.combine(&packed.crc);
        self.index.plain += packed.plain as u64;
        let compressed = u32::try_from(packed.bytes.len()).expect("a block is short");
        self.index.blocks.push(Block { compressed, digest: packed.digest });
        Ok(())
    }

    fn finish(mut self, headers: Headers) -> io::Result<Made> {
        self.out.write_all(&LAST)?;
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&(self.index.plain as u32).to_le_bytes())?;
        self.at += (LAST.len() + 8) as u64;
        if self.index.blocks.len() < 2 {
            return Ok(Made { index: None });
        }
        (self.index.headers, self.index.headers_plain) = headers.finish()?;
        let (members, digest) = End::members(&self.index.write(), self.at);
        self.out.write_all(&members)?;
        Ok(Made { index: Some(digest) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use flate2::read::MultiGzDecoder;

    use super::super::{END_LEN, inflate};
    use super::*;
    use crate::entry::{Entry, Kind};
    use crate::tar::Writer;

    fn threads(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    /// A tar of some megabytes that compresses neither well nor badly.
    fn tar(len: usize) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for n in 0..5_u64 {
            let path = format!("file{n}").into_bytes();
            let entry = Entry { path, kind: Kind::File, size: len as u64, ..Entry::default() };
            let data: Vec<u8> = (0..len as u64).map(|i| ((i * i + n) >> 7) as u8).collect();
            writer.append(&entry, data.as_slice()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn packed(plain: &[u8], n: usize) -> (Vec<u8>, Made) {
        let mut out = Vec::new();
        let made = compress(&mut { plain }, &mut out, threads(n)).unwrap();
        (out, made)
    }

    fn index(blob: &[u8]) -> (End, Index) {
        let end = End::read(blob, blob.len() as u64).unwrap();
        let index = end.index(&blob[end.at as usize..]).unwrap();
        (end, index)
    }

    #[test]
    fn everybody_reads_it_as_gzip() {
        for len in [0, 1000, 300_000] {
            let plain = tar(len);
            let (blob, made) = packed(&plain, 3);
            let mut back = Vec::new();
            MultiGzDecoder::new(blob.as_slice()).read_to_end(&mut back).unwrap();
            assert!(back == plain, "{len}");
            assert_eq!(made.index.is_some(), plain.len() > BLOCK);
            let mut gzip =
                Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut stdin = gzip.stdin.take().unwrap();
            let sent = blob.clone();
            let sending = std::thread::spawn(move || stdin.write_all(&sent));
            let output = gzip.wait_with_output().unwrap();
            sending.join().unwrap().unwrap();
            assert!(output.status.success() && output.stdout == plain, "{len}");
        }
    }

    #[test]
    fn any_number_of_threads_makes_the_same_bytes() {
        let plain = tar(500_000);
        let one = packed(&plain, 1);
        for n in 2..5 {
            assert!(packed(&plain, n) == one, "{n}");
        }
    }

    #[test]
    fn the_index_leads_to_every_block_and_the_headers() {
        let plain = tar(700_000);
        let (blob, made) = packed(&plain, 2);
        let (end, index) = index(&blob);
        assert_eq!(made.index, Some(end.digest));
        assert_eq!((index.plain, index.blocks.len()), (plain.len() as u64, plain.len().div_ceil(BLOCK)));
        let headers = zstd::decode_all(index.headers.as_slice()).unwrap();
        assert_eq!(headers.len() as u64, index.headers_plain);
        // Each run lies in the tar where it says, and there are the five files.
        let (mut rest, mut names) = (headers.as_slice(), Vec::new());
        while let Some((at, after)) = rest.split_first_chunk::<8>() {
            let (len, after) = after.split_first_chunk::<4>().unwrap();
            let (run, after) = after.split_at(u32::from_le_bytes(*len) as usize);
            let at = u64::from_le_bytes(*at) as usize;
            assert!(&plain[at..at + run.len()] == run);
            names.extend(run.chunks(512).filter(|block| block[0] != 0).map(|block| block[..5].to_vec()));
            rest = after;
        }
        assert_eq!(names, (0..5).map(|n| format!("file{n}").into_bytes()).collect::<Vec<_>>());
        for n in 1..4 {
            let mut back = Vec::new();
            inflate(blob.as_slice(), index.clone(), threads(n)).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == plain, "{n}");
        }
    }

    #[test]
    fn what_is_not_what_the_index_says_is_refused() {
        let plain = tar(300_000);
        let (blob, _) = packed(&plain, 2);
        let (end, index) = index(&blob);
        let read = |blob: &[u8], index: Index| {
            let mut back = Vec::new();
            let mut inflated = inflate(blob, index, threads(2))?;
            inflated.read_to_end(&mut back)?;
            inflated.finish()
        };
        read(&blob, index.clone()).unwrap();
        for at in [0, 10, 5_000, end.at as usize - 20] {
            let mut wrong = blob.clone();
            wrong[at] ^= 1;
            assert!(read(&wrong, index.clone()).is_err(), "{at}");
        }
        assert!(read(&blob[..end.at as usize / 2], index.clone()).is_err());
        // Nor is anything else than it for who knows of no index: more data behind its end, in a member of their own, or another end.
        let more = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(b"more").unwrap();
            encoder.finish().unwrap()
        };
        let (data, tail) = blob.split_at(end.at as usize);
        assert!(read(&[data, &more, tail].concat(), index.clone()).is_err());
        assert!(read(&[&blob, more.as_slice()].concat(), index.clone()).is_err());
        let mut open = blob.clone();
        open[end.at as usize - 10] = 2;
        assert!(read(&open, index.clone()).is_err());
        // A block that ends within something: everybody else would take the next one for its data.
        let mut within = index.clone();
        let first = within.blocks[0].compressed as usize;
        // The length of an empty stored block, which is what a flush ends with, left open for two more bytes.
        let mut blocks = blob[..HEADER.len() + first].to_vec();
        blocks.extend_from_slice(&[0, 2, 0, 0xfd, 0xff]);
        within.blocks[0].compressed += 5;
        blocks.extend_from_slice(&blob[HEADER.len() + first..]);
        assert!(read(&blocks, within).is_err());
        let mut wrong = index.clone();
        wrong.blocks[1].digest[0] ^= 1;
        assert!(read(&blob, wrong).is_err());
        let mut wrong = index;
        wrong.blocks[0].compressed += 1;
        assert!(read(&blob, wrong).is_err());
        // The index itself is proven, and what is none is none.
        let mut tail = blob[end.at as usize..].to_vec();
        tail[30] ^= 1;
        assert!(end.index(&tail).is_err());
        assert_eq!(End::read(&blob[..blob.len() - 1], blob.len() as u64 - 1), None);
        assert_eq!(End::read(&blob, blob.len() as u64 + 1), None);
        assert_eq!(End::read(&[0; END_LEN], END_LEN as u64), None);
        assert_eq!(End::read(&[], 0), None);
    }
}
