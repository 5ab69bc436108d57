//! `push`: to a registry.

use wharfie_engine::push::Push;
use wharfie_oci::Reference;

use crate::commands::{PROGRESS, Run, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};

/// `PROG push`.
pub static COMMAND: Command<Run> = Command {
    about: "Upload an image to a registry",
    usage: "[OPTIONS] NAME[:TAG]",
    arity: Arity::Exact(1),
    flags: &[
        Flag::bool("all-tags", "Push all tags of an image to the repository").short('a'),
        Flag::bool("disable-content-trust", "Skip image signing").default("true"),
        Flag::str("platform", "Push a platform-specific manifest as a single-platform image to the registry")
            .value_name("os[/arch[/variant]]"),
        PROGRESS,
        Flag::bool("quiet", "Suppress verbose output").short('q'),
    ],
    examples: &[
        Example { text: "Push a tag", command: "push registry.example/team/web:1" },
        Example { text: "Push every tag of a repository", command: "push -a registry.example/team/web" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    cx.warn_of_trust(matches);
    let reference: Reference = matches.args()[0].parse().map_err(wharfie_engine::Error::from)?;
    let (quiet, all_tags) = (matches.flag("quiet"), matches.flag("all-tags"));
    if all_tags && !reference.is_name_only() {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    let platform = matches.value("platform").map(str::parse).transpose()?;
    let progress = cx.progress(style(cx, matches, quiet)?);
    if reference.is_name_only() && !all_tags && !quiet {
        progress.line(&format!("Using default tag: {}", wharfie_oci::reference::DEFAULT_TAG));
    }
    let reference = if all_tags { reference } else { reference.or_latest() };
    let pushed = cx.engine()?.push(&Push { reference: reference.clone(), all_tags, platform }, &*progress);
    pushed.map_err(|why| match why {
        // Docker's daemon says this without the request that it was the answer to.
        wharfie_engine::Error::Remote(wharfie_remote::Error::NoBasicCredentials { .. }) => {
            Failure::new("no basic auth credentials")
        }
        why => why.into(),
    })?;
    if quiet { cx.line(&reference.canonical()) } else { Ok(()) }
}
