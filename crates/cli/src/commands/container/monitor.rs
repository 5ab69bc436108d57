//! The hidden commands that look after one container: as long as it runs, or while it is frozen for a moment.

use wharfie_engine::container::monitor::Detach;
use wharfie_runtime::Size;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Matches};

/// What the engine starts for a detached container.
pub static COMMAND: Command<Run> = Command {
    about: "Look after a detached container",
    usage: "ID client|alone ROWS COLUMNS",
    arity: Arity::Exact(4),
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let [id, client, rows, columns] = matches.args() else { return Err(Failure::silent()) };
    let number = |text: &String| text.parse::<u16>().unwrap_or_default();
    let size = Size { rows: number(rows), columns: number(columns) };
    let detach = Detach { awaits_client: client == "client", size: (size.rows > 0).then_some(size) };
    Ok(cx.engine()?.monitor(id, detach)?)
}

/// What the engine starts before it freezes a container.
pub static GUARD: Command<Run> = Command {
    about: "Thaw a container whose freezer is gone",
    usage: "ID PID STARTED",
    arity: Arity::Exact(3),
    run: Some(guard),
    ..Command::BASE
};

fn guard(cx: &Context, matches: &Matches) -> Result {
    let [id, pid, started] = matches.args() else { return Err(Failure::silent()) };
    let (Ok(pid), Ok(started)) = (pid.parse(), started.parse()) else { return Err(Failure::silent()) };
    // It ends when the other is gone.
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    Ok(cx.engine()?.thaw_abandoned(id, pid, started)?)
}
