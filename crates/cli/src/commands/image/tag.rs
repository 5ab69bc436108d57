//! `tag`: one more name for an image.

use crate::commands::Run;
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches};

/// `PROG tag`.
pub static COMMAND: Command<Run> = Command {
    about: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    arity: Arity::Exact(2),
    interspersed: false,
    examples: &[
        Example {
            text: "Give an image the name it will be pushed under",
            command: "tag web:1 registry.example/team/web:1",
        },
        Example { text: "Name an image by its id", command: "tag 0e5574283393 web:known-good" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let (source, target) = (&matches.args()[0], &matches.args()[1]);
    cx.engine()?.tag(source, target).map_err(|why| match &why {
        // Only the target's own fault is told as one: the source is looked up after the target was understood.
        wharfie_engine::Error::Reference(_) if wharfie_engine::names::target(target).is_err() => {
            Failure::new(compat::tag_text(target, &why))
        }
        _ => why.into(),
    })
}
