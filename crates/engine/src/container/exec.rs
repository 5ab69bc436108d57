//! Exec: one more process in a running container.

use std::os::fd::OwnedFd;

use wharfie_runtime::{Capabilities, Io, Size, Started};

use super::ContainerError;
use super::{links, settings_of, spec};
use crate::engine::Engine;
use crate::error::Result;
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
        // Nobody freezes, stops or removes it before the process is there.
        let (_lock, row, target) = self.locked_and_running(&exec.container)?;
        if row.state.status() == Status::Paused {
            return Err(ContainerError::ExecPaused(exec.container.clone()).into());
        }
        let settings = settings_of(&row)?;
        // Its limits, its capabilities and its environment, as its first process has them.
        let mut process = spec::process(&settings, None)?;
        links::add_variables(&mut process.env, links::variables_now(self, &row, &settings));
        let env = &mut process.env;
        if exec.terminal.is_some() && !has(env, "TERM") {
            env.push("TERM=xterm".to_owned());
        }
        for pair in &exec.env {
            let name = name_of(pair);
            env.retain(|known| name_of(known) != name);
            if pair.contains('=') {
                env.push(pair.clone());
            }
        }
        if exec.privileged {
            process.capabilities = Capabilities::ALL;
        }
        process.args.clone_from(&exec.command);
        process.terminal = exec.terminal;
        if let Some(directory) = &exec.working_dir {
            process.cwd.clone_from(directory);
        }
        if let Some(user) = &exec.user {
            process.user.clone_from(user);
        }
        let [stdin, stdout, stderr] = io;
        Ok(self.runtime_of(&target).exec(&target, &process, Io { stdin, stdout, stderr })?)
    }
}

fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

fn has(env: &[String], name: &str) -> bool {
    env.iter().any(|pair| name_of(pair) == name)
}
