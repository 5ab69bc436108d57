//! `builder prune`: no build leaves a cache here, so there is never anything to remove.

use super::Run;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Command, Entry, Example, Flag, Matches};

/// `PROG builder`.
pub static COMMAND: Command<Run> =
    Command { about: "Manage builds", subcommands: &[Entry::new("prune", &PRUNE)], ..Command::BASE };

static PRUNE: Command<Run> = Command {
    about: "Remove build cache",
    usage: "[OPTIONS]",
    flags: &[
        Flag::bool("all", "Remove all unused build cache, not just dangling ones").short('a'),
        Flag::bool("force", "Do not prompt for confirmation").short('f'),
    ],
    examples: &[Example { text: "Without being asked", command: "builder prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

fn prune(cx: &Context, matches: &Matches) -> Result {
    let what = if matches.flag("all") { "all build cache" } else { "all dangling build cache" };
    let question = format!("WARNING! This will remove {what}. Are you sure you want to continue?");
    if !matches.flag("force") && !cx.confirm(&question)? {
        return Ok(());
    }
    cx.line("Total reclaimed space: 0B")
}
