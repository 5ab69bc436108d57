//! Limits of a process by name, as after `--ulimit`.

use std::sync::OnceLock;

use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::warning::Warning;

/// One limit of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// What holds; `u64::MAX` is no limit.
    pub soft: u64,
    /// What it can be raised to.
    pub hard: u64,
}

impl Rlimit {
    /// Whether there is a limit of this name.
    pub fn is_known(name: &str) -> bool {
        resource(name).is_some()
    }

    /// What it can be without the right to raise a hard limit, and a word if that is less.
    pub(crate) fn clamped(&self, may_raise: bool) -> Result<(Self, Option<Warning>)> {
        let resource = self.resource()?;
        let ceiling = match may_raise {
            true => u64::MAX,
            false => rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX),
        };
        let actual = Self { name: self.name.clone(), soft: self.soft.min(ceiling), hard: self.hard.min(ceiling) };
        let warning = (actual.hard < self.hard).then(|| Warning::RlimitClamped {
            name: self.name.clone(),
            asked: self.hard,
            actual: actual.hard,
        });
        Ok((actual, warning))
    }

    /// Sets it for the calling process. Without the right to raise a hard limit it becomes what it can be.
    pub(crate) fn apply(&self, may_raise: bool, warn: &mut dyn FnMut(Warning)) -> Result<()> {
        let (actual, warning) = self.clamped(may_raise)?;
        warning.into_iter().for_each(warn);
        let limit = |value: u64| (value != u64::MAX).then_some(value);
        let new = rustix::process::Rlimit { current: limit(actual.soft), maximum: limit(actual.hard) };
        rustix::process::setrlimit(self.resource()?, new).map_err(|why| Error::Limit {
            limit: format!("ulimit {}", self.name),
            value: format!("{}:{}", self.soft, self.hard),
            reason: std::io::Error::from(why).to_string(),
        })
    }

    fn resource(&self) -> Result<Resource> {
        resource(&self.name).ok_or_else(|| Error::invalid("ulimit", &self.name, "no such limit"))
    }
}

/// Lets this process open as many files as it may, for one that has two for each connection of others. Processes that it
/// starts in containers get what was before.
pub(crate) fn raise_files() {
    let now = rustix::process::getrlimit(Resource::Nofile);
    if now.current == now.maximum {
        return;
    }
    let raised = rustix::process::Rlimit { current: now.maximum, maximum: now.maximum };
    if rustix::process::setrlimit(Resource::Nofile, raised).is_ok() {
        let _ = FILES_BEFORE.set(now.current.unwrap_or(u64::MAX));
    }
}

/// The limit before it was raised, as a word for an init.
pub(crate) fn files_word() -> Option<String> {
    FILES_BEFORE.get().map(u64::to_string)
}

/// Takes the limit back to what `word` says.
pub(crate) fn restore_files(word: &str) {
    let Ok(before) = word.parse::<u64>() else { return };
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let lowered = rustix::process::Rlimit { current: Some(before), maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, lowered);
}

static FILES_BEFORE: OnceLock<u64> = OnceLock::new();

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}
