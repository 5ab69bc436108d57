//! `container inspect`.

use wharfie_store::containers::ContainerRow;

use crate::commands::Run;
use crate::commands::image::inspect::{FORMAT, print_found};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch};
use crate::render::serialize::value_of;
use crate::render::value::Value;

const SIZE: Switch = Switch::new("size", "Display total file sizes").short('s');

/// `PROG container inspect`.
pub static COMMAND: Command<Run> = Command {
    about: "Display detailed information on one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT.flag(), SIZE.flag()],
    examples: &[Example { text: "How a container ended", command: "container inspect -f '{{.State.ExitCode}}' web" }],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| {
        let row = cx.engine()?.container(name)?;
        document(cx, &row, matches.get(&SIZE))
    })
}

/// A container as `docker inspect` prints it, in its order of fields.
pub(crate) fn document(cx: &Context, row: &ContainerRow, with_size: bool) -> Result<Value> {
    Ok(value_of(&cx.engine()?.inspect_container(row, with_size)?))
}
