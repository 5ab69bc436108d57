//! `image inspect`: everything about images.

use wharfie_oci::Platform;

use crate::commands::{Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{BAD_TEMPLATE, Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Text};
use crate::render::format::InspectFormat;
use crate::render::json::{self, Html};
use crate::render::serialize::value_of;
use crate::render::value::Value;

const PLATFORM: Text = Text::new("platform", "Inspect a specific platform of the multi-platform image.")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");

/// `PROG image inspect`.
pub static COMMAND: Command<Run> = Command {
    about: "Display detailed information on one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT.flag(), PLATFORM.flag()],
    examples: &[
        Example { text: "The digests an image is known by", command: "image inspect -f '{{json .RepoDigests}}' web:1" },
        Example { text: "One label", command: "image inspect -f '{{index .Config.Labels \"version\"}}' web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

/// `--format` of everything that inspects.
pub(crate) const FORMAT: Text = Text::new(
    "format",
    "Format output using a custom template:\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more information about\nformatting output with templates",
).complete(choices::FORMATS)
.short('f');

fn run(cx: &Context, matches: &Matches) -> Result {
    let platform: Option<Platform> = matches.get(&PLATFORM).map(str::parse).transpose()?;
    print_found(cx, matches, |name| Ok(value_of(&cx.engine()?.inspect(name, platform.as_ref())?.document())))
}

/// Prints what `find` finds for every argument, then why others were not found.
pub(crate) fn print_found(cx: &Context, matches: &Matches, find: impl Fn(&str) -> Result<Value>) -> Result {
    let format = matches.get(&FORMAT).filter(|text| !text.is_empty()).map(InspectFormat::parse).transpose();
    let format = format.map_err(|why| Failure::with_code(format!("template parsing error: {why}"), BAD_TEMPLATE))?;
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in matches.args() {
        match find(name) {
            Ok(value) => found.push(value),
            Err(why) => errors.push(why),
        }
    }
    match format {
        None => cx.line(&json::pretty(&Value::list(found), "    ", Html::Plain))?,
        Some(format) => {
            let inspected = format.all(&found);
            cx.print(&inspected.text)?;
            if let Some(why) = inspected.error {
                return Err(template_failure(why));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::all(errors)) }
}
