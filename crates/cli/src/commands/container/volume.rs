//! `volume`.

use std::collections::BTreeMap;

use wharfie_engine::container::volumes::VolumeDetails;
use wharfie_store::volumes::VolumeRow;

use crate::commands::image::inspect::{FORMAT, print_found};
use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Flag, Matches};
use crate::render::format::{ListFormat, render_rows};
use crate::render::serialize::value_of;
use crate::render::size;
use crate::render::value::{Field, Value};

/// `PROG volume`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage volumes",
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
    flags: &[
        Flag::str("driver", "Specify volume driver name").short('d').default("local"),
        Flag::list("label", "Set metadata for a volume"),
        Flag::str("name", "Specify volume name").complete(Complete::Nothing).hidden(),
        Flag::list("opt", "Set driver specific options").short('o'),
    ],
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
    flags: &[
        Flag::filter("filter", "Provide filter values (e.g. \"dangling=true\")")
            .complete(Complete::Nothing)
            .short('f')
            .value_name("filter"),
        Flag::str("format", FORMAT_HELP).complete(choices::FORMATS),
        Flag::bool("quiet", "Only display volume names").short('q'),
    ],
    examples: &[Example { text: "What no container uses", command: "volume ls -f dangling=true" }],
    run: Some(ls),
    ..Command::BASE
};

static RM: Command<Run> = Command {
    about: "Remove one or more volumes",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeast(1),
    flags: &[Flag::bool("force", "Force the removal of one or more volumes").short('f')],
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
    flags: &[
        Flag::bool("all", "Remove all unused volumes, not just anonymous ones").short('a'),
        Flag::filter("filter", "Provide filter values (e.g. \"label=<label>\")")
            .complete(Complete::Nothing)
            .value_name("filter"),
        Flag::bool("force", "Do not prompt for confirmation").short('f'),
    ],
    examples: &[Example { text: "Remove what nobody named and nobody uses", command: "volume prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

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

fn labels_of(volume: &VolumeRow) -> BTreeMap<String, String> {
    serde_json::from_str(&volume.labels).unwrap_or_default()
}

/// Labels as rows of tables have them.
pub(crate) fn label_text(volume: &VolumeRow) -> String {
    labels_of(volume).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn create(cx: &Context, matches: &Matches) -> Result {
    let driver = matches.value("driver").unwrap_or("local");
    if driver != "local" {
        return Err(Failure::new(format!(
            "{}create: error looking up volume plugin {driver}: plugin \"{driver}\" not found",
            compat::DAEMON
        )));
    }
    let map = |name: &str| super::variables::pairs(matches.values(name)).into_iter().collect();
    let details = VolumeDetails { labels: map("label"), options: map("opt") };
    let name = matches.arg(0).or_else(|| matches.value("name"));
    cx.line(&cx.engine()?.create_volume(name, &details)?)
}

fn ls(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    let filters = matches.filters("filter");
    let is_known = |name: &str| matches!(name, "dangling" | "name" | "driver" | "label");
    if let Some((name, _)) = filters.iter().find(|(name, _)| !is_known(name)) {
        return Err(Failure::new(format!("{}invalid filter '{name}'", compat::DAEMON)));
    }
    let is_truth = |value: &str| matches!(value, "true" | "1" | "false" | "0");
    if let Some((_, value)) = filters.iter().find(|(name, value)| name == "dangling" && !is_truth(value)) {
        return Err(Failure::new(format!("{}invalid filter 'dangling={value}'", compat::DAEMON)));
    }
    let mut rows = Vec::new();
    for volume in engine.volumes()? {
        let labels = labels_of(&volume);
        let mut is_shown = true;
        for (name, value) in &filters {
            is_shown &= match name.as_str() {
                "dangling" => engine.is_volume_used(&volume.name)? != matches!(value.as_str(), "true" | "1"),
                "name" => volume.name.contains(value),
                "driver" => value == "local",
                // Nothing else got past the check above.
                _ => match value.split_once('=') {
                    Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
                    None => labels.contains_key(value),
                },
            };
        }
        if is_shown {
            let place = engine.volume_place(&volume.name)?;
            rows.push(Value::row(
                "*formatter.volumeContext",
                vec![
                    Field::new("Availability", "N/A"),
                    Field::new("Driver", "local"),
                    Field::new("Group", "N/A"),
                    Field::new("Labels", label_text(&volume)),
                    Field::label(labels),
                    Field::new("Links", "N/A"),
                    Field::new("Mountpoint", place),
                    Field::new("Name", volume.name.as_str()),
                    Field::new("Scope", "local"),
                    Field::new("Size", "N/A"),
                    Field::new("Status", "N/A"),
                ],
            ));
        }
    }
    let spec = if matches.flag("quiet") { "{{.Name}}" } else { matches.value("format").unwrap_or_default() };
    let format = ListFormat::parse(spec).or("{{.Driver}}\t{{.Name}}", "name: {{.Name}}\ndriver: {{.Driver}}\n");
    cx.print(&render_rows(&format, &rows, TITLES).map_err(template_failure)?)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let mut errors = Vec::new();
    for name in matches.args() {
        match cx.engine()?.remove_volume(name) {
            Ok(()) => cx.line(name)?,
            Err(wharfie_engine::Error::NoSuchVolume(_)) if matches.flag("force") => cx.line(name)?,
            Err(why) => errors.push(compat::engine_text(&why)),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(errors.join("\n"))) }
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| {
        document(cx, name)?.ok_or_else(|| Failure::new(format!("{}get {name}: no such volume", compat::DAEMON)))
    })
}

/// A volume as `inspect` shows it.
pub(crate) fn document(cx: &Context, name: &str) -> Result<Option<Value>> {
    Ok(cx.engine()?.inspect_volume(name)?.map(|volume| value_of(&volume)))
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let mut filters = matches.filters("filter");
    check_filters(&filters)?;
    filters.extend(cx.prune_filters(&filters));
    let all =
        matches.flag("all") || matches.filters("filter").iter().any(|(name, value)| name == "all" && value != "false");
    let kind = if all {
        "all local volumes not used by at least one container"
    } else {
        "anonymous local volumes not used by at least one container"
    };
    let question = format!("WARNING! This will remove {kind}.\nAre you sure you want to continue?");
    if !matches.flag("force") && !cx.confirm(&question)? {
        return Ok(());
    }
    let gone = cx.engine()?.prune_volumes(all, &|volume| fits(volume, &filters))?;
    cx.print(&section(&gone))?;
    let bytes: u64 = gone.iter().map(|(_, bytes)| bytes).sum();
    cx.line(&format!("Total reclaimed space: {}", size::long(bytes)))
}

/// Refuses conditions that volumes cannot be pruned by.
fn check_filters(filters: &[(String, String)]) -> Result {
    match filters.iter().find(|(name, _)| !matches!(name.as_str(), "all" | "label" | "label!")) {
        Some((name, _)) => Err(Failure::new(format!("{}invalid filter '{name}'", compat::DAEMON))),
        None => Ok(()),
    }
}

/// Whether a volume has the labels that it must have, and none that it must not.
pub(crate) fn fits(volume: &VolumeRow, filters: &[(String, String)]) -> bool {
    let labels = labels_of(volume);
    let has = |text: &str| match text.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
        None => labels.contains_key(text),
    };
    filters.iter().all(|(name, value)| match name.as_str() {
        "label" => has(value),
        "label!" => !has(value),
        _ => true,
    })
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(gone: &[(String, u64)]) -> String {
    if gone.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = gone.iter().map(|(name, _)| name.as_str()).collect();
    format!("Deleted Volumes:\n{}\n\n", names.join("\n"))
}
