//! Which machine a command is for. Docker's client can be told to work on another one; here there is only this one, so a
//! command that names another is refused before anything is done: `-H ssh://prod rmi web` must not remove what is here.

use std::path::Path;

use wharfie_oci::Digest;
use wharfie_remote::DockerConfig;

use crate::commands::{CONTEXT, HOST, TLS, TLS_VERIFY, TLSCACERT, TLSCERT, TLSKEY};
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};

/// Refuses if the flags, the environment or docker's configuration name another machine, in docker's order, or want TLS, which
/// is only spoken to another machine.
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
    let Some(Other { what, from }) = named.or_else(|| by_tls(cx)) else { return Ok(()) };
    let help = match from.strip_prefix("--") {
        Some(_) => format!("leave {from} out, or run this command on that machine"),
        None if from == CURRENT_CONTEXT => "run `docker context use default`, or set DOCKER_CONTEXT=default".to_owned(),
        None => format!("unset {from}, or run this command on that machine"),
    };
    let text = match what {
        What::Host(host) => format!("cannot reach {host:?} ({from}): {} works on this machine only", cx.program),
        What::Tls => format!("cannot use TLS ({from}): {} works on this machine only", cx.program),
        // Docker's words, which scripts look for; who named it is said beneath.
        What::Unknown(context) => {
            let failure = Failure::new(format!("context {context:?}: context not found"));
            return Err(failure.help(Some(format!("it is named by {from}"))).help(Some(help)));
        }
    };
    Err(Failure::new(text).help(Some(help)))
}

/// Another machine, and who named it.
#[derive(Debug, PartialEq, Eq)]
struct Other {
    what: What,
    from: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// Where it is.
    Host(String),
    /// A context that docker's files do not have.
    Unknown(String),
    /// Whichever it is, it is spoken to with TLS.
    Tls,
}

const CURRENT_CONTEXT: &str = "currentContext in docker's configuration";

fn by_surroundings(directory: &Path) -> Option<Other> {
    if let Some(host) = env::nonempty("DOCKER_HOST") {
        return by_host(&host, "DOCKER_HOST");
    }
    if let Some(context) = env::nonempty("DOCKER_CONTEXT") {
        return by_context(directory, &context, "DOCKER_CONTEXT");
    }
    let context: String = DockerConfig::load(&directory.join("config.json")).value("currentContext")?;
    by_context(directory, &context, CURRENT_CONTEXT)
}

/// The sockets of this machine's docker, or of what stands in for it, are here; behind any other one may be a tunnel.
fn by_host(host: &str, from: &'static str) -> Option<Other> {
    let host = host.trim();
    let is_here = match host.strip_prefix("unix://") {
        Some(path) => path.is_empty() || is_socket_of_this_machine(Path::new(path)),
        None => matches!(host, "" | "unix"),
    };
    (!is_here).then(|| Other { what: What::Host(host.to_owned()), from })
}

/// Where docker listens: for all, for one user, and on desktops; and where `wharfie` would.
fn is_socket_of_this_machine(path: &Path) -> bool {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let is_of_user = || {
        let user = directory.strip_prefix("/run/user").ok().and_then(Path::to_str);
        let runtime = env::nonempty("XDG_RUNTIME_DIR");
        user.is_some_and(|user| user.parse::<u32>().is_ok())
            || runtime.is_some_and(|runtime| Path::new(&runtime) == directory)
            || [".docker/run", ".docker/desktop"].iter().any(|place| env::home().join(place) == directory)
    };
    (name == "docker.sock" || name == "wharfie.sock")
        && (directory == Path::new("/var/run") || directory == Path::new("/run") || is_of_user())
}

fn by_context(directory: &Path, context: &str, from: &'static str) -> Option<Other> {
    if matches!(context, "" | "default") {
        return None;
    }
    match host_of_context(directory, context) {
        Some(host) => by_host(&host, from),
        None => Some(Other { what: What::Unknown(context.to_owned()), from }),
    }
}

/// Who asks for TLS. Docker's client takes any value of its variables for a yes.
fn by_tls(cx: &Context) -> Option<Other> {
    let globals = cx.globals();
    let files = [(&TLSCACERT, "--tlscacert"), (&TLSCERT, "--tlscert"), (&TLSKEY, "--tlskey")];
    let from = if globals.get(&TLS) {
        "--tls"
    } else if globals.is_given(&TLS_VERIFY) {
        // Also where it is false: that is TLS without looking at certificates.
        "--tlsverify"
    } else if let Some((_, name)) = files.into_iter().find(|(flag, _)| globals.is_given(*flag)) {
        name
    } else {
        ["DOCKER_TLS_VERIFY", "DOCKER_TLS"].into_iter().find(|name| env::nonempty(name).is_some())?
    };
    Some(Other { what: What::Tls, from })
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
    fn dockers_sockets_are_of_this_machine_and_all_else_is_not() {
        fn check(host: &str, is_here: bool) {
            assert_eq!(by_host(host, "--host").is_none(), is_here, "{host}");
        }
        check("", true);
        check("unix:///var/run/docker.sock", true);
        check("unix:///run/docker.sock", true);
        check("unix:///run/user/1000/docker.sock", true);
        check("unix://", true);
        check("fd://", false);
        check("unix:///tmp/nosuch.sock", false);
        check("unix:///tmp/docker.sock", false);
        check("unix:///run/user/../../tmp/docker.sock", false);
        check("ssh://prod.example", false);
        check("tcp://127.0.0.1:2375", false);
        check("127.0.0.1:2375", false);
        check("npipe:////./pipe/docker", false);
    }
}
