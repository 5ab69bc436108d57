//! `version`: what this is, as client and as what docker calls the server.

use crate::commands::Run;
use crate::commands::image::inspect::FORMAT;
use crate::context::Context;
use crate::failure::{BAD_TEMPLATE, Failure, Result};
use crate::flags::{Command, Example, Matches};
use crate::render::format::InspectFormat;
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

/// Semantic version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit of this build, as far as whoever built it said so.
pub const BUILD: &str = match option_env!("WHARFIE_BUILD") {
    Some(commit) => commit,
    None => "0000000",
};
/// The newest Engine API whose words wharfie speaks.
const API: &str = "1.51";
/// The oldest one.
const MIN_API: &str = "1.24";

fn run(cx: &Context, matches: &Matches) -> Result {
    let value = value();
    if let Some(text) = matches.get(&FORMAT) {
        let format = InspectFormat::parse(text)
            .map_err(|why| Failure::with_code(format!("template parsing error: {why}"), BAD_TEMPLATE))?;
        return match format.one(&value) {
            Ok(text) => cx.print(&text),
            Err(why) => {
                cx.print(&why.rendered)?;
                Err(Failure::new(why.text))
            }
        };
    }
    let os_arch = format!("{}/{}", std::env::consts::OS, arch());
    let client = format!(
        "Client: wharfie\n Version:\t{VERSION}\n API version:\t{API}\n Go version:\tnone\n Git commit:\t{BUILD}\n Built:\tunknown\n OS/Arch:\t{os_arch}\n Context:\tdefault\n",
    );
    let server = format!(
        "\nServer: wharfie\n Engine:\n  Version:\t{VERSION}\n  API version:\t{API} (minimum version {MIN_API})\n  Go version:\tnone\n  Git commit:\t{BUILD}\n  Built:\tunknown\n  OS/Arch:\t{os_arch}\n  Experimental:\tfalse\n",
    );
    cx.print(&table::align_with(&(client + &server), COLUMN, 1))
}

/// Where values start.
const COLUMN: usize = 20;

fn arch() -> String {
    wharfie_oci::Platform::host().architecture
}

fn value() -> Value {
    let common = |field: &'static str| Field::new(field, VERSION);
    let client = Value::object(
        "command.clientVersion",
        vec![
            common("Version"),
            Field::named("APIVersion", "ApiVersion", API),
            Field::new("DefaultAPIVersion", API),
            Field::new("GitCommit", BUILD),
            Field::new("GoVersion", "none"),
            Field::new("Os", std::env::consts::OS),
            Field::new("Arch", arch()),
            Field::new("BuildTime", "unknown"),
            Field::new("Context", "default"),
        ],
    );
    let component = Value::object(
        "types.ComponentVersion",
        vec![Field::new("Name", "Engine"), common("Version"), Field::new("Details", Value::map::<String>([]))],
    );
    let server = Value::object(
        "types.Version",
        vec![
            Field::new("Platform", Value::object("struct { Name string }", vec![Field::new("Name", "wharfie")])),
            Field::new("Components", Value::list([component])),
            common("Version"),
            Field::named("APIVersion", "ApiVersion", API),
            Field::named("MinAPIVersion", "MinAPIVersion", MIN_API),
            Field::new("GitCommit", BUILD),
            Field::new("GoVersion", "none"),
            Field::new("Os", std::env::consts::OS),
            Field::new("Arch", arch()),
            Field::new("BuildTime", "unknown"),
            Field::new("Experimental", false),
        ],
    );
    Value::object("command.versionInfo", vec![Field::new("Client", client), Field::new("Server", server)])
}
