//! `builder history`: builds that are remembered, and everything that they wrote.

use std::io::Read;

use serde_json::json;
use wharfie_engine::build::BuildSummary;
use wharfie_oci::json::indented;

use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Entry, Example, Matches, Switch, Text};
use crate::render::age;
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::value::{Field, Value};

const ALL: Switch = Switch::new("all", "Remove all build records");
const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const NO_TRUNC: Switch = Switch::new("no-trunc", "Don't truncate output");

/// `PROG builder history`.
pub(super) const COMMAND: Command<Run> = Command {
    about: "Commands to work on build records",
    subcommands: &[
        Entry::new("inspect", &INSPECT),
        Entry::new("logs", &LOGS),
        Entry::new("ls", &LS),
        Entry::new("rm", &RM),
    ],
    ..Command::BASE
};

static LS: Command<Run> = Command {
    about: "List build records",
    usage: "[OPTIONS]",
    flags: &[FORMAT.flag(), NO_TRUNC.flag()],
    examples: &[Example { text: "The builds of late", command: "builder history ls" }],
    run: Some(ls),
    ..Command::BASE
};

static LOGS: Command<Run> = Command {
    about: "Print the logs of a build record",
    usage: "[OPTIONS] [REF]",
    arity: Arity::AtMost(1),
    examples: &[
        Example { text: "All that the last build wrote", command: "builder history logs" },
        Example { text: "Of the one before it", command: "builder history logs ^1" },
    ],
    run: Some(logs),
    ..Command::BASE
};

static INSPECT: Command<Run> = Command {
    about: "Inspect a build record",
    usage: "[OPTIONS] [REF]",
    arity: Arity::AtMost(1),
    flags: &[FORMAT.flag()],
    examples: &[Example { text: "How the last build went", command: "builder history inspect" }],
    run: Some(inspect),
    ..Command::BASE
};

static RM: Command<Run> = Command {
    about: "Remove build records",
    usage: "[OPTIONS] [REF...]",
    arity: Arity::Any,
    flags: &[ALL.flag()],
    examples: &[Example { text: "Forget all builds", command: "builder history rm --all" }],
    run: Some(rm),
    ..Command::BASE
};

fn ls(cx: &Context, matches: &Matches) -> Result {
    let builds = cx.engine()?.builds()?;
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default());
    if format.kind() == ListKind::Json {
        let lines = builds.iter().map(|build| object(build).to_string() + "\n").collect::<String>();
        return cx.print(&lines);
    }
    let rows: Vec<Value> = builds.iter().map(|build| row(cx, build, matches.get(&NO_TRUNC))).collect();
    let table = "{{.Ref}}\t{{.Name}}\t{{.Status}}\t{{.CreatedAt}}\t{{.Duration}}";
    let format = format.or(table, table);
    cx.print_table(&render_rows(&format, &rows, TITLES).map_err(template_failure)?)
}

const TITLES: &[(&str, &str)] = &[
    ("Ref", "BUILD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("CreatedAt", "CREATED AT"),
    ("Duration", "DURATION"),
];

fn row(cx: &Context, build: &BuildSummary, is_whole: bool) -> Value {
    let name = match build.name.char_indices().rev().nth(LONGEST_NAME - 1) {
        Some((at, _)) if at > 0 && !is_whole => format!("…{}", &build.name[at..]),
        _ => build.name.clone(),
    };
    Value::row(
        "*history.lsContext",
        vec![
            Field::new("CreatedAt", age::ago(build.started.into(), cx.jiff_now())),
            Field::new("Duration", duration(cx, build)),
            Field::new("Name", name),
            Field::new("Ref", build.id.as_str()),
            Field::new("Status", build.status.as_str()),
        ],
    )
}

/// 36 characters of a name stand in a table.
const LONGEST_NAME: usize = 36;

/// How long a build took, or takes.
fn duration(cx: &Context, build: &BuildSummary) -> String {
    let (end, goes_on) = match build.finished {
        Some(end) => (end, ""),
        None if build.status == "Running" => (cx.now(), "+"),
        None => return String::new(),
    };
    let seconds = (end.to_nanos() - build.started.to_nanos()) as f64 / 1e9;
    match seconds {
        ..60.0 => format!("{seconds:.1}s{goes_on}"),
        _ => format!("{}m {:.0}s{goes_on}", (seconds / 60.0) as u64, seconds % 60.0),
    }
}

fn object(build: &BuildSummary) -> serde_json::Value {
    let mut object = json!({
        "ref": format!("default/default/{}", build.id),
        "name": build.name,
        "status": build.status,
        "created_at": build.started.to_string(),
        "total_steps": build.total_steps,
        "completed_steps": build.total_steps,
        "cached_steps": build.cached_steps,
    });
    if let Some(finished) = build.finished {
        object["completed_at"] = json!(finished.to_string());
    }
    if !build.error.is_empty() {
        object["error"] = json!(build.error);
    }
    object
}

fn logs(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    let build = engine.find_build(matches.arg(0).unwrap_or_default())?;
    let mut log = engine.build_log(&build)?;
    let mut chunk = vec![0; 256 << 10];
    let mut rest = Vec::new();
    loop {
        let n = log.read(&mut chunk).map_err(|why| Failure::new(format!("cannot read the log: {why}")))?;
        if n == 0 {
            break;
        }
        if !cx.is_out_terminal() {
            cx.print_bytes(&chunk[..n])?;
            continue;
        }
        // A terminal is shown whole lines, made safe.
        rest.extend_from_slice(&chunk[..n]);
        let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = rest.drain(..end).collect();
        cx.print(&sanitise(&String::from_utf8_lossy(&whole), Layout::Lines))?;
    }
    cx.print(&String::from_utf8_lossy(&rest))
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    let build = cx.engine()?.find_build(matches.arg(0).unwrap_or_default())?;
    match matches.get(&FORMAT) {
        None | Some("pretty") => {}
        Some("json") => return cx.line(&indented(&object(&build).to_string(), "  ")),
        Some(template) => {
            let format = ListFormat::parse(template);
            return cx.print(&render_rows(&format, &[row(cx, &build, true)], TITLES).map_err(template_failure)?);
        }
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{:<16}{value}\n", format!("{name}:")));
        }
    };
    line("Name", &build.name);
    line("Ref", &build.id);
    line("Dockerfile", &build.dockerfile);
    line("Target", &build.target);
    line("Started", &build.started.to_string());
    line("Duration", &duration(cx, &build));
    line("Status", &build.status);
    line("Build steps", &build.total_steps.to_string());
    let share = (build.cached_steps * 100).checked_div(build.total_steps).unwrap_or(0);
    line("Cached steps", &format!("{} ({share}%)", build.cached_steps));
    line("Error", &build.error);
    cx.print(&text)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    let builds = match (matches.get(&ALL), matches.args()) {
        (true, []) => engine.builds()?.into_iter().filter(|build| build.status != "Running").collect(),
        (true, _) => return Err(Failure::new("ERROR: cannot specify refs with --all")),
        (false, []) => return Err(Failure::new("ERROR: requires at least one ref, or --all")),
        (false, ids) => ids.iter().map(|id| engine.find_build(id)).collect::<std::result::Result<Vec<_>, _>>()?,
    };
    for build in builds {
        engine.forget_build(&build)?;
        cx.line(&build.id)?;
    }
    Ok(())
}
