//! `logs`.

use std::io::Write;

use wharfie_engine::container::log::{LogQuery, Record};
use wharfie_oci::Timestamp;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};

/// `PROG logs`.
pub static COMMAND: Command<Run> = Command {
    about: "Fetch the logs of a container",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exact(1),
    flags: &[
        Flag::bool("details", "Show extra details provided to logs"),
        Flag::bool("follow", "Follow log output").short('f'),
        Flag::str(
            "since",
            "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
        Flag::str("tail", "Number of lines to show from the end of the logs").short('n').default("all"),
        Flag::bool("timestamps", "Show timestamps").short('t'),
        Flag::str(
            "until",
            "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
    ],
    examples: &[
        Example { text: "The last ten lines, and what comes", command: "logs -f -n 10 web" },
        Example { text: "The last hour", command: "logs --since 1h web" },
    ],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let limit = |name: &str| -> Result<Option<Timestamp>> {
        // Nothing and 0 are no limits.
        let Some(text) = matches.value(name).filter(|text| !matches!(*text, "" | "0")) else { return Ok(None) };
        // Docker's client says this one.
        cx.parse_moment(text).map(Some).map_err(|why| Failure::new(format!("invalid value for \"{name}\": {why}")))
    };
    let query = LogQuery {
        container: matches.args()[0].clone(),
        since: limit("since")?,
        until: limit("until")?,
        tail: matches.value("tail").and_then(|text| text.parse().ok()),
        follow: matches.flag("follow"),
    };
    for record in cx.engine()?.logs(query)? {
        print(&record?, matches.flag("timestamps"), matches.flag("details"))?;
    }
    Ok(())
}

fn print(record: &Record, with_time: bool, with_details: bool) -> Result {
    let time = if with_time { format!("{} ", record.time) } else { String::new() };
    // Our logs keep no details; docker then still prints the blank that follows them.
    let details = if with_details { " " } else { "" };
    let text = format!("{time}{details}{}", record.log);
    let written = match record.stream.as_str() {
        "stderr" => std::io::stderr().lock().write_all(text.as_bytes()),
        _ => {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        }
    };
    written.map_err(|why| Failure::output(&why))
}
