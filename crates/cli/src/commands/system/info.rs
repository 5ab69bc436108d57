//! `info`: this machine and this store.

use wharfie_engine::info::Surroundings;
use wharfie_engine::version::VERSION;
use wharfie_model::system::Info;

use crate::commands::Run;
use crate::commands::image::inspect::FORMAT;
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
    let surroundings = Surroundings {
        insecure_registries: cx.insecure_registries(),
        mirrors: cx.registry_mirrors(),
        runtimes: cx.runtimes(),
        default_runtime: cx.default_runtime().to_owned(),
    };
    let info = cx.engine()?.info(&surroundings)?;
    let Some(text) = matches.get(&FORMAT) else { return cx.print(&page(&info)) };
    let format = InspectFormat::parse(text)
        .map_err(|why| Failure::with_code(format!("template parsing error: {why}"), BAD_TEMPLATE))?;
    match format.one(&value(&info)) {
        Ok(text) => cx.print(&text),
        Err(why) => {
            cx.line(&why.rendered)?;
            Err(Failure::new(why.text))
        }
    }
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
    Value::object("system.dockerInfo", fields.collect())
}
