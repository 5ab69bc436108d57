//! `system prune`: freeing everything nobody uses.

use wharfie_engine::build::{CacheFilters, PruneBuildCache};
use wharfie_engine::container::prune::PruneContainers;
use wharfie_engine::filter::{Prunable, PruneFilters};
use wharfie_engine::networks::PruneNetworks;
use wharfie_engine::prune::Prune;
use wharfie_engine::volumes::{PruneVolumes, PrunedVolumes};

use crate::commands::image::prune::{filters, section, warn_of_end_of_undo};
use crate::commands::{DRY_RUN, Run, UNASKED, builder, container};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Complete, Conditions, Example, Matches, Switch};
use crate::render::size;

const ALL: Switch = Switch::new("all", "Remove all unused images not just dangling ones").short('a');
const FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"label=<key>=<value>\")")
    .complete(Complete::Nothing)
    .value_name("filter");
const VOLUMES: Switch = Switch::new("volumes", "Prune anonymous volumes");

/// `PROG system prune`.
pub static COMMAND: Command<Run> = Command {
    about: "Remove unused data",
    usage: "[OPTIONS]",
    flags: &[ALL.flag(), FILTER.flag(), DRY_RUN.flag(), UNASKED.flag(), VOLUMES.flag()],
    examples: &[Example { text: "Free everything that is not used", command: "system prune -a --volumes" }],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let (all, volumes) = (matches.get(&ALL), matches.get(&VOLUMES));
    let mut given = matches.get(&FILTER);
    if volumes && given.iter().any(|(name, _)| name == "until") {
        return Err(Failure::new("ERROR: The \"until\" filter is not supported with \"--volumes\""));
    }
    let filters = filters(cx, matches)?;
    given.extend(cx.prune_filters(&given));
    let others = PruneFilters::parse(Prunable::ContainersOrNetworks, &given, &|text| cx.parse_moment(text))?;
    warn_of_end_of_undo(cx, matches, &filters)?;
    let question = question(all, volumes, &given) + SURE;
    if !cx.may_remove(matches, &question)? {
        return Ok(());
    }
    let engine = cx.engine_to_remove(matches)?;
    let containers = engine.prune_containers(&PruneContainers { filters: others.clone() })?;
    cx.print(&container::lifecycle::section(&containers.ids))?;
    let networks = engine.prune_networks(&PruneNetworks { filters: others.clone() })?;
    cx.print(&container::network::section(&networks))?;
    let gone = match volumes {
        true => engine.prune_volumes(&PruneVolumes { all: false, filters: others })?,
        false => PrunedVolumes::default(),
    };
    cx.print(&container::volume::section(&gone.names))?;
    let pruned = engine.prune(&Prune { all, filters })?;
    cx.print(&section(&pruned.removed))?;
    let cached = match build_cache(&given) {
        Some(pairs) => {
            let filters = CacheFilters::parse(&pairs, &|text| cx.parse_moment(text))?;
            engine.prune_build_cache(&PruneBuildCache { all, filters, keep_storage: 0 })?
        }
        None => Vec::new(),
    };
    cx.print(&builder::section(&cached))?;
    let bytes = containers.reclaimed + gone.reclaimed + pruned.reclaimed + builder::total(&cached);
    cx.line(&format!("Total reclaimed space: {}", size::long(bytes)))?;
    cx.end_dry_run(matches);
    Ok(())
}

/// The conditions on what builds keep; `None` if it is spared, having no labels.
fn build_cache(given: &[(String, String)]) -> Option<Vec<(String, String)>> {
    match given.iter().any(|(name, _)| name.starts_with("label")) {
        true => None,
        false => Some(given.to_vec()),
    }
}

fn question(all: bool, volumes: bool, filters: &[(String, String)]) -> String {
    let mut text = String::from(
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n",
    );
    if volumes {
        text.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    text.push_str(if all {
        "  - all images without at least one container associated to them\n  - all build cache\n"
    } else {
        "  - all dangling images\n  - unused build cache\n"
    });
    text.push('\n');
    if !filters.is_empty() {
        text.push_str("  Items to be pruned will be filtered with:\n");
        let mut lines: Vec<String> = filters.iter().map(|(name, value)| format!("  - {name}={value}\n")).collect();
        lines.sort();
        text.extend(lines);
        text.push('\n');
    }
    text
}

const SURE: &str = "Are you sure you want to continue?";
