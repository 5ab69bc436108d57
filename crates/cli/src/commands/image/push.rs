//! `push`: to a registry.

use wharfie_engine::push::Push;
use wharfie_engine::trust::{Demand, Next};
use wharfie_oci::Reference;

use crate::commands::trust::sign::{check_passphrases, sign_pushed};
use crate::commands::{PROGRESS, Run, choices, print_result, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text};

const ALL_TAGS: Switch = Switch::new("all-tags", "Push all tags of an image to the repository").short('a');
const DISABLE_CONTENT_TRUST: Switch = Switch::new("disable-content-trust", "Skip image signing").default("true");
const PLATFORM: Text =
    Text::new("platform", "Push a platform-specific manifest as a single-platform image to the registry")
        .complete(choices::PLATFORMS)
        .value_name("os[/arch[/variant]]");
const QUIET: Switch = Switch::new("quiet", "Suppress verbose output").short('q');

/// `PROG push`.
pub static COMMAND: Command<Run> = Command {
    about: "Upload an image to a registry",
    usage: "[OPTIONS] NAME[:TAG]",
    arity: Arity::Exact(1),
    flags: &[ALL_TAGS.flag(), DISABLE_CONTENT_TRUST.flag(), PLATFORM.flag(), PROGRESS.flag(), QUIET.flag()],
    examples: &[
        Example { text: "Push a tag", command: "push registry.example/team/web:1" },
        Example { text: "Push every tag of a repository", command: "push -a registry.example/team/web" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let reference: Reference = matches.args()[0].parse().map_err(wharfie_engine::Error::from)?;
    let (quiet, all_tags) = (matches.get(&QUIET), matches.get(&ALL_TAGS));
    if all_tags && !reference.is_name_only() {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    let platform = matches.get(&PLATFORM).map(str::parse).transpose()?;
    let style = style(matches, cx.is_out_terminal(), quiet)?;
    let progress = cx.interruptible_progress(style);
    if reference.is_name_only() && !all_tags && !quiet {
        progress.line(&format!("Using default tag: {}", wharfie_oci::reference::DEFAULT_TAG));
    }
    let reference = if all_tags { reference } else { reference.or_latest() };
    let next = if cx.demand() == Demand::Always { Next::Sign } else { Next::Nothing };
    if next == Next::Sign {
        check_passphrases(cx, reference.repository())?;
    }
    let pushed = cx.engine()?.push(&Push { reference: reference.clone(), all_tags, platform, next }, &*progress);
    let pushed = pushed.map_err(|why| match why {
        // Docker's daemon says this without the request that it was the answer to.
        wharfie_engine::Error::Remote(wharfie_remote::Error::NoBasicCredentials { .. }) => {
            Failure::new("no basic auth credentials")
        }
        why => why.into(),
    })?;
    if next == Next::Sign {
        for pushed in pushed {
            sign_pushed(cx, &pushed.reference, &pushed.digest, &|line| cx.line(line))?;
        }
    }
    if quiet { print_result(cx, &*progress, style, &reference.canonical()) } else { Ok(()) }
}
