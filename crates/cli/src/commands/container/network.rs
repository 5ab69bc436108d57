//! `network`: the three that every machine has, and those of the user's own.

use wharfie_engine::filter::Prunable;
use wharfie_engine::networks::{ListNetworks, NetworkError, PruneNetworks};
use wharfie_model::network::NetworkInspect;

use wharfie_oci::NetworkName;

use super::lifecycle::lines;
use super::lifecycle::prune_filters;
use super::network_change;
use super::volume::label_text;
use crate::commands::image::inspect::{FORMAT, print_found};
use crate::commands::{DRY_RUN, FORMAT_HELP, Run, UNASKED, choices, template_failure};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Conditions, Entry, Example, Flag, Matches, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::serialize::value_of;
use crate::render::value::{Field, Value};

const LS_FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"driver=bridge\")")
    .complete(Complete::Nothing)
    .short('f')
    .value_name("filter");
const PRUNE_FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"until=<timestamp>\")")
    .complete(Complete::Nothing)
    .value_name("filter");
const LS_FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const NO_TRUNC: Switch = Switch::new("no-trunc", "Do not truncate the output");
const QUIET: Switch = Switch::new("quiet", "Only display network IDs").short('q');

/// `PROG network`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage networks",
    subcommands: &[
        Entry::new("connect", &network_change::CONNECT),
        Entry::new("create", &network_change::CREATE),
        Entry::new("disconnect", &network_change::DISCONNECT),
        Entry::new("inspect", &INSPECT),
        Entry::new("ls", &LS).aliases(&["list"]),
        Entry::new("prune", &PRUNE),
        Entry::new("rm", &network_change::RM).aliases(&["remove"]),
    ],
    ..Command::BASE
};

static INSPECT: Command<Run> = Command {
    about: "Display detailed information on one or more networks",
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT.flag(), Flag::bool("verbose", "Verbose output for diagnostics").short('v')],
    examples: &[Example { text: "How it connects", command: "network inspect -f '{{.Driver}}' bridge" }],
    complete: Complete::Networks,
    run: Some(inspect),
    ..Command::BASE
};

static LS: Command<Run> = Command {
    about: "List networks",
    usage: "[OPTIONS]",
    flags: &[LS_FILTER.flag(), LS_FORMAT.flag(), NO_TRUNC.flag(), QUIET.flag()],
    examples: &[Example { text: "What containers can be connected to", command: "network ls" }],
    run: Some(ls),
    ..Command::BASE
};

static PRUNE: Command<Run> = Command {
    about: "Remove all unused networks",
    usage: "[OPTIONS]",
    flags: &[PRUNE_FILTER.flag(), DRY_RUN.flag(), UNASKED.flag()],
    examples: &[Example { text: "Without being asked", command: "network prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
];

fn ls(cx: &Context, matches: &Matches) -> Result {
    let listed = cx.engine()?.list_networks(&ListNetworks { filters: matches.get(&LS_FILTER) })?;
    let row = |network: NetworkInspect| {
        let created: Option<jiff::Timestamp> = network.created.parse().ok();
        Value::row(
            "*network.networkContext",
            vec![
                Field::new("ID", if matches.get(&NO_TRUNC) { &*network.id } else { &network.id[..12] }),
                Field::new("Name", network.name),
                Field::new("Driver", network.driver),
                Field::new("Scope", network.scope),
                Field::new("IPv6", network.enable_ipv6.to_string()),
                Field::new("Internal", network.internal.to_string()),
                Field::new("Labels", label_text(&network.labels)),
                Field::label(network.labels),
                Field::new("CreatedAt", created.unwrap_or_default()),
            ],
        )
    };
    let rows: Vec<Value> = listed.into_iter().map(row).collect();
    let spec = if matches.get(&QUIET) { "{{.ID}}" } else { matches.get(&LS_FORMAT).unwrap_or_default() };
    let raw = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
    let format = ListFormat::parse(spec).or("{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", raw);
    let text = render_rows(&format, &rows, TITLES).map_err(template_failure)?;
    match format.kind() {
        ListKind::Default if !matches.get(&NO_TRUNC) => cx.print_table(&text),
        _ => cx.print(&text),
    }
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| document(cx, name)?.ok_or_else(|| NetworkError::NoSuch(name.to_owned()).into()))
}

/// A network as `inspect` shows it, found by its name or the beginning of its id.
pub(crate) fn document(cx: &Context, wanted: &str) -> Result<Option<Value>> {
    let engine = cx.engine()?;
    let Some(network) = engine.find_network(wanted)? else { return Ok(None) };
    Ok(Some(value_of(&engine.inspect_network(&network)?)))
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let question = "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you \
                    want to continue?";
    let filters = prune_filters(cx, Prunable::ContainersOrNetworks, matches.get(&PRUNE_FILTER))?;
    if !cx.may_remove(matches, question)? {
        return Ok(());
    }
    let gone = cx.engine_to_remove(matches)?.prune_networks(&PruneNetworks { filters })?;
    cx.print(&section(&gone))?;
    cx.end_dry_run(matches);
    Ok(())
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(names: &[NetworkName]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("Deleted Networks:\n{}\n\n", lines(names))
}
