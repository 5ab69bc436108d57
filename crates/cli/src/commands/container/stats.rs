//! `stats`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wharfie_engine::container::list::ListContainers;
use wharfie_runtime::Stats;

use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};
use crate::render::format::{ListFormat, render_rows};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::size;
use crate::render::value::{Field, Value};

/// `PROG stats`.
pub static COMMAND: Command<Run> = Command {
    about: "Display a live stream of container(s) resource usage statistics",
    usage: "[OPTIONS] [CONTAINER...]",
    arity: Arity::Any,
    flags: &[
        Flag::bool("all", "Show all containers (default shows just running)").short('a'),
        Flag::str("format", FORMAT_HELP).complete(choices::FORMATS),
        Flag::bool("no-stream", "Disable streaming stats and only pull the first result"),
        Flag::bool("no-trunc", "Do not truncate output"),
    ],
    examples: &[Example { text: "What containers use", command: "stats --no-stream" }],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];
const TABLE: &str =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
const RAW: &str = "container: {{.Container}}\nid: {{.ID}}\nname: {{.Name}}\ncpu_percentage: {{.CPUPerc}}\n";

/// 500 ms between two looks: shares of processors are differences.
const PAUSE: Duration = Duration::from_millis(500);
/// To the corner: what is there is written over, so that nothing flickers.
const HOME: &str = "\x1b[H";
/// Clears the rest of the line.
const END_OF_LINE: &str = "\x1b[K";
/// Clears everything below.
const BELOW: &str = "\x1b[J";

/// What a container used, and when.
type Looks = BTreeMap<String, (Instant, Stats)>;

fn run(cx: &Context, matches: &Matches) -> Result {
    // A name that is none is an error before anything is shown.
    for name in matches.args() {
        cx.engine()?.container(name)?;
    }
    let mut before = look(cx, &names(cx, matches)?)?;
    loop {
        if !before.is_empty() || !matches.flag("no-stream") {
            std::thread::sleep(PAUSE);
        }
        let names = names(cx, matches)?;
        let now = look(cx, &names)?;
        let page = page(cx, matches, &names, &before, &now)?;
        if matches.flag("no-stream") {
            return cx.print(&page);
        }
        cx.print_bytes(screen(&page, cx.is_out_terminal()).as_bytes())?;
        // Of those that were named none is left to be watched.
        if !matches.args().is_empty() && now.is_empty() {
            return Ok(());
        }
        before = now;
    }
}

/// A page over the one before. Its text comes from containers; how it is laid out on the terminal does not.
fn screen(page: &str, is_terminal: bool) -> String {
    let page = if is_terminal { sanitise(page, Layout::Lines) } else { page.into() };
    format!("{HOME}{}{BELOW}", page.replace('\n', &format!("{END_OF_LINE}\n")))
}

/// What is to be shown: how the user called it, and its id.
fn names(cx: &Context, matches: &Matches) -> Result<Vec<(String, String)>> {
    let engine = cx.engine()?;
    if !matches.args().is_empty() {
        let found = matches.args().iter().filter_map(|name| Some((name.clone(), engine.container(name).ok()?.id)));
        return Ok(found.collect());
    }
    let wanted = ListContainers { all: matches.flag("all"), ..ListContainers::default() };
    let all = engine.list_containers(&wanted)?;
    Ok(all.into_iter().map(|container| (container.row.id.clone(), container.row.id)).collect())
}

/// What those of them use that run.
fn look(cx: &Context, names: &[(String, String)]) -> Result<Looks> {
    let engine = cx.engine()?;
    let stats = |id: &String| Some((id.clone(), (Instant::now(), engine.stats(id).ok()?.1)));
    Ok(names.iter().filter_map(|(_, id)| stats(id)).collect())
}

fn page(cx: &Context, matches: &Matches, names: &[(String, String)], before: &Looks, now: &Looks) -> Result<String> {
    let mut rows = Vec::new();
    for (called, id) in names {
        let Ok(row) = cx.engine()?.container(id) else { continue };
        let used = now.get(id).map(|(at, stats)| {
            let first = before.get(id).map_or((*at, stats.cpu_nanos), |(at, stats)| (*at, stats.cpu_nanos));
            let passed = at.duration_since(first.0).as_nanos().max(1) as f64;
            (stats, stats.cpu_nanos.saturating_sub(first.1) as f64 / passed * 100.0)
        });
        let none = || "--".to_owned();
        let pair = || "-- / --".to_owned();
        let limit = |stats: &Stats| stats.memory_limit.unwrap_or_else(crate::commands::system::info::memory);
        let share = |stats: &Stats| match limit(stats) {
            0 => 0.0,
            limit => stats.memory as f64 / limit as f64 * 100.0,
        };
        let short = |id: &str| if matches.flag("no-trunc") { id.to_owned() } else { id[..12].to_owned() };
        rows.push(Value::row(
            "*container.statsContext",
            vec![
                Field::new("Container", called.as_str()),
                Field::new("ID", short(id)),
                Field::new("Name", row.name),
                Field::new("CPUPerc", used.map_or_else(none, |(_, share)| format!("{share:.2}%"))),
                Field::new(
                    "MemUsage",
                    used.map_or_else(pair, |(stats, _)| {
                        format!("{} / {}", size::binary(stats.memory), size::binary(limit(stats)))
                    }),
                ),
                Field::new("MemPerc", used.map_or_else(none, |(stats, _)| format!("{:.2}%", share(stats)))),
                Field::new(
                    "NetIO",
                    used.map_or_else(pair, |(stats, _)| {
                        format!("{} / {}", size::short(stats.network_received), size::short(stats.network_sent))
                    }),
                ),
                Field::new(
                    "BlockIO",
                    used.map_or_else(pair, |(stats, _)| {
                        format!("{} / {}", size::short(stats.block_read), size::short(stats.block_written))
                    }),
                ),
                Field::new("PIDs", used.map_or_else(none, |(stats, _)| stats.pids.to_string())),
            ],
        ));
    }
    let format = ListFormat::parse(matches.value("format").unwrap_or_default()).or(TABLE, RAW);
    render_rows(&format, &rows, TITLES).map_err(template_failure)
}
