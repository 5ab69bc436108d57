//! Commands that look into images.

pub mod analyze;
mod db;
mod report;
pub mod sbom;
pub mod scan;
mod target;

use std::io::Write;
use std::path::Path;

use wharfie_content::Observer;
use wharfie_engine::Engine;
use wharfie_engine::insight::{Examined, Look};
use wharfie_scan::Inventory;

use crate::commands::{choices, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Matches, Text};

/// `--platform` of commands that look into one image.
pub(crate) const PLATFORM: Text = Text::new("platform", "Look into the image for this platform")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");

/// `--output` of commands that write documents.
pub(crate) const OUTPUT: Text = Text::new("output", "Write to a file, instead of STDOUT").short('o');

/// What can be looked into, for help.
pub(crate) const USAGE: &str = "[OPTIONS] IMAGE|PATH|-";

/// The inventory of what the command's word names. Warnings of it go to stderr.
fn inventory(cx: &Context, matches: &Matches) -> Result<Inventory> {
    looked(cx, matches, |engine, look, progress| engine.inventory(look, &mut std::io::stdin(), progress), |all| all)
}

/// As [`inventory`], with secrets and checks.
fn examined(cx: &Context, matches: &Matches) -> Result<Examined> {
    let examine =
        |engine: &Engine, look: &Look, progress: &dyn Observer| engine.examine(look, &mut std::io::stdin(), progress);
    looked(cx, matches, examine, |all| &all.inventory)
}

fn looked<T>(
    cx: &Context,
    matches: &Matches,
    work: impl FnOnce(&Engine, &Look, &dyn Observer) -> wharfie_engine::Result<T>,
    inventory: impl FnOnce(&T) -> &Inventory,
) -> Result<T> {
    let word = &matches.args()[0];
    let platform = cx.platform(matches.get(&PLATFORM))?;
    let look = Look { target: target::parse(word, |path| std::fs::metadata(path).ok())?, platform };
    // What goes to stdout is the document.
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), false)?);
    let progress = crate::interrupt::Interruptible::new(progress);
    let found = work(cx.engine()?, &look, &progress)?;
    for warning in &inventory(&found).warnings {
        cx.warn(&format!("WARNING: {warning}"));
    }
    Ok(found)
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
    let (mut file, aside) = wharfie_engine::save::create_aside(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&aside, path));
    written.map_err(|why| {
        let _ = std::fs::remove_file(&aside);
        failed(why)
    })
}
