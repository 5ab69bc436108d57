//! Exec: one more process in a running container.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use wharfie_runtime::{Capabilities, Io, Process, Size, Started};

use super::settings::Settings;
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
        // Nobody freezes, stops or removes it before the process is there.
        let (_lock, row, target) = self.locked_and_running(&exec.container)?;
        if row.state.status == Status::Paused {
            let name = &exec.container;
            return Err(Error::Container(format!("Container {name} is paused, unpause the container before exec")));
        }
        let settings = settings_of(&row)?;
        let mut process = inside(&settings)?;
        if exec.terminal.is_some() && !is_set(&process.env, "TERM") {
            process.env.push("TERM=xterm".to_owned());
        }
        for pair in &exec.env {
            let name = pair.split('=').next().unwrap_or_default();
            process.env.retain(|known| known.split('=').next() != Some(name));
            if pair.contains('=') {
                process.env.push(pair.clone());
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
        Ok(wharfie_runtime::exec(&target, &process, Io { stdin, stdout, stderr }, &self.config().program)?)
    }
}

/// The word that makes our program read a terminal that nobody looks at.
pub const DRAIN_WORD: &str = "__drain";

impl Engine {
    /// Leaves a terminal whose user goes away to a small process: without a reader the process in it would be hung up, or stand
    /// still once it has written enough.
    ///
    /// # Errors
    /// When our own program cannot be run.
    pub fn leave_terminal(&self, terminal: OwnedFd) -> Result<()> {
        let program = &self.config().program;
        let mut command = Command::new(program);
        command.arg(DRAIN_WORD).current_dir("/").process_group(0);
        command.stdin(Stdio::from(terminal)).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn().map(drop);
        started.map_err(|source| Error::File { doing: "run", path: program.clone(), source })
    }
}

/// A further process of a container: it has what the container's own has of rights, limits, groups and environment, but no
/// terminal unless it is given one.
pub(super) fn inside(settings: &Settings) -> Result<Process> {
    let mut process = super::spec::process(settings, None)?;
    if settings.tty {
        process.env.retain(|pair| pair != "TERM=xterm");
    }
    process.terminal = None;
    Ok(process)
}

fn is_set(env: &[String], name: &str) -> bool {
    env.iter().any(|pair| pair.split('=').next() == Some(name))
}
