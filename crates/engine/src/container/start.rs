//! Starting a container and looking after it until it ends.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use wharfie_content::{Event, Observer, Warning};
use wharfie_runtime::proxy::Proxy;
use wharfie_runtime::{Exit, Foreign, Io, Own, Runtime, Size, Started, Target};
use wharfie_store::ContainerLock;
use wharfie_store::containers::{ContainerRow, ContainerState, Phase, ProcessMark, Running as RunningState};
use wharfie_store::journal::Note;

use super::ContainerError;
use super::settings::{OtherRuntime, Restart, Settings};
use super::settle::{networks_of, us};
use super::volumes::InUse;
use super::words::LogDriver;
use super::{is_alive, log, network, readable_settings, settings_of, spec};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events;
use crate::networks;

/// What a foreground container is connected to.
#[derive(Debug, Default)]
pub struct Streams {
    /// Its standard input; empty without.
    pub stdin: Option<OwnedFd>,
    /// Where its standard output goes; nowhere without.
    pub stdout: Option<OwnedFd>,
    /// Where its standard error goes; nowhere without.
    pub stderr: Option<OwnedFd>,
    /// Numbers of signals for it, until the other end is dropped. One that comes while it starts reaches it once it has.
    pub signals: Option<Receiver<i32>>,
}

/// How a container starts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Launch {
    /// Its changes need not survive a crash of the machine.
    pub(crate) volatile: bool,
    /// It ends when we do.
    pub(crate) die_with_us: bool,
    /// How large its terminal is.
    pub(crate) size: Option<Size>,
}

/// A container that runs, and what holds on to it.
pub(crate) struct Running {
    /// Its process.
    pub(crate) started: Started,
    /// What did not go as asked.
    pub(crate) warnings: Vec<String>,
    /// Its ports are open as long as this lives.
    _published: Option<Proxy>,
    /// What its volumes hold stays mounted as long as this lives.
    _volumes: InUse,
}

impl Engine {
    /// Starts a container whose lock we hold, and writes down that it runs. We look after it from now on.
    pub(crate) fn launch(&self, row: &ContainerRow, io: Io, launch: Launch, lock: &ContainerLock) -> Result<Running> {
        // Decided under the lock: one that runs is never touched by the failure of a second start.
        let now = self.writer()?.find_container(&row.id)?.ok_or_else(|| ContainerError::NoSuch(row.id.to_string()))?;
        if is_alive(&now) {
            return Err(ContainerError::AlreadyRunning(row.id.clone()).into());
        }
        // Who looks after it may have read them before they were changed.
        let settings = &settings_of(&now)?;
        let result = self.try_launch(&now, settings, io, launch, lock);
        if let Err(why) = &result {
            self.withdraw(row, settings);
            let (text, code) = (why.to_string(), start_failure(why));
            self.writer()?.change_container(&row.id, |state| {
                state.error.clone_from(&text);
                state.exit_code = code;
            })?;
        }
        result
    }

    fn try_launch(
        &self,
        row: &ContainerRow,
        settings: &Settings,
        io: Io,
        launch: Launch,
        _lock: &ContainerLock,
    ) -> Result<Running> {
        let store = self.writer()?;
        // Who waits for its end opens this first.
        store.make_ends(&row.id)?;
        let volumes = self.mount_volumes(settings)?;
        let place = network::find(self, row, settings)?;
        let (rootfs, mounts) = self.rootfs_of(&store.scratch_of_container(&row.id)?, launch.volatile)?;
        let mut spec = spec::spec(store, row, settings, rootfs, place.network, launch.size)?;
        spec.die_with_parent = launch.die_with_us;
        spec.more_bridges = place.more;
        self.tell_names_to(row, settings, &place.addresses)?;
        if self.config().is_rootless {
            spec::map_ids(&mut spec, settings)?;
        }
        let started = self.runtime(settings).start(&spec, mounts, io)?;
        let address = network::address(&spec.network).map(|address| address.to_string()).unwrap_or_default();
        let published = network::forward_ports(&spec.network, place.reserved, started.pid)?;
        let ports = published.as_ref().map(network::document).transpose()?.unwrap_or_default();
        let mut warnings: Vec<String> = started.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(place.warning);
        let target = started.target().map(|target| serde_json::to_string(&target)).transpose();
        let target = target.map_err(Error::Document)?.unwrap_or_default();
        let now = store.now().to_nanos();
        let us = us();
        let mut events = self.network_events(place.addresses.keys(), "connect", &row.id);
        events.push(events::of_known_container(row, settings, "start", &[]));
        let running = |state: &mut ContainerState| {
            *state = ContainerState {
                phase: Phase::Running(RunningState {
                    process: ProcessMark { pid: started.pid, started: started.start_time },
                    target: target.clone(),
                    address: address.clone(),
                    addresses: place.addresses.clone(),
                    ports: ports.clone(),
                    frozen_by: None,
                }),
                monitor: Some(us),
                started_at: Some(now),
                restarts: state.restarts,
                health: super::health::at_first(settings),
                ..ContainerState::default()
            };
        };
        store.noting(events, |store| store.change_container(&row.id, running))?;
        let networks: Vec<String> = place.addresses.into_keys().collect();
        warnings.extend(self.tell_names(&networks));
        Ok(Running { started, warnings, _published: published, _volumes: volumes })
    }

    /// Takes away what the runtime left of a container that has ended, and writes down how it ended: for good or, unless a
    /// user has stopped it, until it is started again for the `next` time. Gives what was written; `None` if the container is
    /// gone. It needs no lock, so that whoever stops a container can hold it meanwhile.
    pub(crate) fn ended(
        &self,
        row: &ContainerRow,
        settings: &Settings,
        end: &Ended,
        next: Option<u32>,
    ) -> Result<Option<ContainerState>> {
        let store = self.writer()?;
        self.withdraw(row, settings);
        self.write_end(row, end.exit.code());
        let now = store.now().to_nanos();
        let events = self.events_of_end(row, settings, end)?;
        let ended = |state: &mut ContainerState| {
            let next = next.filter(|_| !state.is_stopped_by_user);
            state.phase = if next.is_some() { Phase::Restarting } else { Phase::Exited };
            state.restarts = next.unwrap_or(state.restarts);
            state.finished_at = Some(now);
            state.exit_code = i32::from(end.exit.code());
            state.oom_killed = end.oom_killed;
            state.health = state.health.after_end();
            match state.restarter {
                // Whoever stops it to start it again answers for it now.
                Some(by) => state.monitor = Some(by),
                None if next.is_none() => state.monitor = None,
                None => {}
            }
        };
        let written = store.noting(events, |store| store.change_container(&row.id, ended))?;
        // Nobody is there to be warned.
        let _ = self.tell_names(&networks_of(settings));
        Ok(written)
    }

    /// That a container has ended, under the name and on the networks that it has by now.
    fn events_of_end(&self, row: &ContainerRow, settings: &Settings, end: &Ended) -> Result<Vec<Note>> {
        let row = self.writer()?.find_container(&row.id)?.unwrap_or_else(|| row.clone());
        let mut events = self.network_events(row.state.networks(), "disconnect", &row.id);
        if end.oom_killed {
            events.push(events::of_known_container(&row, settings, "oom", &[]));
        }
        events.push(events::of_known_container(&row, settings, "die", &[("exitCode", end.exit.code().to_string())]));
        Ok(events)
    }

    /// That a container is put on these networks, or taken off them.
    pub(super) fn network_events<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
        action: &str,
        container: &str,
    ) -> Vec<Note> {
        let id = |name: &str| match networks::is_builtin(name) {
            true => String::from(networks::builtin_id(name)),
            false => self.network(name).map(|network| network.id.into()).unwrap_or_default(),
        };
        names.map(|name| events::of_network(&id(name), name, action, Some(container))).collect()
    }

    /// Tells those who wait for an end.
    pub(super) fn write_end(&self, row: &ContainerRow, code: u8) {
        // Its row says it as well; only who waits for a container that goes with its end would not learn how it ended.
        if let Ok(Some(ends)) = self.writer().map_err(drop).and_then(|store| store.make_ends(&row.id).map_err(drop)) {
            let _ = ends.add(code);
        }
    }

    /// Takes away what a container that has ended has left on the machine: its cgroup, its cable, its address. What
    /// cannot be taken away now is found by a check of the store.
    pub(crate) fn withdraw(&self, row: &ContainerRow, settings: &Settings) {
        let _ = self.runtime(settings).forget(&row.id);
        let parent = parent(settings);
        // It may have come to other networks since these settings were read.
        let now = self.reader().ok().and_then(|store| store.find_container(&row.id).ok().flatten());
        let now = now.map(|now| readable_settings(&now));
        let settings_now = now.as_ref().unwrap_or(settings);
        let subnets = networks::subnets(self, settings_now);
        let _ = wharfie_runtime::cleanup(&row.id, parent, &subnets);
        let _ = self.unmount_volumes(row, settings);
    }

    /// Runs a container in the foreground: it has the caller's streams and signals, and ends when we do. Gives its exit code.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_foreground(
        &self,
        row: &ContainerRow,
        mut streams: Streams,
        observer: &dyn Observer,
        lock: ContainerLock,
    ) -> Result<u8> {
        let settings = settings_of(row)?;
        let launch = Launch { volatile: settings.auto_remove, die_with_us: true, size: None };
        let is_logged = !settings.auto_remove && settings.log_driver != LogDriver::None;
        // Another runtime complains on the container's own streams before it gives up: we say it, and once.
        let is_terminal = [&streams.stdout, &streams.stderr].into_iter().flatten().any(IsTerminal::is_terminal);
        let is_piped = is_logged || is_terminal || settings.runtime.is_some();
        let signals = streams.signals.take();
        let (io, pumps) = if is_piped { self.piped(row, streams, is_logged)? } else { (direct(streams)?, Vec::new()) };
        let result = self.launch(row, io, launch, &lock);
        let running = match result {
            Ok(running) => running,
            Err(why) => {
                if settings.auto_remove {
                    // What cannot be deleted is found by a check of the store.
                    let _ = self.discard(row, &lock);
                }
                return Err(why);
            }
        };
        drop(lock);
        let started = &running.started;
        for warning in &running.warnings {
            observer.observe(Event::Warned(Warning::Note(format!("WARNING: {warning}"))));
        }
        if let Some(signals) = signals {
            forward(signals, started);
        }
        let writers: Vec<_> = pumps.into_iter().map(Pump::run).collect();
        let health = super::health::watch(self, row, &settings, started);
        let exit = started.wait().map_err(Error::from)?;
        drop(health);
        for writer in writers {
            let _ = writer.join();
        }
        let end = Ended { exit, oom_killed: started.cgroup.oom_killed() };
        // Else it would be in its own way when its volumes are unmounted.
        drop(running);
        // The command has ended as it has, whatever becomes of what it left.
        let left = match settings.auto_remove {
            true => self.ended_and_gone(row, &settings, &end),
            false => self.ended(row, &settings, &end, None).map(drop),
        };
        if let Err(why) = left {
            observer.observe(Event::Warned(Warning::Note(format!("WARNING: {}", why.with_reasons()))));
        }
        Ok(exit.code())
    }

    /// Pipes whose other ends are copied to us and, if wanted, into the log.
    fn piped(&self, row: &ContainerRow, streams: Streams, is_logged: bool) -> Result<(Io, Vec<Pump>)> {
        let store = self.writer()?;
        let path = spec::log_path(store, &row.id);
        let writer = is_logged.then(|| log::Writer::append(&path, store.options().clock)).transpose();
        let writer = writer.map_err(|source| Error::File { doing: "open", path, source })?.map(Arc::new);
        let mut pumps = Vec::new();
        let mut pipe = |stream: &'static str, to: Option<OwnedFd>| -> Result<OwnedFd> {
            let (from, theirs) = io::pipe().map_err(Error::system("make a pipe"))?;
            pumps.push(Pump { from: from.into(), to, stream, log: writer.clone() });
            Ok(theirs.into())
        };
        let stdout = pipe("stdout", streams.stdout)?;
        let stderr = pipe("stderr", streams.stderr)?;
        let stdin = streams.stdin.map(super::streams::input).transpose()?;
        Ok((Io { stdin, stdout: Some(stdout), stderr: Some(stderr) }, pumps))
    }

    /// As [`Self::ended`], of a container that goes with its end, unless somebody is about to start it again.
    pub(crate) fn ended_and_gone(&self, row: &ContainerRow, settings: &Settings, end: &Ended) -> Result<()> {
        let store = self.writer()?;
        let is_restarted = || -> Result<bool> {
            let now = store.find_container(&row.id)?;
            Ok(now.is_some_and(|now| now.state.restarter.is_some_and(super::settle::exists)))
        };
        // Who restarts it holds the lock until we have written, and has said so before it ended.
        if !is_restarted()?
            && let Some(lock) = store.lock_container(&row.id)?
            && !is_restarted()?
        {
            self.withdraw(row, settings);
            self.write_end(row, end.exit.code());
            let events = self.events_of_end(row, settings, end)?;
            let discarded = self.writer()?.noting(events, |_| self.discard(row, &lock));
            let _ = self.tell_names(&networks_of(settings));
            return discarded;
        }
        self.ended(row, settings, end, None)?;
        Ok(())
    }

    /// Who runs a container with these settings.
    pub(super) fn runtime(&self, settings: &Settings) -> Box<dyn Runtime> {
        match &settings.runtime {
            Some(OtherRuntime { name, program, args }) => {
                Box::new(Foreign::new(name, program, args, &self.config().state))
            }
            None => Box::new(Own { program: self.config().program.clone() }),
        }
    }

    /// Who runs a container that runs.
    pub(super) fn runtime_of(&self, target: &Target) -> Box<dyn Runtime> {
        target.runtime(&self.config().program)
    }

    /// Forgets a container that does not run, with its anonymous volumes.
    pub(crate) fn discard(&self, row: &ContainerRow, lock: &ContainerLock) -> Result<()> {
        let store = self.writer()?;
        let volumes = store.volumes_of_container(&row.id)?;
        // What of one cannot be deleted keeps no other.
        let event = events::of_container(row, "destroy", &[]);
        let mut removed = store.noting(vec![event], |store| store.remove_container(&row.id, lock));
        for volume in volumes.iter().filter(|name| name.is_random()) {
            removed = removed.and(store.remove_volume(volume).map(drop));
        }
        Ok(removed?)
    }
}

/// How a container ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// As its first process did.
    pub(crate) exit: Exit,
    /// True if the kernel ended it for want of memory.
    pub(crate) oom_killed: bool,
}

/// True if a policy starts a container again that ended so, `restarts` times already.
pub(crate) fn wants_restart(policy: Restart, exit: Exit, restarts: u32) -> bool {
    match policy {
        Restart::No => false,
        Restart::Always | Restart::UnlessStopped => true,
        Restart::OnFailure(most) => !exit.is_success() && (most == 0 || restarts < most),
    }
}

pub(super) fn parent(settings: &Settings) -> Option<&str> {
    Some(settings.cgroup_parent.as_str()).filter(|parent| !parent.is_empty())
}

/// The exit code of a container that could not be started.
pub fn start_failure(why: &Error) -> i32 {
    match why {
        Error::Runtime(wharfie_runtime::Error::CommandNotFound { .. }) => 127,
        Error::Runtime(
            wharfie_runtime::Error::NotExecutable { .. } | wharfie_runtime::Error::WorkingDirectory { .. },
        ) => 126,
        _ => 128,
    }
}

/// The caller's streams, handed over as they are: no output of them is a terminal.
fn direct(streams: Streams) -> Result<Io> {
    let stdin = streams.stdin.map(super::streams::input).transpose()?;
    Ok(Io { stdin, stdout: streams.stdout, stderr: streams.stderr })
}

/// Copies one stream of a container to the log and to the caller.
struct Pump {
    from: OwnedFd,
    to: Option<OwnedFd>,
    stream: &'static str,
    log: Option<Arc<log::Writer>>,
}

impl Pump {
    fn run(self) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            let mut from = std::fs::File::from(self.from);
            let mut to = self.to.map(std::fs::File::from);
            let mut buffer = vec![0; 32 << 10];
            let mut pending = Vec::new();
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                if let Some(out) = &mut to
                    && out.write_all(&buffer[..n]).is_err()
                {
                    // Nobody listens any more; the log still does.
                    to = None;
                }
                if let Some(log) = &self.log {
                    pending.extend_from_slice(&buffer[..n]);
                    let _ = log.write(self.stream, &mut pending, false);
                }
            }
            if let Some(log) = &self.log {
                let _ = log.write(self.stream, &mut pending, true);
            }
        })
    }
}

/// Passes signals on from a thread of its own, until nobody can send one any more.
fn forward(signals: Receiver<i32>, started: &Started) {
    let Ok(process) = started.pidfd.try_clone() else { return };
    std::thread::spawn(move || {
        for signal in signals.into_iter().filter_map(rustix::process::Signal::from_named_raw) {
            let _ = rustix::process::pidfd_send_signal(&process, signal);
        }
    });
}
