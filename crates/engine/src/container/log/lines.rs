//! Reading a log as it grows, without ever reading a part of it twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Record;

/// The log in a file that may not be there yet.
pub(super) struct Reader {
    lines: Option<Lines<File>>,
    path: PathBuf,
}

impl Reader {
    /// Reads the log at `path` from its beginning, or only its last records. A missing file is an empty log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn open(path: &Path, last: Option<usize>) -> io::Result<Self> {
        let lines = open(path)?.map(|file| Lines::new(file, last)).transpose()?;
        Ok(Self { lines, path: path.to_owned() })
    }

    /// The next record; `None` if nothing more is written yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        if self.lines.is_none() {
            self.lines = open(&self.path)?.map(|file| Lines::new(file, None)).transpose()?;
        }
        self.lines.as_mut().map_or(Ok(None), Lines::next_record)
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// The records of what may still be written to: each once, and one that is being written only when it is whole.
struct Lines<R> {
    source: BufReader<R>,
    /// The beginning of a line whose end is not written yet.
    pending: Vec<u8>,
    /// The line is too long for a record: the rest of it is passed over.
    is_too_long: bool,
}

impl<R: Read + Seek> Lines<R> {
    /// All lines of `source`, or its last `last` whole ones and what is written after them.
    fn new(mut source: R, last: Option<usize>) -> io::Result<Self> {
        let start = match last {
            Some(last) => start_of_last(&mut source, last)?,
            None => 0,
        };
        source.seek(SeekFrom::Start(start))?;
        Ok(Self { source: BufReader::with_capacity(BLOCK, source), pending: Vec::new(), is_too_long: false })
    }

    /// The next record; `None` if nothing more is written yet. A line that is no record is passed over.
    fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let room = (MAX_RECORD - self.pending.len()) as u64;
            let read = self.source.by_ref().take(room).read_until(b'\n', &mut self.pending)?;
            let is_whole = self.pending.last() == Some(&b'\n');
            if !is_whole && self.pending.len() < MAX_RECORD {
                return Ok(None);
            }
            if !is_whole && read == 0 {
                return Ok(None);
            }
            let is_rest = std::mem::replace(&mut self.is_too_long, !is_whole);
            let record = if is_rest || !is_whole { None } else { serde_json::from_slice(&self.pending).ok() };
            self.pending.clear();
            if record.is_some() {
                return Ok(record);
            }
        }
    }
}

/// 64 KiB read at once.
const BLOCK: usize = 64 << 10;
/// 256 KiB: the text of a record is at most 16 KiB long, and JSON makes at most six bytes of one.
const MAX_RECORD: usize = 256 << 10;

/// Where the last `count` whole lines begin: read from the end, and no more than is needed.
fn start_of_last<R: Read + Seek>(source: &mut R, count: usize) -> io::Result<u64> {
    let mut end = source.seek(SeekFrom::End(0))?;
    let mut block = vec![0; BLOCK];
    // The line end of the last line belongs to it; an unfinished line comes on top.
    let mut left = count.saturating_add(1);
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let part = &mut block[..usize::try_from(end - start).unwrap_or(BLOCK)];
        source.seek(SeekFrom::Start(start))?;
        source.read_exact(part)?;
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
    use std::io::Write;

    use super::*;

    fn line(n: usize) -> String {
        format!("{{\"log\":\"{n}\",\"stream\":\"stdout\",\"time\":\"t\"}}\n")
    }

    #[test]
    fn a_log_is_read_once_and_from_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
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

    /// A log in memory that counts what is read of it.
    struct Counted<'a> {
        log: io::Cursor<Vec<u8>>,
        read: &'a std::cell::Cell<usize>,
    }

    impl Read for Counted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.log.read(buffer)?;
            self.read.set(self.read.get() + read);
            Ok(read)
        }
    }

    impl Seek for Counted<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.log.seek(to)
        }
    }

    #[test]
    fn the_last_lines_of_a_long_log_cost_as_much_as_those_of_a_short_one() {
        let text: String = (0..100_000).map(line).collect();
        let read = std::cell::Cell::new(0);
        let log = Counted { log: io::Cursor::new(text.into_bytes()), read: &read };
        let mut lines = Lines::new(log, Some(2)).unwrap();
        assert_eq!(lines.next_record().unwrap().unwrap().log, "99998");
        assert_eq!(lines.next_record().unwrap().unwrap().log, "99999");
        assert_eq!(lines.next_record().unwrap(), None);
        assert!(read.get() <= 2 * BLOCK, "{} bytes were read", read.get());
    }

    #[test]
    fn looking_again_at_a_log_reads_nothing_that_was_read_before() {
        let text: String = (0..10_000).map(line).collect();
        let length = text.len();
        let read = std::cell::Cell::new(0);
        let log = Counted { log: io::Cursor::new(text.into_bytes()), read: &read };
        let mut lines = Lines::new(log, None).unwrap();
        while lines.next_record().unwrap().is_some() {}
        for _ in 0..100 {
            assert_eq!(lines.next_record().unwrap(), None);
        }
        assert_eq!(read.get(), length);
    }

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let mut text = vec![b'x'; 5 * MAX_RECORD / 2];
        text.push(b'\n');
        text.extend(line(1).bytes());
        let mut lines = Lines::new(io::Cursor::new(text), None).unwrap();
        assert_eq!(lines.next_record().unwrap().unwrap().log, "1");
        assert!(lines.pending.capacity() <= 2 * MAX_RECORD, "{} bytes", lines.pending.capacity());
    }
}
