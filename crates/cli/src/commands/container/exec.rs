//! `exec` and `attach`.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use wharfie_engine::container::exec::Exec;
use wharfie_engine::container::streams;
use wharfie_runtime::{Error as RuntimeError, Size, Started};

use super::create_flags::{ENV, ENV_FILE};
use super::detach_keys::{DETACH_KEYS, DetachKeys};
use super::run::start_failure;
use super::terminal::{self, Session, share};
use super::variables::environment;
use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};

const DETACH: Switch = Switch::new("detach", "Detached mode: run command in the background").short('d');
const INTERACTIVE: Switch = Switch::new("interactive", "Keep STDIN open even if not attached").short('i');
const PRIVILEGED: Switch = Switch::new("privileged", "Give extended privileges to the command");
const TTY: Switch = Switch::new("tty", "Allocate a pseudo-TTY").short('t');
const USER: Text = Text::new("user", "Username or UID (format: \"<name|uid>[:<group|gid>]\")").short('u');
const WORKDIR: Text = Text::new("workdir", "Working directory inside the container").short('w');
const NO_STDIN: Switch = Switch::new("no-stdin", "Do not attach STDIN");
const SIG_PROXY: Switch = Switch::new("sig-proxy", "Proxy all received signals to the process").default("true");

/// `PROG exec`.
pub static EXEC: Command<Run> = Command {
    about: "Execute a command in a running container",
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    arity: Arity::AtLeast(2),
    flags: &[
        DETACH.flag(),
        DETACH_KEYS.flag(),
        ENV.flag(),
        ENV_FILE.flag(),
        INTERACTIVE.flag(),
        PRIVILEGED.flag(),
        TTY.flag(),
        USER.flag(),
        WORKDIR.flag(),
    ],
    interspersed: false,
    examples: &[
        Example { text: "A shell in a running container", command: "exec -it web sh" },
        Example { text: "As another user", command: "exec -u www-data web id" },
    ],
    complete: Complete::Containers,
    run: Some(exec),
    ..Command::BASE
};

/// `PROG attach`.
pub static ATTACH: Command<Run> = Command {
    about: "Attach local standard input, output, and error streams to a running container",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exact(1),
    flags: &[DETACH_KEYS.flag(), NO_STDIN.flag(), SIG_PROXY.flag()],
    examples: &[Example { text: "Watch and type", command: "attach web" }],
    complete: Complete::Containers,
    run: Some(attach),
    ..Command::BASE
};

fn exec(cx: &Context, matches: &Matches) -> Result {
    // Whether there is such a container matters more than our terminal.
    cx.engine()?.container(&matches.args()[0])?;
    let is_terminal = matches.get(&TTY) && !matches.get(&DETACH);
    if is_terminal && matches.get(&INTERACTIVE) && !cx.is_in_terminal() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    let exec = Exec {
        container: matches.args()[0].clone(),
        command: matches.args()[1..].to_vec(),
        env: environment(matches)?,
        user: matches.get(&USER).map(str::to_owned),
        working_dir: matches.get(&WORKDIR).map(str::to_owned),
        privileged: matches.get(&PRIVILEGED),
        terminal: matches.get(&TTY).then(|| terminal::size().unwrap_or(Size { rows: 24, columns: 80 })),
    };
    let keys = DetachKeys::of(cx, matches.get(&DETACH_KEYS))?;
    let mut copied = Vec::new();
    let streams = match (matches.get(&DETACH), is_terminal) {
        (true, _) | (_, true) => [None, None, None],
        _ => {
            let (stdout, stderr) = (streams::output(share(io::stdout())?)?, streams::output(share(io::stderr())?)?);
            copied.extend(stdout.copied.into_iter().chain(stderr.copied));
            let stdin = if matches.get(&INTERACTIVE) { Some(streams::input(share(io::stdin())?)?) } else { None };
            [stdin, Some(stdout.theirs), Some(stderr.theirs)]
        }
    };
    let mut started = cx.engine()?.exec(&exec, streams).map_err(|why| match why {
        // Docker's code for what another user or directory would have made right.
        wharfie_engine::Error::Runtime(
            RuntimeError::UnknownUser(_)
            | RuntimeError::UnknownGroup(_)
            | RuntimeError::NoSuchId { .. }
            | RuntimeError::IdRange
            | RuntimeError::Invalid { .. },
        ) => start_failure(why).code(126),
        wharfie_engine::Error::Runtime(_) => {
            let failure = start_failure(why);
            // Whatever keeps a command from running in a container that runs, but for its absence.
            let code = if failure.code == 125 { 126 } else { failure.code };
            failure.code(code)
        }
        why => why.into(),
    })?;
    for warning in &started.warnings {
        cx.warn(&format!("WARNING: {warning}"));
    }
    if matches.get(&DETACH) {
        started.leave_terminal(&cx.engine()?.config().program).map_err(wharfie_engine::Error::from)?;
        return Ok(());
    }
    let code = if started.terminal.is_some() {
        in_terminal(cx, started, matches.get(&INTERACTIVE).then_some(keys))?
    } else {
        streams::copy_until_end(copied, started.pidfd.as_fd());
        started.wait().map_err(wharfie_engine::Error::from)?.code()
    };
    if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) }
}

/// Our terminal is the process's: what it writes is copied here, and what is typed goes there, but for the keys that end
/// this. Without keys nothing is typed.
fn in_terminal(cx: &Context, mut started: Started, keys: Option<DetachKeys>) -> Result<u8> {
    let master = started.terminal.take().ok_or_else(|| Failure::new("the process has no terminal"))?;
    let master = Arc::new(std::fs::File::from(master));
    let raw = keys.is_some().then(terminal::raw);
    terminal::follow_size(Arc::clone(&master));
    // Something comes out of it when the keys were typed.
    let (left, leave) = pipe_with(PipeFlags::CLOEXEC).map_err(|why| Failure::new(format!("cannot wait: {why}")))?;
    let leave = Arc::new(leave);
    if let Some(mut keys) = keys {
        let (master, leave) = (Arc::clone(&master), Arc::clone(&leave));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut stdin = io::stdin().lock();
            while let Ok(n @ 1..) = stdin.read(&mut buffer) {
                let Some(bytes) = keys.pass(&buffer[..n]) else {
                    let _ = rustix::io::write(&*leave, b"1");
                    return;
                };
                if (&*master).write_all(&bytes).is_err() {
                    break;
                }
            }
        });
    }
    let is_left = show(&master, &left);
    drop(raw);
    if is_left {
        // The process keeps its terminal, which somebody must hold.
        started.terminal = master.try_clone().ok().map(Into::into);
        started.leave_terminal(&cx.engine()?.config().program).map_err(wharfie_engine::Error::from)?;
        return Err(Failure::new("read escape sequence"));
    }
    Ok(started.wait().map_err(wharfie_engine::Error::from)?.code())
}

/// Prints what comes from a terminal until nobody is on its other side, or somebody leaves; true in the second case.
fn show(mut master: &std::fs::File, left: &OwnedFd) -> bool {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let mut watched = [PollFd::new(master, PollFlags::IN), PollFd::new(left, PollFlags::IN)];
        if poll(&mut watched, None).is_err() {
            continue;
        }
        if !watched[1].revents().is_empty() {
            return true;
        }
        // A terminal ends in an error.
        let Ok(n @ 1..) = master.read(&mut buffer) else { return false };
        let mut out = io::stdout().lock();
        let _ = out.write_all(&buffer[..n]).and_then(|()| out.flush());
    }
}

fn attach(cx: &Context, matches: &Matches) -> Result {
    let (stream, tty) = cx.engine()?.attach(&matches.args()[0]).map_err(|why| {
        use wharfie_engine::container::ContainerError::{AttachPaused, AttachStopped};
        // Docker's client finds these out.
        let text = match &why {
            wharfie_engine::Error::Container(why @ (AttachStopped | AttachPaused)) => Some(why.to_string()),
            _ => None,
        };
        let failure = Failure::from(why);
        Failure { text: text.unwrap_or(failure.text), ..failure }
    })?;
    let whole = Session::whole(DetachKeys::of(cx, matches.get(&DETACH_KEYS))?, tty, !matches.get(&NO_STDIN));
    let session = Session { signals: matches.get(&SIG_PROXY), ..whole };
    let code = terminal::session(cx, stream, session, || Ok(Vec::new()))?;
    if code == 0 { Ok(()) } else { Err(Failure::with_code("", code)) }
}
