//! `update`.

use wharfie_engine::container::settings::Restart;
use wharfie_engine::container::update::Update;

use super::checks;
use super::lifecycle::{done, each};
use super::limits::resources;
use crate::commands::{Run, choices};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};
use wharfie_engine::patterns::{Named, Which};

/// `PROG update`.
pub static COMMAND: Command<Run> = Command {
    about: "Update configuration of one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::int("blkio-weight", "Not supported").hidden(),
        Flag::int("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
        Flag::int("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
        Flag::int("cpu-rt-period", "Not supported").hidden(),
        Flag::int("cpu-rt-runtime", "Not supported").hidden(),
        Flag::int("cpu-shares", "CPU shares (relative weight)").short('c'),
        Flag::str("cpus", "Number of CPUs").value_name("decimal").check(checks::cpus),
        Flag::str("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
        Flag::str("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
        Flag::str("kernel-memory", "Not supported").hidden(),
        Flag::str("memory", "Memory limit").short('m').value_name("bytes").check(checks::bytes),
        Flag::str("memory-reservation", "Memory soft limit").value_name("bytes").check(checks::bytes),
        Flag::str("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap")
            .value_name("bytes")
            .check(checks::bytes),
        Flag::int("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
        Flag::str("restart", "Restart policy to apply when a container exits").complete(choices::RESTART),
    ],
    examples: &[Example { text: "More memory for a container that runs", command: "update -m 1g web" }],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

const UNSUPPORTED: &[&str] = &["blkio-weight", "cpu-rt-period", "cpu-rt-runtime", "kernel-memory"];
const SUPPORTED: &[&str] = &[
    "cpu-period",
    "cpu-quota",
    "cpu-shares",
    "cpus",
    "cpuset-cpus",
    "cpuset-mems",
    "memory",
    "memory-reservation",
    "memory-swap",
    "pids-limit",
    "restart",
];

fn run(cx: &Context, matches: &Matches) -> Result {
    for name in UNSUPPORTED.iter().filter(|name| matches.is_set(name)) {
        cx.warn(&format!("WARNING: --{name} is not supported and changes nothing"));
    }
    if !SUPPORTED.iter().chain(UNSUPPORTED).any(|name| matches.is_set(name)) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let mut changed = resources(matches).map_err(Failure::new)?;
    if matches.is_set("pids-limit") && matches.int("pids-limit") <= 0 {
        changed.pids = Some(u64::MAX);
    }
    let restart = matches.value("restart").filter(|_| matches.is_set("restart"));
    let restart = restart.map(Restart::parse).transpose().map_err(Failure::new)?;
    let update = Update { resources: changed, restart };
    done(each(cx, Named::Containers(Which::Any), matches, |name| {
        cx.engine()?.update(name, &update)?;
        Ok(Some(name.to_owned()))
    })?)
}
