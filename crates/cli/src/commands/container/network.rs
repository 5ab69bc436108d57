//! `network`: the three that every machine has, and those of the user's own.

use wharfie_engine::networks::{BUILTIN, Network};
use wharfie_oci::{Digest, Timestamp};

use super::network_change;
use crate::commands::image::inspect::{FORMAT, print_found};
use crate::commands::{FORMAT_HELP, Run, template_failure};
use crate::compat;
use crate::context::{Context, moment};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Entry, Example, Flag, Matches};
use crate::render::format::{ListFormat, render_rows};
use crate::render::value::{Field, Value};

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
    flags: &[FORMAT, Flag::bool("verbose", "Verbose output for diagnostics").short('v')],
    examples: &[Example { text: "How it connects", command: "network inspect -f '{{.Driver}}' bridge" }],
    complete: Complete::Networks,
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
    flags: &[
        Flag::filter("filter", "Provide filter values (e.g. \"until=<timestamp>\")").value_name("filter"),
        Flag::bool("force", "Do not prompt for confirmation").short('f'),
    ],
    examples: &[Example { text: "Without being asked", command: "network prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

/// What is shown of a network.
struct Facts {
    /// 64 hexadecimal digits.
    id: String,
    name: String,
    driver: &'static str,
    created: Timestamp,
    /// The bridge's own address.
    gateway: std::net::Ipv4Addr,
    /// First address.
    address: std::net::Ipv4Addr,
    /// How many bits are the network's; 0 where there are no addresses.
    prefix: u8,
    is_internal: bool,
    is_attachable: bool,
    range: Option<(std::net::Ipv4Addr, u8)>,
    reserved: Vec<(String, std::net::Ipv4Addr)>,
    options: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    is_builtin: bool,
}

impl From<Network> for Facts {
    fn from(network: Network) -> Self {
        Self {
            id: network.id,
            name: network.name,
            driver: "bridge",
            created: Timestamp::from_nanos(network.created),
            gateway: network.gateway,
            address: network.address,
            prefix: network.prefix,
            is_internal: network.is_internal,
            is_attachable: network.is_attachable,
            range: network.range,
            reserved: network.reserved.into_iter().collect(),
            options: network.options.into_iter().collect(),
            labels: network.labels.into_iter().collect(),
            is_builtin: false,
        }
    }
}

impl Facts {
    /// One that is there without being made. Their ids never change: there is one of each, on every machine.
    fn builtin(name: &str, driver: &'static str) -> Self {
        let is_bridge = driver == "bridge";
        let any = std::net::Ipv4Addr::UNSPECIFIED;
        Self {
            id: Digest::of(format!("network {name}").as_bytes()).hex().to_owned(),
            name: name.to_owned(),
            driver,
            created: Timestamp::ZERO,
            gateway: if is_bridge { std::net::Ipv4Addr::new(172, 29, 0, 1) } else { any },
            address: if is_bridge { std::net::Ipv4Addr::new(172, 29, 0, 0) } else { any },
            prefix: if is_bridge { 16 } else { 0 },
            is_internal: false,
            is_attachable: false,
            range: None,
            reserved: Vec::new(),
            options: Vec::new(),
            labels: Vec::new(),
            is_builtin: true,
        }
    }
}

/// All networks, by name.
fn all(cx: &Context) -> Result<Vec<Facts>> {
    let mut all: Vec<Facts> = BUILTIN.iter().map(|(name, driver)| Facts::builtin(name, driver)).collect();
    all.extend(cx.engine()?.networks()?.into_iter().map(Facts::from));
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

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
    let mut rows = Vec::new();
    for network in all(cx)? {
        if !is_shown(cx, matches, &network)? {
            continue;
        }
        let labels = network.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
        rows.push(Value::row(
            "*network.networkContext",
            vec![
                Field::new("ID", if matches.flag("no-trunc") { &*network.id } else { &network.id[..12] }),
                Field::new("Name", network.name.as_str()),
                Field::new("Driver", network.driver),
                Field::new("Scope", "local"),
                Field::new("IPv6", "false"),
                Field::new("Internal", network.is_internal.to_string()),
                Field::new("Labels", labels.join(",")),
                Field::label(network.labels.iter().cloned().collect()),
                Field::new("CreatedAt", moment(network.created)),
            ],
        ));
    }
    let spec = if matches.flag("quiet") { "{{.ID}}" } else { matches.value("format").unwrap_or_default() };
    let raw = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
    let format = ListFormat::parse(spec).or("{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", raw);
    cx.print(&render_rows(&format, &rows, TITLES).map_err(template_failure)?)
}

/// Whether every filter's name has a value that fits.
fn is_shown(cx: &Context, matches: &Matches, network: &Facts) -> Result<bool> {
    let filters = matches.filters("filter");
    for (kind, _) in &filters {
        let mut values = filters.iter().filter(|(other, _)| other == kind).map(|(_, value)| value.as_str());
        let fits = match kind.as_str() {
            "driver" => values.any(|value| value == network.driver),
            "id" => values.any(|value| network.id.starts_with(value)),
            "name" => values.any(|value| network.name.contains(value)),
            "scope" => values.any(|value| value == "local"),
            "type" if values.clone().any(|value| !matches!(value, "builtin" | "custom")) => {
                let value = values.find(|value| !matches!(*value, "builtin" | "custom")).unwrap_or_default();
                return Err(Failure::new(format!("{}invalid filter 'type={value}'", compat::DAEMON)));
            }
            "type" => values.any(|value| value == if network.is_builtin { "builtin" } else { "custom" }),
            "label" => values.all(|value| has_label(&network.labels, value)),
            // Docker does not call its own networks dangling.
            "dangling" => {
                let is_used = network.is_builtin || !cx.engine()?.users_of_network(&network.name)?.is_empty();
                values.any(|value| matches!(value, "false" | "0") == is_used)
            }
            other => return Err(Failure::new(format!("{}invalid filter '{other}'", compat::DAEMON))),
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_label(labels: &[(String, String)], wanted: &str) -> bool {
    let (name, value) = wanted.split_once('=').map_or((wanted, None), |(name, value)| (name, Some(value)));
    labels.iter().any(|(key, found)| key == name && value.is_none_or(|value| value == found))
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| document(cx, name)?.ok_or_else(|| Failure::new(not_found(name))))
}

/// What docker's daemon says of a network that it does not know.
pub(crate) fn not_found(name: &str) -> String {
    format!("{}network {name} not found", compat::DAEMON)
}

/// A network as `inspect` shows it, found by its name or the beginning of its id.
pub(crate) fn document(cx: &Context, wanted: &str) -> Result<Option<Value>> {
    let all = all(cx)?;
    let by_name = all.iter().find(|network| network.name == wanted);
    let by_id = || all.iter().find(|network| !wanted.is_empty() && network.id.starts_with(wanted));
    let Some(network) = by_name.or_else(by_id) else { return Ok(None) };
    let engine = cx.engine()?;
    let mut containers = Vec::new();
    for row in engine.containers()? {
        let Some((address, _)) = row.state.addresses.get(&network.name) else { continue };
        let fields = vec![
            Field::new("Name", row.name.as_str()),
            Field::new("IPv4Address", format!("{address}/{}", network.prefix)),
            Field::new("IPv6Address", ""),
        ];
        containers.push((row.id, Value::document(fields)));
    }
    let pool = (network.prefix > 0).then(|| {
        let mut fields = vec![Field::new("Subnet", format!("{}/{}", network.address, network.prefix))];
        // As docker's document: these two are there only if they say something.
        fields.extend(network.range.map(|(first, bits)| Field::new("IPRange", format!("{first}/{bits}"))));
        fields.push(Field::new("Gateway", network.gateway.to_string()));
        if !network.reserved.is_empty() {
            let reserved =
                network.reserved.iter().map(|(name, address)| (name.as_str(), Value::str(address.to_string())));
            fields.push(Field::new("AuxiliaryAddresses", Value::map(reserved)));
        }
        Value::document(fields)
    });
    let addresses = Value::document(vec![
        Field::new("Driver", "default"),
        Field::new("Options", Value::Nil),
        Field::new("Config", Value::list(pool)),
    ]);
    Ok(Some(Value::document(vec![
        Field::new("Name", network.name.as_str()),
        Field::new("Id", network.id.as_str()),
        Field::new("Created", network.created.to_string()),
        Field::new("Scope", "local"),
        Field::new("Driver", network.driver),
        Field::new("EnableIPv4", true),
        Field::new("EnableIPv6", false),
        Field::new("IPAM", addresses),
        Field::new("Internal", network.is_internal),
        Field::new("Attachable", network.is_attachable),
        Field::new("Ingress", false),
        Field::new("Containers", Value::map(containers)),
        Field::new("Options", Value::map(network.options.iter().map(|(key, value)| (key.as_str(), Value::str(value))))),
        Field::new("Labels", Value::map(network.labels.iter().map(|(key, value)| (key.as_str(), Value::str(value))))),
    ])))
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let question = "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you \
                    want to continue?";
    let mut filters = matches.filters("filter");
    filters.extend(cx.prune_filters(&filters));
    for (name, value) in &filters {
        match name.as_str() {
            "until" => drop(cx.parse_moment(value).map_err(|why| Failure::new(format!("{}{why}", compat::DAEMON)))?),
            "label" | "label!" => {}
            other => return Err(Failure::new(format!("{}invalid filter '{other}'", compat::DAEMON))),
        }
    }
    if !matches.flag("force") && !cx.confirm(question)? {
        return Ok(());
    }
    let gone = cx.engine()?.prune_networks(|network| fits_prune(cx, network, &filters))?;
    cx.print(&section(&gone))
}

/// True if filters, which make sense, want a network to be pruned.
pub(crate) fn fits_prune(cx: &Context, network: &Network, filters: &[(String, String)]) -> bool {
    let labels: Vec<(String, String)> = network.labels.clone().into_iter().collect();
    let created = Timestamp::from_nanos(network.created);
    filters.iter().all(|(name, value)| match name.as_str() {
        "until" => cx.parse_moment(value).is_ok_and(|until| created < until),
        "label" => has_label(&labels, value),
        "label!" => !has_label(&labels, value),
        _ => true,
    })
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("Deleted Networks:\n{}\n\n", names.join("\n"))
}
