//! Which machine a command is for. Docker's client can be told to work on another one; here there is only this one, so a
//! command that names another is refused before anything is done: `-H ssh://prod rmi web` must not remove what is here.

use std::path::Path;

use wharfie_oci::Digest;
use wharfie_remote::DockerConfig;

use crate::commands::{CONTEXT, HOST};
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};

/// Refuses if the flags, the environment or docker's configuration name another machine, in docker's order.
///
/// # Errors
/// When they do.
pub(crate) fn check(cx: &Context) -> Result {
    let globals = cx.globals();
    let hosts = globals.get(&HOST);
    let context = globals.get(&CONTEXT).unwrap_or_default();
    let named = match (context, hosts) {
        ("", []) => by_surroundings(&cx.docker_config()),
        (context, []) => by_context(&cx.docker_config(), context, "--context"),
        ("", [host]) => by_host(host, "--host"),
        ("", _) => return Err(Failure::new("Specify only one -H")),
        _ => return Err(Failure::new("conflicting options: either specify --host or --context, not both")),
    };
    let Some(Other { what, from }) = named else { return Ok(()) };
    let help = match from {
        "DOCKER_HOST" | "DOCKER_CONTEXT" => format!("unset {from}, or run this command on that machine"),
        "--host" | "--context" => format!("leave {from} out, or run this command on that machine"),
        _ => "run `docker context use default`, or set DOCKER_CONTEXT=default".to_owned(),
    };
    let text = format!("cannot reach {what:?} ({from}): {} works on this machine only", cx.program);
    Err(Failure::new(text).help(Some(help)))
}

/// Another machine, and who named it.
#[derive(Debug, PartialEq, Eq)]
struct Other {
    what: String,
    from: &'static str,
}

fn by_surroundings(directory: &Path) -> Option<Other> {
    if let Some(host) = env::nonempty("DOCKER_HOST") {
        return by_host(&host, "DOCKER_HOST");
    }
    if let Some(context) = env::nonempty("DOCKER_CONTEXT") {
        return by_context(directory, &context, "DOCKER_CONTEXT");
    }
    // What `docker context use` left behind is refused only if it certainly leads elsewhere.
    let context: String = DockerConfig::load(&directory.join("config.json")).value("currentContext")?;
    let host = host_of_context(directory, &context)?;
    by_host(&host, "currentContext in docker's configuration")
}

/// A Unix socket is one of this machine, whoever may listen there.
fn by_host(host: &str, from: &'static str) -> Option<Other> {
    let host = host.trim();
    let is_here = host.is_empty() || host == "unix" || host.starts_with("unix://") || host.starts_with("fd://");
    (!is_here).then(|| Other { what: host.to_owned(), from })
}

fn by_context(directory: &Path, context: &str, from: &'static str) -> Option<Other> {
    if context == "default" {
        return None;
    }
    match host_of_context(directory, context) {
        Some(host) => by_host(&host, from),
        None => Some(Other { what: context.to_owned(), from }),
    }
}

/// Where docker's context of this name leads, if there is one. Source: docker/cli, `cli/context/store`.
fn host_of_context(directory: &Path, name: &str) -> Option<String> {
    let digest = Digest::of(name.as_bytes());
    let file = directory.join("contexts/meta").join(digest.hex()).join("meta.json");
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    document.pointer("/Endpoints/docker/Host")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_of_this_machine_and_all_else_is_not() {
        fn check(host: &str, is_here: bool) {
            assert_eq!(by_host(host, "--host").is_none(), is_here, "{host}");
        }
        check("", true);
        check("unix:///var/run/docker.sock", true);
        check("unix://", true);
        check("fd://", true);
        check("ssh://prod.example", false);
        check("tcp://127.0.0.1:2375", false);
        check("127.0.0.1:2375", false);
        check("npipe:////./pipe/docker", false);
    }
}
