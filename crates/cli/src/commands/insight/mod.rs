//! Commands that look into images.

pub(crate) mod age;
pub mod analyze;
mod base_image;
mod db;
pub(crate) mod limit;
pub(crate) mod report;
pub mod sbom;
pub mod scan;
mod target;

use std::io::Write;
use std::path::Path;

use wharfie_engine::insight::{Beside, Examined, Look, Target, Wants};
use wharfie_scan::Inventory;

use crate::commands::place::{LOOKED_INTO, MEANINGS};
use crate::commands::{choices, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Argument, Matches, Switch, Text};
use crate::render::pieces::{Piece, joined};
use crate::render::sanitise::{Layout, sanitise};

/// `--platform` of commands that look into one image.
pub(crate) const PLATFORM: Text = Text::new("platform", "Look into the image for this platform")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");

/// `--image` of commands that look into one image.
pub(crate) const IMAGE: Text =
    Text::new("image", "Look into the image of this name or digest, where an archive or a layout has several")
        .value_name("NAME");

/// `--output` of commands that write documents.
pub(crate) const OUTPUT: Text = Text::new("output", "Write to a file, instead of STDOUT").short('o');

/// `--no-attached` of commands that believe documents which lie beside images.
pub(crate) const NO_ATTACHED: Switch =
    Switch::new("no-attached", "Look into the layers, also if a document with the image says what is in it");

/// What can be looked into, for help.
pub(crate) const USAGE: &str = "[OPTIONS] [TRANSPORT:]IMAGE|PATH|-";

/// What that means, for help.
pub(crate) const ARGUMENTS: &[&[Argument]] =
    &[&[("NAME", "an image that is here, else on its registry")], MEANINGS, LOOKED_INTO];

/// What the command's word names.
fn look(cx: &Context, matches: &Matches, beside: Beside) -> Result<Look> {
    let platform = cx.platform(matches.get(&PLATFORM))?;
    let (target, image) = target(matches, &matches.args()[0])?;
    Ok(Look { target, platform, beside, image })
}

/// What a word names, and what it or `--image` chooses in that.
fn target(matches: &Matches, word: &str) -> Result<(Target, Option<String>)> {
    let (target, named) = target::parse(word, |path| std::fs::metadata(path).ok())?;
    let image = matches.get(&IMAGE).map(str::to_owned);
    match target {
        _ if image.is_none() => Ok((target, named)),
        _ if named.is_some() => Err(Failure::new(format!("{word} says already which image is meant"))
            .help(Some("name it there, or with `--image`".to_owned()))),
        Target::Archive(_) | Target::Layout(_) | Target::Stream => Ok((target, image)),
        _ => Err(Failure::new("only an archive or a layout has several images that one is chosen from")
            .help(Some("without `--image` the name alone says which".to_owned()))),
    }
}

/// Whether `--no-attached` was not given.
fn beside(matches: &Matches) -> Beside {
    if matches.get(&NO_ATTACHED) { Beside::Ignored } else { Beside::Believed }
}

/// The inventory of what was named. Warnings of it go to stderr.
fn inventory(cx: &Context, matches: &Matches, look: &Look) -> Result<Inventory> {
    Ok(examined(cx, matches, look, Wants::PACKAGES)?.inventory)
}

/// What is wanted of what was named.
fn examined(cx: &Context, matches: &Matches, look: &Look, wants: Wants) -> Result<Examined> {
    // What goes to stdout is the document.
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), false)?);
    let progress = crate::interrupt::Interruptible::new(progress);
    let found = cx.engine()?.examine(look, wants, &mut std::io::stdin(), &progress)?;
    if let Some(document) = &found.inventory.attached {
        cx.warn(&format!(
            "The packages are those of a document with the image, {}; --no-attached looks into the layers",
            sanitise(document, Layout::OneLine)
        ));
    }
    for warning in &found.inventory.warnings {
        cx.warn(&format!("WARNING: {}", sanitise(warning, Layout::OneLine)));
    }
    Ok(found)
}

/// Which of the `known` forms of output `--format` says; those in JSON also without that word.
fn form(word: &str, known: &'static [&'static str]) -> Result<&'static str> {
    let is_it = |form: &&&str| **form == word || form.strip_suffix("-json") == Some(word);
    known.iter().find(is_it).copied().ok_or_else(|| {
        let help = format!("the formats are {}", known.join(", "));
        Failure::new(format!("invalid format {word:?}")).help(Some(help))
    })
}

/// Writes tables to the file of `--output`, or to stdout, where they fit the window if there is one.
fn deliver_pieces(cx: &Context, matches: &Matches, pieces: &[Piece]) -> Result {
    match matches.get(&OUTPUT) {
        Some(_) => deliver(cx, matches, &joined(pieces)),
        None => cx.print_pieces(pieces),
    }
}

/// Writes a document to the file of `--output`, which appears when it is whole, or to stdout.
fn deliver(cx: &Context, matches: &Matches, text: &str) -> Result {
    let Some(path) = matches.get(&OUTPUT) else { return cx.print(text) };
    let path = Path::new(path);
    let failed = |why: std::io::Error| Failure::new(format!("cannot write {}: {why}", path.display()));
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        // A device or a link is written to as it is: nothing may take its place.
        return std::fs::write(path, text).map_err(failed);
    }
    let (mut file, aside) = wharfie_engine::save::create_aside(path, wharfie_engine::save::Readers::Anyone)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&aside, path));
    written.map_err(|why| {
        let _ = std::fs::remove_file(&aside);
        failed(why)
    })
}
