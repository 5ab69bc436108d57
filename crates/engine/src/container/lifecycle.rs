//! Stopping, killing, pausing, waiting, renaming, removing.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use wharfie_runtime::Target;
use wharfie_store::containers::{ContainerRow, Status};

use super::{is_alive, settings_of};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Seconds between asking and killing, if nobody says otherwise.
const STOP_TIMEOUT: i64 = 10;
/// How long we wait for whoever looks after a container to write down its end.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Asks a container to end, and kills it if it has not after `timeout` seconds (negative: never).
    ///
    /// # Errors
    /// When there is no such container, or it cannot be signalled.
    pub fn stop(&self, name: &str, signal: Option<&str>, timeout: Option<i64>) -> Result<()> {
        let row = self.container(name)?;
        if !is_alive(&row) {
            return Ok(());
        }
        let settings = settings_of(&row)?;
        let signal = signal.map(str::to_owned).or(settings.config.stop_signal);
        let signal = parse_signal(signal.as_deref().unwrap_or("TERM"))?;
        self.mark_stopped(&row)?;
        if row.state.status == Status::Paused {
            self.unpause(name)?;
        }
        self.signal(&row, signal)?;
        let timeout = timeout.or(settings.stop_timeout).unwrap_or(STOP_TIMEOUT);
        let limit = u64::try_from(timeout).ok().map(Duration::from_secs);
        if !wait_for_process(&row, limit) {
            self.signal(&row, Signal::KILL)?;
            wait_for_process(&row, None);
        }
        self.wait_for_record(&row.id)?;
        Ok(())
    }

    /// Sends a signal to a running container.
    ///
    /// # Errors
    /// When there is no such container, it does not run, or the signal is none.
    pub fn kill(&self, name: &str, signal: &str) -> Result<()> {
        let row = self.container(name)?;
        let signal = parse_signal(signal)?;
        if !is_alive(&row) {
            return Err(Error::Container(format!(
                "Cannot kill container: {name}: Container {} is not running",
                row.id
            )));
        }
        if signal == Signal::KILL {
            self.mark_stopped(&row)?;
        }
        self.signal(&row, signal)?;
        if signal == Signal::KILL {
            wait_for_process(&row, None);
            self.wait_for_record(&row.id)?;
        }
        Ok(())
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// When it does not run, or this machine cannot freeze.
    pub fn pause(&self, name: &str) -> Result<()> {
        let (row, target) = self.running(name)?;
        if row.state.status == Status::Paused {
            return Err(Error::Container(format!("Container {} is already paused", row.id)));
        }
        target.pause()?;
        self.writer()?.change_container(&row.id, |state| state.status = Status::Paused)?;
        Ok(())
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// When it is not frozen.
    pub fn unpause(&self, name: &str) -> Result<()> {
        let (row, target) = self.running(name)?;
        if row.state.status != Status::Paused {
            return Err(Error::Container(format!("Container {} is not paused", row.id)));
        }
        target.unpause()?;
        self.writer()?.change_container(&row.id, |state| state.status = Status::Running)?;
        Ok(())
    }

    /// Waits until a container has ended and gives its exit code.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn wait(&self, name: &str) -> Result<i32> {
        let row = self.container(name)?;
        loop {
            let now = match self.container(&row.id) {
                Ok(now) => now,
                // It was to go when it ends, and went: its code went with it, unless we saw it.
                Err(Error::NoSuchContainer(_)) => return Ok(row.state.exit_code),
                Err(why) => return Err(why),
            };
            match now.state.status {
                Status::Running | Status::Paused | Status::Restarting => {
                    if !wait_for_process(&now, Some(Duration::from_secs(1))) {
                        continue;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                Status::Created | Status::Exited => return Ok(now.state.exit_code),
            }
        }
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// When there is no such container, or the name is taken or no name.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let row = self.container(name)?;
        if new.is_empty() {
            return Err(Error::Container("Neither old nor new names may be empty".to_owned()));
        }
        super::create::check_name(new)?;
        let new = new.strip_prefix('/').unwrap_or(new);
        if row.name == new {
            return Err(Error::Container("Renaming a container with the same name as its current name".to_owned()));
        }
        self.writer()?.rename_container(&row.id, new).map_err(|why| match why {
            wharfie_store::Error::NameTaken { name, id } => Error::ContainerName { name, id },
            why => Error::from(why),
        })?;
        self.tell_names(&row.state.addresses.into_keys().collect::<Vec<_>>())
    }

    /// Removes a container; a running one only by force. With `volumes` its anonymous volumes go too.
    ///
    /// # Errors
    /// When there is no such container, or it runs.
    pub fn remove_container(&self, name: &str, force: bool, volumes: bool) -> Result<ContainerRow> {
        let row = self.container(name)?;
        if is_alive(&row) {
            if !force {
                return Err(Error::Running(row.id));
            }
            self.mark_stopped(&row)?;
            if let Some(target) = target_of(&row) {
                target.cgroup.kill();
            }
            self.signal(&row, Signal::KILL)?;
            wait_for_process(&row, None);
            self.wait_for_record(&row.id)?;
        }
        self.withdraw(&row, &settings_of(&row)?);
        let store = self.writer()?;
        let anonymous = store.volumes_of_container(&row.id)?;
        store.remove_container(&row.id)?;
        if volumes {
            for volume in anonymous.iter().filter(|name| name.len() == 64) {
                store.remove_volume(volume)?;
            }
        }
        store.collect_expired()?;
        Ok(row)
    }

    /// A running container, with what the runtime needs to handle it.
    pub(crate) fn running(&self, name: &str) -> Result<(ContainerRow, Target)> {
        let row = self.container(name)?;
        match target_of(&row).filter(|_| is_alive(&row)) {
            Some(target) => Ok((row, target)),
            None => Err(Error::NotRunning(row.id)),
        }
    }

    /// The user wants it to end: restart policies respect that.
    fn mark_stopped(&self, row: &ContainerRow) -> Result<()> {
        self.writer()?.change_container(&row.id, |state| state.is_stopped_by_user = true)?;
        Ok(())
    }

    fn signal(&self, row: &ContainerRow, signal: Signal) -> Result<()> {
        let Some(pid) = row.state.pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return Ok(()) };
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        // The number may have come to another process between reading and opening it.
        if !is_alive(row) {
            return Ok(());
        }
        if let Some(target) = target_of(row).filter(Target::is_foreign) {
            let number = u8::try_from(signal.as_raw()).unwrap_or_default();
            return match wharfie_runtime::kill(&target, number) {
                // It ended while the runtime looked.
                Err(_) if !is_alive(row) => Ok(()),
                result => Ok(result?),
            };
        }
        match rustix::process::pidfd_send_signal(&process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(why) => Err(Error::Container(format!("cannot send a signal to container {}: {why}", row.id))),
        }
    }

    /// Waits until whoever looks after a container has written down that it ended.
    fn wait_for_record(&self, id: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.container(id) {
                Ok(row) if row.state.pid.is_some() => std::thread::sleep(Duration::from_millis(2)),
                Ok(_) | Err(Error::NoSuchContainer(_)) => return Ok(()),
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
}

/// What the runtime wrote down about a container when it started it.
pub(crate) fn target_of(row: &ContainerRow) -> Option<Target> {
    serde_json::from_str(&row.state.target).ok()
}

/// Waits until a container's first process is gone; false if the time is over before.
fn wait_for_process(row: &ContainerRow, limit: Option<Duration>) -> bool {
    let Some(pid) = row.state.pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return true };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    if !is_alive(row) {
        return true;
    }
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

/// Reads a signal by name, with or without `SIG`, or by number.
///
/// # Errors
/// Docker's text for anything else.
pub fn parse_signal(text: &str) -> Result<Signal> {
    let invalid = || Error::Container(format!("Invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return Signal::from_named_raw(number).ok_or_else(invalid);
    }
    let name = text.to_ascii_uppercase();
    Ok(match name.strip_prefix("SIG").unwrap_or(&name) {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "ILL" => Signal::ILL,
        "TRAP" => Signal::TRAP,
        "ABRT" | "IOT" => Signal::ABORT,
        "BUS" => Signal::BUS,
        "FPE" => Signal::FPE,
        "KILL" => Signal::KILL,
        "USR1" => Signal::USR1,
        "SEGV" => Signal::SEGV,
        "USR2" => Signal::USR2,
        "PIPE" => Signal::PIPE,
        "ALRM" => Signal::ALARM,
        "TERM" => Signal::TERM,
        "CHLD" | "CLD" => Signal::CHILD,
        "CONT" => Signal::CONT,
        "STOP" => Signal::STOP,
        "TSTP" => Signal::TSTP,
        "TTIN" => Signal::TTIN,
        "TTOU" => Signal::TTOU,
        "URG" => Signal::URG,
        "XCPU" => Signal::XCPU,
        "XFSZ" => Signal::XFSZ,
        "VTALRM" => Signal::VTALARM,
        "PROF" => Signal::PROF,
        "WINCH" => Signal::WINCH,
        "IO" | "POLL" => Signal::IO,
        "PWR" => Signal::POWER,
        "SYS" => Signal::SYS,
        _ => return Err(invalid()),
    })
}
