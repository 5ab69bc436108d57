//! The hidden command that looks after one detached container.

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
