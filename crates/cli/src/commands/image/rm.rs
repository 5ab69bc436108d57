//! `rmi`: removing images and names.

use wharfie_engine::Error;
use wharfie_engine::patterns::{Meant, Named};
use wharfie_engine::remove::{Remove, Removed};

use wharfie_oci::{Fault, Kind, Reference};

use super::platforms;
use crate::commands::{DRY_RUN, PATTERN, Run, about_word, choices, meant};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Texts};

const FORCE: Switch = Switch::new("force", "Force removal of the image").short('f');
const NO_PRUNE: Switch = Switch::new("no-prune", "Do not delete untagged parents");
const PLATFORM: Texts = Texts::of_commas("platform", "Remove only the given platform variant; needs --force")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");
const REMOTE: Switch = Switch::new("remote", "Remove from the registry, not from this machine");

/// `PROG rmi`.
pub static COMMAND: Command<Run> = Command {
    about: "Remove one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[DRY_RUN.flag(), FORCE.flag(), NO_PRUNE.flag(), PATTERN.flag(), PLATFORM.flag(), REMOTE.flag()],
    examples: &[
        Example { text: "Remove a name, and the image with its last one", command: "rmi web:1" },
        Example { text: "Remove an image with all its names", command: "rmi -f 0e5574283393" },
        Example {
            text: "See what a pattern means, and remove nothing",
            command: "rmi --dry-run --pattern 'team/*:old'",
        },
        Example { text: "Remove a tag from its registry", command: "rmi --remote registry.example/team/web:1" },
        Example { text: "Bring back what was removed by mistake", command: "image restore web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    if matches.get(&REMOTE) {
        return remove_from_registries(cx, matches);
    }
    let force = matches.get(&FORCE);
    let platforms = platforms(matches.get(&PLATFORM))?;
    if !platforms.is_empty() && !force {
        return Err(Failure::daemon("removing a platform of a multi-platform image requires the force flag"));
    }
    let mut errors = Vec::new();
    let mut only_missing = true;
    let mut failed = |why: Error, word: &str| {
        only_missing &= matches!(why, Error::NoSuchImage(_));
        errors.push(about_word(why.into(), word, matches));
    };
    let mut images = Vec::new();
    for Meant { word, name } in meant(cx, Named::Images, matches)? {
        name.map_or_else(|why| failed(why, &word), |name| images.push(name));
    }
    let remove = Remove { images, force, keep_parents: matches.get(&NO_PRUNE), platforms };
    for ((removed, result), image) in cx.engine_to_remove(matches)?.remove(&remove)?.into_iter().zip(&remove.images) {
        cx.print(&lines(&removed))?;
        result.unwrap_or_else(|why| failed(why, image));
    }
    cx.end_dry_run(matches);
    if errors.is_empty() {
        return Ok(());
    }
    // Removing by force what is not there is a success, and worth a word all the same.
    let code = if force && only_missing { 0 } else { 1 };
    Err(Failure::all(errors).code(code))
}

/// Removes tags, and by digest whole manifests, from the registries that they name.
fn remove_from_registries(cx: &Context, matches: &Matches) -> Result {
    for flag in [(matches.get(&NO_PRUNE), "--no-prune"), (!matches.get(&PLATFORM).is_empty(), "--platform")] {
        if flag.0 {
            return Err(Failure::new(format!(
                "{} is about this machine: a registry removes a tag or a digest",
                flag.1
            )));
        }
    }
    let mut errors = Vec::new();
    for name in matches.args() {
        let reference: Reference = name.parse().map_err(Error::from)?;
        if reference.is_name_only() {
            let help = "`wharfie tags --delete` removes several by a pattern".to_owned();
            errors.push(Failure::new(format!("{name} names no tag")).help(Some(help)));
            continue;
        }
        let result = match matches.get(&DRY_RUN) {
            true => cx.engine()?.resolve_remote(&reference),
            false => cx.engine()?.remove_from_registry(&reference),
        };
        match result {
            Ok(()) => cx.line(&match reference.digest() {
                Some(digest) => format!("Untagged: {}\nDeleted: {digest}", reference.familiar()),
                None => format!("Untagged: {}", reference.familiar()),
            })?,
            Err(why) if matches.get(&FORCE) && why.kind() == Kind::NotFound => {}
            Err(why) => errors.push(why.into()),
        }
    }
    cx.end_dry_run(matches);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::all(errors)),
    }
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
