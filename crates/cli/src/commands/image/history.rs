//! `history`: how an image came to be.

use wharfie_model::NEVER;
use wharfie_model::image::HistoryItem;
use wharfie_oci::Timestamp;

use super::ls::shown_id;
use crate::commands::{FORMAT_HELP, Run, choices, template_failure};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::value::{Field, Value};
use crate::render::{age, ellipsis, size, table, time};

const FORMAT: Text = Text::new("format", FORMAT_HELP).complete(choices::FORMATS);
const HUMAN: Switch = Switch::new("human", "Print sizes and dates in human readable format").short('H').default("true");
const NO_TRUNC: Switch = Switch::new("no-trunc", "Don't truncate output");
const PLATFORM: Text = Text::new("platform", "Show history for the given platform")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");
const QUIET: Switch = Switch::new("quiet", "Only show image IDs").short('q');

/// `PROG history`.
pub static COMMAND: Command<Run> = Command {
    about: "Show the history of an image",
    usage: "[OPTIONS] IMAGE",
    arity: Arity::Exact(1),
    flags: &[FORMAT.flag(), HUMAN.flag(), NO_TRUNC.flag(), PLATFORM.flag(), QUIET.flag()],
    examples: &[
        Example { text: "See every step", command: "history web:1" },
        Example { text: "See the commands in full", command: "history --no-trunc --format '{{.CreatedBy}}' web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
/// Columns of CREATED BY.
const CREATED_BY: usize = 45;
/// Steps from before 2000-01-01 have no honest date.
const NOT_BEFORE: i64 = 946_684_800;

fn run(cx: &Context, matches: &Matches) -> Result {
    let platform = matches.get(&PLATFORM).map(str::parse).transpose()?;
    let steps = cx.engine()?.history(&matches.args()[0], platform.as_ref())?;
    let human = matches.get(&HUMAN);
    let is_full = matches.get(&NO_TRUNC);
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default()).or("", "raw");
    let rows: Vec<[String; 6]> = steps.iter().map(|step| cells(cx, step, human, is_full)).collect();
    let text = if format.kind() == ListKind::Default && matches.get(&QUIET) {
        rows.into_iter().map(|[id, ..]| id + "\n").collect()
    } else if format.kind() == ListKind::Default {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|[id, since, _, by, size, comment]| {
                let [by, comment] = [by, comment].map(|text| sanitise(&text, Layout::Lines).into_owned());
                [id, if since.is_empty() { "N/A".to_owned() } else { since }, by, size, comment]
            })
            .collect();
        let created = if human { "CREATED" } else { "CREATED AT" };
        table::rows(["IMAGE", created, "CREATED BY", "SIZE", "COMMENT"], &rows)
    } else {
        let values: Vec<Value> = rows.into_iter().map(value).collect();
        render_rows(&format, &values, TITLES).map_err(template_failure)?
    };
    match format.kind() {
        ListKind::Default if !is_full => cx.print_table(&text),
        _ => cx.print(&text),
    }
}

/// Id, created since, created at, created by, size and comment of one step.
fn cells(cx: &Context, step: &HistoryItem, human: bool, is_full: bool) -> [String; 6] {
    let created = Timestamp { seconds: step.created, nanos: 0 };
    let at = if step.created == NEVER { String::new() } else { time::rfc3339_seconds(created.into(), cx.zone()) };
    let since = match human {
        true if step.created <= NOT_BEFORE => String::new(),
        true => age::ago(created.into(), cx.jiff_now()),
        false => at.clone(),
    };
    let by = step.created_by.replace('\t', " ");
    let by = if is_full { by } else { ellipsis::fit(&by, CREATED_BY).into_owned() };
    let size = if human { size::short(step.size) } else { step.size.to_string() };
    [shown_id(&step.id, is_full).to_owned(), since, at, by, size, step.comment.clone()]
}

fn value([id, since, at, by, size, comment]: [String; 6]) -> Value {
    Value::row(
        "*image.historyContext",
        vec![
            Field::new("ID", id),
            Field::new("CreatedSince", since),
            Field::new("CreatedAt", at),
            Field::new("CreatedBy", by),
            Field::new("Size", size),
            Field::new("Comment", comment),
        ],
    )
}
