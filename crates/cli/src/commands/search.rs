//! `search`: looking for images on Docker Hub or another registry that can be searched.

use wharfie_engine::Error;
use wharfie_engine::search::Search;
use wharfie_model::image::SearchResult;
use wharfie_oci::Fault;

use crate::commands::{Run, choices, template_failure};
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Conditions, Example, Matches, Number, Switch, Text};
use crate::render::format::{ListFormat, ListKind, render_rows};
use crate::render::sanitise::{Layout, sanitise};
use crate::render::value::{Field, Value};
use crate::render::{ellipsis, table};

const FILTER: Conditions = Conditions::new("filter", "Filter output based on conditions provided")
    .complete(Complete::Nothing)
    .short('f')
    .value_name("filter");
const FORMAT: Text = Text::new("format", "Pretty-print search using a Go template").complete(choices::FORMATS);
const LIMIT: Number = Number::new("limit", "Max number of search results");
const NO_TRUNC: Switch = Switch::new("no-trunc", "Don't truncate output");

/// `PROG search`.
pub static COMMAND: Command<Run> = Command {
    about: "Search Docker Hub for images",
    usage: "[OPTIONS] TERM",
    arity: Arity::Exact(1),
    flags: &[FILTER.flag(), FORMAT.flag(), LIMIT.flag(), NO_TRUNC.flag()],
    examples: &[
        Example { text: "Official images only", command: "search --filter is-official=true postgres" },
        Example { text: "On another registry", command: "search registry.example/postgres" },
    ],
    run: Some(run),
    ..Command::BASE
};

const TITLES: &[(&str, &str)] =
    &[("Name", "NAME"), ("Description", "DESCRIPTION"), ("StarCount", "STARS"), ("IsOfficial", "OFFICIAL")];
/// Columns of DESCRIPTION.
const DESCRIPTION: usize = 45;
/// What docker asks for when nothing is said.
const DEFAULT_LIMIT: u32 = 25;

fn run(cx: &Context, matches: &Matches) -> Result {
    let daemon = |text: String| Failure::daemon(text);
    let filters = matches.get(&FILTER);
    if filters.iter().any(|(name, _)| name == "is-automated") {
        cx.warn("WARNING: the \"is-automated\" filter is deprecated, and searching for \"is-automated=true\" will not yield any results in future.");
    }
    let limit = match matches.get(&LIMIT) {
        ..=0 => DEFAULT_LIMIT,
        limit => u32::try_from(limit)
            .ok()
            .filter(|limit| *limit <= 100)
            .ok_or_else(|| daemon(format!("limit {limit} is outside the range of [1, 100]")))?,
    };
    let search = Search { term: matches.args()[0].clone(), limit, filters };
    let found = cx.engine()?.search(&search).map_err(|why| match why {
        // Docker's daemon passes on whatever the registry said.
        Error::Remote(why) => daemon(compat::reasons(&why)).help(why.help()),
        why => why.into(),
    })?;
    let is_full = matches.get(&NO_TRUNC);
    let rows: Vec<_> = found.iter().map(|result| cells(result, is_full)).collect();
    let format = ListFormat::parse(matches.get(&FORMAT).unwrap_or_default()).or("", "raw");
    let text = if format.kind() == ListKind::Default {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|[name, description, stars, official]| {
                [name, description, stars, if official == "true" { "[OK]".to_owned() } else { String::new() }]
            })
            .collect();
        table::rows(["NAME", "DESCRIPTION", "STARS", "OFFICIAL"], &rows)
    } else {
        let values: Vec<Value> = rows.into_iter().map(value).collect();
        render_rows(&format, &values, TITLES).map_err(template_failure)?
    };
    match format.kind() {
        ListKind::Default if !is_full => cx.print_table(&text),
        _ => cx.print(&text),
    }
}

/// Name, description, stars and whether it is official.
fn cells(result: &SearchResult, is_full: bool) -> [String; 4] {
    let description = result.description.replace(['\n', '\r'], " ");
    let description = sanitise(&description, Layout::OneLine);
    let description = if is_full { description } else { ellipsis::fit(&description, DESCRIPTION).into_owned().into() };
    [
        sanitise(&result.name, Layout::OneLine).into_owned(),
        description.into_owned(),
        result.star_count.to_string(),
        result.is_official.to_string(),
    ]
}

fn value([name, description, stars, official]: [String; 4]) -> Value {
    let mark = if official == "true" { "[OK]" } else { "" };
    Value::row(
        "*registry.searchContext",
        vec![
            Field::new("Name", name),
            Field::new("Description", description),
            Field::new("StarCount", stars),
            // Templates see the mark, JSON the word.
            Field::named("IsOfficial", "", mark),
            Field::named("", "IsOfficial", official),
        ],
    )
}
