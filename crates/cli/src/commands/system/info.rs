//! `info`: this machine and this store.

use std::path::PathBuf;

use wharfie_engine::container::stats::machine_memory;
use wharfie_model::system::{IndexConfig, Info, Plugins, RegistryConfig, Runtime};
use wharfie_store::containers::Status;

use crate::commands::Run;
use crate::commands::image::inspect::FORMAT;
use crate::commands::version::VERSION;
use crate::context::Context;
use crate::failure::{BAD_TEMPLATE, Failure, Result};
use crate::flags::{Command, Example, Matches};
use crate::render::format::InspectFormat;
use crate::render::serialize::value_of;
use crate::render::size;
use crate::render::value::{Field, Value};

/// `PROG info`.
pub static COMMAND: Command<Run> = Command {
    about: "Display system-wide information",
    usage: "[OPTIONS]",
    flags: &[FORMAT.flag()],
    examples: &[
        Example { text: "Everything", command: "info" },
        Example { text: "Where the store is", command: "info -f '{{.DockerRootDir}}'" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let info = info(cx)?;
    let Some(text) = matches.get(&FORMAT) else { return cx.print(&page(&info)) };
    let format = InspectFormat::parse(text)
        .map_err(|why| Failure::with_code(format!("template parsing error: {why}"), BAD_TEMPLATE))?;
    match format.one(&value(&info)) {
        Ok(text) => cx.print(&text),
        Err(why) => {
            cx.print(&why.rendered)?;
            Err(Failure::new(why.text))
        }
    }
}

/// What is known of the machine and the store.
fn info(cx: &Context) -> Result<Info> {
    let engine = cx.engine()?;
    let store = engine.reader()?;
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let containers = engine.containers()?;
    let count = |status: Status| containers.iter().filter(|row| row.state.status() == status).count();
    let (running, paused) = (count(Status::Running), count(Status::Paused));
    let snapshots = store.known_snapshot_kind().map_err(wharfie_engine::Error::from)?;
    // An ordinary user's containers have no control groups.
    let has_limits = !engine.config().is_rootless;
    let mut insecure = words(&["::1/128", "127.0.0.0/8"]);
    insecure.extend(cx.insecure_registries());
    let official =
        IndexConfig { name: "docker.io".to_owned(), mirrors: cx.registry_mirrors(), secure: true, official: true };
    let runtime = |path: PathBuf| Runtime { path: path.display().to_string() };
    Ok(Info {
        id: file("/etc/machine-id").trim().to_owned(),
        containers: containers.len(),
        containers_running: running,
        containers_paused: paused,
        containers_stopped: containers.len() - running - paused,
        images: store.images().map_err(wharfie_engine::Error::from)?.len(),
        driver: "overlay2".to_owned(),
        driver_status: vec![[
            "Snapshots".to_owned(),
            snapshots.map_or("not chosen yet", |kind| kind.as_str()).to_owned(),
        ]],
        plugins: Plugins {
            volume: words(&["local"]),
            network: words(&["bridge", "host", "null"]),
            log: words(&["json-file", "local"]),
            ..Plugins::default()
        },
        memory_limit: has_limits,
        swap_limit: has_limits,
        cpu_cfs_period: has_limits,
        cpu_cfs_quota: has_limits,
        cpu_shares: has_limits,
        cpu_set: has_limits,
        pids_limit: has_limits,
        ipv4_forwarding: file("/proc/sys/net/ipv4/ip_forward").starts_with('1'),
        system_time: crate::env::now().to_string(),
        logging_driver: "json-file".to_owned(),
        cgroup_driver: "cgroupfs".to_owned(),
        cgroup_version: match std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            true => "2".to_owned(),
            false => "1".to_owned(),
        },
        kernel_version: text(uname.release()),
        operating_system: os_release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        os_version: os_release("VERSION_ID").unwrap_or_default(),
        os_type: "linux".to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        registry_config: RegistryConfig {
            insecure_registry_cidrs: insecure,
            index_configs: [(official.name.clone(), official)].into(),
            mirrors: cx.registry_mirrors(),
        },
        n_cpu: std::thread::available_parallelism().map_or(1, Into::into),
        mem_total: machine_memory(),
        docker_root_dir: cx.root().display().to_string(),
        name: text(uname.nodename()),
        server_version: VERSION.to_owned(),
        runtimes: cx.runtimes().into_iter().map(|(name, path)| (name, runtime(path))).collect(),
        default_runtime: cx.default_runtime().to_owned(),
        init_binary: "wharfie".to_owned(),
        security_options: std::iter::once("name=seccomp,profile=builtin")
            .chain(engine.config().is_rootless.then_some("name=rootless"))
            .map(str::to_owned)
            .collect(),
        ..Info::default()
    })
}

/// What the distribution says of itself.
fn os_release(key: &str) -> Option<String> {
    let file = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = file.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.map(|value| value.trim_matches('"').to_owned())
}

fn page(info: &Info) -> String {
    let mut text = format!(
        "Client:\n Version:    {VERSION}\n Context:    default\n Debug Mode: false\n\n\
         Server:\n Containers: {}\n  Running: {}\n  Paused: {}\n  Stopped: {}\n Images: {}\n Server Version: {VERSION}\n \
         Storage Driver: overlay2\n  Snapshots: {}\n Logging Driver: json-file\n \
         Cgroup Driver: cgroupfs\n Cgroup Version: {}\n Runtimes: {}\n Default Runtime: {}\n \
         Security Options:\n{} Kernel Version: {}\n \
         Operating System: {}\n OSType: linux\n Architecture: {}\n CPUs: {}\n Total Memory: {}\n Name: {}\n ID: {}\n \
         Docker Root Dir: {}\n Debug Mode: false\n Experimental: false\n Insecure Registries:\n",
        info.containers,
        info.containers_running,
        info.containers_paused,
        info.containers_stopped,
        info.images,
        info.driver_status[0][1],
        info.cgroup_version,
        info.runtimes.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        info.default_runtime,
        info.security_options.iter().map(|option| security(option)).collect::<String>(),
        info.kernel_version,
        info.operating_system,
        info.architecture,
        info.n_cpu,
        size::binary(info.mem_total),
        info.name,
        info.id,
        info.docker_root_dir,
    );
    for host in &info.registry_config.insecure_registry_cidrs {
        text.push_str(&format!("  {host}\n"));
    }
    if !info.registry_config.mirrors.is_empty() {
        text.push_str(" Registry Mirrors:\n");
        for mirror in &info.registry_config.mirrors {
            text.push_str(&format!("  {mirror}\n"));
        }
    }
    text + " Live Restore Enabled: false\n\n"
}

/// `name=seccomp,profile=builtin` as lines of the page.
fn security(option: &str) -> String {
    let mut text = String::new();
    for part in option.split(',') {
        match part.split_once('=') {
            Some(("name", name)) => text.push_str(&format!("  {name}\n")),
            Some((key, value)) => text.push_str(&format!("   {}: {value}\n", key[..1].to_uppercase() + &key[1..])),
            None => text.push_str(&format!("   {part}\n")),
        }
    }
    text
}

/// What templates see: the engine's fields and, as `ClientInfo`, the command's.
fn value(info: &Info) -> Value {
    let Value::Struct(engine) = value_of(info) else { return Value::Nil };
    let client = Value::object(
        "cli.clientInfo",
        vec![
            Field::new("Debug", false),
            Field::new("Version", VERSION),
            Field::new("Context", "default"),
            Field::new("Plugins", Value::list([])),
            Field::new("Warnings", Value::List(None)),
        ],
    );
    let fields = engine.fields.iter().cloned().chain([Field::new("ClientInfo", client)]);
    Value::object("*system.dockerInfo", fields.collect())
}
