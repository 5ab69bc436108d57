//! Logs in docker's json-file format: one object a line, with the text, the stream and the moment.

mod follow;
mod lines;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use wharfie_oci::Timestamp;
use wharfie_store::RESERVE_BYTES;

pub use follow::{LogQuery, Logs};

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
        // Always nine digits, so that lines sort as text.
        let record = Record { log: text.to_owned(), stream: stream.to_owned(), time: format!("{:.9}", (self.clock)()) };
        serde_json::to_writer(&mut *out, &record)?;
        out.push(b'\n');
        Ok(())
    }
}
