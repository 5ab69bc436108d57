//! Commands about containers.

pub mod changes;
pub(crate) mod checks;
pub mod cp;
pub(crate) mod create_flags;
mod detach_keys;
pub mod document;
pub mod exec;
pub mod facts;
pub mod lifecycle;
pub mod limits;
pub mod logs;
pub mod ls;
mod mount_flag;
mod mounts;
pub mod network;
mod network_change;
pub mod options;
mod ports;
pub mod run;
pub mod stats;
pub(crate) mod terminal;
pub mod update;
mod variables;
pub mod volume;

use crate::commands::Run;
use crate::flags::{Command, Entry};

/// `PROG container`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage containers",
    subcommands: &[
        Entry::new("attach", &exec::ATTACH),
        Entry::new("commit", &changes::COMMIT),
        Entry::new("cp", &cp::COMMAND),
        Entry::new("create", &run::CREATE),
        Entry::new("diff", &changes::DIFF),
        Entry::new("exec", &exec::EXEC),
        Entry::new("export", &changes::EXPORT),
        Entry::new("inspect", &document::COMMAND),
        Entry::new("kill", &lifecycle::KILL),
        Entry::new("logs", &logs::COMMAND),
        Entry::new("ls", &ls::COMMAND).aliases(&["list", "ps"]),
        Entry::new("pause", &lifecycle::PAUSE),
        Entry::new("port", &facts::PORT),
        Entry::new("prune", &lifecycle::PRUNE),
        Entry::new("rename", &lifecycle::RENAME),
        Entry::new("restart", &lifecycle::RESTART),
        Entry::new("rm", &lifecycle::RM).aliases(&["remove"]),
        Entry::new("run", &run::RUN),
        Entry::new("start", &lifecycle::START),
        Entry::new("stats", &stats::COMMAND),
        Entry::new("stop", &lifecycle::STOP),
        Entry::new("top", &facts::TOP),
        Entry::new("unpause", &lifecycle::UNPAUSE),
        Entry::new("update", &update::COMMAND),
        Entry::new("wait", &lifecycle::WAIT),
    ],
    ..Command::BASE
};
