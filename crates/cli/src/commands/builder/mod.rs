//! `builder` and its namesakes in `buildx`: what builds leave behind.

mod cache;
mod history;

use super::Run;
use crate::flags::{Command, Entry};

pub(crate) use cache::{DU, PRUNE_BUILDX, section, total, used};

/// `PROG builder`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage builds",
    subcommands: &[
        Entry::new("build", &super::build::COMMAND),
        Entry::new("du", &DU),
        Entry::new("history", &HISTORY),
        Entry::new("prune", &cache::PRUNE),
    ],
    ..Command::BASE
};

/// `PROG builder history`, `PROG buildx history`.
pub static HISTORY: Command<Run> = history::COMMAND;
