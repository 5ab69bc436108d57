//! `builder prune`: no build leaves a cache here, so there is never anything to remove.

use wharfie_oci::size::{self, Units};

use super::Run;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Command, Complete, Conditions, Entry, Example, Flag, Matches, Switch};

const ALL: Switch = Switch::new("all", "Remove all unused build cache, not just dangling ones").short('a');
const FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"until=24h\")")
    .complete(Complete::Nothing)
    .value_name("filter")
    .check(filter);
const FORCE: Switch = Switch::new("force", "Do not prompt for confirmation").short('f');

/// `PROG builder`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage builds",
    subcommands: &[Entry::new("build", &super::build::COMMAND), Entry::new("prune", &PRUNE)],
    ..Command::BASE
};

static PRUNE: Command<Run> = Command {
    about: "Remove build cache",
    usage: "[OPTIONS]",
    flags: &[
        ALL.flag(),
        FILTER.flag(),
        FORCE.flag(),
        Flag::str("keep-storage", "Amount of disk space to keep for cache").value_name("bytes").check(bytes),
    ],
    examples: &[Example { text: "Without being asked", command: "builder prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

/// What docker's builder can be asked to choose by.
fn filter(text: &str) -> std::result::Result<(), String> {
    let name = text.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "until" | "id" | "parent" | "type" | "description" | "inuse" | "shared" | "private" => Ok(()),
        _ => Err(format!("invalid filter '{name}'")),
    }
}

fn bytes(text: &str) -> std::result::Result<(), String> {
    size::parse(text, Units::Binary).map(|_| ()).ok_or_else(|| format!("invalid size: '{text}'"))
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let what = if matches.get(&ALL) { "all build cache" } else { "all dangling build cache" };
    let question = format!("WARNING! This will remove {what}. Are you sure you want to continue?");
    if !matches.get(&FORCE) && !cx.confirm(&question)? {
        return Ok(());
    }
    cx.line("Total reclaimed space: 0B")
}
