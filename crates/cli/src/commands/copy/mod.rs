//! `copy`: images from one place to another, between registries above all.

mod place;
mod sync;

use wharfie_engine::copy::{Copied, Copy, Place};
use wharfie_oci::Platform;

use crate::commands::place::MEANINGS;
use crate::commands::{PROGRESS, Run, choices, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text, Texts};
use crate::interrupt::Interruptible;
use crate::render::sanitise::{Layout, sanitise};

const ALL_TAGS: Switch =
    Switch::new("all-tags", "Copy all tags of the repository, or all that a layout lists").short('a');
const DRY_RUN: Switch = Switch::new("dry-run", "With --sync: show what would be copied, and copy nothing");
const FROM_FILE: Text = Text::new("from-file", "With --sync: read further sources from a file, one on each line");
const NO_REFERRERS: Switch =
    Switch::new("no-referrers", "Leave out the signatures, SBOMs and attestations that are about the images");
const PLATFORM: Texts =
    Texts::of_commas("platform", "Copy only these platforms of an image").complete(choices::PLATFORMS);
const QUIET: Switch = Switch::new("quiet", "Show no progress").short('q');
const SCOPED: Switch = Switch::new("scoped", "With --sync: put the source's registry before the names");
const SYNC: Switch =
    Switch::new("sync", "Mirror repositories: sources are patterns, the destination a registry or layout");

/// `PROG copy`.
pub static COMMAND: Command<Run> = Command {
    about: "Copy images between registries (NAME), the store (store:NAME), archives (archive:FILE) and layouts (oci:DIRECTORY)",
    usage: "[OPTIONS] SOURCE [SOURCE...] DESTINATION",
    arity: Arity::AtLeast(1),
    arguments: &[&[("NAME", "an image on its registry")], MEANINGS],
    flags: &[
        ALL_TAGS.flag(),
        DRY_RUN.flag(),
        FROM_FILE.flag(),
        NO_REFERRERS.flag(),
        PLATFORM.flag(),
        PROGRESS.flag(),
        QUIET.flag(),
        SCOPED.flag(),
        SYNC.flag(),
    ],
    examples: &[
        Example {
            text: "From one registry to another, with signatures",
            command: "copy alpine:3.20 registry.example/alpine",
        },
        Example { text: "A whole repository", command: "copy -a registry.example/team/web mirror.example/team/web" },
        Example {
            text: "Into an archive, for one platform",
            command: "copy --platform linux/arm64 alpine archive:alpine.tar",
        },
        Example { text: "From an archive to a registry", command: "copy archive:web.tar registry.example/web:1" },
        Example { text: "From this machine's store into an OCI layout", command: "copy store:web:1 oci:layout:1" },
        Example { text: "Mirror by patterns", command: "copy --sync 'registry.example/team/*:1.*' mirror.example" },
    ],
    complete: Complete::Places,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    if matches.get(&SYNC) {
        return sync::run(cx, matches);
    }
    for flag in [(matches.get(&DRY_RUN), "--dry-run"), (matches.get(&SCOPED), "--scoped")] {
        if flag.0 {
            return Err(Failure::new(format!("{} is for --sync", flag.1)));
        }
    }
    if matches.get(&FROM_FILE).is_some() {
        return Err(Failure::new("--from-file is for --sync"));
    }
    let [from, to] = matches.args() else {
        return Err(Failure::new("copy takes one source and one destination, with --sync several sources"));
    };
    let look = |path: &std::path::Path| path.is_dir();
    let (from, to) = (place::parse(from, look)?, place::parse(to, look)?);
    let all_tags = matches.get(&ALL_TAGS);
    check(&from, &to, all_tags)?;
    let copy = Copy { from, to, all_tags, ..request(matches)? };
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), matches.get(&QUIET))?);
    let copies = cx.engine()?.copy(&copy, &Interruptible::new(progress))?;
    print(cx, &copies.copied, &copy.to)?;
    told(copies.failed)
}

/// The failure that single ones are together, if there are any.
fn told(failed: Vec<(String, wharfie_engine::Error)>) -> Result {
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::all(failed.into_iter().map(|(name, why)| about(&name, why)).collect())),
    }
}

/// What failed of `name`.
fn about(name: &str, why: wharfie_engine::Error) -> Failure {
    let failure = Failure::from(why);
    Failure { text: format!("{}: {}", sanitise(name, Layout::OneLine), failure.text), ..failure }
}

/// What all copies of this command line have in common.
fn request(matches: &Matches) -> Result<Copy> {
    let platforms = matches.get(&PLATFORM).iter().map(|text| text.parse::<Platform>()).collect::<Result<_, _>>();
    let nowhere = Place::Store(String::new());
    Ok(Copy {
        from: nowhere.clone(),
        to: nowhere,
        all_tags: false,
        platforms: platforms.map_err(wharfie_engine::Error::from)?,
        companions: !matches.get(&NO_REFERRERS),
    })
}

/// Refuses what contradicts itself before anything is asked or made.
fn check(from: &Place, to: &Place, all_tags: bool) -> Result {
    let failed = |text: &str| Err(Failure::new(text));
    match to {
        Place::Registry(to) if to.digest().is_some() => return failed("name a tag as the destination, not a digest"),
        Place::Registry(to) if all_tags && !to.is_name_only() => {
            return failed("tag can't be used with --all-tags/-a");
        }
        Place::Layout { name: Some(_), .. } | Place::Archive { name: Some(_), .. } if all_tags => {
            return failed("a name can't be given to all tags: leave it out with --all-tags/-a");
        }
        Place::Store(name) if all_tags && !name.is_empty() => {
            return failed("a name can't be given to all tags: write `store:` with --all-tags/-a");
        }
        _ => {}
    }
    match from {
        Place::Registry(from) if all_tags && !from.is_name_only() => failed("tag can't be used with --all-tags/-a"),
        Place::Store(from) if from.is_empty() => failed("name the image, as in store:web:1"),
        Place::Archive { .. } if all_tags => {
            failed("an archive is copied one image at a time: `load` takes in all of its images")
        }
        _ => Ok(()),
    }
}

/// What is where now, one on each line. What is in a layout has no name but a tag, and the layout has one.
fn print(cx: &Context, copied: &[Copied], to: &Place) -> Result {
    let place = match to {
        Place::Layout { path, .. } => format!("oci:{}", path.display()),
        Place::Registry(_) | Place::Store(_) | Place::Archive { .. } => String::new(),
    };
    let line = |copied: &Copied| {
        let name = match (&copied.name, place.is_empty()) {
            (Some(name), true) => name.clone(),
            (Some(name), false) => format!("{place}:{name}"),
            (None, _) => place.clone(),
        };
        let name = sanitise(&name, Layout::OneLine);
        match (name.is_empty(), name.contains('@')) {
            (true, _) => format!("{}\n", copied.digest),
            (false, true) => format!("{name}\n"),
            (false, false) => format!("{name}@{}\n", copied.digest),
        }
    };
    cx.print(&copied.iter().map(line).collect::<String>())
}
