//! Health checks: the monitor runs the image's test inside the container and writes down what it says.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use wharfie_oci::config::Healthcheck;
use wharfie_runtime::{Io, Process, Started, Target};
use wharfie_store::containers::ContainerRow;

use super::settings::Settings;
use super::spec;
use crate::engine::Engine;

/// Docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: i64 = 3;

/// Ends the checks when it is dropped.
pub(crate) struct Watch {
    _stop: Sender<()>,
}

/// How a container is that has just been started: nothing is known yet, if anything will be.
pub(crate) fn at_first(settings: &Settings) -> &'static str {
    let check = settings.config.healthcheck.as_ref().and_then(|check| command(check, settings));
    if check.is_some() { "starting" } else { "" }
}

/// Begins the checks of a started container, if its image or user has any.
pub(crate) fn watch(engine: &Engine, row: &ContainerRow, settings: &Settings, started: &Started) -> Option<Watch> {
    let check = settings.config.healthcheck.clone()?;
    let args = command(&check, settings)?;
    let target = started.target()?;
    let mut process = Process { args, terminal: None, ..spec::process(settings, None).ok()? };
    super::links::add_variables(&mut process.env, super::links::variables_now(engine, row, settings));
    let (root, options) = (engine.config().root.clone(), engine.config().store.clone());
    let (id, program) = (row.id.clone(), engine.config().program.clone());
    let (stop, stopped) = channel();
    let work = move || {
        let Ok(store) = wharfie_store::Store::open(&root, options) else { return };
        let set = |health: &str| {
            let _ = store.change_container(&id, |state| health.clone_into(&mut state.health));
        };
        let interval = duration(check.interval, INTERVAL);
        let retries = if check.retries > 0 { check.retries } else { RETRIES };
        let mut grace = duration(check.start_period, Duration::ZERO);
        let mut failures = 0;
        while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            grace = grace.saturating_sub(interval);
            match run(&target, &process, &program, duration(check.timeout, TIMEOUT)) {
                true => {
                    failures = 0;
                    set("healthy");
                }
                false if grace > Duration::ZERO => {}
                false => {
                    failures += 1;
                    if failures >= retries {
                        set("unhealthy");
                    }
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).ok()?;
    Some(Watch { _stop: stop })
}

fn command(check: &Healthcheck, settings: &Settings) -> Option<Vec<String>> {
    match check.test.as_deref()? {
        [kind, words @ ..] if kind == "CMD" && !words.is_empty() => Some(words.to_vec()),
        [kind, text] if kind == "CMD-SHELL" => {
            let shell = settings.config.shell.clone().filter(|shell| !shell.is_empty());
            let mut words = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            words.push(text.clone());
            Some(words)
        }
        _ => None,
    }
}

fn duration(nanos: i64, default: Duration) -> Duration {
    match u64::try_from(nanos) {
        Ok(nanos @ 1..) => Duration::from_nanos(nanos),
        _ => default,
    }
}

/// Runs the test once; too long is a failure.
fn run(target: &Target, process: &Process, program: &std::path::Path, timeout: Duration) -> bool {
    let Ok(started) = wharfie_runtime::exec(target, process, Io::default(), program) else { return false };
    let limit = rustix::event::Timespec::try_from(timeout).ok();
    let poll = rustix::event::PollFd::new(&started.pidfd, rustix::event::PollFlags::IN);
    if rustix::event::poll(&mut [poll], limit.as_ref()) == Ok(0) {
        let _ = rustix::process::pidfd_send_signal(&started.pidfd, rustix::process::Signal::KILL);
        let _ = started.wait();
        return false;
    }
    started.wait().is_ok_and(wharfie_runtime::Exit::is_success)
}
