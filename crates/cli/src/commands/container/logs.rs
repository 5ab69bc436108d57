//! `logs`.

use std::io::Write;

use wharfie_engine::container::log::{LogQuery, Record};
use wharfie_oci::Timestamp;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};

const DETAILS: Switch = Switch::new("details", "Show extra details provided to logs");
const FOLLOW: Switch = Switch::new("follow", "Follow log output").short('f');
const SINCE: Text = Text::new(
    "since",
    "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
);
const TAIL: Text = Text::new("tail", "Number of lines to show from the end of the logs").short('n').default("all");
const TIMESTAMPS: Switch = Switch::new("timestamps", "Show timestamps").short('t');
const UNTIL: Text = Text::new(
    "until",
    "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
);

/// `PROG logs`.
pub static COMMAND: Command<Run> = Command {
    about: "Fetch the logs of a container",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exact(1),
    flags: &[DETAILS.flag(), FOLLOW.flag(), SINCE.flag(), TAIL.flag(), TIMESTAMPS.flag(), UNTIL.flag()],
    examples: &[
        Example { text: "The last ten lines, and what comes", command: "logs -f -n 10 web" },
        Example { text: "The last hour", command: "logs --since 1h web" },
    ],
    complete: Complete::Containers,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let limit = |flag: &Text| -> Result<Option<Timestamp>> {
        // Nothing and 0 are no limits.
        let Some(text) = matches.get(flag).filter(|text| !matches!(*text, "" | "0")) else { return Ok(None) };
        // Docker's client says this one.
        cx.parse_moment(text)
            .map(Some)
            .map_err(|why| Failure::new(format!("invalid value for \"{}\": {why}", flag.long())))
    };
    let query = LogQuery {
        container: matches.args()[0].clone(),
        since: limit(&SINCE)?,
        until: limit(&UNTIL)?,
        tail: matches.get(&TAIL).and_then(|text| text.parse().ok()),
        follow: matches.get(&FOLLOW),
    };
    for record in cx.engine()?.logs(query)? {
        print(&record?, matches.get(&TIMESTAMPS), matches.get(&DETAILS))?;
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
