//! `info`: this machine and this store.

use std::path::PathBuf;

use crate::commands::Run;
use crate::commands::image::inspect::FORMAT;
use crate::commands::version::VERSION;
use crate::context::Context;
use crate::failure::{BAD_TEMPLATE, Failure, Result};
use crate::flags::{Command, Example, Matches};
use crate::render::format::InspectFormat;
use crate::render::size;
use crate::render::value::{Field, Value};
use wharfie_store::containers::Status;

/// `PROG info`.
pub static COMMAND: Command<Run> = Command {
    about: "Display system-wide information",
    usage: "[OPTIONS]",
    flags: &[FORMAT],
    examples: &[
        Example { text: "Everything", command: "info" },
        Example { text: "Where the store is", command: "info -f '{{.DockerRootDir}}'" },
    ],
    run: Some(run),
    ..Command::BASE
};

struct Facts {
    containers: [usize; 4],
    images: usize,
    snapshots: &'static str,
    kernel: String,
    system: String,
    cpus: usize,
    memory: u64,
    name: String,
    id: String,
    root: String,
    insecure: Vec<String>,
    mirrors: Vec<String>,
    cgroups: &'static str,
    security: Vec<String>,
    runtimes: Vec<(String, PathBuf)>,
    default_runtime: String,
}

fn run(cx: &Context, matches: &Matches) -> Result {
    let facts = facts(cx)?;
    let Some(text) = matches.value("format") else { return cx.print(&page(&facts)) };
    let format = InspectFormat::parse(text)
        .map_err(|why| Failure::with_code(format!("template parsing error: {why}"), BAD_TEMPLATE))?;
    match format.one(&value(&facts)) {
        Ok(text) => cx.print(&text),
        Err(why) => {
            cx.print(&why.rendered)?;
            Err(Failure::new(why.text))
        }
    }
}

fn facts(cx: &Context) -> Result<Facts> {
    let engine = cx.engine()?;
    let store = engine.reader()?;
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let mut insecure = vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()];
    insecure.extend(cx.insecure_registries());
    let containers = engine.containers()?;
    let count = |status: Status| containers.iter().filter(|row| row.state.status == status).count();
    let (running, paused) = (count(Status::Running), count(Status::Paused));
    Ok(Facts {
        containers: [containers.len(), running, paused, containers.len() - running - paused],
        images: store.images().map_err(wharfie_engine::Error::from)?.len(),
        snapshots: store
            .known_snapshot_kind()
            .map_err(wharfie_engine::Error::from)?
            .map_or("not chosen yet", |k| k.as_str()),
        kernel: text(uname.release()),
        system: operating_system(),
        cpus: std::thread::available_parallelism().map_or(1, Into::into),
        memory: memory(),
        name: text(uname.nodename()),
        id: machine_id.trim().to_owned(),
        root: cx.root().display().to_string(),
        insecure,
        mirrors: cx.registry_mirrors(),
        cgroups: if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" },
        security: std::iter::once("name=seccomp,profile=builtin")
            .chain(engine.config().is_rootless.then_some("name=rootless"))
            .map(str::to_owned)
            .collect(),
        runtimes: cx.runtimes(),
        default_runtime: cx.default_runtime().to_owned(),
    })
}

fn operating_system() -> String {
    let file = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = file.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// Bytes of memory that the machine has.
pub(crate) fn memory() -> u64 {
    let file = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = file.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

fn architecture() -> &'static str {
    std::env::consts::ARCH
}

fn page(facts: &Facts) -> String {
    let mut text = format!(
        "Client:\n Version:    {VERSION}\n Context:    default\n Debug Mode: false\n\n\
         Server:\n Containers: {}\n  Running: {}\n  Paused: {}\n  Stopped: {}\n Images: {}\n Server Version: {VERSION}\n \
         Storage Driver: overlay2\n  Snapshots: {}\n Logging Driver: json-file\n \
         Cgroup Driver: cgroupfs\n Cgroup Version: {}\n Runtimes: {}\n Default Runtime: {}\n \
         Security Options:\n{} Kernel Version: {}\n \
         Operating System: {}\n OSType: linux\n Architecture: {}\n CPUs: {}\n Total Memory: {}\n Name: {}\n ID: {}\n \
         Docker Root Dir: {}\n Debug Mode: false\n Experimental: false\n Insecure Registries:\n",
        facts.containers[0],
        facts.containers[1],
        facts.containers[2],
        facts.containers[3],
        facts.images,
        facts.snapshots,
        facts.cgroups,
        facts.runtimes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" "),
        facts.default_runtime,
        facts.security.iter().map(|option| security(option)).collect::<String>(),
        facts.kernel,
        facts.system,
        architecture(),
        facts.cpus,
        size::binary(facts.memory),
        facts.name,
        facts.id,
        facts.root,
    );
    for host in &facts.insecure {
        text.push_str(&format!("  {host}\n"));
    }
    if !facts.mirrors.is_empty() {
        text.push_str(" Registry Mirrors:\n");
        for mirror in &facts.mirrors {
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

fn value(facts: &Facts) -> Value {
    let texts = |list: &[String]| Value::list(list.iter().map(Value::str));
    let integer = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let registry = Value::object(
        "registry.ServiceConfig",
        vec![Field::new("InsecureRegistryCIDRs", texts(&facts.insecure)), Field::new("Mirrors", texts(&facts.mirrors))],
    );
    // Scripts ask whether there is one before they do something else.
    let swarm = Value::object("swarm.Info", vec![Field::new("LocalNodeState", "inactive")]);
    Value::object(
        "*system.dockerInfo",
        vec![
            Field::new("ID", facts.id.as_str()),
            Field::new("Containers", integer(facts.containers[0])),
            Field::new("ContainersRunning", integer(facts.containers[1])),
            Field::new("ContainersPaused", integer(facts.containers[2])),
            Field::new("ContainersStopped", integer(facts.containers[3])),
            Field::new("Images", integer(facts.images)),
            Field::new("Driver", "overlay2"),
            Field::new("DriverStatus", Value::list([texts(&["Snapshots".to_owned(), facts.snapshots.to_owned()])])),
            Field::new("LoggingDriver", "json-file"),
            Field::new("CgroupDriver", "cgroupfs"),
            Field::new("CgroupVersion", facts.cgroups),
            Field::new("KernelVersion", facts.kernel.as_str()),
            Field::new("OperatingSystem", facts.system.as_str()),
            Field::new("OSType", "linux"),
            Field::new("Architecture", architecture()),
            Field::new("NCPU", integer(facts.cpus)),
            Field::new("MemTotal", i64::try_from(facts.memory).unwrap_or(i64::MAX)),
            Field::new("Name", facts.name.as_str()),
            Field::new("DockerRootDir", facts.root.as_str()),
            Field::new("RegistryConfig", registry),
            Field::new("IndexServerAddress", "https://index.docker.io/v1/"),
            Field::new("Labels", Value::list([])),
            Field::new("ExperimentalBuild", Value::Bool(false)),
            Field::new("ServerVersion", VERSION),
            Field::new("Swarm", swarm),
            Field::new("LiveRestoreEnabled", Value::Bool(false)),
            Field::new("SecurityOptions", texts(&facts.security)),
            Field::new(
                "Runtimes",
                Value::map(facts.runtimes.iter().map(|(name, program)| {
                    let path = program.display().to_string();
                    (name.as_str(), Value::document(vec![Field::named("Path", "path", path)]))
                })),
            ),
            Field::new("DefaultRuntime", facts.default_runtime.as_str()),
            Field::new("Warnings", Value::List(None)),
        ],
    )
}
