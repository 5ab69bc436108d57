//! `buildx ls`, `inspect` and `version`: the one builder there is.

use serde_json::json;
use wharfie_engine::version::{BUILD, VERSION};

use crate::commands::{FORMAT_HELP, Run, choices};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches, Switch, Text};
use crate::render::table;

const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const BOOTSTRAP: Switch = Switch::new("bootstrap", "Ensure builder has booted before inspecting: it always has");

/// Its name.
const DEFAULT: &str = "default";

pub(super) static LS: Command<Run> = Command {
    about: "List builder instances",
    usage: "[OPTIONS]",
    flags: &[FORMAT.flag()],
    examples: &[Example { text: "The builder, and what it builds for", command: "buildx ls" }],
    run: Some(ls),
    ..Command::BASE
};

pub(super) static INSPECT: Command<Run> = Command {
    about: "Inspect current builder instance",
    usage: "[OPTIONS] [NAME]",
    arity: Arity::AtMost(1),
    flags: &[BOOTSTRAP.flag()],
    examples: &[Example { text: "What it builds for", command: "buildx inspect" }],
    run: Some(inspect),
    ..Command::BASE
};

pub(super) static VERSION_COMMAND: Command<Run> = Command {
    about: "Show buildx version information",
    usage: "",
    examples: &[Example { text: "Which version this is", command: "buildx version" }],
    run: Some(version),
    ..Command::BASE
};

fn platforms(cx: &Context) -> Result<String> {
    let platforms: Vec<String> = cx.engine()?.build_platforms()?.iter().map(ToString::to_string).collect();
    Ok(platforms.join(", "))
}

fn ls(cx: &Context, matches: &Matches) -> Result {
    let platforms = platforms(cx)?;
    match matches.get(&FORMAT) {
        None | Some("table" | "") => {
            let node = format!(" \\_ {DEFAULT}");
            let rows = [
                [format!("{DEFAULT}*"), "docker".to_owned(), String::new(), String::new(), String::new()],
                [node, format!(" \\_ {DEFAULT}"), "running".to_owned(), format!("v{VERSION}"), platforms],
            ];
            cx.print_table(&table::rows(["NAME/NODE", "DRIVER/ENDPOINT", "STATUS", "BUILDKIT", "PLATFORMS"], &rows))
        }
        Some("json") => {
            let platforms: Vec<&str> = platforms.split(", ").collect();
            let node = json!({
                "Name": DEFAULT, "Endpoint": DEFAULT, "Status": "running", "Version": format!("v{VERSION}"),
                "Platforms": platforms,
            });
            cx.line(
                &json!({"Current": true, "Driver": "docker", "Dynamic": false, "Name": DEFAULT, "Nodes": [node]})
                    .to_string(),
            )
        }
        Some(other) => Err(Failure::new(format!("ERROR: invalid format {other:?}: must be table or json"))),
    }
}

fn inspect(cx: &Context, matches: &Matches) -> Result {
    if let Some(name) = matches.arg(0).filter(|name| *name != DEFAULT) {
        return Err(Failure::new(format!("ERROR: no builder {name:?} found")));
    }
    cx.print(&format!(
        "Name:   {DEFAULT}\nDriver: docker\n\nNodes:\nName:             {DEFAULT}\nEndpoint:         {DEFAULT}\n\
         Status:           running\nBuildKit version: v{VERSION}\nPlatforms:        {}\n",
        platforms(cx)?
    ))
}

fn version(cx: &Context, _: &Matches) -> Result {
    cx.line(&format!("wharfie/buildx v{VERSION} {BUILD}"))
}
