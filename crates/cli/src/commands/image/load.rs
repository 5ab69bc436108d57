//! `load`: images from an archive.

use std::io::Read;
use std::path::Path;

use wharfie_engine::load::Load;

use super::platforms;
use crate::commands::{PROGRESS, Run, style};
use crate::context::{Context, open};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Example, Flag, Matches};

/// `PROG load`.
pub static COMMAND: Command<Run> = Command {
    about: "Load an image from a tar archive or STDIN",
    usage: "[OPTIONS]",
    flags: &[
        Flag::str("input", "Read from tar archive file, instead of STDIN").short('i'),
        Flag::comma_list("platform", "Load only the given platform").value_name("os[/arch[/variant]]"),
        PROGRESS,
        Flag::bool("quiet", "Suppress the load output").short('q'),
    ],
    examples: &[
        Example { text: "Load every image of an archive, compressed or not", command: "load -i images.tar.zst" },
        Example { text: "Load from a pipe", command: "load < images.tar" },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let platforms = platforms(matches)?;
    let mut source: Box<dyn Read + Send> = match matches.value("input") {
        Some(path) => Box::new(open(Path::new(path))?),
        None if cx.is_in_terminal() => {
            return Err(Failure::new("requested load from stdin, but stdin is empty"));
        }
        None => Box::new(std::io::stdin()),
    };
    let progress = cx.progress(style(cx, matches, matches.flag("quiet"))?);
    let loaded = cx.engine()?.load(&Load { platforms }, &mut source, &*progress);
    for image in loaded? {
        for reference in &image.references {
            cx.line(&format!("Loaded image: {}", reference.familiar()))?;
        }
        if image.references.is_empty() {
            cx.line(&format!("Loaded image ID: {}", image.id))?;
        }
    }
    Ok(())
}
