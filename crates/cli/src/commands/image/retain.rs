//! `image retain`: which names of images stay, by rules of the settings file or of the command line.

use std::collections::BTreeSet;

use serde_json::json;
use wharfie_engine::remove::Removed;
use wharfie_engine::retain::Retained;
use wharfie_oci::Reference;
use wharfie_oci::pattern::Pattern;
use wharfie_oci::retention::{Keep, Policy, Verdict};

use crate::commands::container::checks;
use crate::commands::{DRY_RUN, Run, UNASKED};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Example, Matches, Text, Texts};
use crate::render::table;
use crate::retention::{self, KeepOptions, OF_IMAGES, patterns};
use crate::settings::Settings;

const FORMATS: &[&str] = &["table", "json"];

const REPOSITORIES: Texts =
    Texts::of_commas("repositories", "Judge only names of these repositories, as \"team/**\" (all if not given)");
const KEEP_LAST: Text =
    Text::new("keep-last", "Keep the newest so many tags of each repository").value_name("N").check(number);
const KEEP_TAGS: Texts = Texts::of_commas("keep-tags", "Keep tags of this pattern, as \"v*\"");
const PULLED_WITHIN: Text =
    Text::new("pulled-within", "Keep what was pulled, built, loaded or tagged within this time, as \"168h\"")
        .value_name("duration")
        .check(checks::duration);
const USED_WITHIN: Text = Text::new("used-within", "Keep what a container was made from or started within this time")
    .value_name("duration")
    .check(checks::duration);
const FORMAT: Text =
    Text::new("format", "Form of the output: \"table\", \"json\"").complete(Complete::Words(FORMATS)).default("table");

fn number(text: &str) -> std::result::Result<(), String> {
    text.parse::<usize>().map(drop).map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
}

/// `PROG image retain`.
pub static COMMAND: Command<Run> = Command {
    about: "Remove the names of images that no rule keeps, and images that lose their last one",
    usage: "[OPTIONS]",
    flags: &[
        FORMAT.flag(),
        KEEP_LAST.flag(),
        KEEP_TAGS.flag(),
        PULLED_WITHIN.flag(),
        REPOSITORIES.flag(),
        USED_WITHIN.flag(),
        DRY_RUN.flag(),
        UNASKED.flag(),
    ],
    examples: &[
        Example {
            text: "See what the rules of the settings file would do, and why",
            command: "image retain --dry-run",
        },
        Example {
            text: "Keep the newest three tags of each repository, releases, and what was used in a month",
            command: "image retain --keep-last 3 --keep-tags \"v*,latest\" --used-within 720h",
        },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = matches.get(&FORMAT).unwrap_or_default();
    if !FORMATS.contains(&format) {
        let known = FORMATS.join(", ");
        return Err(Failure::new(format!("invalid format {format:?}")).help(Some(format!("the formats are {known}"))));
    }
    let policies = match given(matches)? {
        Some(policy) => vec![policy],
        None => policies(cx.settings())?,
    };
    if policies.is_empty() {
        let help = "give --keep-last, --keep-tags, --pulled-within or --used-within, or write [[retain]] into the settings file";
        return Err(Failure::new("there are no rules that say what to keep").help(Some(help.to_owned())));
    }
    // Whoever is asked sees first what would go.
    let (mut shown, mut is_warned) = (None, false);
    if !matches.get(&UNASKED) && !matches.get(&DRY_RUN) {
        let planned = cx.rehearsal()?.retain(&policies)?;
        warn_of_vain(cx, matches, &planned);
        is_warned = true;
        if format != "json" {
            cx.print_table(&decisions(&planned))?;
            shown = Some(planned.decisions.clone());
        }
        let going = planned.decisions.iter().filter(|decision| decision.verdict == Verdict::Goes).count();
        let names = if going == 1 { "1 name".to_owned() } else { format!("{going} names") };
        let question = format!("WARNING! This will remove {names} of images.\nAre you sure you want to continue?");
        if going > 0 {
            match cx.answer(&question)?.as_deref() {
                Some("y" | "Y") => {}
                // Whoever starts it without a terminal should not take this for done.
                None if !cx.is_in_terminal() => {
                    cx.line("")?;
                    return Err(Failure::new(format!(
                        "nobody is there to ask: {names} of images would go, nothing was removed"
                    ))
                    .help(Some("use -f to remove them unasked, or --dry-run to see them".to_owned())));
                }
                _ => return Ok(()),
            }
        }
    }
    let retained = cx.engine_to_remove(matches)?.retain(&policies)?;
    if !is_warned {
        warn_of_vain(cx, matches, &retained);
    }
    for name in &retained.spared {
        cx.warn(&format!("WARNING: {name} was put to use in this moment, and stays"));
    }
    match format {
        "json" => cx.line(&document(&retained).to_string())?,
        _ => {
            if shown.as_ref() != Some(&retained.decisions) {
                cx.print_table(&decisions(&retained))?;
            }
            cx.print(&went(&retained))?;
        }
    }
    cx.end_dry_run(matches);
    Ok(())
}

/// The rules of the settings file.
pub(crate) fn policies(settings: &Settings) -> Result<Vec<Policy>> {
    settings.retain.iter().map(|policy| policy.read(OF_IMAGES)).collect()
}

/// The one rule that flags make; none if there are none.
fn given(matches: &Matches) -> Result<Option<Policy>> {
    let options = KeepOptions {
        last: matches.get(&KEEP_LAST).and_then(|text| text.parse().ok()),
        pulled_within: matches.get(&PULLED_WITHIN).map(str::to_owned),
        used_within: matches.get(&USED_WITHIN).map(str::to_owned),
        ..KeepOptions::default()
    };
    let (repositories, tags) = (matches.get(&REPOSITORIES), matches.get(&KEEP_TAGS));
    let mut keep = Vec::new();
    if options != KeepOptions::default() {
        keep.push(options.read(OF_IMAGES)?);
    }
    if !tags.is_empty() {
        keep.push(Keep { tags: patterns(tags), ..Keep::default() });
    }
    if keep.is_empty() {
        return match repositories.is_empty() {
            true => Ok(None),
            // Without a reason all of them would go, which nobody means who forgot one.
            false => Err(Failure::new("--repositories does not say what to keep")
                .help(Some("give --keep-last, --keep-tags, --pulled-within or --used-within as well".to_owned()))),
        };
    }
    let repositories =
        if repositories.is_empty() { vec![Pattern::new("**")] } else { retention::repositories(repositories)? };
    Ok(Some(Policy { repositories, keep }))
}

/// Says which patterns of the command line are about nothing: a word that is misspelt there keeps nothing.
fn warn_of_vain(cx: &Context, matches: &Matches, retained: &Retained) {
    let names: Vec<Reference> = retained.decisions.iter().filter_map(|decision| decision.name.parse().ok()).collect();
    let is_repository = |pattern: &Pattern| {
        names
            .iter()
            .map(Reference::repository)
            .any(|repository| pattern.is_match(&repository.familiar()) || pattern.is_match(&repository.canonical()))
    };
    let is_tag = |pattern: &Pattern| names.iter().filter_map(Reference::tag).any(|tag| pattern.is_match(tag));
    for pattern in patterns(matches.get(&REPOSITORIES)).iter().filter(|pattern| !is_repository(pattern)) {
        cx.warn(&format!("WARNING: no repository here is called {:?}", pattern.as_str()));
    }
    for pattern in patterns(matches.get(&KEEP_TAGS)).iter().filter(|pattern| !is_tag(pattern)) {
        cx.warn(&format!("WARNING: no tag that is judged is called {:?}: it keeps nothing", pattern.as_str()));
    }
}

/// What is decided of each name, and why.
pub(crate) fn decisions(retained: &Retained) -> String {
    let rows: Vec<_> = retained
        .decisions
        .iter()
        .map(|decision| [decision.name.clone(), decision.image.short().to_owned(), decision.verdict.to_string()])
        .collect();
    table::rows(["NAME", "IMAGE ID", "DECISION"], &rows)
}

/// What went besides the names that were judged.
fn went(retained: &Retained) -> String {
    let judged: BTreeSet<&str> = retained.decisions.iter().map(|decision| decision.name.as_str()).collect();
    let is_judged = |removed: &Removed| match removed {
        Removed::Reference(reference) => judged.contains(reference.familiar().as_str()),
        _ => false,
    };
    retained.removed.iter().filter(|removed| !is_judged(removed)).map(line).collect()
}

/// All that went, as `rmi` tells it.
pub(crate) fn removed(retained: &Retained) -> String {
    retained.removed.iter().map(line).collect()
}

fn line(removed: &Removed) -> String {
    match removed {
        Removed::Reference(reference) => format!("Untagged: {}\n", reference.familiar()),
        Removed::Image(id) => format!("Deleted: {id}\n"),
        Removed::Layer(chain_id, _) => format!("Deleted: {chain_id}\n"),
    }
}

/// All of it, for programs.
pub(crate) fn document(retained: &Retained) -> serde_json::Value {
    let decisions: Vec<_> = retained
        .decisions
        .iter()
        .map(|decision| {
            json!({
                "name": decision.name,
                "image": decision.image.as_str(),
                "stays": decision.verdict != Verdict::Goes,
                "why": decision.verdict.to_string(),
            })
        })
        .collect();
    let removed: Vec<_> = retained
        .removed
        .iter()
        .map(|removed| match removed {
            Removed::Reference(reference) => json!({"untagged": reference.familiar()}),
            Removed::Image(id) => json!({"deleted": id.as_str()}),
            Removed::Layer(chain_id, bytes) => json!({"deleted": chain_id.as_str(), "bytes": bytes}),
        })
        .collect();
    json!({"decisions": decisions, "removed": removed, "spared": retained.spared})
}
