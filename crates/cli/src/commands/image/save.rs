//! `save`: images into an archive.

use std::os::fd::AsFd;

use wharfie_engine::save::{Output, Save};

use super::platforms;
use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};

/// `PROG save`.
pub static COMMAND: Command<Run> = Command {
    about: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::str("output", "Write to a file, instead of STDOUT").short('o'),
        Flag::comma_list("platform", "Save only the given platform").value_name("os[/arch[/variant]]"),
    ],
    examples: &[
        Example { text: "Save two images into one archive", command: "save -o images.tar web:1 db:1" },
        Example { text: "Compress on the way", command: "save web | zstd > web.tar.zst" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let save = Save { images: matches.args().to_vec(), platforms: platforms(matches)? };
    let output = match matches.value("output") {
        Some(path) => Output::Path(path.into()),
        None if cx.is_out_terminal() => {
            return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
        }
        None => {
            let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(|why| Failure::output(&why))?;
            return cx.engine()?.save(&save, Output::Open(stdout.into()), &()).map_err(Failure::while_printing);
        }
    };
    Ok(cx.engine()?.save(&save, output, &())?)
}
