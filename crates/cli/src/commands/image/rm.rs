//! `rmi`: removing images and names.

use wharfie_engine::Error;
use wharfie_engine::patterns::Named;
use wharfie_engine::remove::{Remove, Removed};

use super::platforms;
use crate::commands::{DRY_RUN, Run, choices};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Texts};

const FORCE: Switch = Switch::new("force", "Force removal of the image").short('f');
const NO_PRUNE: Switch = Switch::new("no-prune", "Do not delete untagged parents");
const PLATFORM: Texts = Texts::of_commas("platform", "Remove only the given platform variant; needs --force")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");

/// `PROG rmi`.
pub static COMMAND: Command<Run> = Command {
    about: "Remove one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[DRY_RUN.flag(), FORCE.flag(), NO_PRUNE.flag(), PLATFORM.flag()],
    examples: &[
        Example { text: "Remove a name, and the image with its last one", command: "rmi web:1" },
        Example { text: "Remove an image with all its names", command: "rmi -f 0e5574283393" },
        Example { text: "See what a pattern means, and remove nothing", command: "rmi --dry-run 'team/*:old'" },
        Example { text: "Bring back what was removed by mistake", command: "image restore web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let force = matches.get(&FORCE);
    let platforms = platforms(matches.get(&PLATFORM))?;
    if !platforms.is_empty() && !force {
        return Err(Failure::daemon("removing a platform of a multi-platform image requires the force flag"));
    }
    let mut errors = Vec::new();
    let mut only_missing = true;
    let mut failed = |why: Error| {
        only_missing &= matches!(why, Error::NoSuchImage(_));
        errors.push(why.into());
    };
    let mut images = Vec::new();
    for meant in cx.engine()?.expand(Named::Images, matches.args())? {
        meant.name.map_or_else(&mut failed, |name| images.push(name));
    }
    let remove = Remove { images, force, keep_parents: matches.get(&NO_PRUNE), platforms };
    for (removed, result) in cx.engine_to_remove(matches)?.remove(&remove)? {
        cx.print(&lines(&removed))?;
        result.unwrap_or_else(&mut failed);
    }
    cx.end_dry_run(matches);
    if errors.is_empty() {
        return Ok(());
    }
    // Removing by force what is not there is a success, and worth a word all the same.
    let code = if force && only_missing { 0 } else { 1 };
    Err(Failure::all(errors).code(code))
}

/// What was removed, as `rmi` prints it.
fn lines(removed: &[Removed]) -> String {
    let mut text = String::new();
    for item in removed {
        match item {
            Removed::Reference(reference) => text.push_str(&format!("Untagged: {}\n", reference.familiar())),
            Removed::Image(id) => text.push_str(&format!("Deleted: {id}\n")),
            Removed::Layer(chain_id, _) => text.push_str(&format!("Deleted: {chain_id}\n")),
        }
    }
    text
}
