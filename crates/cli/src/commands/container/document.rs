//! The document that `inspect` shows of a container.

use std::collections::BTreeMap;

use wharfie_engine::container::list::status_word;
use wharfie_engine::container::network::open_ports;
use wharfie_engine::container::settings::{OWN_RUNTIME, Restart, Settings};
use wharfie_engine::container::settings_of;
use wharfie_engine::container::words::{Namespace, NetworkMode};
use wharfie_oci::Timestamp;
use wharfie_store::containers::{ContainerRow, Health, Status};

use crate::commands::Run;
use crate::commands::image::document::container_config;
use crate::commands::image::inspect::{FORMAT, print_found};
use crate::context::{Context, moment};
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};
use crate::render::value::{Field, Value};

/// `PROG container inspect`.
pub static COMMAND: Command<Run> = Command {
    about: "Display detailed information on one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT, Flag::bool("size", "Display total file sizes").short('s')],
    examples: &[Example { text: "How a container ended", command: "container inspect -f '{{.State.ExitCode}}' web" }],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| {
        let row = cx.engine()?.container(name)?;
        document(cx, &row, matches.flag("size"))
    })
}

fn time(nanos: Option<i64>) -> Value {
    Value::Time(moment(nanos.map_or(Timestamp::ZERO, Timestamp::from_nanos)))
}

fn texts<T: ToString>(list: &[T]) -> Value {
    if list.is_empty() { Value::List(None) } else { Value::list(list.iter().map(|word| Value::from(word.to_string()))) }
}

fn integer(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A container as `docker inspect` prints it, in its order of fields.
pub(crate) fn document(cx: &Context, row: &ContainerRow, with_size: bool) -> Result<Value> {
    let settings = settings_of(row)?;
    let engine = cx.engine()?;
    let command = settings.command();
    let directory = engine.container_place(row)?;
    let path = |name: &str| directory.join(name).display().to_string();
    let mut fields = vec![
        Field::named("ID", "Id", row.id.as_str()),
        Field::new("Created", row.created.to_string()),
        Field::new("Path", command.first().map(String::as_str).unwrap_or_default()),
        Field::new("Args", Value::list(command.iter().skip(1).map(Value::str))),
        Field::new("State", state(row)),
        Field::new("Image", row.image.as_str()),
        Field::new("ResolvConfPath", path("resolv.conf")),
        Field::new("HostnamePath", path("hostname")),
        Field::new("HostsPath", path("hosts")),
        Field::new("LogPath", path("log.json")),
        Field::new("Name", format!("/{}", row.name)),
        Field::new("RestartCount", i64::from(row.state.restarts)),
        Field::new("Driver", "overlay2"),
        Field::new("Platform", "linux"),
        Field::new("MountLabel", ""),
        Field::new("ProcessLabel", ""),
        Field::new("AppArmorProfile", ""),
        Field::new("ExecIDs", Value::Nil),
        Field::new("HostConfig", host_config(&settings)),
        Field::new(
            "GraphDriver",
            Value::document(vec![Field::new("Data", Value::Nil), Field::new("Name", "overlay2")]),
        ),
    ];
    if with_size {
        let (own, whole) = engine.container_sizes(row)?;
        fields.push(Field::new("SizeRw", integer(own)));
        fields.push(Field::new("SizeRootFs", integer(whole)));
    }
    fields.push(Field::new("Mounts", mounts(cx, &settings)?));
    fields.push(Field::new("Config", config(&settings)));
    fields.push(Field::new("NetworkSettings", network(cx, row, &settings)));
    Ok(Value::document(fields))
}

fn state(row: &ContainerRow) -> Value {
    let state = &row.state;
    let is = |status: Status| state.status == status;
    let mut fields = vec![
        Field::new("Status", status_word(state.status)),
        Field::new("Running", is(Status::Running) || is(Status::Paused)),
        Field::new("Paused", is(Status::Paused)),
        Field::new("Restarting", is(Status::Restarting)),
        Field::new("OOMKilled", state.oom_killed),
        Field::new("Dead", false),
        Field::new("Pid", i64::from(state.pid.unwrap_or_default())),
        Field::new("ExitCode", i64::from(state.exit_code)),
        Field::new("Error", state.error.as_str()),
        Field::new("StartedAt", time(state.started_at)),
        Field::new("FinishedAt", time(state.finished_at)),
    ];
    if state.health != Health::Unchecked {
        fields.push(Field::new(
            "Health",
            Value::document(vec![Field::new("Status", state.health.as_str()), Field::new("Log", Value::list([]))]),
        ));
    }
    Value::document(fields)
}

/// The configuration with what belongs to containers in front.
fn config(settings: &Settings) -> Value {
    let mut fields = vec![
        Field::new("Hostname", settings.hostname.as_str()),
        Field::new("Domainname", settings.domainname.as_str()),
        Field::new("AttachStdin", settings.open_stdin),
        Field::new("AttachStdout", true),
        Field::new("AttachStderr", true),
        Field::new("Tty", settings.tty),
        Field::new("OpenStdin", settings.open_stdin),
        Field::new("StdinOnce", false),
        Field::new("Image", settings.image_name.as_str()),
    ];
    if let Value::Struct(inner) = container_config(Some(&settings.config)) {
        let own: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
        fields.extend(inner.fields.iter().filter(|field| !own.iter().any(|name| *name == field.name)).cloned());
    }
    Value::document(fields)
}

fn host_config(settings: &Settings) -> Value {
    let binds: Vec<String> = settings
        .mounts
        .iter()
        .filter(|mount| mount.kind.as_str() != "tmpfs")
        .map(|mount| {
            let mode = if mount.read_only { ":ro" } else { "" };
            format!("{}:{}{mode}", mount.source, mount.target)
        })
        .collect();
    let retries = match settings.restart {
        Restart::OnFailure(count) => i64::from(count),
        _ => 0,
    };
    let restart =
        Value::document(vec![Field::new("Name", settings.restart.name()), Field::new("MaximumRetryCount", retries)]);
    let ports = Value::map(settings.ports.iter().map(|port| {
        let binding = Value::document(vec![
            Field::new("HostIp", port.address_text()),
            Field::new("HostPort", port.host.to_string()),
        ]);
        (port.inside(), Value::list([binding]))
    }));
    let log = Value::document(vec![
        Field::new("Type", settings.log_driver.to_string()),
        Field::new("Config", Value::map::<String>([])),
    ]);
    let resources = &settings.resources;
    Value::document(vec![
        Field::new("Binds", texts(&binds)),
        Field::new("LogConfig", log),
        Field::new("NetworkMode", settings.network.to_string()),
        Field::new("PortBindings", ports),
        Field::new("RestartPolicy", restart),
        Field::new("AutoRemove", settings.auto_remove),
        Field::new("CapAdd", texts(&settings.cap_add)),
        Field::new("CapDrop", texts(&settings.cap_drop)),
        Field::new("Dns", texts(&settings.dns)),
        Field::new("DnsOptions", texts(&settings.dns_options)),
        Field::new("DnsSearch", texts(&settings.dns_search)),
        Field::new("ExtraHosts", texts(&settings.extra_hosts)),
        Field::new("GroupAdd", texts(&settings.group_add)),
        Field::new(
            "IpcMode",
            if settings.ipc_mode == Namespace::Default { "private".to_owned() } else { settings.ipc_mode.to_string() },
        ),
        Field::new("PidMode", settings.pid_mode.to_string()),
        Field::new("Privileged", settings.privileged),
        Field::new("PublishAllPorts", settings.publish_all),
        Field::new("ReadonlyRootfs", settings.read_only),
        Field::new("SecurityOpt", texts(&settings.security_opt)),
        Field::new("UTSMode", settings.uts_mode.to_string()),
        Field::new("ShmSize", integer(if settings.shm_size > 0 { settings.shm_size } else { 64 << 20 })),
        Field::new("Runtime", settings.runtime.as_ref().map_or(OWN_RUNTIME, |runtime| &runtime.name)),
        Field::new("Memory", integer(resources.memory.unwrap_or_default())),
        Field::new("MemoryReservation", integer(resources.memory_reservation.unwrap_or_default())),
        Field::new("MemorySwap", integer(resources.memory_swap.unwrap_or_default())),
        Field::new("NanoCpus", integer(resources.milli_cpus.unwrap_or_default() * 1_000_000)),
        Field::new("CpuShares", integer(resources.cpu_shares.unwrap_or_default())),
        Field::new("CpusetCpus", resources.cpuset_cpus.as_deref().unwrap_or_default()),
        Field::new(
            "PidsLimit",
            resources.pids.map_or(Value::Nil, |pids| Value::Int(i64::try_from(pids).unwrap_or(-1))),
        ),
        Field::new("Ulimits", texts(&settings.ulimits)),
        Field::new("Init", settings.init),
    ])
}

fn mounts(cx: &Context, settings: &Settings) -> Result<Value> {
    let mut list = Vec::new();
    for mount in settings.mounts.iter().filter(|mount| mount.kind.as_str() != "tmpfs") {
        let mut fields = vec![Field::new("Type", mount.kind.as_str())];
        if mount.kind.as_str() == "volume" {
            fields.push(Field::new("Name", mount.source.as_str()));
            fields.push(Field::new("Source", cx.engine()?.volume_place(&mount.source)?));
        } else {
            fields.push(Field::new("Source", mount.source.as_str()));
        }
        fields.push(Field::new("Destination", mount.target.as_str()));
        if mount.kind.as_str() == "volume" {
            fields.push(Field::new("Driver", "local"));
        }
        fields.push(Field::new("Mode", mount.options.join(",")));
        fields.push(Field::new("RW", !mount.read_only));
        fields.push(Field::new("Propagation", if mount.kind.as_str() == "bind" { "rprivate" } else { "" }));
        list.push(Value::document(fields));
    }
    Ok(Value::list(list))
}

fn network(cx: &Context, row: &ContainerRow, settings: &Settings) -> Value {
    let mut ports: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    if matches!(row.state.status, Status::Running | Status::Paused) {
        ports.extend(settings.config.exposed_ports.iter().flatten().map(|(port, _)| (port.clone(), Vec::new())));
    }
    for port in open_ports(row) {
        let binding = Value::document(vec![
            Field::new("HostIp", port.address_text()),
            Field::new("HostPort", port.host.to_string()),
        ]);
        ports.entry(port.inside()).or_default().push(binding);
    }
    let ports = Value::map(ports.into_iter().map(|(port, bindings)| {
        let value = if bindings.is_empty() { Value::Nil } else { Value::list(bindings) };
        (port, value)
    }));
    let mut endpoints: Vec<(String, Value)> = Vec::new();
    for one in settings.attachments() {
        // An ordinary user's container is on no bridge and has an address all the same.
        let alone =
            if endpoints.is_empty() && row.state.addresses.is_empty() { row.state.address.as_str() } else { "" };
        let address = row.state.addresses.get(&one.network).map_or(alone, |(address, _)| address.as_str());
        let network = super::network::facts(cx, &one.network);
        let is_connected = !address.is_empty();
        let (gateway, prefix) = network
            .as_ref()
            .filter(|_| is_connected)
            .map_or((String::new(), 0), |network| (network.gateway.to_string(), i64::from(network.prefix)));
        let document = Value::document(vec![
            Field::new("Aliases", texts(&one.aliases)),
            Field::new("NetworkID", network.map(|network| network.id).unwrap_or_default()),
            Field::new("Gateway", gateway),
            Field::new("IPAddress", address),
            Field::new("IPPrefixLen", prefix),
        ]);
        endpoints.push((one.network, document));
    }
    if endpoints.is_empty() && !matches!(settings.network, NetworkMode::Container(_)) {
        endpoints.push((settings.network.to_string(), Value::document(vec![Field::new("IPAddress", "")])));
    }
    Value::document(vec![
        Field::new("Ports", ports),
        Field::new("IPAddress", row.state.address.as_str()),
        Field::new("Networks", Value::map(endpoints)),
    ])
}
