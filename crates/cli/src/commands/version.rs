//! `version`: what this is, as client and as what docker calls the server.

use wharfie_engine::version::version;
use wharfie_model::system::Version;

use crate::commands::Run;
use crate::commands::image::inspect::FORMAT;
use crate::context::Context;
use crate::failure::{BAD_TEMPLATE, Failure, Result};
use crate::flags::{Command, Example, Matches};
use crate::render::format::InspectFormat;
use crate::render::serialize::value_of;
use crate::render::table;
use crate::render::value::{Field, Value};

/// `PROG version`.
pub static COMMAND: Command<Run> = Command {
    about: "Show the version information",
    usage: "[OPTIONS]",
    flags: &[FORMAT.flag()],
    examples: &[Example { text: "The bare number", command: "version -f '{{.Server.Version}}'" }],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let value = value();
    if let Some(text) = matches.get(&FORMAT) {
        let format = InspectFormat::parse(text)
            .map_err(|why| Failure::with_code(named(&format!("template parsing error: {why}")), BAD_TEMPLATE))?;
        return match format.one(&value) {
            Ok(text) => cx.print(&text),
            Err(why) => {
                cx.line(&why.rendered)?;
                Err(Failure::new(named(&why.text)))
            }
        };
    }
    let Version { version, api_version, min_api_version, git_commit, go_version, os, arch, build_time, .. } = version();
    let client = format!(
        "Client: wharfie\n Version:\t{version}\n API version:\t{api_version}\n Go version:\t{go_version}\n Git commit:\t{git_commit}\n Built:\t{build_time}\n OS/Arch:\t{os}/{arch}\n Context:\tdefault\n",
    );
    let server = format!(
        "\nServer: wharfie\n Engine:\n  Version:\t{version}\n  API version:\t{api_version} (minimum version {min_api_version})\n  Go version:\t{go_version}\n  Git commit:\t{git_commit}\n  Built:\t{build_time}\n  OS/Arch:\t{os}/{arch}\n  Experimental:\tfalse\n",
    );
    cx.print(&table::align_with(&(client + &server), COLUMN, 1))
}

/// Where values start.
const COLUMN: usize = 20;

/// What is wrong with a template, which has a name here, as docker's has.
fn named(text: &str) -> String {
    text.replacen("template: :", "template: version:", 1).replacen("executing \"\" at", "executing \"version\" at", 1)
}

/// What templates see: the engine's document as the server, and beside it the command's own figures.
fn value() -> Value {
    let server = version();
    let client = Value::object(
        "command.clientVersion",
        vec![
            Field::new("Version", server.version.as_str()),
            Field::named("APIVersion", "ApiVersion", server.api_version.as_str()),
            Field::new("DefaultAPIVersion", server.api_version.as_str()),
            Field::new("GitCommit", server.git_commit.as_str()),
            Field::new("GoVersion", server.go_version.as_str()),
            Field::new("Os", server.os.as_str()),
            Field::new("Arch", server.arch.as_str()),
            Field::new("BuildTime", server.build_time.as_str()),
            Field::new("Context", "default"),
        ],
    );
    let server = match value_of(&server) {
        Value::Struct(server) => Value::object("types.Version", server.fields.clone()),
        other => other,
    };
    Value::object("system.versionInfo", vec![Field::new("Client", client), Field::new("Server", server)])
}
