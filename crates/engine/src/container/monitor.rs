//! The monitor: a small process of our own program that looks after one detached container.
//!
//! It holds the container's streams, writes the log, lets clients attach, records how the container ended and starts it
//! again if its restart policy says so. The command that asked for it waits until the container runs and then leaves.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::termios::{Winsize, tcsetwinsize};
use serde::{Deserialize, Serialize};
use wharfie_oci::{ContainerId, Fault as _};
use wharfie_runtime::{Channel, Exit, Io, Size, Started};
use wharfie_store::ContainerLock;
use wharfie_store::containers::{ContainerRow, Phase};

use super::ContainerError;
use super::attach::{Frame, Socket};
use super::settings::Settings;
use super::settle::us;
use super::start::{Ended, Launch, start_failure, wants_restart};
use super::words::LogDriver;
use super::{is_alive, log, settings_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::job::{Work, Worker};

/// What a monitor tells the command that started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Clients can connect; the container starts when the first one has.
    Listening,
    /// The container runs; what did not go as asked.
    Started(Vec<String>),
    /// It could not be started.
    Failed {
        /// Why.
        text: String,
        /// What the user can do.
        help: Option<String>,
        /// The exit code that stands for it.
        code: i32,
    },
}

/// How a detached container is started.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Detach {
    /// Wait for a client before the container starts, so that it misses nothing.
    pub awaits_client: bool,
    /// How large its terminal is.
    pub size: Option<Size>,
}

/// How long a monitor waits for the client it was promised.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// 128 KiB: threads here only copy.
const STACK: usize = 128 << 10;
/// A container that ran for so long starts its restarts anew.
const STEADY: Duration = Duration::from_secs(10);
/// The first pause before a restart; it doubles up to a minute.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A monitor that has been started and has reported once.
pub struct Monitor(Worker);

impl Monitor {
    /// Its next report.
    ///
    /// # Errors
    /// When it ended without a word.
    pub fn report(&mut self) -> Result<Report> {
        match self.0.channel.receive() {
            Ok(Some((report, _))) => Ok(report),
            Ok(None) | Err(_) => Err(ContainerError::Monitor("ended before the container could start").into()),
        }
    }
}

impl Monitor {
    /// Waits until clients can connect.
    ///
    /// # Errors
    /// When the container could not be started.
    pub fn listening(&mut self) -> Result<()> {
        match self.report()? {
            Report::Listening => Ok(()),
            Report::Failed { text, help, code } => Err(ContainerError::NotStarted { text, help, code }.into()),
            Report::Started(_) => Err(ContainerError::Monitor("is confused").into()),
        }
    }

    /// Waits until the container runs. Gives what did not go as it should all the same.
    ///
    /// # Errors
    /// When it could not be started.
    pub fn started(&mut self) -> Result<Vec<String>> {
        match self.report()? {
            Report::Started(warnings) => Ok(warnings),
            Report::Failed { text, help, code } => Err(ContainerError::NotStarted { text, help, code }.into()),
            Report::Listening => Err(ContainerError::Monitor("is confused").into()),
        }
    }
}

impl Engine {
    /// Starts a monitor for a container whose lock we hold, and hands the lock to it. Without `awaits_client` it returns once
    /// the container runs.
    ///
    /// # Errors
    /// When the container cannot be started.
    pub fn start_detached(&self, row: &ContainerRow, detach: Detach, lock: ContainerLock) -> Result<Monitor> {
        let lock = lock.into_descriptor();
        let worker = self.start_job(Work::Monitor { id: row.id.clone(), detach }, &[lock.as_fd()]);
        worker.map(Monitor).map_err(|_| ContainerError::Monitor("cannot be started").into())
    }

    /// What a monitor does, from its start to the container's end.
    ///
    /// # Errors
    /// When the store cannot be used; everything else is reported and recorded.
    pub(crate) fn monitor(&self, id: &ContainerId, detach: Detach, lock: ContainerLock, to: Channel) -> Result<()> {
        // A session of our own: the terminal we were started from is none of our business, nor is what its user ignores.
        let _ = rustix::process::setsid();
        wharfie_runtime::forget_ignored_signals();
        wharfie_runtime::keep_small();
        let mut reports = Reports(Some(to));
        let result = self.monitor_and_report(id, detach, lock, &mut reports);
        if let Err(why) = &result {
            reports.end(&failed(why, start_failure(why)));
        }
        result
    }

    fn monitor_and_report(
        &self,
        id: &ContainerId,
        detach: Detach,
        lock: ContainerLock,
        reports: &mut Reports,
    ) -> Result<()> {
        // The store is open only while something is read or written: most of our life we wait.
        let (row, directory) = {
            let engine = self.again();
            let row = engine.container(id)?;
            let directory = engine.writer()?.container_directory(&row.id);
            (row, directory)
        };
        let settings = settings_of(&row)?;
        let attached = Arc::new(Attached::default());
        let socket = Socket::new(&directory);
        let listener = socket.and_then(|socket| {
            let _ = std::fs::remove_file(socket.path());
            Ok((UnixListener::bind(socket.path())?, socket))
        });
        let listening = listener.map_err(|source| Error::File { doing: "listen in", path: directory, source });
        let (listener, socket) = listening?;
        let acceptor = Arc::clone(&attached);
        let stdin_open = settings.open_stdin;
        spawn(move || accept(&listener, &acceptor, stdin_open));
        if detach.awaits_client {
            reports.add(&Report::Listening);
            attached.wait_for_client(CLIENT_PATIENCE);
        }
        let result = self.look_after(&row, &settings, &attached, Begin { detach, lock, reports });
        // If the container has been started again, the socket is its new monitor's.
        if let Ok(Some(_lock)) = self.again().writer()?.try_lock_container(&row.id)
            && self.again().container(&row.id).is_ok_and(|now| !is_alive(&now))
        {
            let _ = std::fs::remove_file(socket.path());
        }
        attached.flush();
        result
    }

    /// Runs the container until its restart policy is satisfied.
    fn look_after(
        &self,
        row: &ContainerRow,
        settings: &Settings,
        attached: &Arc<Attached>,
        Begin { detach, lock, reports }: Begin<'_>,
    ) -> Result<()> {
        let log = match settings.log_driver {
            LogDriver::None => None,
            LogDriver::JsonFile | LogDriver::Local => {
                let path = self.again().log_path(row)?;
                let writer = log::Writer::append(&path, self.config().store.clock);
                Some(Arc::new(writer.map_err(|source| Error::File { doing: "open", path, source })?))
            }
        };
        let mut pause = FIRST_PAUSE;
        let mut restarts = 0;
        let mut first_lock = Some(lock);
        loop {
            let began = Instant::now();
            let lock = match first_lock.take() {
                Some(lock) => lock,
                None => match self.again().lock_to_restart(row)? {
                    Some(lock) => lock,
                    // It was stopped or removed while it waited.
                    None => return Ok(()),
                },
            };
            let (io, ends) = streams(settings)?;
            let launch = Launch { volatile: settings.auto_remove, die_with_us: false, size: detach.size };
            let launched = self.again().launch(row, io, launch, &lock);
            let end = match launched {
                Ok(running) => {
                    drop(lock);
                    let started = &running.started;
                    reports.end(&Report::Started(running.warnings.clone()));
                    let pumps = connect(attached, log.as_ref(), started, ends, settings.open_stdin);
                    let health = super::health::watch(self, row, settings, started);
                    wharfie_runtime::give_memory_back();
                    let exit = started.wait()?;
                    drop(health);
                    for pump in pumps {
                        let _ = pump.join();
                    }
                    Ended { exit, oom_killed: started.cgroup.oom_killed() }
                }
                Err(why) => {
                    let code = start_failure(&why);
                    if reports.is_open() {
                        if settings.auto_remove {
                            let _ = self.again().discard(row, &lock);
                        }
                        drop(lock);
                        reports.end(&failed(&why, code));
                        return Ok(());
                    }
                    Ended { exit: Exit::Code(u8::try_from(code).unwrap_or(u8::MAX)), oom_killed: false }
                }
            };
            if began.elapsed() >= STEADY {
                (pause, restarts) = (FIRST_PAUSE, 0);
            }
            let last = Frame::End(i32::from(end.exit.code()));
            let engine = self.again();
            if settings.auto_remove {
                let gone = engine.ended_and_gone(row, settings, &end);
                // The command has ended as it has, whatever becomes of what it left.
                attached.broadcast(&last);
                return gone;
            }
            // Its policy may have been changed meanwhile.
            let now = engine.container(&row.id).ok();
            let policy = now.and_then(|row| settings_of(&row).ok()).map_or(settings.restart, |now| now.restart);
            let next = wants_restart(policy, end.exit, restarts).then_some(restarts + 1);
            let written = engine.ended(row, settings, &end, next)?;
            if written.is_none_or(|now| now.phase != Phase::Restarting) {
                attached.broadcast(&last);
                return Ok(());
            }
            // Who is attached has seen one run, as with docker.
            attached.dismiss(&last);
            restarts += 1;
            drop(engine);
            attached.wait_to_restart(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The lock of a container that is to be started again, if that is still wanted.
    fn lock_to_restart(&self, row: &ContainerRow) -> Result<Option<ContainerLock>> {
        let store = self.writer()?;
        let Some(lock) = store.lock_container(&row.id)? else { return Ok(None) };
        let now = store.find_container(&row.id)?;
        let is_wanted = now.is_some_and(|now| {
            now.state.phase == Phase::Restarting && now.state.monitor == Some(us()) && !now.state.is_stopped_by_user
        });
        Ok(is_wanted.then_some(lock))
    }

    /// Tells the monitor of a container that waits to be started again that it need not.
    pub(crate) fn wake_monitor(&self, row: &ContainerRow) {
        if let Ok(mut monitor) = self.connect(row) {
            // If it cannot be told it finds out when it is done waiting.
            let _ = Frame::Wake.write(&mut monitor);
        }
    }
}

/// What kept a container from being started, for who asked for it.
fn failed(why: &Error, code: i32) -> Report {
    Report::Failed { text: why.with_reasons(), help: why.help(), code }
}

/// What a container is started with for the first time.
struct Begin<'a> {
    detach: Detach,
    lock: ContainerLock,
    reports: &'a mut Reports,
}

/// The way to whoever started us, who may be gone, until the container runs or it is certain that it will not.
struct Reports(Option<Channel>);

impl Reports {
    fn is_open(&self) -> bool {
        self.0.is_some()
    }

    fn add(&self, report: &Report) {
        let _ = self.0.as_ref().map(|to| to.send(report, &[]));
    }

    /// The last report, if there has been none yet.
    fn end(&mut self, report: &Report) {
        self.add(report);
        self.0 = None;
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    Builder::new().stack_size(STACK).spawn(work).ok()
}

/// Our ends of the container's pipes; a terminal has none.
#[derive(Default)]
struct Ends {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

fn streams(settings: &Settings) -> Result<(Io, Ends)> {
    if settings.tty {
        return Ok((Io::default(), Ends::default()));
    }
    let pipe = || io::pipe().map_err(Error::system("make a pipe"));
    let ((out, their_out), (err, their_err)) = (pipe()?, pipe()?);
    let mut io = Io { stdin: None, stdout: Some(their_out.into()), stderr: Some(their_err.into()) };
    let mut ends = Ends { stdin: None, stdout: Some(out.into()), stderr: Some(err.into()) };
    if settings.open_stdin {
        let (their_in, input) = pipe()?;
        (io.stdin, ends.stdin) = (Some(their_in.into()), Some(input.into()));
    }
    Ok((io, ends))
}

/// Connects the streams of a started container to the attached and the log.
fn connect(
    attached: &Arc<Attached>,
    log: Option<&Arc<log::Writer>>,
    started: &Started,
    ends: Ends,
    open_stdin: bool,
) -> Vec<JoinHandle<()>> {
    let mut pumps = Vec::new();
    let mut pump = |from: OwnedFd, stream: &'static str| {
        let (attached, log) = (Arc::clone(attached), log.cloned());
        pumps.extend(spawn(move || copy(File::from(from), stream, &attached, log.as_deref())));
    };
    let terminal = started.terminal.as_ref().and_then(|terminal| terminal.try_clone().ok());
    match terminal {
        Some(terminal) => {
            let input = terminal.try_clone().ok().filter(|_| open_stdin);
            attached.connect(started, input.map(File::from), terminal.try_clone().ok().map(File::from));
            pump(terminal, "stdout");
        }
        None => {
            attached.connect(started, ends.stdin.map(File::from), None);
            for (end, stream) in [(ends.stdout, "stdout"), (ends.stderr, "stderr")] {
                if let Some(end) = end {
                    pump(end, stream);
                }
            }
        }
    }
    pumps
}

/// Copies one stream to everybody who is attached and to the log. A terminal ends in an error, not in an end.
fn copy(mut from: File, stream: &'static str, attached: &Attached, log: Option<&log::Writer>) {
    let mut buffer = vec![0; 16 << 10];
    let mut pending = Vec::new();
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let bytes = buffer[..n].to_vec();
        if let Some(log) = log {
            pending.extend_from_slice(&bytes);
            let _ = log.write(stream, &mut pending, false);
        }
        attached.broadcast(&if stream == "stdout" { Frame::Output(bytes) } else { Frame::ErrorOutput(bytes) });
    }
    if let Some(log) = log {
        let _ = log.write(stream, &mut pending, true);
    }
}

/// Who is attached, and what they write to.
#[derive(Default)]
struct Attached {
    state: Mutex<AttachedState>,
    changed: std::sync::Condvar,
}

#[derive(Default)]
struct AttachedState {
    clients: Vec<UnixStream>,
    had_client: bool,
    /// Nobody wants it to be started again any more.
    is_woken: bool,
    input: Option<File>,
    terminal: Option<File>,
    process: Option<OwnedFd>,
    /// What clients said before the container ran.
    early: Vec<Frame>,
    is_connected: bool,
}

impl Attached {
    fn lock(&self) -> MutexGuard<'_, AttachedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_client(&self, patience: Duration) {
        let state = self.lock();
        let _ = self.changed.wait_timeout_while(state, patience, |state| !state.had_client);
    }

    /// Waits before the container is started again, unless somebody says that it is not to be.
    fn wait_to_restart(&self, pause: Duration) {
        let state = self.lock();
        let _ = self.changed.wait_timeout_while(state, pause, |state| !state.is_woken);
    }

    fn add(&self, client: UnixStream) {
        let mut state = self.lock();
        state.clients.push(client);
        state.had_client = true;
        self.changed.notify_all();
    }

    fn connect(&self, started: &Started, input: Option<File>, terminal: Option<File>) {
        let mut state = self.lock();
        state.process = started.pidfd.try_clone().ok();
        (state.input, state.terminal, state.is_connected) = (input, terminal, true);
        for frame in std::mem::take(&mut state.early) {
            state.take(&frame);
        }
    }

    /// Sends a frame to everybody; who does not take it is gone.
    fn broadcast(&self, frame: &Frame) {
        self.lock().clients.retain_mut(|client| frame.write(client).is_ok());
    }

    /// Sends a last frame to everybody.
    fn dismiss(&self, last: &Frame) {
        self.broadcast(last);
        self.flush();
        self.lock().clients.clear();
    }

    fn flush(&self) {
        for client in &mut self.lock().clients {
            let _ = client.shutdown(std::net::Shutdown::Write);
        }
    }

    /// Does what a client asks for.
    fn handle(&self, frame: Frame) {
        let mut state = self.lock();
        if frame == Frame::Wake {
            state.is_woken = true;
            self.changed.notify_all();
            return;
        }
        if state.is_connected { state.take(&frame) } else { state.early.push(frame) }
    }
}

impl AttachedState {
    fn take(&mut self, frame: &Frame) {
        match frame {
            Frame::Input(bytes) => {
                if let Some(input) = &mut self.input
                    && input.write_all(bytes).is_err()
                {
                    self.input = None;
                }
            }
            Frame::InputEnd => self.input = None,
            Frame::Resize(rows, columns) => {
                if let Some(terminal) = &self.terminal {
                    let size = Winsize { ws_row: *rows, ws_col: *columns, ws_xpixel: 0, ws_ypixel: 0 };
                    let _ = tcsetwinsize(terminal, size);
                }
            }
            Frame::Signal(number) => {
                if let Some(process) = &self.process {
                    let _ = wharfie_runtime::signal(process.as_fd(), *number);
                }
            }
            Frame::Output(_) | Frame::ErrorOutput(_) | Frame::End(_) | Frame::Wake => {}
        }
    }
}

fn accept(listener: &UnixListener, attached: &Arc<Attached>, stdin_open: bool) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        let Ok(mut reader) = client.try_clone() else { continue };
        attached.add(client);
        let attached = Arc::clone(attached);
        spawn(move || {
            while let Ok(Some(frame)) = Frame::read(&mut reader) {
                if stdin_open || matches!(frame, Frame::Resize(..) | Frame::Signal(_) | Frame::Wake) {
                    attached.handle(frame);
                }
            }
        });
    }
}
