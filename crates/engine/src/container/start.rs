//! Starting a container and looking after it until it ends.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags};
use signal_hook::consts::{SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use wharfie_content::{Event, Observer, Warning};
use wharfie_runtime::proxy::Proxy;
use wharfie_runtime::{Cgroup, Exit, Foreign, Io, Size, Started};
use wharfie_store::Store;
use wharfie_store::containers::{ContainerRow, ContainerState, Status};

use super::settings::Settings;
use super::{is_alive, log, network, settings_of, spec, start_ticks};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::networks;

/// What of a foreground container is connected to us.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// Our standard input is its.
    pub stdin: bool,
    /// Its standard output is ours.
    pub stdout: bool,
    /// Its standard error is ours.
    pub stderr: bool,
    /// Signals that we get, it gets.
    pub signals: bool,
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
}

impl Engine {
    /// Starts a container and writes down that it runs. We look after it from now on.
    pub(crate) fn launch(&self, row: &ContainerRow, settings: &Settings, io: Io, launch: Launch) -> Result<Running> {
        let result = self.try_launch(row, settings, io, launch);
        if let Err(why) = &result {
            self.withdraw(row, settings);
            let (text, code) = (why.to_string(), start_failure(why));
            self.writer()?.change_container(&row.id, |state| {
                state.error = text;
                state.exit_code = code;
            })?;
        }
        result
    }

    fn try_launch(&self, row: &ContainerRow, settings: &Settings, io: Io, launch: Launch) -> Result<Running> {
        let store = self.writer()?;
        let _turn = turn(store, &row.id, FlockOperation::LockExclusive)?;
        if self.container(&row.id).is_ok_and(|now| is_alive(&now)) {
            return Err(Error::Container(format!("container {} is already running", row.id)));
        }
        let is_rootless = self.config().is_rootless;
        let place = network::find(store, row, settings, is_rootless)?;
        let (rootfs, mounts) = self.rootfs_of(row, launch.volatile)?;
        let mut spec = spec::spec(store, row, settings, rootfs, place.network, launch.size)?;
        spec.die_with_parent = launch.die_with_us;
        spec.more_bridges = place.more;
        self.tell_names_to(row, settings, &place.addresses)?;
        if is_rootless {
            spec::map_ids(&mut spec, settings)?;
        }
        let started = match foreign(settings) {
            Some(runtime) => runtime.start(&spec, &mounts, io)?,
            None => wharfie_runtime::start(&spec, mounts, io, &self.config().program)?,
        };
        let address = network::address(&spec.network).map(|address| address.to_string()).unwrap_or_default();
        let published = network::lead(&spec.network, place.reserved, started.pid)?;
        let ports = published.as_ref().map(network::document).transpose()?.unwrap_or_default();
        let mut warnings: Vec<String> = started.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(place.warning);
        let target = started.target().map(|target| serde_json::to_string(&target)).transpose();
        let target = target.map_err(Error::Document)?.unwrap_or_default();
        let now = nanos(store);
        let us = std::process::id();
        store.change_container(&row.id, |state| {
            *state = ContainerState {
                status: Status::Running,
                pid: Some(started.pid),
                pid_started: started.start_time,
                target,
                address,
                addresses: place.addresses.clone(),
                ports,
                monitor: Some(us),
                monitor_started: start_ticks(us).unwrap_or_default(),
                started_at: Some(now),
                restarts: state.restarts,
                health: super::health::at_first(settings).to_owned(),
                ..ContainerState::default()
            };
        })?;
        let networks: Vec<String> = place.addresses.into_keys().collect();
        if let Err(why) = self.tell_names(&networks) {
            warnings.push(format!("its neighbours do not know its name: {why}"));
        }
        Ok(Running { started, warnings, _published: published })
    }

    /// Writes down how a container ended, and takes away what the runtime left.
    pub(crate) fn ended(&self, row: &ContainerRow, settings: &Settings, started: &Started, exit: Exit) -> Result<()> {
        let store = self.writer()?;
        let oom = started.cgroup.oom_killed();
        self.withdraw(row, settings);
        let now = nanos(store);
        store.change_container(&row.id, |state| {
            state.status = Status::Exited;
            state.pid = None;
            state.finished_at = Some(now);
            state.exit_code = i32::from(exit.code());
            state.oom_killed = oom;
            (state.target, state.address, state.addresses, state.ports) = Default::default();
        })?;
        self.tell_names(&networks_of(settings))
    }

    /// What containers that have ended have left on the machine, because whoever looked after them was killed. It is
    /// taken away.
    pub(crate) fn withdraw_leftovers(&self) -> Result<Vec<String>> {
        let mut with_address = network::subnet().owners().unwrap_or_default();
        for network in self.networks()? {
            with_address.extend(network.subnet().owners().unwrap_or_default());
        }
        let mut found = Vec::new();
        for row in self.containers()? {
            // One that is being started has a cgroup and an address already, and its row does not say so yet.
            let Ok(_turn) = turn(self.writer()?, &row.id, FlockOperation::NonBlockingLockExclusive) else { continue };
            let Ok(row) = self.container(&row.id) else { continue };
            if !matches!(row.state.status, Status::Created | Status::Exited) {
                continue;
            }
            let settings = settings_of(&row)?;
            let has_group = Cgroup::find(parent(&settings), &row.id).exists();
            let has_address = with_address.contains(&row.id);
            let is_known = foreign(&settings).is_some_and(|runtime| runtime.knows(&row.id));
            if has_group || has_address || is_known {
                self.withdraw(&row, &settings);
            }
            for (has, what) in [(has_group, "cgroup"), (has_address, "address"), (is_known, "runtime's state")] {
                if has {
                    found.push(format!("{what} of container {}", row.name));
                }
            }
        }
        Ok(found)
    }

    /// Takes away what a container that has ended has left on the machine: its cgroup, its cable, its address. What
    /// cannot be taken away now is found by a check of the store.
    pub(crate) fn withdraw(&self, row: &ContainerRow, settings: &Settings) {
        if let Some(runtime) = foreign(settings) {
            let _ = runtime.remove(&row.id);
        }
        let parent = parent(settings);
        let subnets = self.reader().map(|store| networks::subnets(store, settings)).unwrap_or_default();
        let _ = wharfie_runtime::cleanup(&row.id, parent, &subnets);
    }

    /// Runs a container in the foreground: it has our streams, gets our signals and ends when we do. Gives its exit code.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_foreground(&self, row: &ContainerRow, streams: Streams, observer: &dyn Observer) -> Result<u8> {
        let settings = settings_of(row)?;
        let launch = Launch { volatile: settings.auto_remove, die_with_us: true, size: None };
        let is_logged = !settings.auto_remove && settings.log_driver != "none";
        // Another runtime complains on the container's own streams before it gives up: we say it, and once.
        let is_terminal = super::streams::has_terminal(streams.stdout, streams.stderr);
        let is_piped = is_logged || is_terminal || settings.runtime.is_some();
        let (io, pumps) = if is_piped { self.piped(row, streams, is_logged)? } else { (direct(streams)?, Vec::new()) };
        // Heard from now on: a signal that comes while the container starts is passed on once it has.
        let heard = streams.signals.then(|| Signals::new(FORWARDED).ok()).flatten();
        let result = self.launch(row, &settings, io, launch);
        let running = match result {
            Ok(running) => running,
            Err(why) => {
                if settings.auto_remove {
                    self.discard(row)?;
                }
                return Err(why);
            }
        };
        let started = &running.started;
        for warning in &running.warnings {
            observer.observe(Event::Warned(Warning::Note(format!("WARNING: {warning}"))));
        }
        let signals = heard.and_then(|heard| forward(heard, started));
        let writers: Vec<_> = pumps.into_iter().map(Pump::run).collect();
        let health = super::health::watch(self, row, &settings, started);
        let exit = started.wait().map_err(Error::from)?;
        drop(health);
        for writer in writers {
            let _ = writer.join();
        }
        if let Some(handle) = signals {
            handle.close();
        }
        if settings.auto_remove {
            self.withdraw(row, &settings);
            self.discard(row)?;
            self.tell_names(&networks_of(&settings))?;
        } else {
            self.ended(row, &settings, started, exit)?;
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
            let (from, theirs) = io::pipe().map_err(|why| Error::Container(format!("cannot make a pipe: {why}")))?;
            pumps.push(Pump { from: from.into(), to, stream, log: writer.clone() });
            Ok(theirs.into())
        };
        let stdout = pipe("stdout", streams.stdout.then(|| ours(io::stdout().as_fd())).transpose()?)?;
        let stderr = pipe("stderr", streams.stderr.then(|| ours(io::stderr().as_fd())).transpose()?)?;
        let stdin = streams.stdin.then(super::streams::input).transpose()?;
        Ok((Io { stdin, stdout: Some(stdout), stderr: Some(stderr) }, pumps))
    }

    /// Forgets a container that has ended, with its anonymous volumes.
    pub(crate) fn discard(&self, row: &ContainerRow) -> Result<()> {
        let store = self.writer()?;
        let volumes = store.volumes_of_container(&row.id)?;
        store.remove_container(&row.id)?;
        for volume in volumes.iter().filter(|name| name.len() == 64) {
            store.remove_volume(volume)?;
        }
        Ok(())
    }
}

/// The right to start or clean up a container, until it is dropped.
fn turn(store: &Store, id: &str, how: FlockOperation) -> Result<OwnedFd> {
    let path = store.container_directory(id);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let locked = rustix::fs::open(&path, flags, Mode::empty()).and_then(|directory| {
        rustix::fs::flock(&directory, how)?;
        Ok(directory)
    });
    locked.map_err(|why| Error::File { doing: "lock", path, source: why.into() })
}

/// Names of the networks that a container is on.
fn networks_of(settings: &Settings) -> Vec<String> {
    settings.attachments().into_iter().map(|one| one.network).collect()
}

/// Who runs the container, if it is not us.
pub(super) fn foreign(settings: &Settings) -> Option<Foreign> {
    let runtime = settings.runtime.as_ref()?;
    Some(Foreign::new(&runtime.name, &runtime.program, &runtime.args, Path::new(network::STATE)))
}

fn parent(settings: &Settings) -> Option<&str> {
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

pub(crate) fn nanos(store: &Store) -> i64 {
    let now = store.now();
    now.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(now.nanos))
}

fn ours(stream: std::os::fd::BorrowedFd<'_>) -> Result<OwnedFd> {
    stream.try_clone_to_owned().map_err(|why| Error::Container(format!("cannot share a stream: {why}")))
}

/// Our own streams, handed over as they are: none of them is a terminal.
fn direct(streams: Streams) -> Result<Io> {
    Ok(Io {
        stdin: streams.stdin.then(super::streams::input).transpose()?,
        stdout: streams.stdout.then(|| ours(io::stdout().as_fd())).transpose()?,
        stderr: streams.stderr.then(|| ours(io::stderr().as_fd())).transpose()?,
    })
}

/// Copies one stream of a container to the log and to us.
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

/// Signals that are passed on to a foreground container.
const FORWARDED: &[i32] = &[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT];

/// Passes signals on from a thread of its own, until the handle is closed.
fn forward(mut signals: Signals, started: &Started) -> Option<signal_hook::iterator::Handle> {
    let pidfd = started.pidfd.try_clone().ok()?;
    let handle = signals.handle();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
                let _ = rustix::process::pidfd_send_signal(&pidfd, signal);
            }
        }
    });
    Some(handle)
}
