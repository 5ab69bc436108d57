//! `ps`: listing containers.

use wharfie_engine::container::list::ListContainers;
use wharfie_model::container::{ContainerSummary, MountPoint};
use wharfie_oci::{Reference, Timestamp};

use super::volume::label_text;
use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Conditions, Example, Matches, Needs, Number, Switch, Text};
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
    needs: Needs::SightForSizes,
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
/// `--format raw`, without sizes.
pub(crate) const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate:{{pad .State 1 0}}\nstatus:{{pad .Status 1 0}}\nnames: {{.Names}}\nlabels:{{pad .Labels 1 0}}\nports:{{pad .Ports 1 0}}\n";
/// Columns of COMMAND inside its quotes.
const COMMAND_WIDTH: usize = 20;
/// Columns of each name in MOUNTS.
const MOUNT_WIDTH: usize = 15;

fn run(cx: &Context, matches: &Matches) -> Result {
    let last = match matches.get(&LAST) {
        _ if matches.get(&LATEST) => Some(1),
        last => usize::try_from(last).ok().filter(|last| *last > 0),
    };
    let quiet = matches.get(&QUIET);
    let given = matches.get(&FORMAT).map(str::to_owned);
    if quiet && given.is_some() {
        cx.warn("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    let spec = if quiet && given.as_deref() == Some("raw") {
        "container_id: {{.ID}}".to_owned()
    } else if quiet {
        "{{.ID}}".to_owned()
    } else {
        given.or_else(|| cx.docker_setting("psFormat")).unwrap_or_default()
    };
    let raw = if matches.get(&SIZE) { format!("{RAW}size: {{{{.Size}}}}\n") } else { RAW.to_owned() };
    let mut format = ListFormat::parse(&spec).or(TABLE, &raw);
    // Not asked for, it is not looked for: docker shows nothing but what it has, which is then none.
    let sizes = matches.get(&SIZE)
        || format.source().contains(".Size")
        || matches.get(&FORMAT).is_some_and(|text| text.contains("{{json"));
    if matches.get(&SIZE) && matches!(format.kind(), ListKind::Default | ListKind::Table) {
        format.add_column("{{.Size}}");
    }
    let list = ListContainers { all: matches.get(&ALL), last, filters: matches.get(&FILTER), sizes };
    let listed = cx.engine()?.list_containers(&list)?;
    let rows: Vec<Value> = listed.iter().map(|container| value(cx, container, matches.get(&NO_TRUNC))).collect();
    let text = render_rows(&format, &rows, TITLES).map_err(|why| match why {
        RowsError::Row(why) => Failure::new(format!("failed to execute template: {why}")),
        RowsError::Template(why) => template_failure(why),
    })?;
    match format.kind() {
        ListKind::Default if !matches.get(&NO_TRUNC) => cx.print_table(&text),
        _ => cx.print(&text),
    }
}

/// A container as a row of its table; with `is_full` nothing is shortened.
pub(crate) fn value(cx: &Context, container: &ContainerSummary, is_full: bool) -> Value {
    let created = Timestamp { seconds: container.created, nanos: 0 };
    let networks: Vec<&str> = container.network_settings.networks.keys().map(String::as_str).collect();
    Value::row(
        "*formatter.ContainerContext",
        vec![
            Field::new("ID", if is_full { container.id.as_str() } else { &container.id[..12] }),
            Field::new("Image", image(container, is_full)),
            Field::new("Command", command(container, is_full)),
            Field::new("CreatedAt", time::local(created.into(), cx.zone())),
            Field::new("RunningFor", created_since(cx, container)),
            Field::new("Ports", super::ports::line(&container.ports)),
            Field::new("State", container.state.as_str()),
            Field::new("Status", container.status.as_str()),
            Field::new("Size", sizes(container)),
            Field::new("Names", names(container)),
            Field::new("Labels", label_text(&container.labels)),
            Field::label(container.labels.clone()),
            Field::new("Mounts", mounts(&container.mounts, is_full)),
            Field::new("LocalVolumes", local_volumes(container).to_string()),
            Field::new("Networks", networks.join(",")),
            Field::new("Platform", Value::Nil),
        ],
    )
}

/// How long ago it was made.
pub(crate) fn created_since(cx: &Context, container: &ContainerSummary) -> String {
    age::ago(Timestamp { seconds: container.created, nanos: 0 }.into(), cx.jiff_now())
}

/// Its names.
pub(crate) fn names(container: &ContainerSummary) -> String {
    let names = container.names.iter().map(|name| name.trim_start_matches('/'));
    names.collect::<Vec<_>>().join(",")
}

/// The image as the user called it: shortened, without a digest, and of an id the first twelve digits.
pub(crate) fn image(container: &ContainerSummary, is_full: bool) -> String {
    let ContainerSummary { image, image_id, .. } = container;
    if is_full {
        return image.clone();
    }
    let short = |id: &str| id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect::<String>();
    let of_id = short(image_id);
    if short(image) == of_id {
        return of_id;
    }
    match image.parse::<Reference>() {
        Ok(name) => match name.tag() {
            Some(tag) => format!("{}:{tag}", name.repository().familiar()),
            None => name.repository().familiar(),
        },
        Err(_) => image.clone(),
    }
}

/// Command and arguments in quotes.
pub(crate) fn command(container: &ContainerSummary, is_full: bool) -> String {
    quote(&if is_full { container.command.as_str().into() } else { ellipsis::fit(&container.command, COMMAND_WIDTH) })
}

/// What the container wrote, and what it sees.
fn sizes(container: &ContainerSummary) -> String {
    let own = size::short(container.size_rw);
    match container.size_root_fs {
        0 => own,
        whole => format!("{own} (virtual {})", size::short(whole)),
    }
}

/// Names of volumes, and what is mounted without a name.
fn mounts(mounts: &[MountPoint], is_full: bool) -> String {
    let shown = mounts.iter().map(|mount| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if is_full { name.as_str().into() } else { ellipsis::fit(name, MOUNT_WIDTH) }
    });
    shown.collect::<Vec<_>>().join(",")
}

/// How many volumes of this machine are mounted into it.
pub(crate) fn local_volumes(container: &ContainerSummary) -> usize {
    container.mounts.iter().filter(|mount| mount.driver == "local").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_as_they_were_called() {
        let id = format!("sha256:{}", "0123456789ab".repeat(6).split_at(64).0);
        let check = |called: &str, expected: &str| {
            let container =
                ContainerSummary { image: called.to_owned(), image_id: id.clone(), ..ContainerSummary::default() };
            assert_eq!(image(&container, false), expected);
            assert_eq!(image(&container, true), called);
        };
        check("busybox", "busybox");
        check("docker.io/library/busybox:1", "busybox:1");
        check(&format!("r.example/box:1@{id}"), "r.example/box:1");
        check(&format!("box@{id}"), "box");
        check("0123456", "0123456");
        check("0123456789ab", "0123456789ab");
        check(&id, "0123456789ab");
    }
}
