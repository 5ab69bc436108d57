//! `logs`: which records of a container's log are wanted, and waiting for those that are still to come.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
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
    changes: Changes,
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
        let changes = if query.follow { Changes::watch(&path) } else { Changes(None) };
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
        let left = self.query.until.map(|until| {
            Duration::from_nanos(u64::try_from(until.to_nanos().saturating_sub(now.to_nanos())).unwrap_or_default())
        });
        if left.is_some_and(|left| left.is_zero()) {
            self.life = Life::Over;
            return Ok(());
        }
        let process = match &self.life {
            Life::Running(process) => Some(process),
            Life::Over | Life::Between => None,
        };
        let pause = match (process, &self.changes.0) {
            (Some(_), Some(_)) => None,
            _ => Some(PAUSE),
        };
        let limit = [left, pause].into_iter().flatten().min();
        if self.changes.wait(process, limit) == Woken::ByChange {
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

/// Tells when something is written to a file; nothing where the kernel has no watches left.
struct Changes(Option<OwnedFd>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// The file was written to, and nothing else is known.
    ByChange,
    /// The process has ended, or the time is over.
    ByAnythingElse,
}

impl Changes {
    /// The directory is watched, since the file may not be there yet.
    fn watch(path: &Path) -> Self {
        let attempt = || -> rustix::io::Result<OwnedFd> {
            let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            let directory = path.parent().unwrap_or(path);
            inotify::add_watch(&watch, directory, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::ONLYDIR)?;
            Ok(watch)
        };
        Self(attempt().ok())
    }

    fn wait(&self, process: Option<&OwnedFd>, limit: Option<Duration>) -> Woken {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut fds: Vec<PollFd<'_>> =
            process.into_iter().chain(&self.0).map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let is_interrupted = poll(&mut fds, limit.as_ref()).is_err();
        let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
        let has_changed = self.0.is_some() && is_ready(fds.last());
        let has_ended = process.is_some() && is_ready(fds.first());
        if has_changed {
            self.forget();
        }
        if (has_changed || is_interrupted) && !has_ended { Woken::ByChange } else { Woken::ByAnythingElse }
    }

    /// Takes the news off the queue: what they tell is read from the file.
    fn forget(&self) {
        let Some(watch) = &self.0 else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut news = inotify::Reader::new(watch, &mut buffer);
        while news.next().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn writing_to_a_watched_file_wakes_who_waits_for_it_and_only_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let changes = Changes::watch(&path);
        let soon = Some(Duration::from_millis(1));
        assert_eq!(changes.wait(None, soon), Woken::ByAnythingElse);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"a line\n").unwrap();
        assert_eq!(changes.wait(None, None), Woken::ByChange);
        assert_eq!(changes.wait(None, soon), Woken::ByAnythingElse);
    }

    #[test]
    fn the_end_of_a_process_wakes_who_waits_for_its_output() {
        let directory = tempfile::tempdir().unwrap();
        let changes = Changes::watch(&directory.path().join("log"));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        assert_eq!(changes.wait(Some(&process), None), Woken::ByAnythingElse);
        child.wait().unwrap();
    }
}
