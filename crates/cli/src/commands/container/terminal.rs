//! A terminal of ours connected to a container's: raw mode, window size, detach keys.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};
use wharfie_engine::container::attach::Frame;
use wharfie_runtime::Size;

use super::detach_keys::DetachKeys;
use crate::context::Context;
use crate::failure::{Failure, Result};

/// The size of the terminal on stdout, if that is one.
pub(crate) fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(Size { rows: size.ws_row, columns: size.ws_col })
}

/// Puts our terminal into raw mode.
pub(crate) fn raw() -> Raw {
    Raw::enter()
}

/// Gives a terminal the size of ours, now and whenever that changes.
pub(crate) fn follow_size(master: Arc<std::fs::File>) {
    let copy = |master: &std::fs::File| {
        if let Ok(size) = tcgetwinsize(io::stdout()) {
            let _ = rustix::termios::tcsetwinsize(master, size);
        }
    };
    copy(&master);
    if let Ok(mut signals) = Signals::new([SIGWINCH]) {
        std::thread::spawn(move || signals.forever().for_each(|_| copy(&master)));
    }
}

/// Our terminal in raw mode, until dropped.
pub(crate) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    fn enter() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &raw);
        }
        Self { before }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// What of a container is connected to us.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The keys that end the session.
    pub(crate) detach_keys: DetachKeys,
    /// The container has a terminal.
    pub(crate) tty: bool,
    /// What we are given it gets.
    pub(crate) stdin: bool,
    /// What it writes is shown.
    pub(crate) stdout: bool,
    /// What it complains is shown.
    pub(crate) stderr: bool,
    /// Signals that we get it gets. With a terminal the keys are what it gets.
    pub(crate) signals: bool,
}

impl Session {
    /// Everything is connected.
    pub(crate) fn whole(detach_keys: DetachKeys, tty: bool, stdin: bool) -> Self {
        Self { detach_keys, tty, stdin, stdout: true, stderr: true, signals: true }
    }
}

/// Signals that are passed on to a container: those that mean the process and not its terminal.
const FORWARDED: &[i32] = &[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT];

/// Signals that we get from now on, for a container that we look after, until the handle is closed.
pub(crate) fn signals() -> Option<(Receiver<i32>, Handle)> {
    let mut heard = Signals::new(FORWARDED).ok()?;
    let handle = heard.handle();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut asked = 0;
        for signal in heard.forever() {
            asked += u32::from(matches!(signal, SIGINT | SIGTERM));
            // Who asks so often wants out, and there is nobody else to look after the container.
            let signal = if asked == ENOUGH { SIGKILL } else { signal };
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Some((receiver, handle))
}

/// A stream of ours to be handed over.
pub(crate) fn share(stream: impl AsFd) -> Result<OwnedFd> {
    let shared = stream.as_fd().try_clone_to_owned();
    shared.map_err(|why| Failure::new(format!("cannot share a stream: {why}")))
}

/// So many times a user asks before we go although the container stays, or before we end it.
const ENOUGH: u32 = 3;

/// Connects our streams to a container over `stream` until it ends or the user detaches. `ready` waits until the
/// container runs; it is asked once the connection stands. Gives the exit code.
pub(crate) fn session(
    cx: &Context,
    stream: UnixStream,
    session: Session,
    ready: impl FnOnce() -> Result<Vec<String>> + Send,
) -> Result<u8> {
    let reader = stream.try_clone().map_err(|why| Failure::new(format!("cannot attach: {why}")))?;
    let writer = Arc::new(Mutex::new(stream));
    send_size(&writer);
    // Heard from now on: a signal that comes while the container starts is passed on once it has.
    let forwarded = if session.signals && !session.tty { FORWARDED } else { &[] };
    let heard = Signals::new([SIGWINCH].iter().chain(forwarded));
    for warning in ready()? {
        cx.warn(&format!("WARNING: {warning}"));
    }
    let raw = if session.stdin && session.tty { Some(Raw::enter()) } else { None };
    let (is_detached, is_given_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    if let Ok(mut signals) = heard {
        let (writer, is_given_up) = (Arc::clone(&writer), Arc::clone(&is_given_up));
        std::thread::spawn(move || {
            let mut asked = 0;
            for signal in signals.forever() {
                match u8::try_from(signal) {
                    Ok(number) if signal != SIGWINCH => {
                        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                        let _ = Frame::Signal(number).write(&mut *writer);
                        asked += u32::from(matches!(signal, SIGINT | SIGTERM));
                        if asked == ENOUGH {
                            is_given_up.store(true, Ordering::Relaxed);
                            let _ = writer.shutdown(std::net::Shutdown::Both);
                        }
                    }
                    _ => send_size(&writer),
                }
            }
        });
    }
    if session.stdin {
        let (writer, is_detached) = (Arc::clone(&writer), Arc::clone(&is_detached));
        // The keys are the terminal's: what a pipe brings is only passed on.
        let keys = if session.tty { session.detach_keys } else { DetachKeys::none() };
        // It may wait for a key for ever: nobody waits for it.
        std::thread::spawn(move || input(&writer, keys, &is_detached));
    }
    let code = output(reader, session.stdout, session.stderr);
    drop(raw);
    if is_detached.load(Ordering::Relaxed) {
        cx.warn("read escape sequence");
        return Ok(0);
    }
    if is_given_up.load(Ordering::Relaxed) {
        return Err(Failure::new(format!("got {ENOUGH} SIGTERM/SIGINTs, forcefully exiting")));
    }
    code.ok_or_else(|| Failure::new("the connection to the container broke"))
}

/// Prints what comes; the code that the container ended with.
fn output(mut reader: UnixStream, shows_out: bool, shows_errors: bool) -> Option<u8> {
    while let Ok(Some(frame)) = Frame::read(&mut reader) {
        match frame {
            Frame::Output(bytes) if shows_out => {
                let mut out = io::stdout().lock();
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
            Frame::ErrorOutput(bytes) if shows_errors => {
                let _ = io::stderr().lock().write_all(&bytes);
            }
            Frame::End(code) => return Some(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            _ => {}
        }
    }
    None
}

fn input(writer: &Mutex<UnixStream>, mut keys: DetachKeys, is_detached: &AtomicBool) {
    let mut buffer = [0; 4096];
    let mut stdin = io::stdin().lock();
    loop {
        let n = match stdin.read(&mut buffer) {
            Ok(0) | Err(_) => {
                let _ = Frame::InputEnd.write(&mut *writer.lock().unwrap_or_else(PoisonError::into_inner));
                return;
            }
            Ok(n) => n,
        };
        let mut stream = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = keys.pass(&buffer[..n]) else {
            is_detached.store(true, Ordering::Relaxed);
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        };
        if Frame::Input(bytes).write(&mut *stream).is_err() {
            return;
        }
    }
}

fn send_size(writer: &Mutex<UnixStream>) {
    if let Some(size) = size() {
        let frame = Frame::Resize(size.rows, size.columns);
        let _ = frame.write(&mut *writer.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
