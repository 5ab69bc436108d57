//! `update`.

use wharfie_engine::container::update::Update;
use wharfie_engine::patterns::{Named, Which};

use super::lifecycle::{done, each};
use super::limits::resources;
use super::{checks, create_flags};
use crate::commands::{PATTERN, Run, choices};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches, Text};

const MEMORY_SWAP: Text = Text::new("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap")
    .value_name("bytes")
    .check(checks::bytes);
const RESTART: Text = Text::new("restart", "Restart policy to apply when a container exits").complete(choices::RESTART);

/// `PROG update`.
pub static COMMAND: Command<Run> = Command {
    about: "Update configuration of one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::int("blkio-weight", "Not supported").hidden().unsupported(),
        create_flags::CPU_PERIOD.flag(),
        create_flags::CPU_QUOTA.flag(),
        Flag::int("cpu-rt-period", "Not supported").hidden().unsupported(),
        Flag::int("cpu-rt-runtime", "Not supported").hidden().unsupported(),
        create_flags::CPU_SHARES.flag(),
        create_flags::CPUS.flag(),
        create_flags::CPUSET_CPUS.flag(),
        create_flags::CPUSET_MEMS.flag(),
        Flag::str("kernel-memory", "Not supported").hidden().unsupported(),
        create_flags::MEMORY.flag(),
        create_flags::MEMORY_RESERVATION.flag(),
        MEMORY_SWAP.flag(),
        PATTERN.flag(),
        create_flags::PIDS_LIMIT.flag(),
        RESTART.flag(),
    ],
    examples: &[Example { text: "More memory for a container that runs", command: "update -m 1g web" }],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    for name in matches.unsupported() {
        cx.warn(&format!("WARNING: --{name} is not supported and changes nothing"));
    }
    if matches.given().all(|flag| flag == PATTERN.long()) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let mut changed = resources(matches).map_err(Failure::new)?;
    if matches.is_given(&create_flags::PIDS_LIMIT) && matches.get(&create_flags::PIDS_LIMIT) <= 0 {
        changed.pids = Some(u64::MAX);
    }
    let restart = matches.get(&RESTART);
    let restart = restart.map(super::options::restart).transpose()?;
    let update = Update { resources: changed, restart };
    done(each(cx, Named::Containers(Which::Any), matches, |name| {
        cx.engine()?.update(name, &update)?;
        Ok(Some(name.to_owned()))
    })?)
}
