//! `network`: the three that every machine has.

use wharfie_oci::Digest;

use crate::commands::image::inspect::{FORMAT, print_found};
use crate::commands::{FORMAT_HELP, Run, template_failure};
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Entry, Example, Flag, Matches};
use crate::render::format::{ListFormat, render_rows};
use crate::render::value::{Field, Value};

/// `PROG network`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage networks",
    subcommands: &[
        Entry::new("inspect", &INSPECT),
        Entry::new("ls", &LS).aliases(&["list"]),
        Entry::new("prune", &PRUNE),
    ],
    ..Command::BASE
};

static INSPECT: Command<Run> = Command {
    about: "Display detailed information on one or more networks",
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT],
    examples: &[Example { text: "How it connects", command: "network inspect -f '{{.Driver}}' bridge" }],
    run: Some(inspect),
    ..Command::BASE
};

static LS: Command<Run> = Command {
    about: "List networks",
    usage: "[OPTIONS]",
    flags: &[
        Flag::filter("filter", "Provide filter values (e.g. \"driver=bridge\")").short('f').value_name("filter"),
        Flag::str("format", FORMAT_HELP),
        Flag::bool("no-trunc", "Do not truncate the output"),
        Flag::bool("quiet", "Only display network IDs").short('q'),
    ],
    examples: &[Example { text: "What containers can be connected to", command: "network ls" }],
    run: Some(ls),
    ..Command::BASE
};

static PRUNE: Command<Run> = Command {
    about: "Remove all unused networks",
    usage: "[OPTIONS]",
    flags: &[Flag::bool("force", "Do not prompt for confirmation").short('f')],
    examples: &[Example { text: "Without being asked", command: "network prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

/// Name and driver of each, in the order they are listed.
const NETWORKS: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

const TITLES: &[(&str, &str)] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
];

/// Their ids never change: there is one of each, on every machine.
fn id(name: &str) -> Digest {
    Digest::of(format!("network {name}").as_bytes())
}

fn ls(cx: &Context, matches: &Matches) -> Result {
    let mut rows = Vec::new();
    for (name, driver) in NETWORKS {
        if !is_shown(matches, name, driver)? {
            continue;
        }
        let id = id(name);
        rows.push(Value::row(
            "*network.networkContext",
            vec![
                Field::new("ID", if matches.flag("no-trunc") { id.hex() } else { id.short() }),
                Field::new("Name", name),
                Field::new("Driver", driver),
                Field::new("Scope", "local"),
                Field::new("IPv6", "false"),
                Field::new("Internal", "false"),
                Field::new("Labels", ""),
            ],
        ));
    }
    let spec = if matches.flag("quiet") { "{{.ID}}" } else { matches.value("format").unwrap_or_default() };
    let raw = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
    let format = ListFormat::parse(spec).or("{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", raw);
    cx.print(&render_rows(&format, &rows, TITLES).map_err(template_failure)?)
}

/// Whether every filter's name has a value that fits.
fn is_shown(matches: &Matches, name: &str, driver: &str) -> Result<bool> {
    let filters = matches.filters("filter");
    for (kind, _) in &filters {
        let mut values = filters.iter().filter(|(other, _)| other == kind).map(|(_, value)| value.as_str());
        let fits = match kind.as_str() {
            "driver" => values.any(|value| value == driver),
            "id" => values.any(|value| id(name).hex().starts_with(value)),
            "name" => values.any(|value| name.contains(value)),
            "scope" => values.any(|value| value == "local"),
            "type" => values.any(|value| value == "builtin"),
            // None has labels, and docker does not call its own networks dangling.
            "label" => false,
            "dangling" => values.any(|value| matches!(value, "false" | "0")),
            other => return Err(Failure::new(format!("{}invalid filter '{other}'", compat::DAEMON))),
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| document(name).ok_or_else(|| Failure::new(not_found(name))))
}

/// What docker's daemon says of a network that it does not know.
pub(crate) fn not_found(name: &str) -> String {
    format!("{}network {name} not found", compat::DAEMON)
}

/// A network as `inspect` shows it, found by its name or the beginning of its id.
pub(crate) fn document(wanted: &str) -> Option<Value> {
    let by_name = NETWORKS.iter().find(|(name, _)| *name == wanted);
    let by_id = || NETWORKS.iter().find(|(name, _)| !wanted.is_empty() && id(name).hex().starts_with(wanted));
    let (name, driver) = by_name.or_else(by_id)?;
    Some(Value::document(vec![
        Field::new("Name", *name),
        Field::new("Id", id(name).hex()),
        Field::new("Scope", "local"),
        Field::new("Driver", *driver),
        Field::new("EnableIPv4", true),
        Field::new("EnableIPv6", false),
        Field::new("Internal", false),
        Field::new("Attachable", false),
        Field::new("Ingress", false),
        Field::new("Options", Value::map::<&str>([])),
        Field::new("Labels", Value::map::<&str>([])),
    ]))
}

/// Networks of the user's own do not exist, so nothing can be unused.
fn prune(cx: &Context, matches: &Matches) -> Result {
    let question = "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you \
                    want to continue?";
    if !matches.flag("force") {
        cx.confirm(question)?;
    }
    Ok(())
}
