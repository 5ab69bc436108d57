//! `logs`: which records of a container's log are wanted, and waiting for those that are still to come.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wharfie_oci::{ContainerId, Timestamp};
use wharfie_store::containers::Status;

use super::Record;
use super::lines::{Extent, Reader};
use crate::container::ContainerError;
use crate::container::words::LogDriver;
use crate::container::{is_alive, readable_settings};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::watch::{Watch, Woken, time_left};

/// What of a container's log is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// The container's name or id.
    pub container: String,
    /// Only what was written at this moment or later.
    pub since: Option<Timestamp>,
    /// Only what was written before this moment; who follows the log is done then.
    pub until: Option<Timestamp>,
    /// Only so many records from its end, and what is written after them.
    pub tail: Option<usize>,
    /// Also what is still to be written, until the container ends.
    pub follow: bool,
}

/// The records of a log, one after the other. Asking for the next one waits for it if the log is followed.
pub struct Logs<'a> {
    engine: &'a Engine,
    query: LogQuery,
    /// Whole.
    id: ContainerId,
    path: PathBuf,
    reader: Reader,
    changes: Option<Watch>,
    /// What the container did before the log was read the last time: what it wrote until then is read in any case.
    life: Life,
}

/// Whether a container may still write to its log.
enum Life {
    /// It is not asked.
    Over,
    /// It runs, and this tells when it does not.
    Running(OwnedFd),
    /// It waits to be started again, or its end is about to be written down.
    Between,
}

impl Engine {
    /// A container's log.
    ///
    /// # Errors
    /// When there is no such container, or its log is not kept or cannot be read.
    pub fn logs(&self, query: LogQuery) -> Result<Logs<'_>> {
        let row = self.container(&query.container)?;
        if readable_settings(&row).log_driver == LogDriver::None {
            return Err(ContainerError::NoLog.into());
        }
        let path = self.log_path(&row)?;
        let id = row.id;
        // Watched before it is read: nothing is written in between that nobody notices.
        let changes = path.parent().filter(|_| query.follow).map(Watch::directory);
        let life = if query.follow { self.life(&id) } else { Life::Over };
        let extent = if query.follow { Extent::Growing } else { Extent::Now };
        let reader = Reader::open(&path, query.tail, extent).map_err(failed(&path))?;
        Ok(Logs { engine: self, query, id, path, reader, changes, life })
    }

    fn life(&self, id: &ContainerId) -> Life {
        let Ok(row) = self.container(id) else { return Life::Over };
        match row.state.status() {
            Status::Created | Status::Exited => Life::Over,
            Status::Running | Status::Paused if is_alive(&row) => {
                let pid = row.state.process().and_then(|process| Pid::from_raw(process.pid.cast_signed()));
                let process = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
                process.map_or(Life::Between, Life::Running)
            }
            Status::Running | Status::Paused | Status::Restarting => Life::Between,
        }
    }
}

impl Logs<'_> {
    fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            while let Some(record) = self.reader.next_record().map_err(failed(&self.path))? {
                let written = record.time.parse::<Timestamp>().ok();
                let is_at_or_after = |limit: Option<Timestamp>| written.zip(limit).map(|(at, limit)| at >= limit);
                if is_at_or_after(self.query.until) == Some(true) {
                    self.life = Life::Over;
                    return Ok(None);
                }
                if is_at_or_after(self.query.since) != Some(false) {
                    return Ok(Some(record));
                }
            }
            if matches!(self.life, Life::Over) {
                return Ok(None);
            }
            self.wait()?;
        }
    }

    /// Waits until there may be something to read, or the container has ended, or the last moment asked for has come.
    fn wait(&mut self) -> Result<()> {
        let now = self.engine.reader()?.now();
        let left = self.query.until.map(|until| time_left(now, until));
        if left.is_some_and(|left| left.is_zero()) {
            self.life = Life::Over;
            return Ok(());
        }
        let process = match &self.life {
            Life::Running(process) => Some(process),
            Life::Over | Life::Between => None,
        };
        let Some(changes) = &self.changes else { return Ok(()) };
        // Nobody tells when a container that waits for its next start is not to be started any more.
        let left = if process.is_some() { left } else { Some(left.map_or(PAUSE, |left| left.min(PAUSE))) };
        if changes.wait(process, changes.patience(left, PAUSE)) == Woken::ByChange {
            return Ok(());
        }
        self.life = self.engine.life(&self.id);
        Ok(())
    }
}

impl Iterator for Logs<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}

/// 50 ms between looks at what nobody can be told of.
const PAUSE: Duration = Duration::from_millis(50);

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    |source| Error::File { doing: "read", path: path.to_owned(), source }
}
