//! What the last probes said: a small file beside the container's log, written by the monitor and read by `inspect`.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What is known of a container's health besides the word for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// How many probes failed one after the other, up to now.
    pub failing_streak: u32,
    /// The last probes, oldest first; five at most, as docker keeps.
    pub probes: Vec<Probe>,
}

/// One probe. Moments are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When it began.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// Its exit code; -1 if it could not be started or took too long.
    pub exit_code: i32,
    /// The beginning of what it printed, or why it has no exit code.
    pub output: String,
}

impl Record {
    /// Reads it from a container's directory. One that is not there, or cannot be understood, says nothing.
    pub fn read(directory: &Path) -> Self {
        let text = std::fs::read(directory.join(NAME)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Adds what a probe said.
    pub(super) fn add(&mut self, probe: Probe) {
        self.probes.push(probe);
        let surplus = self.probes.len().saturating_sub(KEPT);
        self.probes.drain(..surplus);
    }

    /// Replaces the one in a container's directory. Readers see the old one or the new one.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let aside = directory.join(ASIDE);
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).custom_flags(flags).open(&aside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(&aside, directory.join(NAME))
    }
}

/// Docker's number.
const KEPT: usize = 5;
const NAME: &str = "health.json";
const ASIDE: &str = "health.json.new";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_are_kept_and_come_back() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(directory.path()), Record::default());
        let mut record = Record { failing_streak: 7, ..Record::default() };
        for exit_code in 0..7 {
            record.add(Probe { start: 1, end: 2, exit_code, output: "\"".to_owned() });
        }
        record.write(directory.path()).unwrap();
        let read = Record::read(directory.path());
        assert_eq!((read.failing_streak, read.probes.len(), read.probes[0].exit_code), (7, 5, 2));
        assert_eq!(read, record);
    }
}
