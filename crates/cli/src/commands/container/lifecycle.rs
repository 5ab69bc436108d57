//! `start`, `stop`, `kill`, `restart`, `pause`, `unpause`, `wait`, `rm`, `rename`, `container prune`.

use wharfie_engine::container::list::ListContainers;
use wharfie_engine::container::monitor::{Detach, Report};
use wharfie_store::ContainerLock;
use wharfie_store::containers::{ContainerRow, Status};

use super::detach_keys::DetachKeys;
use super::run::{report_failure, started};
use super::terminal::{self, Session};
use crate::commands::{Run, choices};
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};
use crate::render::size;

const ONE_OR_MORE: &str = "[OPTIONS] CONTAINER [CONTAINER...]";

macro_rules! command {
    ($(#[$doc:meta])* $name:ident, $about:literal, $run:ident, $flags:expr, $example:literal) => {
        $(#[$doc])*
        pub static $name: Command<Run> = Command {
            about: $about,
            usage: ONE_OR_MORE,
            arity: Arity::AtLeast(1),
            flags: $flags,
            examples: &[Example { text: $about, command: $example }],
            complete: Complete::Containers,
            run: Some($run),
            ..Command::BASE
        };
    };
}

command!(
    /// `PROG start`.
    START,
    "Start one or more stopped containers",
    start,
    &[
        Flag::bool("attach", "Attach STDOUT/STDERR and forward signals").short('a'),
        Flag::str("detach-keys", "Override the key sequence for detaching a container"),
        Flag::bool("interactive", "Attach container's STDIN").short('i'),
    ],
    "start web"
);
command!(
    /// `PROG stop`.
    STOP,
    "Stop one or more running containers",
    stop,
    &[
        Flag::str("signal", "Signal to send to the container").complete(choices::SIGNALS).short('s'),
        Flag::int("timeout", "Seconds to wait before killing the container").short('t'),
        Flag::int("time", "Seconds to wait before killing the container").hidden().alias_of("timeout"),
    ],
    "stop web"
);
command!(
    /// `PROG restart`.
    RESTART,
    "Restart one or more containers",
    restart,
    &[
        Flag::str("signal", "Signal to send to the container").complete(choices::SIGNALS).short('s'),
        Flag::int("timeout", "Seconds to wait before killing the container").short('t'),
        Flag::int("time", "Seconds to wait before killing the container").hidden().alias_of("timeout"),
    ],
    "restart web"
);
command!(
    /// `PROG kill`.
    KILL,
    "Kill one or more running containers",
    kill,
    &[Flag::str("signal", "Signal to send to the container").complete(choices::SIGNALS).short('s').default("KILL")],
    "kill -s HUP web"
);
command!(
    /// `PROG pause`.
    PAUSE,
    "Pause all processes within one or more containers",
    pause,
    &[],
    "pause web"
);
command!(
    /// `PROG unpause`.
    UNPAUSE,
    "Unpause all processes within one or more containers",
    unpause,
    &[],
    "unpause web"
);
command!(
    /// `PROG wait`.
    WAIT,
    "Block until one or more containers stop, then print their exit codes",
    wait,
    &[],
    "wait web"
);
command!(
    /// `PROG rm`.
    RM,
    "Remove one or more containers",
    rm,
    &[
        Flag::bool("force", "Force the removal of a running container (uses SIGKILL)").short('f'),
        Flag::bool("link", "Remove the specified link").short('l'),
        Flag::bool("volumes", "Remove anonymous volumes associated with the container").short('v'),
    ],
    "rm -f web"
);

/// `PROG rename`.
pub static RENAME: Command<Run> = Command {
    about: "Rename a container",
    usage: "CONTAINER NEW_NAME",
    arity: Arity::Exact(2),
    examples: &[Example { text: "Give a container another name", command: "rename web old-web" }],
    complete: Complete::Containers,
    run: Some(rename),
    ..Command::BASE
};

/// `PROG container prune`.
pub static PRUNE: Command<Run> = Command {
    about: "Remove all stopped containers",
    usage: "[OPTIONS]",
    flags: &[
        Flag::filter("filter", "Provide filter values (e.g. \"until=<timestamp>\")")
            .complete(Complete::Nothing)
            .value_name("filter"),
        Flag::bool("force", "Do not prompt for confirmation").short('f'),
    ],
    examples: &[Example { text: "Remove what has ended", command: "container prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

/// Does something to every container named, prints the names it worked for, and the failures after them.
pub(crate) fn each(
    cx: &Context,
    matches: &Matches,
    work: impl Fn(&str) -> Result<Option<String>>,
) -> Result<Vec<String>> {
    let mut errors = Vec::new();
    for name in matches.args() {
        match work(name) {
            Ok(Some(line)) => cx.line(&line)?,
            Ok(None) => {}
            Err(why) => errors.push(why.text),
        }
    }
    Ok(errors)
}

pub(crate) fn done(errors: &[String]) -> Result {
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(errors.join("\n"))) }
}

fn start(cx: &Context, matches: &Matches) -> Result {
    if matches.flag("attach") || matches.flag("interactive") {
        return start_attached(cx, matches);
    }
    let mut failed = Vec::new();
    for name in matches.args() {
        match start_one(cx, name) {
            Ok(()) => cx.line(name)?,
            Err(why) => {
                cx.warn(&why.text);
                failed.push(name.as_str());
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!("Error: failed to start containers: {}", failed.join(", ")))),
    }
}

fn start_one(cx: &Context, name: &str) -> Result {
    let engine = cx.engine()?;
    let (row, lock) = engine.lock_to_start(name)?;
    // Somebody else may have started it already, also just now: it runs, as was asked.
    let Some(lock) = lock else { return Ok(()) };
    start_locked(cx, &row, lock)
}

fn start_locked(cx: &Context, row: &ContainerRow, lock: ContainerLock) -> Result {
    let mut monitor = cx.engine()?.start_detached(row, Detach::default(), lock)?;
    started(cx, &mut monitor).map_err(|why| Failure { code: 1, ..why })
}

fn start_attached(cx: &Context, matches: &Matches) -> Result {
    let [name] = matches.args() else {
        return Err(Failure::new("you cannot start and attach multiple containers at once"));
    };
    let engine = cx.engine()?;
    let (row, lock) = engine.lock_to_start(name)?;
    let tty = wharfie_engine::container::settings_of(&row)?.tty;
    let session = Session::whole(DetachKeys::of(cx, matches)?, tty, matches.flag("interactive"));
    let Some(lock) = lock else {
        let (stream, _) = engine.attach(name)?;
        let code = terminal::session(cx, stream, session, || Ok(vec![]))?;
        return if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) };
    };
    let mut monitor = engine.start_detached(&row, Detach { awaits_client: true, size: terminal::size() }, lock)?;
    match monitor.report()? {
        Report::Listening => {}
        other => return Err(report_failure(&other)),
    }
    let stream = engine.connect(&row)?;
    let code = terminal::session(cx, stream, session, move || match monitor.report() {
        Ok(Report::Started(warnings)) => Ok(warnings),
        Ok(other) => Err(Failure { code: 1, ..report_failure(&other) }),
        Err(why) => Err(why.into()),
    })?;
    if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) }
}

fn timeout(matches: &Matches) -> Option<i64> {
    matches.is_set("timeout").then(|| matches.int("timeout"))
}

fn stop(cx: &Context, matches: &Matches) -> Result {
    done(&each(cx, matches, |name| {
        cx.engine()?.stop(name, matches.value("signal"), timeout(matches))?;
        Ok(Some(name.to_owned()))
    })?)
}

fn restart(cx: &Context, matches: &Matches) -> Result {
    done(&each(cx, matches, |name| {
        let (row, lock) = cx.engine()?.stop_to_restart(name, matches.value("signal"), timeout(matches))?;
        start_locked(cx, &row, lock)?;
        cx.engine()?.note_restart(&row);
        Ok(Some(name.to_owned()))
    })?)
}

fn kill(cx: &Context, matches: &Matches) -> Result {
    let signal = matches.value("signal").unwrap_or("KILL");
    done(&each(cx, matches, |name| {
        cx.engine()?.kill(name, signal)?;
        Ok(Some(name.to_owned()))
    })?)
}

fn pause(cx: &Context, matches: &Matches) -> Result {
    done(&each(cx, matches, |name| {
        cx.engine()?.pause(name)?;
        Ok(Some(name.to_owned()))
    })?)
}

fn unpause(cx: &Context, matches: &Matches) -> Result {
    done(&each(cx, matches, |name| {
        cx.engine()?.unpause(name)?;
        Ok(Some(name.to_owned()))
    })?)
}

fn wait(cx: &Context, matches: &Matches) -> Result {
    done(&each(cx, matches, |name| Ok(Some(cx.engine()?.wait(name)?.to_string())))?)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let force = matches.flag("force");
    // There are no links; the container itself must not go instead of one.
    if matches.flag("link") {
        let why = "Conflict, cannot remove the default link name of the container";
        return Err(Failure::new(format!("{}{why}", compat::DAEMON)));
    }
    let errors = each(cx, matches, |name| match cx.engine()?.remove_container(name, force, matches.flag("volumes")) {
        Ok(_) => Ok(Some(name.to_owned())),
        Err(why @ wharfie_engine::Error::NoSuchContainer(_)) if force => {
            // Removing by force what is not there is a success, and worth a word all the same.
            cx.warn(&compat::engine_text(&why));
            Ok(None)
        }
        Err(why) => Err(why.into()),
    })?;
    done(&errors)
}

fn rename(cx: &Context, matches: &Matches) -> Result {
    let [name, new] = matches.args() else { return Ok(()) };
    warn_all(cx, &cx.engine()?.rename(name, new)?);
    Ok(())
}

/// Says what did not go as it should in a command that did what it was asked for.
pub(super) fn warn_all(cx: &Context, warnings: &[String]) {
    for warning in warnings {
        cx.warn(&format!("WARNING: {warning}"));
    }
}

fn prune(cx: &Context, matches: &Matches) -> Result {
    let question = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?";
    let mut filters = matches.filters("filter");
    filters.extend(cx.prune_filters(&filters));
    if !matches.flag("force") && !cx.confirm(question)? {
        return Ok(());
    }
    let (ids, bytes) = prune_containers(cx, &filters)?;
    cx.print(&section(&ids))?;
    cx.line(&format!("Total reclaimed space: {}", size::long(bytes)))
}

/// Removes containers that have ended; their ids, and the bytes of their changes.
pub(crate) fn prune_containers(cx: &Context, filters: &[(String, String)]) -> Result<(Vec<String>, u64)> {
    let engine = cx.engine()?;
    let mut until = None;
    for (name, value) in filters {
        match name.as_str() {
            "until" => {
                until = Some(cx.parse_moment(value).map_err(|why| Failure::new(format!("{}{why}", compat::DAEMON)))?);
            }
            "label" | "label!" => {}
            other => return Err(Failure::new(format!("{}invalid filter '{other}'", compat::DAEMON))),
        }
    }
    let (mut ids, mut bytes) = (Vec::new(), 0);
    for container in engine.list_containers(&ListContainers { all: true, ..ListContainers::default() })? {
        let labels = container.settings.labels();
        let has = |text: &str| match text.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
            None => labels.contains_key(text),
        };
        let fits = filters.iter().all(|(name, value)| match name.as_str() {
            "label" => has(value),
            "label!" => !has(value),
            _ => true,
        });
        let is_old = until.is_none_or(|until| container.row.created < until);
        if !fits || !is_old || !matches!(container.row.state.status, Status::Created | Status::Exited) {
            continue;
        }
        let (own, _) = engine.container_sizes(&container.row)?;
        if engine.remove_if_idle(&container.row)?.is_some() {
            ids.push(container.row.id);
            bytes += own;
        }
    }
    Ok((ids, bytes))
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(ids: &[String]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    format!("Deleted Containers:\n{}\n\n", ids.join("\n"))
}
