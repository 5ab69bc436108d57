//! `pull`: from a registry.

use wharfie_engine::pull::{Pull, Pulled};
use wharfie_oci::Reference;

use crate::commands::{PROGRESS, Run, choices, print_result, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches, Switch, Text};
use crate::render::progress::Progress;

const ALL_TAGS: Switch = Switch::new("all-tags", "Download all tagged images in the repository").short('a');
const DISABLE_CONTENT_TRUST: Switch = Switch::new("disable-content-trust", "Skip image verification").default("true");
const PLATFORM: Text =
    Text::new("platform", "Set platform if server is multi-platform capable").complete(choices::PLATFORMS);
const QUIET: Switch = Switch::new("quiet", "Suppress verbose output").short('q');

/// `PROG pull`.
pub static COMMAND: Command<Run> = Command {
    about: "Download an image from a registry",
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    arity: Arity::Exact(1),
    flags: &[ALL_TAGS.flag(), DISABLE_CONTENT_TRUST.flag(), PLATFORM.flag(), PROGRESS.flag(), QUIET.flag()],
    examples: &[
        Example { text: "Pull a tag", command: "pull alpine:3.20" },
        Example {
            text: "Pull exactly this content",
            command: "pull alpine@sha256:beefdbd8a1da6d2915566fde36db9db0b524eb737fc57cd1367effd16dc0d06d",
        },
        Example { text: "Pull for another machine", command: "pull --platform linux/arm64 alpine" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let typed = &matches.args()[0];
    let reference: Reference = typed.parse().map_err(wharfie_engine::Error::from)?;
    let quiet = matches.get(&QUIET);
    let platform = cx.platform(matches.get(&PLATFORM))?;
    let style = style(matches, cx.is_out_terminal(), quiet)?;
    let progress = cx.interruptible_progress(style);
    let print = |text: &str| match quiet {
        true => print_result(cx, &*progress, style, text),
        false => {
            progress.line(text);
            Ok(())
        }
    };
    if matches.get(&ALL_TAGS) {
        if !reference.is_name_only() {
            return Err(Failure::new("tag can't be used with --all-tags/-a"));
        }
        let is_newer = cx.engine()?.pull_all(reference.repository(), platform.as_ref(), &*progress)?;
        end(&*progress, &reference, is_newer, quiet);
        return print(&reference.canonical());
    }
    if reference.is_name_only() && !quiet {
        progress.line(&format!("Using default tag: {}", wharfie_oci::reference::DEFAULT_TAG));
    }
    let reference = reference.or_latest();
    let trusted = cx.engine()?.trusted(&reference, &*progress)?;
    let name = reference.clone().without_redundant_tag();
    // What is pulled is the content, and the tag is given to it.
    let digested = trusted.as_ref().filter(|_| name.digest().is_none()).map(|trusted| {
        let digested = Reference::digested(reference.repository().clone(), trusted.digest().clone());
        (format!("{}@{}", name.familiar(), trusted.digest()), digested)
    });
    if let (Some((both, _)), false) = (&digested, quiet) {
        progress.line(&format!("Pull (1 of 1): {both}"));
    }
    let pulled = cx.engine()?.pull(&Pull { reference: reference.clone(), platform, trusted }, &*progress);
    let Pulled { is_newer, .. } = pulled.map_err(elsewhere)?;
    let (_, stored) = digested.clone().unwrap_or_else(|| (String::new(), name.clone()));
    end(&*progress, &stored, is_newer, quiet);
    if let (Some((_, digested)), false) = (&digested, quiet) {
        progress.line(&format!("Tagging {} as {}", digested.familiar(), name.familiar()));
    }
    print(&reference.canonical())
}

/// A failure about what was looked for on a registry, whatever is here.
fn elsewhere(why: wharfie_engine::Error) -> Failure {
    let mut failure = Failure::from(why);
    failure.missing.iter_mut().for_each(|missing| missing.is_elsewhere = true);
    failure
}

/// Says whether there was anything to pull, unless the user wants to hear nothing.
fn end(progress: &dyn Progress, stored: &Reference, is_newer: bool, quiet: bool) {
    if !quiet {
        let status = if is_newer { "Downloaded newer image" } else { "Image is up to date" };
        progress.line(&format!("Status: {status} for {}", stored.familiar()));
    }
}
