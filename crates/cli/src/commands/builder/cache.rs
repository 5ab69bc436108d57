//! `builder prune` and `builder du`: the cache.

use wharfie_engine::build::{CacheFilters, PruneBuildCache};
use wharfie_model::system::CacheRecord;
use wharfie_oci::size::{self, Units};

use crate::commands::{FORMAT_HELP, Run, UNASKED, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Conditions, Example, Flag, Matches, Needs, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::size::short;
use crate::render::value::{Field, Value};
use crate::render::{age, table};

const ALL: Switch = Switch::new("all", "Remove all unused build cache, not just dangling ones").short('a');
const FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"until=24h\")")
    .complete(Complete::Nothing)
    .value_name("filter")
    .check(filter);
const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const KEEP_STORAGE: Text =
    Text::new("keep-storage", "Amount of disk space to keep for cache").value_name("bytes").check(bytes);
const VERBOSE: Switch = Switch::new("verbose", "Provide a more verbose output");

/// `PROG builder prune`: as docker's own builder.
pub(crate) static PRUNE: Command<Run> = Command {
    about: "Remove build cache",
    flags: &[ALL.flag(), FILTER.flag(), UNASKED.flag(), KEEP_STORAGE.flag(), RESERVED_SPACE, MAX_USED_SPACE],
    examples: &[
        Example { text: "Without being asked", command: "builder prune -f" },
        Example { text: "All but 10 GB of what was used last", command: "builder prune -a --keep-storage 10GB" },
        Example { text: "What cache mounts hold", command: "builder prune --filter type=exec.cachemount" },
    ],
    needs: Needs::Namespace,
    run: Some(prune),
    ..Command::BASE
};

/// `PROG buildx prune`: as buildx.
pub(crate) static PRUNE_BUILDX: Command<Run> = Command {
    about: "Remove build cache",
    usage: "[OPTIONS]",
    flags: &[
        ALL.flag(),
        FILTER.flag(),
        UNASKED.flag(),
        KEEP_STORAGE.flag(),
        RESERVED_SPACE,
        MAX_USED_SPACE,
        VERBOSE.flag(),
    ],
    examples: &[Example { text: "Without being asked", command: "buildx prune -f" }],
    needs: Needs::Namespace,
    run: Some(prune_buildx),
    ..Command::BASE
};

/// What `--keep-storage` was called later.
const RESERVED_SPACE: Flag = KEEP_STORAGE.also("reserved-space");
const MAX_USED_SPACE: Flag = KEEP_STORAGE.also("max-used-space");

/// `PROG builder du`, `PROG buildx du`.
pub(crate) static DU: Command<Run> = Command {
    about: "Disk usage",
    usage: "[OPTIONS]",
    flags: &[FILTER.flag(), FORMAT.flag(), VERBOSE.flag()],
    examples: &[Example { text: "What builds keep", command: "builder du" }],
    needs: Needs::Sight,
    run: Some(du),
    ..Command::BASE
};

/// What builders can be asked to choose by.
fn filter(text: &str) -> std::result::Result<(), String> {
    let name = text.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    match CacheFilters::is_known(&name) {
        true => Ok(()),
        false => Err(format!("invalid filter '{name}'")),
    }
}

fn bytes(text: &str) -> std::result::Result<(), String> {
    size::parse(text, Units::Binary).map(|_| ()).ok_or_else(|| format!("invalid size: '{text}'"))
}

/// Asks, and removes; `None` if nobody wants that.
fn removed(cx: &Context, matches: &Matches) -> Result<Option<Vec<CacheRecord>>> {
    let given = matches.get(&FILTER);
    let mut pairs = cx.prune_filters(&given);
    // Filters of docker's configuration are of things with labels, which these have not.
    pairs.retain(|(name, _)| !name.starts_with("label"));
    pairs.extend(given);
    let filters = CacheFilters::parse(&pairs, &|text| cx.parse_moment(text))?;
    let what = if matches.get(&ALL) { "all build cache" } else { "all dangling build cache" };
    let question = format!("WARNING! This will remove {what}. Are you sure you want to continue?");
    if !matches.get(&UNASKED) && !cx.confirm(&question)? {
        return Ok(None);
    }
    let keep_storage = matches.get(&KEEP_STORAGE).and_then(|text| size::parse(text, Units::Binary)).unwrap_or(0);
    let prune = PruneBuildCache { all: matches.get(&ALL), filters, keep_storage };
    Ok(Some(cx.engine()?.prune_build_cache(&prune)?))
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let Some(gone) = removed(cx, matches)? else { return Ok(()) };
    cx.print(&section(&gone))?;
    cx.line(&format!("Total reclaimed space: {}", crate::render::size::long(total(&gone))))
}

/// What was removed, as docker lists it; empty if nothing was.
pub(crate) fn section(gone: &[CacheRecord]) -> String {
    if gone.is_empty() {
        return String::new();
    }
    let ids: String = gone.iter().map(|record| format!("{}\n", record.id)).collect();
    format!("Deleted build cache objects:\n{ids}\n")
}

/// Bytes that records have alone.
pub(crate) fn total(records: &[CacheRecord]) -> u64 {
    records.iter().filter(|record| !record.shared).map(|record| record.size).sum()
}

fn prune_buildx(cx: &Context, matches: &Matches) -> Result {
    let Some(gone) = removed(cx, matches)? else { return Ok(()) };
    if matches.get(&VERBOSE) {
        cx.print(&whole(cx, &gone))?;
    } else if !gone.is_empty() {
        cx.print(&listed(cx, &gone))?;
    }
    cx.line(&format!("Total:\t{}", short(total(&gone))))
}

fn du(cx: &Context, matches: &Matches) -> Result {
    let pairs = matches.get(&FILTER);
    let filters = CacheFilters::parse(&pairs, &|text| cx.parse_moment(text))?;
    let records = cx.engine()?.build_cache(&filters)?;
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default());
    if matches.is_given(&FORMAT) && matches.get(&VERBOSE) {
        return Err(Failure::new("--format and --verbose cannot be used together"));
    }
    if matches.is_given(&FORMAT) && format.kind() != ListKind::Default {
        let rows: Vec<Value> = records.iter().map(|record| row(cx, record)).collect();
        return cx.print(&render_rows(&format, &rows, TITLES).map_err(template_failure)?);
    }
    match matches.get(&VERBOSE) {
        true => cx.print(&whole(cx, &records))?,
        false => cx.print_table(&listed(cx, &records))?,
    }
    if !pairs.is_empty() {
        return Ok(());
    }
    let sum = |counts: &dyn Fn(&&CacheRecord) -> bool| records.iter().filter(counts).map(|record| record.size).sum();
    let (all, shared, free): (u64, u64, u64) =
        (sum(&|_| true), sum(&|record| record.shared), sum(&|record| !record.in_use));
    let mut lines = Vec::new();
    if shared > 0 {
        lines.push(["Shared:".to_owned(), short(shared)]);
        lines.push(["Private:".to_owned(), short(all - shared)]);
    }
    lines.push(["Reclaimable:".to_owned(), short(free)]);
    lines.push(["Total:".to_owned(), short(all)]);
    cx.print(&table::align_with(&lines.iter().map(|line| line.join("\t") + "\n").collect::<String>(), 8, 1))
}

const TITLES: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Parents", "PARENTS"),
    ("CreatedAt", "CREATED AT"),
    ("Mutable", "MUTABLE"),
    ("Reclaimable", "RECLAIMABLE"),
    ("Shared", "SHARED"),
    ("Size", "SIZE"),
    ("Description", "DESCRIPTION"),
    ("UsageCount", "USAGE COUNT"),
    ("LastUsedAt", "LAST ACCESSED"),
    ("Type", "TYPE"),
];

/// A record as a row of buildx's table.
fn row(cx: &Context, record: &CacheRecord) -> Value {
    Value::row(
        "*commands.diskusageContext",
        vec![
            Field::new("CreatedAt", record.created_at.as_str()),
            Field::new("Description", record.description.as_str()),
            Field::new("ID", record.id.as_str()),
            Field::new("LastUsedAt", used(cx, record)),
            Field::new("Mutable", is_mutable(record)),
            Field::new("Parents", Value::list(record.parents.iter().map(|parent| Value::from(parent.as_str())))),
            Field::new("Reclaimable", !record.in_use),
            Field::new("Shared", record.shared),
            Field::new("Size", short(record.size)),
            Field::new("Type", record.kind.as_str()),
            Field::new("UsageCount", i64::try_from(record.usage_count).unwrap_or(i64::MAX)),
        ],
    )
}

/// A directory that changes has a star after its name, as what is shared has after its size.
fn listed(cx: &Context, records: &[CacheRecord]) -> String {
    let star = |text: String, has: bool| if has { text + "*" } else { text };
    let rows: Vec<[String; 4]> = records
        .iter()
        .map(|record| {
            [
                star(record.id.clone(), is_mutable(record)),
                (!record.in_use).to_string(),
                star(short(record.size), record.shared),
                used(cx, record),
            ]
        })
        .collect();
    table::rows(["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"], &rows)
}

fn whole(cx: &Context, records: &[CacheRecord]) -> String {
    let mut text = String::new();
    for record in records {
        let mut line = |name: &str, value: &str| text.push_str(&format!("{:<14}{value}\n", format!("{name}:")));
        line("ID", &record.id);
        line("Created at", &record.created_at);
        line("Mutable", &is_mutable(record).to_string());
        line("Reclaimable", &(!record.in_use).to_string());
        line("Shared", &record.shared.to_string());
        line("Size", &short(record.size));
        line("Description", &record.description);
        line("Usage count", &record.usage_count.to_string());
        line("Last used", &used(cx, record));
        line("Type", &record.kind);
        text.push('\n');
    }
    text
}

fn is_mutable(record: &CacheRecord) -> bool {
    record.kind == "exec.cachemount"
}

/// How long ago it was used.
pub(crate) fn used(cx: &Context, record: &CacheRecord) -> String {
    let at = record.last_used_at.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map(|at| age::ago(at, cx.jiff_now())).unwrap_or_default()
}
