//! Health checks: the monitor runs the image's test inside the container and writes down what it says.

mod probe;
mod record;

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

pub use record::{Probe, Record};
use wharfie_oci::config::Healthcheck;
use wharfie_runtime::{Process, Started, Target};
use wharfie_store::Store;
use wharfie_store::containers::{ContainerRow, Health};

use super::settings::Settings;
use super::spec;
use crate::engine::Engine;
use crate::error::Result;
use crate::events;

/// Docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// Ends the checks when it is dropped.
pub(crate) struct Watch {
    _stop: Sender<()>,
}

/// How a container is that has just been started: nothing is known yet, if anything will be.
pub(crate) fn at_first(settings: &Settings) -> Health {
    let check = settings.config.healthcheck.as_ref().and_then(|check| command(check, settings));
    if check.is_some() { Health::Starting } else { Health::Unchecked }
}

impl Engine {
    /// What the last probes of a container said.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn health(&self, row: &ContainerRow) -> Result<Record> {
        Ok(Record::read(&self.reader()?.container_directory(&row.id)))
    }
}

/// Begins the checks of a started container, if its image or user has any.
pub(crate) fn watch(engine: &Engine, row: &ContainerRow, settings: &Settings, started: &Started) -> Option<Watch> {
    let check = settings.config.healthcheck.clone()?;
    let args = command(&check, settings)?;
    let mut process = Process { args, terminal: None, ..spec::process(settings, None).ok()? };
    super::links::add_variables(&mut process.env, super::links::variables_now(engine, row, settings));
    let checks = Checks { target: started.target()?, process, check, row: row.clone() };
    let (root, options) = (engine.config().root.clone(), engine.config().store.clone());
    let program = engine.config().program.clone();
    let (stop, stopped) = channel();
    let work = move || {
        if let Ok(store) = Store::open(&root, options) {
            checks.go_on(&store, &program, &stopped);
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).ok()?;
    Some(Watch { _stop: stop })
}

/// A container's checks.
struct Checks {
    target: Target,
    process: Process,
    check: Healthcheck,
    row: ContainerRow,
}

impl Checks {
    /// Checks until the other end of `stopped` is gone.
    fn go_on(&self, store: &Store, program: &Path, stopped: &Receiver<()>) {
        let directory = store.container_directory(&self.row.id);
        let began = store.now().to_nanos();
        let (mut health, mut record) = (Health::Starting, Record::default());
        // That of its last run.
        let _ = record.write(&directory);
        while stopped.recv_timeout(self.pause(health)) == Err(RecvTimeoutError::Timeout) {
            let start = store.now().to_nanos();
            let timeout = duration(self.check.timeout, TIMEOUT);
            let (exit_code, output) = probe::run(&self.target, &self.process, program, timeout);
            record.add(Probe { start, end: store.now().to_nanos(), exit_code, output });
            let is_new = health == Health::Starting && start - began < self.check.start_period;
            let next = self.judge(exit_code == 0, is_new, health, &mut record);
            // A disk that is full keeps the container from nothing else.
            let _ = record.write(&directory);
            if next != health {
                let event = events::of_container(&self.row, &format!("health_status: {}", next.as_str()), &[]);
                let set = |store: &Store| store.change_container(&self.row.id, |state| state.health = next);
                let _ = store.noting(vec![event], set);
            }
            health = next;
        }
    }

    /// How long until the next probe.
    fn pause(&self, health: Health) -> Duration {
        match health {
            Health::Starting if self.check.start_period > 0 => duration(self.check.start_interval, START_INTERVAL),
            _ => duration(self.check.interval, INTERVAL),
        }
    }

    /// What a probe changes. Failures of a container that has just started do not count, until its first success.
    fn judge(&self, is_success: bool, is_new: bool, health: Health, record: &mut Record) -> Health {
        if is_success {
            record.failing_streak = 0;
            return Health::Healthy;
        }
        record.failing_streak += u32::from(!is_new);
        let retries = u32::try_from(self.check.retries).ok().filter(|retries| *retries > 0).unwrap_or(RETRIES);
        if record.failing_streak >= retries { Health::Unhealthy } else { health }
    }
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
