//! `search`: looking for images on Docker Hub or another registry that can be searched.

use wharfie_remote::SearchResult;

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
    let wanted = Wanted::parse(cx, &matches.get(&FILTER)).map_err(daemon)?;
    let limit = match matches.get(&LIMIT) {
        ..=0 => DEFAULT_LIMIT,
        limit => u32::try_from(limit)
            .ok()
            .filter(|limit| *limit <= 100)
            .ok_or_else(|| daemon(format!("limit {limit} is outside the range of [1, 100]")))?,
    };
    let found = cx.engine()?.remote().search(&matches.args()[0], limit);
    let found = found.map_err(|why| daemon(compat::reasons(&why)).help(wharfie_oci::Fault::help(&why)))?;
    let is_full = matches.get(&NO_TRUNC);
    let rows: Vec<_> = found.into_iter().filter(|result| wanted.takes(result)).map(|r| cells(&r, is_full)).collect();
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
    cx.print(&text)
}

/// Which results are shown.
#[derive(Default)]
struct Wanted {
    stars: u64,
    official: Option<bool>,
    automated: Option<bool>,
}

impl Wanted {
    fn parse(cx: &Context, pairs: &[(String, String)]) -> Result<Self, String> {
        let mut wanted = Self::default();
        for (name, value) in pairs {
            let truth = || match value.as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(format!("invalid filter '{name}=[{value}]'")),
            };
            match name.as_str() {
                "stars" => {
                    let stars = value.parse::<u64>().map_err(|_| format!("invalid filter 'stars={value}'"))?;
                    wanted.stars = wanted.stars.max(stars);
                }
                "is-official" => wanted.official = Some(truth()?),
                "is-automated" => {
                    cx.warn("WARNING: the \"is-automated\" filter is deprecated, and searching for \"is-automated=true\" will not yield any results in future.");
                    wanted.automated = Some(truth()?);
                }
                _ => return Err(format!("invalid filter '{name}'")),
            }
        }
        Ok(wanted)
    }

    fn takes(&self, result: &SearchResult) -> bool {
        result.star_count >= self.stars
            && self.official.is_none_or(|official| official == result.is_official)
            && self.automated.is_none_or(|automated| automated == result.is_automated)
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
