//! Logs in docker's json-file format: one object a line, with the text, the stream and the moment.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use wharfie_oci::Timestamp;
use wharfie_store::RESERVE_BYTES;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was written, with its line end.
    pub log: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// When, RFC 3339.
    pub time: String,
}

/// Takes what a container writes, from several threads.
pub struct Writer {
    file: Mutex<Kept>,
    clock: fn() -> Timestamp,
}

/// The file, and how many bytes of output are missing at its end.
struct Kept {
    file: File,
    missing: u64,
}

/// 16 KiB: a longer line becomes several records, as docker makes them.
const MAX_LINE: usize = 16 << 10;

impl Writer {
    /// Appends to the log at `path`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append(path: &Path, clock: fn() -> Timestamp) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options().append(true).create(true).mode(0o640).open(path)?;
        Ok(Self { file: Mutex::new(Kept { file, missing: 0 }), clock })
    }

    /// Writes the whole lines of `pending`, which keeps the rest; all of it if `is_end`. The last room of a disk is left to the
    /// store, which must be able to write down how the container ends: what comes then is missing, and the log says so once
    /// there is room again.
    ///
    /// # Errors
    /// When the disk fails. The container must not suffer from that, so callers may go on.
    pub fn write(&self, stream: &str, pending: &mut Vec<u8>, is_end: bool) -> io::Result<()> {
        let mut start = 0;
        let mut out = Vec::new();
        while start < pending.len() {
            let rest = &pending[start..];
            let len = match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1).min(MAX_LINE),
                None if rest.len() >= MAX_LINE => MAX_LINE,
                None if is_end => rest.len(),
                None => break,
            };
            self.record(&mut out, stream, &String::from_utf8_lossy(&rest[..len]))?;
            start += len;
        }
        pending.drain(..start);
        let mut kept = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let disk = rustix::fs::fstatvfs(&kept.file)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < RESERVE_BYTES + out.len() as u64 {
            kept.missing += start as u64;
            return Ok(());
        }
        if kept.missing > 0 {
            let mut text = Vec::new();
            self.record(
                &mut text,
                "stderr",
                &format!("wharfie: the disk was full: {} bytes are missing here\n", kept.missing),
            )?;
            text.extend(out);
            out = text;
            kept.missing = 0;
        }
        kept.file.write_all(&out)
    }

    /// Adds one record to `out`.
    fn record(&self, out: &mut Vec<u8>, stream: &str, text: &str) -> io::Result<()> {
        let record = Record { log: text.to_owned(), stream: stream.to_owned(), time: nanos((self.clock)()) };
        serde_json::to_writer(&mut *out, &record)?;
        out.push(b'\n');
        Ok(())
    }
}

/// Always nine digits, so that lines sort as text.
fn nanos(moment: Timestamp) -> String {
    let whole = Timestamp { nanos: 0, ..moment }.to_string();
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), moment.nanos)
}

/// Reads a log as it grows: each record once, a line that is being written only when it is whole.
pub struct Reader {
    /// `None` while there is no log yet.
    file: Option<BufReader<File>>,
    path: PathBuf,
    pending: Vec<u8>,
}

impl Reader {
    /// Reads the log at `path` from its beginning, or only its last records. A missing file is an empty log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path, last: Option<usize>) -> io::Result<Self> {
        let mut reader = Self { file: None, path: path.to_owned(), pending: Vec::new() };
        if let (Some(file), Some(last)) = (reader.file()?, last) {
            let start = start_of_last(file.get_ref(), last)?;
            file.seek(SeekFrom::Start(start))?;
        }
        Ok(reader)
    }

    fn file(&mut self) -> io::Result<Option<&mut BufReader<File>>> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(BufReader::with_capacity(BLOCK, file)),
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                Err(why) => return Err(why),
            }
        }
        Ok(self.file.as_mut())
    }

    /// The next record; `None` if nothing more is written yet. What is no record is passed over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let mut pending = std::mem::take(&mut self.pending);
            let Some(file) = self.file()? else { return Ok(None) };
            file.read_until(b'\n', &mut pending)?;
            if pending.last() != Some(&b'\n') {
                self.pending = pending;
                return Ok(None);
            }
            if let Ok(record) = serde_json::from_slice(&pending) {
                return Ok(Some(record));
            }
        }
    }
}

/// 64 KiB read at once.
const BLOCK: usize = 64 << 10;

/// Where the last `count` whole lines of a file begin.
fn start_of_last(file: &File, count: usize) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = vec![0; BLOCK];
    // The line end of the last line belongs to it; an unfinished line comes on top.
    let mut left = count.saturating_add(1);
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let part = &mut block[..usize::try_from(end - start).unwrap_or(BLOCK)];
        file.read_exact_at(part, start)?;
        for (at, _) in part.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            left -= 1;
            if left == 0 {
                return Ok(start + at as u64 + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_once_and_from_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let line = |n: usize| format!("{{\"log\":\"{n}\",\"stream\":\"stdout\",\"time\":\"t\"}}\n");
        let all = |reader: &mut Reader| {
            std::iter::from_fn(|| reader.next_record().unwrap()).map(|record| record.log).collect::<Vec<_>>()
        };
        // Enough for several blocks.
        (0..5000).for_each(|n| file.write_all(line(n).as_bytes()).unwrap());
        for (last, first, count) in
            [(None, "0", 5000), (Some(3), "4997", 3), (Some(4000), "1000", 4000), (Some(9999), "0", 5000)]
        {
            let mut reader = Reader::open(file.path(), last).unwrap();
            let found = all(&mut reader);
            assert_eq!((found[0].as_str(), found.len()), (first, count), "{last:?}");
        }
        let mut reader = Reader::open(file.path(), Some(0)).unwrap();
        assert_eq!(all(&mut reader), Vec::<String>::new());
        let text = line(7);
        let (half, rest) = text.split_at(10);
        file.write_all(half.as_bytes()).unwrap();
        assert_eq!(all(&mut reader), Vec::<String>::new());
        file.write_all(rest.as_bytes()).unwrap();
        file.write_all(b"no record\n").unwrap();
        assert_eq!(all(&mut reader), ["7"]);
        assert_eq!(all(&mut Reader::open(Path::new("/no/such/log"), None).unwrap()), Vec::<String>::new());
    }
}
