//! `image prune`: freeing what nobody names.

use wharfie_engine::filter::{Command as FilterCommand, Filters};
use wharfie_engine::prune::Prune;
use wharfie_engine::remove::Removed;

use crate::commands::{DRY_RUN, Run, UNASKED};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Command, Complete, Conditions, Example, Matches, Switch};
use crate::render::size;

const ALL: Switch = Switch::new("all", "Remove all unused images, not just dangling ones").short('a');
const FILTER: Conditions = Conditions::new("filter", "Provide filter values (e.g. \"until=<timestamp>\")")
    .complete(Complete::Nothing)
    .value_name("filter");

/// `PROG image prune`.
pub static COMMAND: Command<Run> = Command {
    about: "Remove unused images",
    usage: "[OPTIONS]",
    flags: &[ALL.flag(), FILTER.flag(), DRY_RUN.flag(), UNASKED.flag()],
    examples: &[
        Example { text: "Free what has no name", command: "image prune" },
        Example { text: "Free everything older than ten days", command: "image prune -a --filter until=240h" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let all = matches.get(&ALL);
    let what = if all { "all images without at least one container associated to them" } else { "all dangling images" };
    let filters = filters(cx, matches)?;
    warn_of_end_of_undo(cx, matches, &filters)?;
    let question = format!("WARNING! This will remove {what}.\nAre you sure you want to continue?");
    if !cx.may_remove(matches, &question)? {
        return Ok(());
    }
    let pruned = cx.engine_to_remove(matches)?.prune(&Prune { all, filters })?;
    cx.print(&section(&pruned.removed))?;
    cx.line(&format!("Total reclaimed space: {}", size::long(pruned.reclaimed)))?;
    cx.end_dry_run(matches);
    Ok(())
}

/// Says before the question, and beside it, if images could still be brought back and then no more.
pub(crate) fn warn_of_end_of_undo(cx: &Context, matches: &Matches, filters: &Filters) -> Result {
    if matches.get(&UNASKED) || matches.get(&DRY_RUN) {
        return Ok(());
    }
    let kept = match filters.needs_labels() {
        true => Vec::new(),
        false => cx.engine()?.kept()?,
    };
    let count = kept.iter().filter(|image| filters.until.is_none_or(|until| image.removed_at < until)).count();
    let images = match count {
        0 => return Ok(()),
        1 => "1 image".to_owned(),
        _ => format!("{count} images"),
    };
    cx.warn(&format!("{images} removed earlier cannot be brought back by \"{} image restore\" then.", cx.program));
    Ok(())
}

/// The conditions of the command line and of docker's configuration file.
pub(crate) fn filters(cx: &Context, matches: &Matches) -> Result<Filters> {
    let mut pairs = matches.get(&FILTER);
    pairs.extend(cx.prune_filters(&pairs));
    Ok(Filters::parse(FilterCommand::Prune, &pairs, &|text| cx.parse_moment(text))?)
}

/// The list of what went; empty if nothing did.
pub(crate) fn section(removed: &[Removed]) -> String {
    if removed.is_empty() {
        return String::new();
    }
    let mut text = String::from("Deleted Images:\n");
    for item in removed {
        match item {
            Removed::Reference(reference) => text.push_str(&format!("untagged: {}\n", reference.familiar())),
            Removed::Image(id) => text.push_str(&format!("deleted: {id}\n")),
            Removed::Layer(chain_id, _) => text.push_str(&format!("deleted: {chain_id}\n")),
        }
    }
    text.push('\n');
    text
}
