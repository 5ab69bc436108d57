//! `run` and `create`.

use std::io;

use wharfie_content::Observer;
use wharfie_engine::Error;
use wharfie_engine::container::create::Created;
use wharfie_engine::container::monitor::Detach;
use wharfie_engine::container::settings::Restart;
use wharfie_engine::container::start::Streams;
use wharfie_engine::container::{ContainerError, Create};
use wharfie_engine::pull::{InUse, Pull};
use wharfie_engine::trust::TrustError;
use wharfie_oci::{Reference, Speaker};

use super::create_flags::{self, create_flags};
use super::detach_keys::{DETACH_KEYS, DetachKeys};
use super::lifecycle::warn_all;
use super::options;
use super::terminal::{self, Session, share};
use crate::commands::Run;
use crate::context::Context;
use crate::failure::{FAILED, Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches, Needs, Switch};
use crate::render::progress::Style;

const DETACH: Switch = Switch::new("detach", "Run container in background and print container ID").short('d');
const SIG_PROXY: Switch = Switch::new("sig-proxy", "Proxy received signals to the process").default("true");

/// `PROG run`.
pub static RUN: Command<Run> = Command {
    about: "Create and run a new container from an image",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeast(1),
    flags: create_flags![DETACH.flag(), DETACH_KEYS.flag(), SIG_PROXY.flag(),],
    interspersed: false,
    examples: &[
        Example { text: "Run a command and forget the container", command: "run --rm alpine echo hello" },
        Example { text: "A shell", command: "run -it --rm alpine" },
        Example { text: "In the background, with a name", command: "run -d --name web nginx" },
    ],
    complete: Complete::Images,
    run: Some(run),
    needs: Needs::Namespace,
    not_begun: NOT_STARTED,
    ..Command::BASE
};

/// `PROG create`.
pub static CREATE: Command<Run> = Command {
    about: "Create a new container",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeast(1),
    flags: create_flags![],
    interspersed: false,
    examples: &[Example { text: "Make a container to start later", command: "create --name web nginx" }],
    complete: Complete::Images,
    run: Some(create),
    needs: Needs::Namespace,
    ..Command::BASE
};

fn create(cx: &Context, matches: &Matches) -> Result {
    let asked = asked(cx, matches).map_err(|why| match why.code {
        // What docker's client finds is decorated, what its daemon finds is not.
        125 if why.speaker == Speaker::Client => decorate(cx, why),
        _ => why.code(FAILED),
    })?;
    let Created { row, .. } = make(cx, matches, &asked).map_err(|why| why.code(FAILED))?;
    cx.line(&row.id)
}

fn run(cx: &Context, matches: &Matches) -> Result {
    let refused = |why: Failure| decorate(cx, why.code(125));
    let asked = Create { starts_at_once: true, ..asked(cx, matches).map_err(refused)? };
    if matches.get(&create_flags::TTY)
        && matches.get(&create_flags::INTERACTIVE)
        && !matches.get(&DETACH)
        && !cx.is_in_terminal()
    {
        return Err(Failure::new("the input device is not a TTY"));
    }
    if matches.get(&DETACH) && !matches.get(&create_flags::ATTACH).is_empty() {
        return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
    }
    let created = make(cx, matches, &asked).map_err(refused)?;
    begin(cx, matches, created).map_err(|why| decorate(cx, why))
}

/// A failure before the process runs, as `run` shows it.
fn decorate(cx: &Context, why: Failure) -> Failure {
    match why.code {
        // Without a text it is the container's own exit status, of which there is nothing to say.
        125..=127 if !why.text.is_empty() => {
            let text = format!("{}: {}\n\nRun '{} --help' for more information", cx.program, why.text, cx.path);
            Failure { text, ..why }
        }
        _ => why,
    }
}

/// What the flags and words ask for.
fn asked(cx: &Context, matches: &Matches) -> Result<Create> {
    let pull = matches.get(&create_flags::PULL).unwrap_or_default();
    if !matches!(pull, "always" | "missing" | "never") {
        return Err(Failure::with_code(
            format!("invalid pull option: '{pull}': must be one of \"always\", \"missing\" or \"never\""),
            125,
        ));
    }
    create_flags::warn_of_unsupported(cx, matches);
    options::create(cx, matches)
}

/// Makes the container, after pulling its image if that is asked for or needed.
fn make(cx: &Context, matches: &Matches, create: &Create) -> Result<Created> {
    let pull = matches.get(&create_flags::PULL).unwrap_or_default();
    let cidfile = matches.get(&create_flags::CIDFILE);
    if let Some(path) = cidfile
        && std::path::Path::new(path).exists()
    {
        return Err(Failure::new(format!(
            "container ID file found, make sure the other container isn't running or delete {path}"
        )));
    }
    // What is to be told of signatures a pull has told already.
    let progress = cx.progress_on_stderr(Style::Quiet);
    let observer: &dyn Observer = if pull == "always" { &() } else { &*progress };
    // What was pulled is held until the container has it.
    let _held = if pull == "always" { Some(fetch(cx, matches, &create.image, None)?) } else { None };
    let created = match cx.engine()?.create(create, observer) {
        // What is here is not signed as it has to be: its registry may have that.
        Err(Error::Trust(why)) if pull == "missing" && why.is_refusal() => {
            let _held = fetch(cx, matches, &create.image, Some(why))?;
            cx.engine()?.create(create, &())?
        }
        Err(why) if pull == "missing" => {
            let name = lacking(cx, &create.image, why)?;
            if !matches.get(&create_flags::QUIET) {
                cx.warn(&format!("Unable to find image '{name}' locally"));
            }
            let _held = fetch(cx, matches, &create.image, None)?;
            cx.engine()?.create(create, &())?
        }
        result => result?,
    };
    if let Some(path) = cidfile {
        std::fs::write(path, created.row.id.as_str()).map_err(|why| {
            Failure::new(format!("failed to write the container ID to {path}: {}", crate::context::reason(&why)))
        })?;
    }
    Ok(created)
}

/// What has to be pulled: an image that is not here, or that is here for another platform under the name that was asked for.
fn lacking(cx: &Context, image: &str, why: Error) -> Result<String> {
    match why {
        Error::NoSuchImage(name) => Ok(name),
        Error::OtherPlatform { .. } => {
            let reference = image.parse::<Reference>().map_err(Error::from)?.or_latest();
            // An id that is here is the image that was meant; no registry has another one of that name.
            let known = cx.engine()?.inspect(image, None)?;
            let is_name = known.tags.contains(&reference) || reference.digest().is_some();
            if is_name { Ok(reference.familiar()) } else { Err(why.into()) }
        }
        why => Err(why.into()),
    }
}

/// The implied pull: everything it says goes to stderr. `refused` is why an image that is here may not be used.
fn fetch<'a>(cx: &'a Context, matches: &Matches, image: &str, refused: Option<TrustError>) -> Result<InUse<'a>> {
    let reference: Reference = image.parse().map_err(Error::from)?;
    let style = match matches.get(&create_flags::QUIET) {
        true => Style::Quiet,
        false if io::IsTerminal::is_terminal(&io::stderr()) => Style::Tty,
        false => Style::Plain,
    };
    let progress = cx.progress_on_stderr(style);
    let reference = reference.or_latest();
    let pulled = cx.engine()?.pull_to_use(
        &Pull {
            reference: reference.clone(),
            platform: cx.platform(matches.get(&create_flags::PLATFORM))?,
            trusted: None,
        },
        &*progress,
    );
    let (pulled, held) = pulled.map_err(|why| match (refused, why) {
        (Some(refused), why) if !matches!(why, Error::Cancelled) => Error::from(refused.here(image, &why)),
        (_, why) => why,
    })?;
    if !matches.get(&create_flags::QUIET) {
        let status = if pulled.is_newer { "Downloaded newer image" } else { "Image is up to date" };
        progress.line(&format!("Status: {status} for {}", reference.without_redundant_tag().familiar()));
    }
    Ok(held)
}

fn begin(cx: &Context, matches: &Matches, Created { row, lock }: Created) -> Result {
    let row = &row;
    let engine = cx.engine()?;
    if matches.get(&DETACH) {
        let begun = engine.start_detached(row, Detach::default(), lock)?.started();
        // Also of one that could not be started: scripts remove it by what they were told.
        cx.line(&row.id)?;
        warn_all(cx, &begun.map_err(start_failure)?);
        return Ok(());
    }
    let attach = matches.get(&create_flags::ATTACH);
    let wants = |name: &str| attach.is_empty() || attach.iter().any(|one| one.eq_ignore_ascii_case(name));
    let settings = wharfie_engine::container::settings_of(row)?;
    // Who is started again is looked after by somebody who stays; we see the first run, as with docker.
    let code = if settings.tty || settings.restart != Restart::No {
        let detach = Detach { awaits_client: true, size: terminal::size() };
        let mut monitor = engine.start_detached(row, detach, lock)?;
        monitor.listening().map_err(start_failure)?;
        let stream = engine.connect(row)?;
        let session = Session {
            detach_keys: DetachKeys::of(cx, matches.get(&DETACH_KEYS))?,
            tty: settings.tty,
            stdin: matches.get(&create_flags::INTERACTIVE),
            stdout: wants("stdout"),
            stderr: wants("stderr"),
            signals: matches.get(&SIG_PROXY),
        };
        terminal::session(cx, stream, session, move || monitor.started().map_err(start_failure))?
    } else {
        let (signals, heard) = matches.get(&SIG_PROXY).then(terminal::signals).flatten().unzip();
        let streams = Streams {
            stdin: matches.get(&create_flags::INTERACTIVE).then(|| share(io::stdin())).transpose()?,
            stdout: wants("stdout").then(|| share(io::stdout())).transpose()?,
            stderr: wants("stderr").then(|| share(io::stderr())).transpose()?,
            signals,
        };
        let progress = cx.progress_on_stderr(Style::Quiet);
        let ended = engine.run_foreground(row, streams, &*progress, lock);
        if let Some(heard) = heard {
            heard.close();
        }
        ended.map_err(start_failure)?
    };
    if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) }
}

/// A container that could not be started, as an exit code of `run`.
pub(crate) fn start_failure(why: Error) -> Failure {
    let code = match &why {
        Error::Runtime(_) => wharfie_engine::container::start::start_failure(&why),
        Error::Container(ContainerError::NotStarted { code, .. }) => *code,
        _ => NOT_STARTED.into(),
    };
    Failure::from(why).code(u8::try_from(code).ok().filter(|code| matches!(code, 126 | 127)).unwrap_or(NOT_STARTED))
}

/// Docker's code for a container that could not be made or started.
const NOT_STARTED: u8 = 125;
