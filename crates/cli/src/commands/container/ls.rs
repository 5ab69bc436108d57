//! `ps`: listing containers.

use wharfie_engine::container::list::{ListContainers, ListedContainer};
use wharfie_engine::container::network::open_ports;
use wharfie_oci::Timestamp;
use wharfie_store::containers::{ContainerState, Health, Status};

use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Conditions, Example, Matches, Number, Switch, Text};
use crate::render::format::{ListFormat, ListKind, RowsError, render_rows};
use crate::render::quote::quote;
use crate::render::value::{Field, Value};
use crate::render::{age, ellipsis, size, time};

const ALL: Switch = Switch::new("all", "Show all containers (default shows just running)").short('a');
const FILTER: Conditions = Conditions::new("filter", "Filter output based on conditions provided")
    .complete(Complete::Nothing)
    .short('f')
    .value_name("filter");
const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const LAST: Number =
    Number::new("last", "Show n last created containers (includes all states)").short('n').default("-1");
const LATEST: Switch = Switch::new("latest", "Show the latest created container (includes all states)").short('l');
const NO_TRUNC: Switch = Switch::new("no-trunc", "Don't truncate output");
const QUIET: Switch = Switch::new("quiet", "Only display container IDs").short('q');
const SIZE: Switch = Switch::new("size", "Display total file sizes").short('s');

/// `PROG ps`.
pub static COMMAND: Command<Run> = Command {
    about: "List containers",
    usage: "[OPTIONS]",
    flags: &[
        ALL.flag(),
        FILTER.flag(),
        FORMAT.flag(),
        LAST.flag(),
        LATEST.flag(),
        NO_TRUNC.flag(),
        QUIET.flag(),
        SIZE.flag(),
    ],
    examples: &[
        Example { text: "What runs", command: "ps" },
        Example { text: "Everything, with its size", command: "ps -as" },
        Example { text: "Names and states, for scripts", command: "ps -a --format '{{.Names}} {{.State}}'" },
    ],
    run: Some(run),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];
const TABLE: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate:{{pad .State 1 0}}\nstatus:{{pad .Status 1 0}}\nnames: {{.Names}}\nlabels:{{pad .Labels 1 0}}\nports:{{pad .Ports 1 0}}\n";
/// Columns of COMMAND inside its quotes.
const COMMAND_WIDTH: usize = 20;

fn run(cx: &Context, matches: &Matches) -> Result {
    let last = match matches.get(&LAST) {
        _ if matches.get(&LATEST) => Some(1),
        last => usize::try_from(last).ok().filter(|last| *last > 0),
    };
    let list = ListContainers { all: matches.get(&ALL), last, filters: matches.get(&FILTER) };
    let listed = cx.engine()?.list_containers(&list)?;
    let quiet = matches.get(&QUIET);
    let given = matches.get(&FORMAT).map(str::to_owned);
    if quiet && given.is_some() {
        cx.warn("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    let spec =
        if quiet { "{{.ID}}".to_owned() } else { given.or_else(|| cx.docker_setting("psFormat")).unwrap_or_default() };
    let mut format = ListFormat::parse(&spec).or(TABLE, RAW);
    let with_size = matches.get(&SIZE)
        || format.source().contains(".Size")
        || matches.get(&FORMAT).is_some_and(|text| text.contains("{{json"));
    if matches.get(&SIZE) && matches!(format.kind(), ListKind::Default | ListKind::Table) {
        format.add_column("{{.Size}}");
    }
    let mut rows = Vec::with_capacity(listed.len());
    for container in &listed {
        // Not asked for, it is not looked for: docker shows nothing but what it has, which is then none.
        let size = if with_size { full_size(cx, container)? } else { "0B".to_owned() };
        rows.push(value(cx, container, matches.get(&NO_TRUNC), size));
    }
    let text = render_rows(&format, &rows, TITLES).map_err(|why| match why {
        RowsError::Row(why) => Failure::new(format!("failed to execute template: {why}")),
        RowsError::Template(why) => template_failure(why),
    })?;
    cx.print(&text)
}

/// What the container wrote, and what it sees.
fn full_size(cx: &Context, container: &ListedContainer) -> Result<String> {
    let (own, whole) = cx.engine()?.container_sizes(&container.row)?;
    Ok(format!("{} (virtual {})", size::short(own), size::short(whole)))
}

/// Command and arguments as docker shows them: an argument with a blank stands in quotes, whatever else it holds.
fn shown_command(words: &[String]) -> String {
    let shown = words.iter().enumerate().map(|(at, word)| match at > 0 && word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// A container as a row of its table; with `is_full` nothing is shortened.
pub(crate) fn value(cx: &Context, container: &ListedContainer, is_full: bool, size: String) -> Value {
    let ListedContainer { row, settings, image } = container;
    let command = shown_command(&settings.command());
    let command = if is_full { command } else { ellipsis::fit(&command, COMMAND_WIDTH).into_owned() };
    let labels = settings.labels();
    let label_text = labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let mounts: Vec<String> = settings.mounts.iter().map(|mount| mount.source.clone()).collect();
    let mounts = mounts.iter().map(|name| if is_full { name.clone() } else { ellipsis::fit(name, 15).into_owned() });
    let volumes = settings.mounts.iter().filter(|mount| mount.kind.as_str() == "volume").count();
    let mut networks: Vec<String> = settings.attachments().into_iter().map(|one| one.network).collect();
    if networks.is_empty() {
        networks.push(settings.network.to_string());
    }
    Value::row(
        "*formatter.ContainerContext",
        vec![
            Field::new("ID", if is_full { row.id.as_str() } else { row.id.short() }),
            Field::new("Image", image.as_str()),
            Field::new("Command", quote(&command)),
            Field::new("CreatedAt", time::local(Timestamp { nanos: 0, ..row.created }.into(), cx.zone())),
            Field::new("RunningFor", age::ago(row.created.into(), cx.jiff_now())),
            Field::new("Ports", ports(container)),
            Field::new("State", row.state.status().as_str()),
            Field::new("Status", status(cx, &row.state)),
            Field::new("Size", size),
            Field::new("Names", row.name.as_str()),
            Field::new("Labels", label_text),
            Field::label(labels),
            Field::new("Mounts", mounts.collect::<Vec<_>>().join(",")),
            Field::new("LocalVolumes", volumes.to_string()),
            Field::new("Networks", networks.join(",")),
            Field::new("Platform", Value::Nil),
        ],
    )
}

/// `Up 3 seconds`, `Exited (137) 2 minutes ago`.
pub(crate) fn status(cx: &Context, state: &ContainerState) -> String {
    let since =
        |nanos: Option<i64>| age::between(Timestamp::from_nanos(nanos.unwrap_or_default()).into(), cx.jiff_now());
    match state.status() {
        Status::Created => "Created".to_owned(),
        Status::Running if state.health != Health::Unchecked => {
            let health = if state.health == Health::Starting { "health: starting" } else { state.health.as_str() };
            format!("Up {} ({health})", since(state.started_at))
        }
        Status::Running => format!("Up {}", since(state.started_at)),
        Status::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Status::Restarting => format!("Restarting ({}) {} ago", state.exit_code, since(state.finished_at)),
        Status::Exited => format!("Exited ({}) {} ago", state.exit_code, since(state.finished_at)),
    }
}

/// Ports of a container that runs; others have none.
fn ports(container: &ListedContainer) -> String {
    if !matches!(container.row.state.status(), Status::Running | Status::Paused) {
        return String::new();
    }
    let exposed = container.settings.config.exposed_ports.iter().flatten().map(|(port, _)| port.as_str());
    super::ports::line(&open_ports(&container.row), exposed)
}
