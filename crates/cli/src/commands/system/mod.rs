//! Commands about everything at once.

pub mod df;
pub mod events;
pub mod fsck;
pub mod info;
pub mod prune;

use super::Run;
use crate::flags::{Command, Entry};

/// `PROG system`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage the store",
    subcommands: &[
        Entry::new("df", &df::COMMAND),
        Entry::new("events", &events::COMMAND),
        Entry::new("fsck", &fsck::COMMAND),
        Entry::new("info", &info::COMMAND),
        Entry::new("prune", &prune::COMMAND),
    ],
    ..Command::BASE
};
