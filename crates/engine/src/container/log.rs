//! Logs in docker's json-file format: one object a line, with the text, the stream and the moment.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use wharfie_oci::Timestamp;

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
    file: Mutex<File>,
    clock: fn() -> Timestamp,
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
        Ok(Self { file: Mutex::new(file), clock })
    }

    /// Writes the whole lines of `pending`, which keeps the rest; all of it if `is_end`.
    ///
    /// # Errors
    /// When the disk is full. The container must not suffer from that, so callers may go on.
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
            let record = Record {
                log: String::from_utf8_lossy(&rest[..len]).into_owned(),
                stream: stream.to_owned(),
                time: nanos((self.clock)()),
            };
            serde_json::to_writer(&mut out, &record)?;
            out.push(b'\n');
            start += len;
        }
        pending.drain(..start);
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&out)
    }
}

/// Always nine digits, so that lines sort as text.
fn nanos(moment: Timestamp) -> String {
    let whole = Timestamp { nanos: 0, ..moment }.to_string();
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), moment.nanos)
}

/// Reads a log from its beginning; a line that is being written is left out.
///
/// # Errors
/// When the file cannot be read. A missing file is an empty log.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(why),
    };
    let mut records = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        records.extend(serde_json::from_slice::<Record>(&line?).ok());
    }
    Ok(records)
}
