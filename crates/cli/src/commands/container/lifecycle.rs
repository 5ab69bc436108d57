//! `start`, `stop`, `kill`, `restart`, `pause`, `unpause`, `wait`, `rm`, `rename`, `container prune`.

use wharfie_engine::Error;
use wharfie_engine::container::ContainerError;
use wharfie_engine::container::lifecycle::Stop;
use wharfie_engine::container::monitor::Detach;
use wharfie_engine::container::prune::PruneContainers;
use wharfie_engine::container::remove::RemoveContainer;
use wharfie_engine::filter::{Prunable, PruneFilters};
use wharfie_engine::patterns::{Meant, Named, Which};

use wharfie_oci::ContainerId;

use super::detach_keys::{DETACH_KEYS, DetachKeys};
use super::run::start_failure;
use super::terminal::{self, Session};
use crate::commands::{DRY_RUN, PATTERN, Run, UNASKED, about_word, choices, meant};
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Conditions, Example, Matches, Needs, Number, Switch, Text};
use crate::render::size;

/// Docker has no flags there.
const CONTAINERS: &str = "CONTAINER [CONTAINER...]";
const ONE_OR_MORE: &str = "[OPTIONS] CONTAINER [CONTAINER...]";

const ATTACH: Switch = Switch::new("attach", "Attach STDOUT/STDERR and forward signals").short('a');
const INTERACTIVE: Switch = Switch::new("interactive", "Attach container's STDIN").short('i');
const SIGNAL: Text = Text::new("signal", "Signal to send to the container").complete(choices::SIGNALS).short('s');
const KILL_SIGNAL: Text = SIGNAL.default("KILL");
const TIMEOUT: Number = Number::new("timeout", "Seconds to wait before killing the container").short('t');
const RM_FORCE: Switch = Switch::new("force", "Force the removal of a running container (uses SIGKILL)").short('f');
const LINK: Switch = Switch::new("link", "Remove the specified link").short('l');
const VOLUMES: Switch = Switch::new("volumes", "Remove anonymous volumes associated with the container").short('v');
const PRUNE_FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"until=<timestamp>\")")
    .complete(Complete::Nothing)
    .value_name("filter");

macro_rules! command {
    ($(#[$doc:meta])* $name:ident, $about:literal, $usage:expr, $run:ident, $flags:expr, $example:literal $(, $needs:expr)?) => {
        $(#[$doc])*
        pub static $name: Command<Run> = Command {
            about: $about,
            usage: $usage,
            arity: Arity::AtLeast(1),
            flags: $flags,
            examples: &[Example { text: $about, command: $example }],
            complete: Complete::Containers,
            run: Some($run),
            $(needs: $needs,)?
            ..Command::BASE
        };
    };
}

command!(
    /// `PROG start`.
    START,
    "Start one or more stopped containers",
    ONE_OR_MORE,
    start,
    &[
        ATTACH.flag(),
        DETACH_KEYS.flag(),
        INTERACTIVE.flag(),
        PATTERN.flag(),
    ],
    "start web",
    Needs::Namespace
);
command!(
    /// `PROG stop`.
    STOP,
    "Stop one or more running containers",
    ONE_OR_MORE,
    stop,
    &[
        PATTERN.flag(),
        SIGNAL.flag(),
        TIMEOUT.flag(),
        TIMEOUT.also("time"),
    ],
    "stop web"
);
command!(
    /// `PROG restart`.
    RESTART,
    "Restart one or more containers",
    ONE_OR_MORE,
    restart,
    &[
        PATTERN.flag(),
        SIGNAL.flag(),
        TIMEOUT.flag(),
        TIMEOUT.also("time"),
    ],
    "restart web",
    Needs::Namespace
);
command!(
    /// `PROG kill`.
    KILL,
    "Kill one or more running containers",
    ONE_OR_MORE,
    kill,
    &[PATTERN.flag(), KILL_SIGNAL.flag()],
    "kill -s HUP web"
);
command!(
    /// `PROG pause`.
    PAUSE,
    "Pause all processes within one or more containers",
    CONTAINERS,
    pause,
    &[PATTERN.flag()],
    "pause web"
);
command!(
    /// `PROG unpause`.
    UNPAUSE,
    "Unpause all processes within one or more containers",
    CONTAINERS,
    unpause,
    &[PATTERN.flag()],
    "unpause web"
);
command!(
    /// `PROG wait`.
    WAIT,
    "Block until one or more containers stop, then print their exit codes",
    CONTAINERS,
    wait,
    &[PATTERN.flag()],
    "wait web"
);
command!(
    /// `PROG rm`.
    RM,
    "Remove one or more containers",
    ONE_OR_MORE,
    rm,
    &[
        DRY_RUN.flag(),
        RM_FORCE.flag(),
        LINK.flag(),
        PATTERN.flag(),
        VOLUMES.flag(),
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
    flags: &[PRUNE_FILTER.flag(), DRY_RUN.flag(), UNASKED.flag()],
    examples: &[Example { text: "Remove what has ended", command: "container prune -f" }],
    run: Some(prune),
    ..Command::BASE
};

/// Does something to everything that is named, by itself or by a pattern, prints the names it worked for, and gives the
/// failures.
pub(crate) fn each(
    cx: &Context,
    named: Named,
    matches: &Matches,
    work: impl Fn(&str) -> Result<Option<String>>,
) -> Result<Vec<Failure>> {
    let mut errors = Vec::new();
    for Meant { word, name } in meant(cx, named, matches)? {
        match name.map_err(Failure::from).and_then(|name| work(&name)) {
            Ok(Some(line)) => cx.line(&line)?,
            Ok(None) => {}
            Err(why) => errors.push(about_word(why, &word, matches)),
        }
    }
    Ok(errors)
}

pub(crate) fn done(errors: Vec<Failure>) -> Result {
    if errors.is_empty() { Ok(()) } else { Err(Failure::all(errors)) }
}

fn start(cx: &Context, matches: &Matches) -> Result {
    if matches.get(&ATTACH) || matches.get(&INTERACTIVE) {
        return start_attached(cx, matches);
    }
    let (mut failed, mut failures) = (Vec::new(), Vec::new());
    let engine = cx.engine()?;
    for Meant { word, name } in meant(cx, Named::Containers(Which::Any), matches)? {
        match name.and_then(|name| Ok((engine.start(&name)?, name))) {
            Ok((warnings, name)) => {
                warn_all(cx, &warnings);
                cx.line(&name)?;
            }
            Err(why) => {
                failures.push(about_word(why.into(), &word, matches));
                failed.push(word);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    failures.push(Failure::new(format!("Error: failed to start containers: {}", failed.join(", "))));
    Err(Failure::all(failures))
}

fn start_attached(cx: &Context, matches: &Matches) -> Result {
    let [name] = matches.args() else {
        return Err(Failure::new("you cannot start and attach multiple containers at once"));
    };
    let engine = cx.engine()?;
    let (row, lock) = engine.lock_to_start(name)?;
    let tty = wharfie_engine::container::readable_settings(&row).tty;
    let session = Session::whole(DetachKeys::of(cx, matches.get(&DETACH_KEYS))?, tty, matches.get(&INTERACTIVE));
    let Some(lock) = lock else {
        let (stream, _) = engine.attach(name)?;
        let code = terminal::session(cx, stream, session, || Ok(vec![]))?;
        return if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) };
    };
    let mut monitor = engine.start_detached(&row, Detach { awaits_client: true, size: terminal::size() }, lock)?;
    monitor.listening().map_err(start_failure)?;
    let stream = engine.connect(&row)?;
    let code = terminal::session(cx, stream, session, move || Ok(monitor.started()?))?;
    if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) }
}

fn stop_of(matches: &Matches, name: &str) -> Stop {
    Stop {
        container: name.to_owned(),
        signal: matches.get(&SIGNAL).map(str::to_owned),
        timeout: matches.is_given(&TIMEOUT).then(|| matches.get(&TIMEOUT)),
    }
}

fn stop(cx: &Context, matches: &Matches) -> Result {
    done(each(cx, Named::Containers(Which::Running), matches, |name| {
        cx.engine()?.stop(&stop_of(matches, name))?;
        Ok(Some(name.to_owned()))
    })?)
}

fn restart(cx: &Context, matches: &Matches) -> Result {
    done(each(cx, Named::Containers(Which::Any), matches, |name| {
        warn_all(cx, &cx.engine()?.restart(&stop_of(matches, name))?);
        Ok(Some(name.to_owned()))
    })?)
}

fn kill(cx: &Context, matches: &Matches) -> Result {
    let signal = matches.get(&KILL_SIGNAL).unwrap_or_default();
    done(each(cx, Named::Containers(Which::Running), matches, |name| {
        cx.engine()?.kill(name, signal)?;
        Ok(Some(name.to_owned()))
    })?)
}

fn pause(cx: &Context, matches: &Matches) -> Result {
    done(each(cx, Named::Containers(Which::Running), matches, |name| {
        cx.engine()?.pause(name)?;
        Ok(Some(name.to_owned()))
    })?)
}

fn unpause(cx: &Context, matches: &Matches) -> Result {
    done(each(cx, Named::Containers(Which::Paused), matches, |name| {
        cx.engine()?.unpause(name)?;
        Ok(Some(name.to_owned()))
    })?)
}

fn wait(cx: &Context, matches: &Matches) -> Result {
    done(each(cx, Named::Containers(Which::Running), matches, |name| Ok(Some(cx.engine()?.wait(name)?.to_string())))?)
}

fn rm(cx: &Context, matches: &Matches) -> Result {
    let force = matches.get(&RM_FORCE);
    // There are no links; the container itself must not go instead of one.
    if matches.get(&LINK) {
        let why = "Conflict, cannot remove the default link name of the container";
        return Err(Failure::daemon(why));
    }
    let errors = each(cx, Named::Containers(Which::Any), matches, |name| {
        let remove = RemoveContainer { container: name.to_owned(), force, volumes: matches.get(&VOLUMES) };
        match cx.engine_to_remove(matches)?.remove_container(&remove) {
            Ok(_) => Ok(Some(name.to_owned())),
            Err(why @ Error::Container(ContainerError::NoSuch(_))) if force => {
                // Removing by force what is not there is a success, and worth a word all the same.
                cx.warn(&compat::engine_text(&why));
                Ok(None)
            }
            Err(why) => Err(why.into()),
        }
    })?;
    cx.end_dry_run(matches);
    done(errors)
}

fn rename(cx: &Context, matches: &Matches) -> Result {
    let [name, new] = matches.args() else { return Ok(()) };
    if name.is_empty() || new.is_empty() {
        return Err(Failure::new("Error: Neither old nor new names may be empty"));
    }
    let renamed = cx.engine()?.rename(name, new).map_err(|why| {
        let failure = Failure::from(why);
        Failure { text: format!("{}\nError: failed to rename container named {name}", failure.text), ..failure }
    })?;
    warn_all(cx, &renamed);
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
    let filters = prune_filters(cx, Prunable::ContainersOrNetworks, matches.get(&PRUNE_FILTER))?;
    if !cx.may_remove(matches, question)? {
        return Ok(());
    }
    let pruned = cx.engine_to_remove(matches)?.prune_containers(&PruneContainers { filters })?;
    cx.print(&section(&pruned.ids))?;
    cx.line(&format!("Total reclaimed space: {}", size::long(pruned.reclaimed)))?;
    cx.end_dry_run(matches);
    Ok(())
}

/// The conditions of the command line and of docker's configuration file.
pub(crate) fn prune_filters(cx: &Context, what: Prunable, mut pairs: Vec<(String, String)>) -> Result<PruneFilters> {
    pairs.extend(cx.prune_filters(&pairs));
    Ok(PruneFilters::parse(what, &pairs, &|text| cx.parse_moment(text))?)
}

/// Identifiers or names, one a line.
pub(crate) fn lines<T: AsRef<str>>(list: &[T]) -> String {
    list.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\n")
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(ids: &[ContainerId]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    format!("Deleted Containers:\n{}\n\n", lines(ids))
}
