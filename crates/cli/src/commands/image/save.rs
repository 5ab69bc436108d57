//! `save`: images into an archive.

use std::os::fd::AsFd;

use wharfie_engine::save::{Output, Save};

use super::platforms;
use crate::commands::{PROGRESS, Run, choices, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Text, Texts};
use crate::interrupt::Interruptible;

const OUTPUT: Text = Text::new("output", "Write to a file, instead of STDOUT").short('o');
const PLATFORM: Texts = Texts::of_commas("platform", "Save only the given platform")
    .complete(choices::PLATFORMS)
    .value_name("os[/arch[/variant]]");

/// `PROG save`.
pub static COMMAND: Command<Run> = Command {
    about: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[OUTPUT.flag(), PLATFORM.flag(), PROGRESS.flag()],
    examples: &[
        Example { text: "Save two images into one archive", command: "save -o images.tar web:1 db:1" },
        Example { text: "Compress on the way", command: "save web | zstd > web.tar.zst" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let save = Save { images: matches.args().to_vec(), platforms: platforms(matches.get(&PLATFORM))? };
    if let Some(path) = matches.get(&OUTPUT).filter(|path| !path.is_empty()) {
        let progress = cx.interruptible_progress(style(matches, cx.is_out_terminal(), false)?);
        return Ok(cx.engine()?.save(&save, Output::Path(path.into()), &*progress)?);
    }
    if cx.is_out_terminal() {
        return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    // What goes to stdout is the archive.
    let progress = cx.progress_on_stderr(style(matches, cx.is_err_terminal(), false)?);
    let progress = Interruptible::new(progress);
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(|why| Failure::output(&why))?;
    cx.engine()?.save(&save, Output::Open(stdout.into()), &progress).map_err(Failure::while_printing)
}
