//! `logs`.

use std::io::Write;
use std::time::Duration;

use wharfie_engine::container::log::{Reader, Record};
use wharfie_store::containers::Status;

use wharfie_engine::container::words::LogDriver;

use crate::commands::Run;
use crate::compat;
use crate::context::Context;
use crate::env;
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

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(100);

fn run(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    let row = engine.container(&matches.args()[0])?;
    let daemon = |why: String| Failure::new(format!("{}{why}", compat::DAEMON));
    if wharfie_engine::container::settings_of(&row)?.log_driver == LogDriver::None {
        return Err(daemon("configured logging driver does not support reading".to_owned()));
    }
    let limit = |name: &str| -> Result<Option<String>> {
        // Nothing and 0 are no limits.
        let Some(text) = matches.value(name).filter(|text| !matches!(*text, "" | "0")) else { return Ok(None) };
        Ok(Some(
            cx.parse_moment(text)
                // Docker's client says this one.
                .map_err(|why| Failure::new(format!("invalid value for \"{name}\": {why}")))?
                .to_string(),
        ))
    };
    let (since, until) = (limit("since")?, limit("until")?);
    let is_wanted = |record: &Record| since.as_ref().is_none_or(|since| later(&record.time, since));
    let is_past = |time: &str| until.as_ref().is_some_and(|until| later(time, until));
    let (with_times, with_details) = (matches.flag("timestamps"), matches.flag("details"));
    let failed = |why: std::io::Error| Failure::new(format!("cannot read the log: {why}"));
    let last = matches.value("tail").and_then(|text| text.parse().ok());
    let mut log = Reader::open(&engine.log_path(&row)?, last).map_err(failed)?;
    loop {
        // Looked at before the log is read: what was written until then is printed in any case.
        let is_over = !matches.flag("follow") || is_past(&env::now().to_string()) || !lives(cx, &row.id);
        while let Some(record) = log.next_record().map_err(failed)? {
            if is_past(&record.time) {
                return Ok(());
            }
            if is_wanted(&record) {
                print(&record, with_times, with_details)?;
            }
        }
        if is_over {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn lives(cx: &Context, id: &str) -> bool {
    let row = cx.engine().and_then(|engine| Ok(engine.container(id)?));
    row.is_ok_and(|now| matches!(now.state.status, Status::Running | Status::Paused | Status::Restarting))
}

/// Compares two moments in UTC as text; fractions may have fewer digits.
fn later(a: &str, b: &str) -> bool {
    let key = |text: &str| {
        let text = text.trim_end_matches('Z');
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (whole.to_owned(), format!("{fraction:0<9}"))
    };
    key(a) >= key(b)
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
