//! `rmi`: removing images and names.

use wharfie_engine::Error;
use wharfie_engine::remove::{Remove, Removed};

use super::platforms;
use crate::commands::Run;
use crate::compat;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};

/// `PROG rmi`.
pub static COMMAND: Command<Run> = Command {
    about: "Remove one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::bool("force", "Force removal of the image").short('f'),
        Flag::bool("no-prune", "Do not delete untagged parents"),
        Flag::comma_list("platform", "Remove only the given platform variant; needs --force")
            .value_name("os[/arch[/variant]]"),
    ],
    examples: &[
        Example { text: "Remove a name, and the image with its last one", command: "rmi web:1" },
        Example { text: "Remove an image with all its names", command: "rmi -f 0e5574283393" },
        Example { text: "Bring back what was removed by mistake", command: "image restore web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let force = matches.flag("force");
    let images = matches.args().to_vec();
    let platforms = platforms(matches)?;
    if !platforms.is_empty() && !force {
        return Err(Failure::new(format!(
            "{}removing a platform of a multi-platform image requires the force flag",
            compat::DAEMON
        )));
    }
    let remove = Remove { images, force, keep_parents: matches.flag("no-prune"), platforms };
    let mut errors = Vec::new();
    let mut only_missing = true;
    for (removed, result) in cx.engine()?.remove(&remove)? {
        cx.print(&lines(&removed))?;
        if let Err(why) = result {
            only_missing &= matches!(why, Error::NoSuchImage(_));
            errors.push(compat::engine_text(&why));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    // Removing by force what is not there is a success, and worth a word all the same.
    let code = if force && only_missing { 0 } else { 1 };
    Err(Failure::with_code(errors.join("\n"), code))
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
