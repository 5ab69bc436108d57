//! `image inspect`: everything about images.

use wharfie_engine::Error;
use wharfie_oci::Platform;

use super::document::document;
use crate::commands::Run;
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};
use crate::render::format::InspectFormat;
use crate::render::value::Value;

/// `PROG image inspect`.
pub static COMMAND: Command<Run> = Command {
    about: "Display detailed information on one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[
        FORMAT,
        Flag::str("platform", "Inspect a specific platform of the multi-platform image.")
            .value_name("os[/arch[/variant]]"),
    ],
    examples: &[
        Example { text: "The digests an image is known by", command: "image inspect -f '{{json .RepoDigests}}' web:1" },
        Example { text: "One label", command: "image inspect -f '{{index .Config.Labels \"version\"}}' web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

/// `--format` of everything that inspects.
pub(crate) const FORMAT: Flag = Flag::str(
    "format",
    "Format output using a custom template:\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more information about\nformatting output with templates",
)
.short('f');

fn run(cx: &Context, matches: &Matches) -> Result {
    let platform: Option<Platform> = matches.value("platform").map(str::parse).transpose()?;
    print_found(cx, matches, |name| {
        let inspected = cx.engine()?.inspect(name, platform.as_ref()).map_err(|why| Missing::Image(why).failure())?;
        Ok(document(&inspected))
    })
}

/// Why an object is missing; each kind of command has its words.
pub(crate) enum Missing {
    /// `image inspect`.
    Image(Error),
}

impl Missing {
    fn failure(&self) -> Failure {
        match self {
            Self::Image(why) => Failure::new(compat::engine_text(why)),
        }
    }
}

/// Prints what `find` finds for every argument, then why others were not found.
pub(crate) fn print_found(
    cx: &Context,
    matches: &Matches,
    find: impl Fn(&str) -> Result<Value>,
) -> Result {
    let format = InspectFormat::parse(matches.value("format"))?;
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in matches.args() {
        match find(name) {
            Ok(value) => found.push(value),
            Err(why) => errors.push(why.text),
        }
    }
    let (text, failure) = format.render(&found);
    cx.print(&text)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(errors.join("\n"))) }
}
