//! `system df`: what takes how much space.

use wharfie_model::container::ContainerSummary;
use wharfie_model::image::ImageSummary;
use wharfie_model::system::{CacheRecord, DiskUsage};
use wharfie_model::volume::Volume;

use crate::commands::container::{self, volume};
use crate::commands::image::ls::{NONE, created_at, created_since, rows, shown_id};
use crate::commands::{FORMAT_HELP, Run, builder, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Example, Matches, Needs, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::json::{self, Html};
use crate::render::template::{Mode, Template};
use crate::render::value::{Field, Value};
use crate::render::{age, size, table};

const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const VERBOSE: Switch = Switch::new("verbose", "Show detailed information on space usage").short('v');

/// An image in `-v --format raw`.
const RAW_IMAGE: &str = "repository: {{.Repository}}\ntag: {{.Tag}}\ndigest: {{.Digest}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
/// A record of the build cache there.
const RAW_CACHE: &str = "build_cache_id: {{.ID}}\nparent_id: {{.Parent}}\nbuild_cache_type: {{.CacheType}}\ndescription: {{.Description}}\ncreated_at: {{.CreatedAt}}\ncreated_since: {{.CreatedSince}}\nlast_used_at: {{.LastUsedAt}}\nlast_used_since: {{.LastUsedSince}}\nusage_count: {{.UsageCount}}\nin_use: {{.InUse}}\nshared: {{.Shared}}\n";

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
    needs: Needs::Sight,
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
    let usage = cx.engine()?.disk_usage(false)?;
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default());
    if matches.get(&VERBOSE) {
        return verbose(cx, usage, &format);
    }
    let rows = summary(&usage);
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
fn summary(usage: &DiskUsage) -> [[String; 5]; 4] {
    let row = |kind: &str, total: usize, active: usize, bytes: u64, free: u64| {
        let reclaimable = match bytes {
            0 => "0B".to_owned(),
            bytes => format!("{} ({}%)", size::long(free), free * 100 / bytes),
        };
        [kind.to_owned(), total.to_string(), active.to_string(), size::long(bytes), reclaimable]
    };
    // Of the cache docker gives no share.
    let without_share = |[kind, total, active, size, free]: [String; 5]| {
        let free = free.split(' ').next().unwrap_or_default().to_owned();
        [kind, total, active, size, free]
    };
    let DiskUsage { layers_size, images, containers, volumes, build_cache } = usage;
    // Docker's rule: what images with containers have alone is not reclaimable; what they share counts as if it were.
    let of_containers = || images.iter().filter(|image| image.containers > 0);
    let kept: u64 = of_containers().map(unique_size).sum();
    let is_active = |container: &&ContainerSummary| ["running", "paused", "restarting"].contains(&&*container.state);
    let active = containers.iter().filter(is_active);
    let [all, of_active] = [containers.iter().map(own).sum::<u64>(), active.clone().map(own).sum()];
    let used = |volume: &&Volume| volume.usage_data.is_some_and(|data| data.ref_count > 0);
    let used_volumes = volumes.iter().filter(used);
    let [in_volumes, in_used] = [volumes.iter().map(bytes).sum::<u64>(), used_volumes.clone().map(bytes).sum()];
    let in_use = build_cache.iter().filter(|record| record.in_use);
    let cached = builder::total(build_cache);
    [
        row("Images", images.len(), of_containers().count(), *layers_size, layers_size.saturating_sub(kept)),
        row("Containers", containers.len(), active.count(), all, all - of_active),
        row("Local Volumes", volumes.len(), used_volumes.count(), in_volumes, in_volumes - in_used),
        without_share(row(
            "Build Cache",
            build_cache.len(),
            in_use.clone().count(),
            cached,
            cached - in_use.map(|record| record.size).sum::<u64>(),
        )),
    ]
}

/// Bytes in layers that no other image has.
fn unique_size(image: &ImageSummary) -> u64 {
    image.size.saturating_sub(shared_size(image))
}

fn shared_size(image: &ImageSummary) -> u64 {
    u64::try_from(image.shared_size).unwrap_or_default()
}

fn own(container: &ContainerSummary) -> u64 {
    container.size_rw
}

fn bytes(volume: &Volume) -> u64 {
    volume.usage_data.map_or(0, |data| data.size)
}

fn verbose(cx: &Context, usage: DiskUsage, format: &ListFormat) -> Result {
    if format.kind() == ListKind::Default {
        return cx.print(&tables(cx, &usage));
    }
    let images = usage.images.iter().map(|image| {
        let [repository, tag, id, created, size, shared, unique, containers] = image_cells(cx, image, true);
        Value::row(
            "*formatter.imageContext",
            vec![
                Field::new("Repository", repository),
                Field::new("Tag", tag),
                Field::new("ID", id),
                Field::new("CreatedAt", created_at(cx, image)),
                Field::new("CreatedSince", created),
                Field::new("Digest", ""),
                Field::new("VirtualSize", size::long(image.size)),
                Field::new("Size", size),
                Field::new("SharedSize", shared),
                Field::new("UniqueSize", unique),
                Field::new("Containers", containers),
            ],
        )
    });
    let containers = usage.containers.into_iter().map(|container| {
        // Docker does not tell here what containers share with their images.
        container::ls::value(cx, &ContainerSummary { size_root_fs: 0, ..container }, true)
    });
    let whole = Value::object(
        "*formatter.diskUsageContext",
        vec![
            Field::new("Images", Value::list(images)),
            Field::new("Containers", Value::list(containers)),
            Field::new("Volumes", Value::list(usage.volumes.into_iter().map(volume::row))),
            Field::new("BuildCache", Value::list(usage.build_cache.iter().map(|record| cache_value(cx, record)))),
        ],
    );
    if format.kind() == ListKind::Json {
        return cx.print(&json::compact(&whole, Html::Plain));
    }
    let raw;
    let source = if format.kind() == ListKind::Raw {
        raw = raw_template();
        &raw
    } else {
        format.source()
    };
    let template = Template::parse(source).map_err(template_failure)?;
    cx.print(&template.execute(&whole, Mode::Data).map_err(|why| Failure::new(why.text))?)
}

/// `-v --format raw`: everything of a kind after the other, each with an empty line.
fn raw_template() -> String {
    let kinds = [
        ("Images", "Image", RAW_IMAGE),
        ("Containers", "Container", container::ls::RAW),
        ("Volumes", "Volume", volume::RAW),
        ("BuildCache", "Build Cache", RAW_CACHE),
    ];
    let part = |(field, kind, fields): (&str, &str, &str)| {
        let size = if field == "Containers" { "size: {{.Size}}\n" } else { "" };
        format!("{{{{range .{field}}}}}type: {kind}\n{fields}{size}\n{{{{end}}}}")
    };
    kinds.map(part).concat()
}

/// A table for each kind.
fn tables(cx: &Context, usage: &DiskUsage) -> String {
    let images: Vec<_> = usage.images.iter().map(|image| image_cells(cx, image, false)).collect();
    let images = table::rows(
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"],
        &images,
    );
    let containers: Vec<_> = usage.containers.iter().map(|container| container_cells(cx, container)).collect();
    let containers = table::rows(
        ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"],
        &containers,
    );
    let volumes = usage.volumes.iter().map(|volume| {
        let links = volume.usage_data.map_or(0, |data| data.ref_count);
        [volume.name.clone(), links.to_string(), size::short(bytes(volume))]
    });
    let volumes = table::rows(["VOLUME NAME", "LINKS", "SIZE"], &volumes.collect::<Vec<_>>());
    let caches = ["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"];
    let caches =
        table::rows(caches, &usage.build_cache.iter().map(|record| cache_cells(cx, record)).collect::<Vec<_>>());
    let cached = size::short(builder::total(&usage.build_cache));
    format!(
        "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\nLocal Volumes space usage:\n\n\
         {volumes}\nBuild cache usage: {cached}\n\n{caches}"
    )
}

/// Repository, tag, id, created since, size, shared size, unique size and number of containers.
fn image_cells(cx: &Context, image: &ImageSummary, is_full: bool) -> [String; 8] {
    let rows = rows(std::slice::from_ref(image), false);
    let (repository, tag) = rows.first().map_or((NONE, NONE), |row| (row.repository, row.tag));
    [
        repository.to_owned(),
        tag.to_owned(),
        shown_id(&image.id, is_full).to_owned(),
        created_since(cx, image),
        size::short(image.size),
        size::long(shared_size(image)),
        size::long(unique_size(image)),
        image.containers.to_string(),
    ]
}

/// Id, type, size, created since, last used since, number of uses and whether it is shared.
fn cache_cells(cx: &Context, record: &CacheRecord) -> [String; 7] {
    [
        record.id[..12].to_owned(),
        record.kind.clone(),
        size::short(record.size),
        ago(cx, Some(&record.created_at)),
        builder::used(cx, record),
        record.usage_count.to_string(),
        record.shared.to_string(),
    ]
}

fn ago(cx: &Context, moment: Option<&String>) -> String {
    let at = moment.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map(|at| age::ago(at, cx.jiff_now())).unwrap_or_default()
}

fn cache_value(cx: &Context, record: &CacheRecord) -> Value {
    Value::row(
        "*formatter.buildCacheContext",
        vec![
            Field::new("CacheType", record.kind.as_str()),
            Field::new("CreatedAt", record.created_at.as_str()),
            Field::new("CreatedSince", ago(cx, Some(&record.created_at))),
            Field::new("Description", record.description.as_str()),
            Field::new("ID", record.id.as_str()),
            Field::new("InUse", record.in_use.to_string()),
            Field::new("LastUsedAt", record.last_used_at.as_deref().unwrap_or_default()),
            Field::new("LastUsedSince", builder::used(cx, record)),
            Field::new("Parent", record.parents.first().map_or("", String::as_str)),
            Field::new("Shared", record.shared.to_string()),
            Field::new("Size", size::short(record.size)),
            Field::new("UsageCount", record.usage_count.to_string()),
        ],
    )
}

/// Id, image, command, number of volumes, size, created since, status and name.
fn container_cells(cx: &Context, container: &ContainerSummary) -> [String; 8] {
    [
        container.id[..12].to_owned(),
        container::ls::image(container, false),
        container::ls::command(container, false),
        container::ls::local_volumes(container).to_string(),
        size::short(container.size_rw),
        container::ls::created_since(cx, container),
        container.status.clone(),
        container::ls::names(container),
    ]
}
