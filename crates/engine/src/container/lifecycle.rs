//! Starting, stopping, killing, pausing, waiting, renaming.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wharfie_oci::{ContainerId, Fault, Kind};
use wharfie_runtime::Target;
use wharfie_store::ContainerLock;
use wharfie_store::containers::{ContainerRow, ContainerState, Phase, ProcessMark, Status};
use wharfie_store::ends::Ends;
use wharfie_store::journal::Note;

use super::ContainerError;
use super::monitor::Detach;
use super::settle::us;
use super::signal::Signal;
use super::{is_alive, readable_settings, settings_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;
use crate::watch::Watch;

/// Seconds between asking and killing, if nobody says otherwise.
const STOP_TIMEOUT: i64 = 10;
/// 50 ms: after so long we look whether somebody is still there who would write down what we wait for.
const LOOK: Duration = Duration::from_millis(50);
/// How long we wait for whoever looks after a container to write down its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which container to stop, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stop {
    /// Its name or id.
    pub container: String,
    /// The signal that asks it to end, if not its own.
    pub signal: Option<String>,
    /// Seconds until it is killed, if not its own: negative for never.
    pub timeout: Option<i64>,
}

impl Engine {
    /// Asks a container to end, and kills it if it has not after a while.
    ///
    /// # Errors
    /// When there is no such container, or it cannot be signalled.
    pub fn stop(&self, stop: &Stop) -> Result<()> {
        let (lock, row) = self.locked_and_decided(&stop.container)?;
        let asked = self.ask_to_end(&row, stop.signal.as_deref())?;
        // From here on it is ending whoever holds the lock; nobody else has to wait for its patience.
        drop(lock);
        if asked {
            self.see_it_end(&row, stop.timeout)?;
            self.note(events::of_container(&row, "stop", &[]));
        }
        Ok(())
    }

    /// Writes down what changed nothing in the store. It happened all the same where that cannot be written.
    pub(crate) fn note(&self, event: Note) {
        let _ = self.writer().map(|store| store.note(event));
    }

    /// Stops a container as [`Self::stop`] does, if it runs, and starts it: nobody comes between. A container that goes with
    /// its end stays for that. Gives what did not go as it should all the same.
    ///
    /// # Errors
    /// As for [`Self::stop`] and [`Self::start`].
    pub fn restart(&self, stop: &Stop) -> Result<Vec<String>> {
        let (lock, row) = self.locked_and_decided(&stop.container)?;
        // Before it is stopped: one that could not be started afterwards stays as it is.
        if settings_of(&row)?.auto_remove {
            self.writer()?.change_container(&row.id, |state| state.restarter = Some(us()))?;
        }
        if self.ask_to_end(&row, stop.signal.as_deref())? {
            self.see_it_end(&row, stop.timeout)?;
        }
        let row = self.container(&row.id)?;
        let warnings = self.start_detached(&row, Detach::default(), lock)?.started()?;
        self.note(events::of_container(&row, "restart", &[]));
        Ok(warnings)
    }

    /// Starts a container, unless it runs already, and returns once it runs. Gives what did not go as it should all the same.
    ///
    /// # Errors
    /// When there is no such container, it is frozen, or it cannot be started.
    pub fn start(&self, name: &str) -> Result<Vec<String>> {
        let (row, lock) = self.lock_to_start(name)?;
        match lock {
            Some(lock) => self.start_detached(&row, Detach::default(), lock)?.started(),
            // Somebody else may have started it already, also just now: it runs, as was asked.
            None => Ok(Vec::new()),
        }
    }

    /// A container and its lock, for starting it; no lock if it runs already.
    ///
    /// # Errors
    /// When there is no such container, or it is frozen.
    pub fn lock_to_start(&self, name: &str) -> Result<(ContainerRow, Option<ContainerLock>)> {
        let (lock, row) = self.locked_and_decided(name)?;
        if row.state.running().is_none() {
            settings_of(&row)?;
        }
        match row.state.status() {
            Status::Paused => Err(ContainerError::StartPaused.into()),
            Status::Running => Ok((row, None)),
            // It is not to wait any longer.
            Status::Restarting => {
                self.mark_stopped(&row)?;
                Ok((row, Some(lock)))
            }
            Status::Created | Status::Exited => Ok((row, Some(lock))),
        }
    }

    /// Says that the user wants a locked container to end, and signals it. False if there is nothing to wait for.
    fn ask_to_end(&self, row: &ContainerRow, signal: Option<&str>) -> Result<bool> {
        let settings = readable_settings(row);
        let signal = signal.map(str::to_owned).or(settings.config.stop_signal);
        let signal: Signal = signal.as_deref().unwrap_or("TERM").parse()?;
        if !self.mark_stopped(row)? {
            return Ok(false);
        }
        self.signal_and_thaw(row, signal)?;
        Ok(true)
    }

    /// Waits for the end of a container that was asked to, and loses patience after a while.
    fn see_it_end(&self, row: &ContainerRow, timeout: Option<i64>) -> Result<()> {
        let timeout = timeout.or(readable_settings(row).stop_timeout).unwrap_or(STOP_TIMEOUT);
        let limit = u64::try_from(timeout).ok().map(Duration::from_secs);
        if !wait_for_process(row, limit) {
            self.end_now(row)?;
        }
        self.wait_for_record(&row.id)
    }

    /// Sends a signal to a running container.
    ///
    /// # Errors
    /// When there is no such container, it does not run, or the signal is none.
    pub fn kill(&self, name: &str, signal: &str) -> Result<()> {
        let mut row = self.container(name)?;
        let signal: Signal = signal.parse()?;
        let mut lock = None;
        if row.state.status() == Status::Restarting {
            // Whether it still waits or runs again by now is only certain under the lock.
            let (held, now) = self.locked_and_decided(name)?;
            (lock, row) = (Some(held), now);
        }
        if !is_alive(&row) && row.state.status() != Status::Restarting {
            return Err(ContainerError::CannotKill { name: name.to_owned(), id: row.id }.into());
        }
        let stop_signal = readable_settings(&row).config.stop_signal;
        let ends =
            signal == Signal::KILL || stop_signal.and_then(|name| name.parse().ok()).unwrap_or(Signal::TERM) == signal;
        if ends && !self.mark_stopped(&row)? {
            return Ok(());
        }
        drop(lock);
        if signal != Signal::KILL {
            return self.signal(&row, signal);
        }
        self.end_now(&row)?;
        self.wait_for_record(&row.id)
    }

    /// Kills a container and waits until its process is gone, also if somebody freezes it at the same moment: the first
    /// version of cgroups keeps what is frozen from dying.
    pub(super) fn end_now(&self, row: &ContainerRow) -> Result<()> {
        self.signal_and_thaw(row, Signal::KILL)?;
        while !wait_for_process(row, Some(LOOK)) {
            self.thaw_to_end(row)?;
        }
        Ok(())
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// When it does not run, or this machine cannot freeze.
    pub fn pause(&self, name: &str) -> Result<()> {
        let (_lock, row, target) = self.locked_and_running(name)?;
        if row.state.status() == Status::Paused {
            return Err(ContainerError::AlreadyPaused(row.id).into());
        }
        self.freeze(&row, &target, None)
    }

    /// Freezes a locked container that runs; `by` says who thaws it, if not the user.
    pub(crate) fn freeze(&self, row: &ContainerRow, target: &Target, by: Option<ProcessMark>) -> Result<()> {
        let store = self.writer()?;
        if by.is_some() {
            // Written first: if we are killed in between, it is known who froze it.
            store.change_container(&row.id, |state| {
                if let Some(running) = state.running_mut() {
                    running.frozen_by = by;
                }
            })?;
        }
        self.runtime_of(target).freeze(target, true)?;
        let event = by.is_none().then(|| events::of_container(row, "pause", &[]));
        let paused = |state: &mut ContainerState| {
            // It may have ended meanwhile.
            if state.status() == Status::Running && state.process() == row.state.process() {
                state.freeze(by);
            }
        };
        store.noting(event.into_iter().collect(), |store| store.change_container(&row.id, paused))?;
        Ok(())
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// When it is not frozen.
    pub fn unpause(&self, name: &str) -> Result<()> {
        let row = self.container(name)?;
        if !is_alive(&row) {
            return Err(ContainerError::NotPaused(row.id).into());
        }
        let (_lock, row, _) = self.locked_and_running(name)?;
        if row.state.status() != Status::Paused {
            return Err(ContainerError::NotPaused(row.id).into());
        }
        let event = events::of_container(&row, "unpause", &[]);
        self.writer()?.noting(vec![event], |_| self.thaw_for(&row, row.state.frozen_by()))
    }

    /// Waits until a container that runs has ended the next time and gives its exit code; of one that does not, that of its
    /// last end.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn wait(&self, name: &str) -> Result<i32> {
        let row = self.container(name)?;
        // Opened before the look at its state: a container that goes with its end leaves us this.
        let ends = self.reader()?.ends(&row.id)?;
        let before = ends.as_ref().map(Ends::last).unwrap_or_default();
        let changes = Watch::directory(&self.container_place(&row)?);
        loop {
            let now = self.container(&row.id);
            let last = ends.as_ref().map(Ends::last).unwrap_or_default();
            if last.count != before.count {
                return Ok(last.code);
            }
            let now = now?;
            match now.state.status() {
                Status::Created | Status::Exited => return Ok(now.state.exit_code),
                Status::Running | Status::Paused if is_alive(&now) => {
                    wait_for_process(&now, None);
                }
                // Its end is about to be written down, or it is about to be started again, unless whoever does that is killed.
                Status::Running | Status::Paused | Status::Restarting => {
                    changes.wait(None, changes.patience(Some(LOOK), Duration::from_millis(5)));
                }
            }
        }
    }

    /// Gives a container another name. Gives what did not go as it should all the same.
    ///
    /// # Errors
    /// When there is no such container, or the name is taken or no name.
    pub fn rename(&self, name: &str, new: &str) -> Result<Vec<String>> {
        let row = self.container(name)?;
        if new.is_empty() {
            return Err(ContainerError::NoNewName.into());
        }
        let new = super::create::parse_name(new)?;
        if row.name == new {
            return Err(ContainerError::SameName.into());
        }
        let renamed = ContainerRow { name: new.clone(), ..row.clone() };
        let event = events::of_container(&renamed, "rename", &[("oldName", row.name.to_string())]);
        let renaming = self.writer()?.noting(vec![event], |store| store.rename_container(&row.id, &new));
        renaming.map_err(|why| match why {
            wharfie_store::Error::NameTaken { name, id } => ContainerError::RenameTaken { name, id }.into(),
            why => Error::from(why),
        })?;
        Ok(self.tell_names(&row.state.networks().cloned().collect::<Vec<_>>()))
    }

    /// A container's lock and the container, once it is written down how it is: one that has just ended is not caught between
    /// its end and the record of it.
    pub(crate) fn locked_and_decided(&self, name: &str) -> Result<(ContainerLock, ContainerRow)> {
        let mut patience = 3;
        loop {
            let (lock, row) = self.locked(name)?;
            let is_ending = matches!(row.state.status(), Status::Running | Status::Paused) && !is_alive(&row);
            // What a rehearsal knows does not change by waiting.
            if !is_ending || patience == 0 || self.is_rehearsal() {
                return Ok((lock, row));
            }
            // Whoever writes the end down may need the lock for it.
            drop(lock);
            self.wait_for_record(&row.id)?;
            patience -= 1;
        }
    }

    pub(crate) fn locked_and_running(&self, name: &str) -> Result<(ContainerLock, ContainerRow, Target)> {
        let (lock, row) = self.locked(name)?;
        match target_of(&row).filter(|_| is_alive(&row)) {
            Some(target) => Ok((lock, row, target)),
            None => Err(ContainerError::NotRunning(row.id).into()),
        }
    }

    /// A running container, with what the runtime needs to handle it.
    pub(crate) fn running(&self, name: &str) -> Result<(ContainerRow, Target)> {
        let row = self.container(name)?;
        match target_of(&row).filter(|_| is_alive(&row)) {
            Some(target) => Ok((row, target)),
            None => Err(ContainerError::NotRunning(row.id).into()),
        }
    }

    /// The user wants it to end: restart policies respect that. One that waits to be started again has ended with this. True
    /// if it has a process whose end is to be waited for. On a disk that is too full to write even this, it ends all the same.
    pub(super) fn mark_stopped(&self, row: &ContainerRow) -> Result<bool> {
        let written = self.writer()?.change_container(&row.id, |state| {
            state.is_stopped_by_user |= !state.status().is_over();
            if state.phase == Phase::Restarting {
                (state.phase, state.monitor) = (Phase::Exited, None);
            }
        });
        match written {
            Ok(written) => {
                if row.state.status() == Status::Restarting && written.is_some_and(|now| now.phase == Phase::Exited) {
                    self.wake_monitor(row);
                }
            }
            Err(why) if why.kind() == Kind::Unavailable => {}
            Err(why) => return Err(why.into()),
        }
        Ok(is_alive(row))
    }

    /// Signals a container, and lets a frozen one take notice.
    pub(super) fn signal_and_thaw(&self, row: &ContainerRow, signal: Signal) -> Result<()> {
        self.signal(row, signal)?;
        self.note(events::of_container(row, "kill", &[("signal", signal.number().to_string())]));
        let is_frozen = row.state.status() == Status::Paused || row.state.frozen_by().is_some();
        if is_frozen { self.thaw_to_end(row) } else { Ok(()) }
    }

    /// Lets a container run on that is to end, whatever is written down about it now.
    fn thaw_to_end(&self, row: &ContainerRow) -> Result<()> {
        let Some(target) = target_of(row).filter(|_| is_alive(row)) else { return Ok(()) };
        let _ = self.runtime_of(&target).freeze(&target, false);
        let is_frozen =
            |state: &ContainerState| state.status() == Status::Paused && state.process() == row.state.process();
        if self.reader()?.find_container(&row.id)?.is_some_and(|now| is_frozen(&now.state)) {
            let _ = self.writer()?.change_container(&row.id, |state| {
                if is_frozen(state) {
                    state.thaw();
                }
            });
        }
        Ok(())
    }

    fn signal(&self, row: &ContainerRow, signal: Signal) -> Result<()> {
        let Some(process) = process_of(row) else { return Ok(()) };
        let sent = match target_of(row) {
            Some(target) => self.runtime_of(&target).kill(&target, signal.number()),
            None => wharfie_runtime::signal(process.as_fd(), signal.number())
                .map_err(|source| wharfie_runtime::Error::System { doing: "send a signal".to_owned(), source }),
        };
        match sent {
            Ok(()) => Ok(()),
            // It has ended meanwhile.
            Err(_) if !is_alive(row) => Ok(()),
            Err(wharfie_runtime::Error::System { source, .. }) => {
                Err(ContainerError::Signal { id: row.id.clone(), source }.into())
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Waits until whoever looks after a container has written down that it ended.
    pub(super) fn wait_for_record(&self, id: &ContainerId) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let changes = Watch::directory(self.reader()?.root());
        while Instant::now() < until {
            match self.container(id) {
                Ok(row) if row.state.running().is_some() => {
                    changes.wait(None, changes.patience(Some(LOOK), Duration::from_millis(2)));
                    self.reader()?.wait_for_writer();
                }
                Ok(_) | Err(Error::Container(ContainerError::NoSuch(_))) => return Ok(()),
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
}

/// What the runtime wrote down about a container when it started it.
pub(crate) fn target_of(row: &ContainerRow) -> Option<Target> {
    serde_json::from_str(&row.state.running()?.target).ok()
}

/// A container's first process, if it is there.
fn process_of(row: &ContainerRow) -> Option<OwnedFd> {
    let pid = row.state.process().and_then(|process| Pid::from_raw(process.pid.cast_signed()))?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // The number may have come to another process between reading and opening it.
    is_alive(row).then_some(process)
}

/// Waits until a container's first process is gone; false if the time is over before.
pub(super) fn wait_for_process(row: &ContainerRow, limit: Option<Duration>) -> bool {
    let Some(process) = process_of(row) else { return true };
    let until = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| rustix::event::Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], timeout.as_ref()) {
            Ok(1..) => return true,
            Ok(0) if left.is_some() => return false,
            _ => {}
        }
    }
}
