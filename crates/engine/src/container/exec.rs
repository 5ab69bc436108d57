//! Exec: one more process in a running container.

use std::os::fd::OwnedFd;

use wharfie_runtime::{Capabilities, Io, Process, Size, Started};

use super::settings_of;
use crate::engine::Engine;
use crate::error::{Error, Result};
use wharfie_store::containers::Status;

/// What to run in which container.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    /// Name or id of the container.
    pub container: String,
    /// Command and arguments.
    pub command: Vec<String>,
    /// `NAME=value` on top of the container's.
    pub env: Vec<String>,
    /// Instead of the container's.
    pub user: Option<String>,
    /// Instead of the container's.
    pub working_dir: Option<String>,
    /// With all capabilities.
    pub privileged: bool,
    /// A terminal of this size.
    pub terminal: Option<Size>,
}

impl Engine {
    /// Starts a process in a running container.
    ///
    /// # Errors
    /// When the container does not run, or the command cannot be run.
    pub fn exec(&self, exec: &Exec, io: [Option<OwnedFd>; 3]) -> Result<Started> {
        let (row, target) = self.running(&exec.container)?;
        if row.state.status == Status::Paused {
            return Err(Error::Container(format!("Container {} is paused, unpause the container before exec", row.id)));
        }
        let settings = settings_of(&row)?;
        let mut env = settings.environment();
        let mut add = |pair: &String| {
            let name = pair.split('=').next().unwrap_or_default().to_owned();
            env.retain(|known| known.split('=').next() != Some(name.as_str()));
            if pair.contains('=') {
                env.push(pair.clone());
            }
        };
        if !settings.hostname.is_empty() {
            add(&format!("HOSTNAME={}", settings.hostname));
        }
        if exec.terminal.is_some() {
            add(&"TERM=xterm".to_owned());
        }
        exec.env.iter().for_each(add);
        let capabilities = match exec.privileged || settings.privileged {
            true => Capabilities::ALL,
            false => Capabilities::DEFAULT.adjust(&settings.cap_add, &settings.cap_drop)?,
        };
        let process = Process {
            args: exec.command.clone(),
            env,
            cwd: exec.working_dir.clone().unwrap_or_else(|| settings.config.working_dir.clone()),
            user: exec.user.clone().unwrap_or_else(|| settings.config.user.clone()),
            groups: settings.group_add,
            terminal: exec.terminal,
            capabilities,
            ..Process::default()
        };
        let [stdin, stdout, stderr] = io;
        Ok(wharfie_runtime::exec(&target, &process, Io { stdin, stdout, stderr }, &self.config().program)?)
    }
}
