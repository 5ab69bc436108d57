//! `events`: what happens, and what has happened.

use wharfie_engine::events::{EventFilters, EventQuery};
use wharfie_model::event::Event;
use wharfie_oci::Timestamp;

use crate::commands::{Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Conditions, Example, Matches, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::serialize::value_of;
use crate::render::time;

const FILTER: Conditions = Conditions::new("filter", "Filter output based on conditions provided")
    .complete(Complete::Nothing)
    .short('f')
    .value_name("filter");
const FORMAT: Text = Text::new(
    "format",
    "Format output using a custom template:\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates",
)
.complete(choices::FORMATS);

const SINCE: Text = Text::new("since", "Show all events created since timestamp");
const UNTIL: Text = Text::new("until", "Stream events until this timestamp");

/// `PROG events`.
pub static COMMAND: Command<Run> = Command {
    about: "Get real time events from the server",
    usage: "[OPTIONS]",
    flags: &[FILTER.flag(), FORMAT.flag(), SINCE.flag(), UNTIL.flag()],
    examples: &[
        Example {
            text: "What happened to containers in the last hour",
            command: "events --since 1h --until 0s -f type=container",
        },
        Example {
            text: "Ends of containers, as they come",
            command: "events -f event=die --format '{{.Actor.Attributes.name}}'",
        },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let filters = EventFilters::parse(&matches.get(&FILTER))?;
    let limit = |flag: &Text| -> Result<Option<Timestamp>> {
        let Some(text) = matches.get(flag).filter(|text| !text.is_empty()) else { return Ok(None) };
        let parsed = cx.parse_moment(text);
        parsed.map(Some).map_err(|why| Failure::new(format!("invalid value for \"{}\": {why}", flag.long())))
    };
    let (since, until) = (limit(&SINCE)?, limit(&UNTIL)?);
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default());
    if format.kind() != ListKind::Default {
        // A template that is none is known before something happens.
        render_rows(&format, &[], &[]).map_err(template_failure)?;
    }
    for event in cx.engine()?.events(EventQuery { filters, since, until })? {
        cx.line(&line(cx, &format, &event?)?)?;
    }
    Ok(())
}

fn line(cx: &Context, format: &ListFormat, event: &Event) -> Result<String> {
    if format.kind() != ListKind::Default {
        let text = render_rows(format, &[value_of(event)], &[]).map_err(template_failure)?;
        return Ok(text.trim_end_matches('\n').to_owned());
    }
    let Event { kind, action, actor, time_nano, .. } = event;
    let attributes: Vec<String> = actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let at = time::rfc3339_local(Timestamp::from_nanos(*time_nano).into(), cx.zone());
    Ok(format!("{at} {kind} {action} {} ({})", actor.id, attributes.join(", ")))
}
