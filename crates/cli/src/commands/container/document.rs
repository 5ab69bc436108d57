//! `container inspect`.

use wharfie_engine::Engine;

use crate::commands::Run;
use crate::commands::image::inspect::{FORMAT, print_found};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches, Needs, Switch};
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
    needs: Needs::SightForSizes,
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    print_found(cx, matches, |name| Ok(document(cx.engine()?, name, matches.get(&SIZE))?))
}

/// A container as `docker inspect` prints it, in its order of fields, found by its name or the beginning of its id.
///
/// # Errors
/// When there is none, or the store cannot be read.
pub(crate) fn document(engine: &Engine, name: &str, with_size: bool) -> wharfie_engine::Result<Value> {
    Ok(value_of(&engine.inspect_container(&engine.container(name)?, with_size)?))
}
