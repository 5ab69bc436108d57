//! Waiting for something to be written, instead of looking again and again.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use wharfie_oci::Timestamp;

/// Tells when something is written to a file of a directory. Where the kernel has no watches left it tells nothing, and who
/// waits looks again when the time is over.
pub(crate) struct Watch(Option<OwnedFd>);

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Something was written, and nothing else is known.
    ByChange,
    /// The process has ended, or the time is over.
    ByAnythingElse,
}

/// How long it is from a moment to another one; nothing if that is over.
pub(crate) fn time_left(now: Timestamp, until: Timestamp) -> Duration {
    let nanos = until.to_nanos().saturating_sub(now.to_nanos());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

impl Watch {
    /// Watches the files that are directly in a directory, also those that are still to be made.
    pub(crate) fn directory(directory: &Path) -> Self {
        let attempt = || -> rustix::io::Result<OwnedFd> {
            let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            inotify::add_watch(&watch, directory, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::ONLYDIR)?;
            Ok(watch)
        };
        Self(attempt().ok())
    }

    /// How long to wait at most, if `left` is the time that is left: no longer than `pause` where nobody tells of changes.
    pub(crate) fn patience(&self, left: Option<Duration>, pause: Duration) -> Option<Duration> {
        let pause = if self.0.is_some() { None } else { Some(pause) };
        [left, pause].into_iter().flatten().min()
    }

    /// Waits until something has been written since the last wait, `process` has ended, or the time is over.
    pub(crate) fn wait(&self, process: Option<&OwnedFd>, limit: Option<Duration>) -> Woken {
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

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn writing_to_a_watched_file_wakes_who_waits_for_it_and_only_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let changes = Watch::directory(directory.path());
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
        let changes = Watch::directory(directory.path());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        assert_eq!(changes.wait(Some(&process), None), Woken::ByAnythingElse);
        child.wait().unwrap();
    }
}
