//! `volume`.

use std::collections::BTreeMap;

use wharfie_engine::Error;
use wharfie_engine::container::volumes::{CreateVolume, VolumeDetails};
use wharfie_engine::filter::Prunable;
use wharfie_engine::patterns::Named;
use wharfie_engine::volumes::{ListVolumes, PruneVolumes, VolumeError};
use wharfie_model::volume::{UsageData, Volume};

use wharfie_oci::VolumeName;

use super::lifecycle::lines;
use super::lifecycle::{done, each, prune_filters};
use crate::commands::image::inspect::{FORMAT, print_found};
use crate::commands::{DRY_RUN, FORMAT_HELP, PATTERN, Run, UNASKED, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Conditions, Entry, Example, Matches, Switch, Text, Texts};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::serialize::value_of;
use crate::render::size;
use crate::render::value::{Field, Value};

const DRIVER: Text = Text::new("driver", "Specify volume driver name").short('d').default("local");
const LABEL: Texts = Texts::new("label", "Set metadata for a volume");
const NAME: Text = Text::new("name", "Specify volume name").complete(Complete::Nothing).hidden();
const OPT: Texts = Texts::new("opt", "Set driver specific options").short('o');
const LS_FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"dangling=true\")")
    .complete(Complete::Nothing)
    .short('f')
    .value_name("filter");
const PRUNE_FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"label=<label>\")")
    .complete(Complete::Nothing)
    .value_name("filter");
const LS_FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const QUIET: Switch = Switch::new("quiet", "Only display volume names").short('q');
const RM_FORCE: Switch = Switch::new("force", "Force the removal of one or more volumes").short('f');
const ALL: Switch = Switch::new("all", "Remove all unused volumes, not just anonymous ones").short('a');

/// `PROG volume`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage volumes",
    usage: "COMMAND",
    subcommands: &[
        Entry::new("create", &CREATE),
        Entry::new("inspect", &INSPECT),
        Entry::new("ls", &LS).aliases(&["list"]),
        Entry::new("prune", &PRUNE),
        Entry::new("rm", &RM).aliases(&["remove"]),
    ],
    ..Command::BASE
};

static CREATE: Command<Run> = Command {
    about: "Create a volume",
    usage: "[OPTIONS] [VOLUME]",
    arity: Arity::AtMost(1),
    flags: &[DRIVER.flag(), LABEL.flag(), NAME.flag(), OPT.flag()],
    examples: &[
        Example { text: "A place for data", command: "volume create data" },
        Example {
            text: "In memory, at most 100 MB of it",
            command: "volume create -o type=tmpfs -o device=tmpfs -o o=size=100m fast",
        },
    ],
    run: Some(create),
    ..Command::BASE
};

static LS: Command<Run> = Command {
    about: "List volumes",
    usage: "[OPTIONS]",
    flags: &[LS_FILTER.flag(), LS_FORMAT.flag(), QUIET.flag()],
    examples: &[Example { text: "What no container uses", command: "volume ls -f dangling=true" }],
    run: Some(ls),
    ..Command::BASE
};

static RM: Command<Run> = Command {
    about: "Remove one or more volumes",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeast(1),
    flags: &[DRY_RUN.flag(), RM_FORCE.flag(), PATTERN.flag()],
    examples: &[Example { text: "Remove a volume with its files", command: "volume rm data" }],
    complete: Complete::Volumes,
    run: Some(rm),
    ..Command::BASE
};

static INSPECT: Command<Run> = Command {
    about: "Display detailed information on one or more volumes",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT.flag()],
    examples: &[Example { text: "Where its files are", command: "volume inspect -f '{{.Mountpoint}}' data" }],
    complete: Complete::Volumes,
    run: Some(inspect),
    ..Command::BASE
};

static PRUNE: Command<Run> = Command {
    about: "Remove unused local volumes",
    usage: "[OPTIONS]",
    flags: &[ALL.flag(), PRUNE_FILTER.flag(), DRY_RUN.flag(), UNASKED.flag()],
    examples: &[Example { text: "Remove what nobody named and nobody uses", command: "volume prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

/// `--format raw`.
pub(crate) const RAW: &str = "name: {{.Name}}\ndriver: {{.Driver}}\n";
const TITLES: &[(&str, &str)] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Scope", "SCOPE"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];

/// Labels as rows of tables have them.
pub(crate) fn label_text(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn create(cx: &Context, matches: &Matches) -> Result {
    let driver = matches.get(&DRIVER).unwrap_or("local");
    if driver != "local" {
        return Err(Failure::daemon(format!(
            "create: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        )));
    }
    let map = |flag: &Texts| super::variables::pairs(matches.get(flag)).into_iter().collect();
    let details = VolumeDetails { labels: map(&LABEL), options: map(&OPT) };
    let name = matches.arg(0).or_else(|| matches.get(&NAME)).map(str::to_owned);
    cx.line(&cx.engine()?.create_volume(&CreateVolume { name, details })?)
}

fn ls(cx: &Context, matches: &Matches) -> Result {
    let listed = cx.engine()?.list_volumes(&ListVolumes { filters: matches.get(&LS_FILTER) })?;
    let rows: Vec<Value> = listed.volumes.into_iter().map(row).collect();
    let format = ListFormat::parse(matches.get(&LS_FORMAT).unwrap_or_default());
    let format = match (matches.get(&QUIET), format.kind()) {
        // A template of one's own says more than `-q`.
        (true, ListKind::Default) => ListFormat::parse("{{.Name}}"),
        (true, ListKind::Raw) => ListFormat::parse("name: {{.Name}}"),
        _ => format.or("{{.Driver}}\t{{.Name}}", RAW),
    };
    cx.print(&render_rows(&format, &rows, TITLES).map_err(template_failure)?)
}

/// A volume as a row of its table.
pub(crate) fn row(volume: Volume) -> Value {
    let counted =
        |text: &dyn Fn(&UsageData) -> String| volume.usage_data.as_ref().map_or_else(|| "N/A".to_owned(), text);
    Value::row(
        "*formatter.volumeContext",
        vec![
            Field::new("Availability", "N/A"),
            Field::new("Driver", volume.driver.as_str()),
            Field::new("Group", "N/A"),
            Field::new("Labels", label_text(&volume.labels.0)),
            Field::new("Links", counted(&|usage| usage.ref_count.to_string())),
            Field::new("Mountpoint", volume.mountpoint.as_str()),
            Field::new("Name", volume.name.as_str()),
            Field::new("Scope", volume.scope.as_str()),
            Field::new("Size", counted(&|usage| size::short(usage.size))),
            Field::new("Status", "N/A"),
            Field::label(volume.labels.0),
        ],
    )
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let errors = each(cx, Named::Volumes, matches, |name| match cx.engine_to_remove(matches)?.remove_volume(name) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(Error::Volume(VolumeError::NoSuch(_))) if matches.get(&RM_FORCE) => Ok(Some(name.to_owned())),
        Err(why) => Err(why.into()),
    })?;
    cx.end_dry_run(matches);
    done(errors)
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| document(cx, name)?.ok_or_else(|| VolumeError::NoSuch(name.to_owned()).into()))
}

/// A volume as `inspect` shows it.
pub(crate) fn document(cx: &Context, name: &str) -> Result<Option<Value>> {
    Ok(cx.engine()?.inspect_volume(name)?.map(|volume| value_of(&volume)))
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let filters = prune_filters(cx, Prunable::Volumes, matches.get(&PRUNE_FILTER))?;
    let all = matches.get(&ALL) || filters.all;
    let kind = if all {
        "all local volumes not used by at least one container"
    } else {
        "anonymous local volumes not used by at least one container"
    };
    let question = format!("WARNING! This will remove {kind}.\nAre you sure you want to continue?");
    if !cx.may_remove(matches, &question)? {
        return Ok(());
    }
    let pruned = cx.engine_to_remove(matches)?.prune_volumes(&PruneVolumes { all, filters })?;
    cx.print(&section(&pruned.names))?;
    cx.line(&format!("Total reclaimed space: {}", size::long(pruned.reclaimed)))?;
    cx.end_dry_run(matches);
    Ok(())
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(names: &[VolumeName]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("Deleted Volumes:\n{}\n\n", lines(names))
}
