//! `stats`.

use wharfie_engine::container::stats::{StatsQuery, Usage};
use wharfie_model::container::stats::NetworkStats;

use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};
use crate::render::format::{ListFormat, render_rows};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::size;
use crate::render::value::{Field, Value};

const ALL: Switch = Switch::new("all", "Show all containers (default shows just running)").short('a');
const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const NO_STREAM: Switch = Switch::new("no-stream", "Disable streaming stats and only pull the first result");
const NO_TRUNC: Switch = Switch::new("no-trunc", "Do not truncate output");

/// `PROG stats`.
pub static COMMAND: Command<Run> = Command {
    about: "Display a live stream of container(s) resource usage statistics",
    usage: "[OPTIONS] [CONTAINER...]",
    arity: Arity::Any,
    flags: &[ALL.flag(), FORMAT.flag(), NO_STREAM.flag(), NO_TRUNC.flag()],
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

/// To the corner: what is there is written over, so that nothing flickers.
const HOME: &str = "\x1b[H";
/// Clears the rest of the line.
const END_OF_LINE: &str = "\x1b[K";
/// Clears everything below.
const BELOW: &str = "\x1b[J";

fn run(cx: &Context, matches: &Matches) -> Result {
    let query = StatsQuery { containers: matches.args().to_vec(), all: matches.get(&ALL) };
    let mut watch = cx.engine()?.watch_stats(query)?;
    if matches.get(&NO_STREAM) {
        let usage = if watch.is_idle() { watch.look_again()? } else { watch.next_look()? };
        return cx.print(&page(matches, &usage)?);
    }
    loop {
        let usage = watch.next_look()?;
        cx.print_bytes(screen(&page(matches, &usage)?, cx.is_out_terminal()).as_bytes())?;
        // Of those that were named none is left to be watched.
        if !matches.args().is_empty() && watch.is_idle() {
            return Ok(());
        }
    }
}

/// A page over the one before. Its text comes from containers; how it is laid out on the terminal does not.
fn screen(page: &str, is_terminal: bool) -> String {
    let page = if is_terminal { sanitise(page, Layout::Lines) } else { page.into() };
    format!("{HOME}{}{BELOW}", page.replace('\n', &format!("{END_OF_LINE}\n")))
}

fn page(matches: &Matches, usage: &[Usage]) -> Result<String> {
    let rows: Vec<Value> = usage.iter().map(|usage| row(usage, matches.get(&NO_TRUNC))).collect();
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default()).or(TABLE, RAW);
    render_rows(&format, &rows, TITLES).map_err(template_failure)
}

/// A container as a row of its table; with `is_full` its id is not shortened.
fn row(usage: &Usage, is_full: bool) -> Value {
    let Usage { called, is_running, stats } = usage;
    let one = |text: String| if *is_running { text } else { "--".to_owned() };
    let pair = |both: [String; 2]| if *is_running { both.join(" / ") } else { "-- / --".to_owned() };
    let network = |of: fn(&NetworkStats) -> u64| size::short(stats.networks.values().map(of).sum());
    let disk = |op| size::short(stats.blkio_stats.bytes(op));
    Value::row(
        "*container.statsContext",
        vec![
            Field::new("Container", called.as_str()),
            Field::new("ID", if is_full { stats.id.as_str() } else { &stats.id[..12] }),
            Field::new("Name", stats.name.trim_start_matches('/')),
            Field::new("CPUPerc", one(format!("{:.2}%", stats.cpu_percent()))),
            Field::new("MemUsage", pair([stats.memory(), stats.memory_stats.limit].map(size::binary))),
            Field::new("MemPerc", one(format!("{:.2}%", stats.memory_percent()))),
            Field::new("NetIO", pair([network(|of| of.rx_bytes), network(|of| of.tx_bytes)])),
            Field::new("BlockIO", pair([disk("read"), disk("write")])),
            Field::new("PIDs", one(stats.pids_stats.current.to_string())),
        ],
    )
}
