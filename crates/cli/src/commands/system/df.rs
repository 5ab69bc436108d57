//! `system df`: what takes how much space.

use wharfie_engine::container::list::ListContainers;
use wharfie_engine::disk::{ContainersUsage, ImagesUsage, VolumesUsage};
use wharfie_engine::volumes::ListVolumes;

use crate::commands::container::ls::{self, status};
use crate::commands::container::volume::label_text;
use crate::commands::image::ls::{NONE, created_at, created_since, rows};
use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Command, Example, Matches, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::json::{self, Html};
use crate::render::quote::quote;
use crate::render::template::{Mode, Template};
use crate::render::value::{Field, Value};
use crate::render::{age, ellipsis, size, table};

const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const VERBOSE: Switch = Switch::new("verbose", "Show detailed information on space usage").short('v');

/// `PROG system df`.
pub static COMMAND: Command<Run> = Command {
    about: "Show docker disk usage",
    usage: "[OPTIONS]",
    flags: &[FORMAT.flag(), VERBOSE.flag()],
    examples: &[
        Example { text: "What takes how much", command: "system df" },
        Example { text: "Image by image", command: "system df -v" },
    ],
    run: Some(run),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

fn run(cx: &Context, matches: &Matches) -> Result {
    let usage = cx.engine()?.images_usage()?;
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default());
    if matches.get(&VERBOSE) {
        return verbose(cx, &usage, &format);
    }
    let rows = summary(&usage, &cx.engine()?.containers_usage()?, &cx.engine()?.volumes_usage()?);
    let text = if format.kind() == ListKind::Default {
        table::rows(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"], &rows)
    } else if format.kind() == ListKind::Raw {
        let raw = |[kind, total, active, size, reclaimable]: [String; 5]| {
            format!("type: {kind}\ntotal: {total}\nactive: {active}\nsize: {size}\nreclaimable: {reclaimable}\n\n")
        };
        rows.into_iter().map(raw).collect()
    } else {
        let value = |[kind, total, active, size, reclaimable]: [String; 5]| {
            let fields = vec![
                Field::new("Type", kind),
                Field::new("TotalCount", total),
                Field::new("Active", active),
                Field::new("Size", size),
                Field::new("Reclaimable", reclaimable),
            ];
            Value::row("*formatter.diskUsageImagesContext", fields)
        };
        let values: Vec<Value> = rows.into_iter().map(value).collect();
        render_rows(&format, &values, TITLES).map_err(template_failure)?
    };
    cx.print(&text)
}

/// The four rows; what does not exist here takes nothing.
fn summary(images: &ImagesUsage, containers: &ContainersUsage, volumes: &VolumesUsage) -> [[String; 5]; 4] {
    let row = |kind: &str, total: usize, active: usize, bytes: u64, free: u64| {
        let reclaimable = match bytes {
            0 => "0B".to_owned(),
            bytes => format!("{} ({}%)", size::long(free), free * 100 / bytes),
        };
        [kind.to_owned(), total.to_string(), active.to_string(), size::long(bytes), reclaimable]
    };
    let active = images.images.iter().filter(|image| image.containers > 0).count();
    let bytes = |used: bool| -> u64 {
        volumes.volumes.iter().filter(|(_, users, _)| (*users > 0) == used).map(|(_, _, bytes)| bytes).sum()
    };
    let used_volumes = volumes.volumes.iter().filter(|(_, users, _)| *users > 0).count();
    [
        row("Images", images.images.len(), active, images.size, images.reclaimable),
        row("Containers", containers.count, containers.running, containers.size, containers.reclaimable),
        row("Local Volumes", volumes.volumes.len(), used_volumes, bytes(true) + bytes(false), bytes(false)),
        ["Build Cache", "0", "0", "0B", "0B"].map(str::to_owned),
    ]
}

fn verbose(cx: &Context, usage: &ImagesUsage, format: &ListFormat) -> Result {
    let lines: Vec<_> = usage
        .images
        .iter()
        .map(|image| {
            let row = rows(std::slice::from_ref(&image.listed), false).into_iter().next();
            let (repository, tag) =
                row.map_or((NONE.to_owned(), NONE.to_owned()), |row| (row.repository, row.tag.to_owned()));
            let image_row = &image.listed.image;
            [
                repository,
                tag,
                image_row.id.short().to_owned(),
                created_since(cx, image_row),
                size::short(image_row.size),
                size::long(image.shared),
                size::long(image_row.size.saturating_sub(image.shared)),
                image.containers.to_string(),
            ]
        })
        .collect();
    if format.kind() == ListKind::Default {
        let mut text = String::from("Images space usage:\n\n");
        text.push_str(&table::rows(
            ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"],
            &lines,
        ));
        text.push_str("\nContainers space usage:\n\n");
        text.push_str(&container_rows(cx)?);
        text.push_str("\nLocal Volumes space usage:\n\n");
        let volumes = cx.engine()?.volumes_usage()?.volumes;
        let volumes =
            volumes.into_iter().map(|(name, users, bytes)| [name.to_string(), users.to_string(), size::short(bytes)]);
        text.push_str(&table::rows(["VOLUME NAME", "LINKS", "SIZE"], &volumes.collect::<Vec<_>>()));
        text.push_str("\nBuild cache usage: 0B\n\n");
        text.push_str(&header(["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"]));
        return cx.print(&text);
    }
    let images = usage.images.iter().zip(lines).map(|(image, line)| {
        let [repository, tag, _, created, size, shared, unique, containers] = line;
        Value::row(
            "*formatter.imageContext",
            vec![
                Field::new("Repository", repository),
                Field::new("Tag", tag),
                Field::new("ID", image.listed.image.id.as_str()),
                Field::new("CreatedAt", created_at(cx, &image.listed.image)),
                Field::new("CreatedSince", created),
                Field::new("Digest", ""),
                Field::new("VirtualSize", size::long(image.listed.image.size)),
                Field::new("Size", size),
                Field::new("SharedSize", shared),
                Field::new("UniqueSize", unique),
                Field::new("Containers", containers),
            ],
        )
    });
    let whole = Value::object(
        "*formatter.diskUsageContext",
        vec![
            Field::new("Images", Value::list(images)),
            Field::new("Containers", Value::list(container_values(cx)?)),
            Field::new("Volumes", Value::list(volume_values(cx)?)),
            Field::new("BuildCache", Value::list([])),
        ],
    );
    if format.kind() == ListKind::Json {
        return cx.print(&json::compact(&whole, Html::Plain));
    }
    let template = Template::parse(format.source()).map_err(template_failure)?;
    cx.print(&template.execute(&whole, Mode::Data).map_err(|why| template_failure(why.text))?)
}

/// The containers as templates see them.
fn container_values(cx: &Context) -> Result<Vec<Value>> {
    let engine = cx.engine()?;
    let all = engine.list_containers(&ListContainers { all: true, ..ListContainers::default() })?;
    let sizes = all.iter().map(|container| Ok(size::short(engine.container_sizes(&container.row)?.0)));
    let sizes: Vec<String> = sizes.collect::<Result<_>>()?;
    Ok(all.iter().zip(sizes).map(|(container, size)| ls::value(cx, container, true, size)).collect())
}

/// The volumes as templates see them.
fn volume_values(cx: &Context) -> Result<Vec<Value>> {
    let engine = cx.engine()?;
    let mut values = Vec::new();
    let known = engine.list_volumes(&ListVolumes::default())?;
    for (name, users, bytes) in engine.volumes_usage()?.volumes {
        let labels = known.iter().find(|volume| volume.row.name == name).map(|volume| label_text(&volume.labels));
        let labels = labels.unwrap_or_default();
        values.push(Value::row(
            "*formatter.volumeContext",
            vec![
                Field::new("Availability", "N/A"),
                Field::new("Driver", "local"),
                Field::new("Group", "N/A"),
                Field::new("Labels", labels),
                Field::new("Links", users.to_string()),
                Field::new("Mountpoint", engine.volume_place(&name)?),
                Field::new("Name", name.as_str()),
                Field::new("Scope", "local"),
                Field::new("Size", size::short(bytes)),
                Field::new("Status", "N/A"),
            ],
        ));
    }
    Ok(values)
}

/// The containers' part of the verbose view.
fn container_rows(cx: &Context) -> Result<String> {
    let engine = cx.engine()?;
    let mut rows = Vec::new();
    for container in engine.list_containers(&ListContainers { all: true, ..ListContainers::default() })? {
        let row = &container.row;
        let volumes = container.settings.mounts.iter().filter(|mount| mount.kind.as_str() == "volume").count();
        rows.push([
            row.id.short().to_owned(),
            container.image.clone(),
            quote(&ellipsis::fit(&container.settings.command().join(" "), 20)),
            volumes.to_string(),
            size::short(engine.container_sizes(row)?.0),
            age::ago(row.created.into(), cx.jiff_now()),
            status(cx, &row.state),
            row.name.to_string(),
        ]);
    }
    Ok(table::rows(["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"], &rows))
}

fn header<const N: usize>(titles: [&str; N]) -> String {
    table::rows::<N, String>(titles, &[])
}
